"""Every transcript format through the one door, and what is wrong with a file told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babyvlm.corpus import parse_transcript, read_transcript
from babyvlm.corpus.transcripts import is_transcript
from babyvlm.corpus.transcripts.chat import plain_words
from babyvlm.errors import TranscriptError

SRT = """1
00:00:01,000 --> 00:00:02,500
Mother: <i>look</i> at
the dog

2
00:00:03.5 --> 00:00:04,000 X1:1
2
3
00:01:00,000 --> 00:01:01,000
[SPEAKER_00]: who &amp; what
"""
CHAT = """@UTF8
@Begin
@Languages:\teng, spa
@Participants:\tCHI Ross Target_Child , MOT Mother , BRO Brother
@ID:\teng|x|CHI|2;01.||||Target_Child|||
*MOT:\t<look at> [/] look at the doggie [!] , honey .
\tdo you see it ? \x151500_2300\x15
%mor:\tv|look
*CHI:\t0 [=! laughs] . \x152300_2600\x15
*MOT:\t[- spa] mira el perro@s . \x153000_3900\x15
*MOT:\tnever linked .
*BRO:\tgonna [: going to] &-um eat (be)cause xxx +... \x154000_5000\x15
@End
"""
ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT>
<TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="2500"/>
<TIME_SLOT TIME_SLOT_ID="c"/>
</TIME_ORDER>
<TIER TIER_ID="FA1" PARTICIPANT="Mother" LANG_REF="spa">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>mira &amp; come</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="2" TIME_SLOT_REF1="b" TIME_SLOT_REF2="c">
<ANNOTATION_VALUE>open end</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<TIER TIER_ID="xds@FA1" PARENT_REF="FA1" PARTICIPANT="Mother"><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="3" ANNOTATION_REF="1"><ANNOTATION_VALUE>C</ANNOTATION_VALUE></REF_ANNOTATION>
</ANNOTATION></TIER>
<TIER TIER_ID="context"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="4" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>kitchen</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""
WHISPERX = {
    "language": "english",
    "segments": [
        {"start": 0.5, "end": 1.5, "text": " look  here", "speaker": "SPEAKER_01", "words": [{"word": "look"}]},
        {"start": 2, "end": 3, "text": "yes", "words": [{"word": "yes", "speaker": "SPEAKER_00"}]},
        {"start": 4, "text": "no end"},
    ],
}
SPOKEN = [
    {"RecognitionStatus": "Success", "Offset": 5_000_000, "Duration": 10_000_000, "DisplayText": "Look here."},
    {"Offset": 20_000_000, "Duration": 5_000_000, "SpeakerId": "Guest-1", "NBest": [{"Display": "Yes."}]},
]  # fmt: skip
FAST = {"phrases": [{"offsetMilliseconds": 500, "durationMilliseconds": 1000, "text": "Hola.", "locale": "es-MX"}]}
BATCH = {
    "recognizedPhrases": [{"offset": "PT1M0.5S", "duration": "PT1.25S", "speaker": 2, "nBest": [{"display": "Yes."}]}]
}
NARRATED = {
    "videos": {
        "uid": {
            "narrations": [
                {"timestamp_sec": 5.0, "narration_text": "#C C opens a drawer #unsure"},
                {"timestamp_sec": 6.0, "narration_text": "#O A man X waves"},
            ]
        }
    }
}

FORMATS = [
    ("a.srt", SRT, [
        ("line 2", 1.0, 2.5, "Mother", "look at the dog", ""),
        ("line 7", 3.5, 4.0, "", "2", ""),
        ("line 10", 60.0, 61.0, "SPEAKER_00", "who & what", ""),
    ]),
    ("a.cha", CHAT, [
        ("line 6", 1.5, 2.3, "Mother", "look at the doggie, honey. do you see it?", "en"),
        ("line 9", 2.3, 2.6, "Target_Child", "", "en"),
        ("line 10", 3.0, 3.9, "Mother", "mira el perro.", "es"),
        ("line 11", None, None, "Mother", "never linked.", "en"),
        ("line 12", 4.0, 5.0, "Brother", "going to eat because", "en"),
    ]),
    ("a.eaf", ELAN, [
        ("line 8", 1.0, 2.5, "Mother", "mira & come", "es"),
        ("line 10", None, None, "Mother", "open end", "es"),
    ]),
    ("a.json", json.dumps(WHISPERX), [
        ("segments[0]", 0.5, 1.5, "SPEAKER_01", "look here", "en"),
        ("segments[1]", 2.0, 3.0, "SPEAKER_00", "yes", "en"),
        ("segments[2]", 4.0, None, "", "no end", "en"),
    ]),
    ("a.json", json.dumps(WHISPERX["segments"][:1]), [("[0]", 0.5, 1.5, "SPEAKER_01", "look here", "")]),
    ("a.json", json.dumps(SPOKEN), [
        ("[0]", 0.5, 1.5, "", "Look here.", ""), ("[1]", 2.0, 2.5, "Guest-1", "Yes.", ""),
    ]),
    ("a.json", "\n".join(map(json.dumps, SPOKEN)), [
        ("[0]", 0.5, 1.5, "", "Look here.", ""), ("[1]", 2.0, 2.5, "Guest-1", "Yes.", ""),
    ]),
    ("a.json", json.dumps(FAST), [("phrases[0]", 0.5, 1.5, "", "Hola.", "es")]),
    ("a.json", json.dumps(BATCH), [("recognizedPhrases[0]", 60.5, 61.75, "Speaker 2", "Yes.", "")]),
    ("narration.json", json.dumps(NARRATED), [
        ("uid.narrations[0]", 3.0, 5.5, "Narrator", "C opens a drawer", "en"),
        ("uid.narrations[1]", 5.5, 8.0, "Narrator", "A man X waves", "en"),
    ]),
    ("a.csv", "onset_ms,duration_ms,who,utterance\n500,1000,MOT,\"look, a dog\"\n", [
        ("line 2", 0.5, 1.5, "MOT", "look, a dog", ""),
    ]),
    ("a.csv", "start;end;text\n00:01:02,5;1:03;hi\n;;never timed\n", [
        ("line 2", 62.5, 63.0, "", "hi", ""), ("line 3", None, None, "", "never timed", ""),
    ]),
    ("a.tsv", "start\tend\ttext\n500\t1500\twhisper's own\n", [("line 2", 0.5, 1.5, "", "whisper's own", "")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), FORMATS, ids=[name for name, *_ in FORMATS])
def test_every_format_is_read(tmp_path: Path, name: str, text: str, expected: list[tuple]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = parse_transcript(path, "uid")
    assert [(cue.place, cue.start_s, cue.end_s, cue.speaker, cue.text, cue.language) for cue in found] == expected
    assert name == "narration.json" or is_transcript(path)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.srt", "lost\n\n1\n00:00:01,000 --> 00:00:02,000\nx\n", "line 1: 'lost' belongs to no times"),
        ("a.srt", "1\n00:00:01,000 -->\nx\n", "line 2: expected times"),
        ("a.cha", "*MOT:\thi .\n", "line 1: expected @Begin"),
        ("a.cha", "@Begin\n@End\nstray words\n", "line 3: 'stray words' is neither"),
        ("a.eaf", ELAN.replace('REF1="b"', 'REF1="z"'), "line 10: there is no time slot 'z'"),
        ("a.eaf", ELAN.replace("</TIER>", "", 1), r"line \d+: not XML"),
        ("a.eaf", "<html></html>", "no ELAN tiers"),
        ("a.json", "{]", "line 1: not JSON"),
        ("a.json", "{}", "no transcript of Whisper, WhisperX or Azure"),
        ("a.json", '{"segments": [{"start": "x", "end": 1, "text": "a"}]}', r"segments\[0\]: start: "),
        ("a.csv", "start,text\n1,hi\n", "line 1: expected the columns"),
        ("a.csv", "start,end,text\n1,2,hi\nsoon,2,hi\n", "line 3: start 'soon': expected seconds"),
        ("a.json", b'[{"start": 1, "end": 2, "text": "fa\xe7ade"}]', r"\[0\]: .*not UTF-8.*iconv"),
        ("narration.json", '{"uid": {"narrations": [{"narration_text": "x"}]}}', r"uid\.narrations\[0\]"),
        ("a.doc", "x", "no known transcript format"),
    ],
)
def test_what_does_not_parse_is_told_with_its_place(tmp_path: Path, name: str, text: str | bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TranscriptError, match=rf"{name}.*{says}"):
        parse_transcript(path, "uid")


@pytest.mark.parametrize(
    ("tier", "words"),
    [
        ("&=laughs (.) uhhuh [% nodding] .", "uhhuh."),
        ("<I want> [//] I need <the big> [?] one [x 3] !", "I need the big one!"),
        ("no:: (1.5) woof@o choo_choo ‡ +/.", "no woof choo choo"),
        ("www .", ""),
        ('+" who is <that> [>] ?', "who is that?"),
        ("he 0is 0 [= quiet] going [*] .", "he going."),
    ],
)
def test_chat_codes_are_taken_out(tier: str, words: str) -> None:
    assert plain_words(tier) == words


def test_utf16_is_read_where_a_mark_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\nfaçade\n".encode("utf-16"))
    assert [cue.text for cue in parse_transcript(tmp_path / "a.srt")] == ["façade"]


def test_other_files_beside_a_recording_are_no_transcripts(tmp_path: Path) -> None:
    for name, text in (("a.json", '{"fps": 30}'), ("a.csv", "frame,label\n1,dog\n"), ("a.txt", "hello")):
        (tmp_path / name).write_text(text)
        assert not is_transcript(tmp_path / name), name
    (tmp_path / "a.json").write_text('{"segments": [{"start": 1, "en')  # damaged, and a transcript all the same
    assert is_transcript(tmp_path / "a.json")


def test_odd_times_are_used_and_noted(tmp_path: Path) -> None:
    rows = ["0,5,MOT,one", "4,6,MOT,two", "4,6,FAT,three", "9,8,MOT,reversed", "-1,2,MOT,early"]
    (tmp_path / "a.csv").write_text("\n".join(["start,end,speaker,text", *rows]))
    found = read_transcript(tmp_path / "a.csv", recording="r", duration_s=900)
    assert [said.text for said in found.utterances] == ["one", "two", "three"]
    overlap, silent = map(str, found.notes)
    assert "line 3" in overlap and "still talking from line 2, for another 1.00 s" in overlap
    assert "line 3" in silent and "894 s before its recording" in silent
    reversed_, early = map(str, found.problems)
    assert "line 5" in reversed_ and "left out" in reversed_ and "line 6" in early and "before its recording" in early


def test_real_transcripts(shared_data: Path) -> None:
    azure = parse_transcript(shared_data / "transcripts" / "azure_batch.json")
    assert [cue.text for cue in azure[:2]] == ["Run Alabama drivers license.", "0030"]
    assert (azure[1].start_s, azure[1].end_s, azure[1].speaker) == (2.28, 5.36, "Speaker 2")
    elan = parse_transcript(shared_data / "transcripts" / "example.eaf")
    assert {cue.speaker for cue in elan} == {"CHI", "FA1", "FA2", "UC1", "UC2", "UC3"}
    assert all(cue.start_s is not None and cue.start_s < cue.end_s for cue in elan)
    speech = [cue for cue in elan if cue.speaker == "FA1"]
    assert len(elan) > 100 and any(len(cue.text.split()) > 3 for cue in speech)


@pytest.mark.parametrize("suffix", [".vtt", ".srt", ".cha", ".eaf", ".csv", ".tsv", ".json"])
def test_a_file_of_nothing_but_blank_lines_is_refused_or_holds_no_cue(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("\n \n")
    try:
        assert parse_transcript(path) == []
    except TranscriptError as error:
        assert path.name in str(error)
