"""One cue, row or record that cannot be read costs itself: it is named with its place, and all others are used."""
# ruff: noqa: E501 (rows of a format stand as programs write them)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babyvlm.corpus import read_transcript
from babyvlm.errors import TranscriptError

VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n{bad}\n\n00:05.000 --> 00:06.000\nthree\n"
SRT = "1\n00:00:01,000 --> 00:00:02,000\none\n\n{bad}\n\n3\n00:00:05,000 --> 00:00:06,000\nthree\n"
CHAT = "@UTF8\n@Begin\n*MOT:\tone . \x151000_2000\x15\n{bad}\n*MOT:\tthree . \x155000_6000\x15\n@End\n"
CSV = "start,end,text\n1,2,one\n{bad}\n5,6,three\n"
ELAN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT>\n<TIME_ORDER>\n'
    + "".join(f'<TIME_SLOT TIME_SLOT_ID="t{n}" TIME_VALUE="{n}000"/>' for n in range(1, 7))
    + '\n</TIME_ORDER>\n<TIER TIER_ID="FA1">\n'
)
NOTE = '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{id}" TIME_SLOT_REF1="{a}" TIME_SLOT_REF2="{b}"><ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n'


def elan(bad: str, end: str = "</TIER>\n</ANNOTATION_DOCUMENT>\n") -> str:
    return (
        ELAN
        + NOTE.format(id="a1", a="t1", b="t2", text="one")
        + bad
        + NOTE.format(id="a3", a="t5", b="t6", text="three")
        + end
    )


def records(bad: object, **document: object) -> str:
    good = [{"start": 1, "end": 2, "text": "one"}, {"start": 5, "end": 6, "text": "three"}]
    return json.dumps({"segments": [good[0], bad, good[1]], **document})


def lines(bad: str) -> str:
    spoken = [
        {"Offset": 10_000_000 * at, "Duration": 10_000_000, "DisplayText": text}
        for at, text in ((1, "one"), (5, "three"))
    ]
    return f"{json.dumps(spoken[0])}\n{bad}\n{json.dumps(spoken[1])}\n"


CASES = [
    ("a.vtt", VTT.format(bad="00:03,000 --> 00:04,000\ntwo"), "line 6"),
    ("a.vtt", VTT.format(bad="00:03.000 -> 00:04.000\ntwo"), "line 6"),
    ("a.vtt", VTT.format(bad="two, and no times"), "line 6"),
    ("a.vtt", VTT.format(bad="id\n00:03.000 -->\ntwo"), "line 7"),
    ("a.vtt", VTT.format(bad="00:03.000 --> 00:04.000\ntw\udcff").encode("utf-8", "surrogateescape"), "line 6"),
    ("a.vtt", VTT.format(bad="00:99.000 --> 01:40.000\ntwo"), "line 6"),
    ("a.srt", SRT.format(bad="2\n00:00:03,000 --> \ntwo"), "line 6"),
    ("a.srt", SRT.format(bad="2\n00:61:03,000 --> 00:61:04,000\ntwo"), "line 6"),
    ("a.srt", SRT.format(bad="2\n--> \n"), "line 6"),
    ("a.srt", "stray words\n\n" + SRT.format(bad=""), "line 1"),
    ("a.cha", CHAT.format(bad="stray words"), "line 4"),
    ("a.cha", CHAT.format(bad="*MOT two ."), "line 4"),
    ("a.cha", CHAT.format(bad="*MOT:\ttw\udcff . \x153000_4000\x15").encode("utf-8", "surrogateescape"), "line 4"),
    ("a.csv", CSV.format(bad="soon,4,two"), "line 3"),
    ("a.csv", CSV.format(bad="3,0:99,two"), "line 3"),
    ("a.csv", CSV.format(bad="00:00:03:12,00:00:04:00,two"), "line 3"),
    ("a.csv", CSV.format(bad='3,4,"two'), "line 3"),
    ("a.csv", CSV.format(bad="3"), "line 3"),
    ("a.csv", CSV.format(bad="3,4,tw\x00o").replace("\x00", '"x"y"'), None),
    ("a.eaf", elan(NOTE.format(id="a2", a="t3", b="t99", text="two")), "line 8"),
    ("a.eaf", elan(NOTE.format(id="a2", a="t3", b="t4", text="tw\udcff")).encode("utf-8", "surrogateescape"), "line 8"),
    ("a.eaf", elan("", end="</TIER>\n<TIER TIER_ID="), "line 10"),
    ("a.json", records({"start": "soon", "end": 4, "text": "two"}), "segments[1]"),
    ("a.json", records({"start": 3, "end": 4}), "segments[1]"),
    ("a.json", records(None), "segments[1]"),
    ("a.json", records({"start": 3, "end": 4, "text": "tw\ud800"}), "segments[1]"),
    ("a.json", records("two", text="word " * 20_000), "segments[1]"),
    ("a.json", lines('{"Offset": 30000000, "Dura'), "line 2"),
    ("a.json", lines("not JSON"), "line 2"),
    ("narration.json", json.dumps({"r": {"narrations": [
        {"timestamp_sec": 1.5, "narration_text": "one"}, {"narration_text": "two"}, {"timestamp_sec": 5.5, "narration_text": "three"},
    ]}}), "r.narrations[1]"),
]  # fmt: skip


@pytest.mark.case("one datum")
@pytest.mark.parametrize(("name", "text", "place"), CASES)
def test_a_bad_cue_costs_itself(tmp_path: Path, name: str, text: str | bytes, place: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_transcript(path, recording="r", duration_s=60.0)
    words = [said.text.rstrip(" .") for said in found.utterances]
    assert {"one", "three"} <= set(words)
    if place is not None:
        assert words == ["one", "three"]
        assert [fault.place for fault in found.unreadable] == [place]
        assert str(path) in str(found.unreadable[0])


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[" * 100_000),
        ("a.json", '{"segments": [{"start": ' + "9" * 5000 + ', "end": 1, "text": "x"}]}'),
        ("a.json", '{"segments": 7}'),
        ("a.csv", ""),
        ("a.csv", '"start,end,text\n1,2,x\n'),
        ("a.tsv", "\x00\x01\x02"),
        ("a.eaf", "\x00<"),
        ("a.eaf", '<?xml version="1.0" encoding="klingon"?><ANNOTATION_DOCUMENT/>'),
        ("a.vtt", "\x00"),
        ("a.srt", "words alone"),
        ("a.cha", ""),
        ("narration.json", "[]"),
    ],
)
def test_what_is_no_transcript_at_all_is_our_error(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TranscriptError, match=name):
        read_transcript(path, recording="r", duration_s=60.0)
