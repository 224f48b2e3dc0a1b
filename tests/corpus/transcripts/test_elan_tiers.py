"""Which tiers of ELAN hold speech, and where in the recording they stand."""
# ruff: noqa: E501 (rows of a format stand as programs write them)

from __future__ import annotations

from pathlib import Path

import pytest

from babyvlm.corpus import read_transcript

VOCABULARY = '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="codes" CONTROLLED_VOCABULARY_REF="cv" TIME_ALIGNABLE="true"/>'
TYPES = (
    '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="speech" TIME_ALIGNABLE="true"/>'
    '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="assoc" CONSTRAINTS="Symbolic_Association" TIME_ALIGNABLE="false"/>'
    '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="sub" CONSTRAINTS="Symbolic_Subdivision" TIME_ALIGNABLE="false"/>'
    '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="coded" CONSTRAINTS="Symbolic_Association" CONTROLLED_VOCABULARY_REF="cv"/>'
)


def tier(name: str, values: list[str], kind: str = "speech", extra: str = "", code: str = "") -> str:
    notes = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}{n}" TIME_SLOT_REF1="t{2 * n}" TIME_SLOT_REF2="t{2 * n + 1}" {code}>'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n"
        for n, value in enumerate(values)
    )
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{kind}" {extra}>{notes}</TIER>'


def below(name: str, parent: str, values: list[tuple[int, str]], kind: str) -> str:
    notes = "".join(
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}{n}" ANNOTATION_REF="{parent}{of}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>\n"
        for n, (of, value) in enumerate(values)
    )
    return f'<TIER TIER_ID="{name}" PARENT_REF="{parent}" LINGUISTIC_TYPE_REF="{kind}">{notes}</TIER>'


def document(*tiers: str, header: str = '<HEADER TIME_UNITS="milliseconds"/>', unit: int = 1000) -> str:
    slots = "".join(f'<TIME_SLOT TIME_SLOT_ID="t{n}" TIME_VALUE="{(n + 1) * unit}"/>' for n in range(20))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT>{header}<TIME_ORDER>{slots}</TIME_ORDER>\n'
        + "\n".join(tiers)
        + f"{TYPES}{VOCABULARY}</ANNOTATION_DOCUMENT>"
    )


SPEECH = tier("FA1", ["look", "there"], extra='PARTICIPANT="Mother"')
SAID = [("Mother", "look"), ("Mother", "there")]

CASES = [
    ("speech alone", [SPEECH], SAID, 0),
    ("a vocabulary behind the type", [SPEECH, tier("activity2", ["feeding", "bath"], "codes")], SAID, 2),
    ("values chosen from a vocabulary", [SPEECH, tier("what", ["a", "b"], code='CVE_REF="cve1"')], SAID, 2),
    *((f"the convention {name}", [SPEECH, tier(name, ["x", "y"])], SAID, 2) for name in (
        "code", "code_num", "code_periodic", "code_num_periodic", "context", "context_high-volubility", "on_off", "on_off_periodic",
        "Notes", "comment-2", "noise")),
    ("names of the other tiers", [SPEECH, tier("CHI", ["ba", "da"]), tier("Remember-me", ["FA1", "CHI"])],
     [("Mother", "look"), ("CHI", "ba"), ("Mother", "there"), ("CHI", "da")], 2),
    ("associated codes", [SPEECH, below("xds@FA1", "FA1", [(0, "C"), (1, "A")], "coded")], SAID, 2),
    ("an associated translation", [SPEECH, below("spa@FA1", "FA1", [(0, "mira")], "assoc")], SAID, 1),
    ("words below speech", [SPEECH, below("words", "FA1", [(0, "lo"), (0, "ok")], "sub")], SAID, 2),
    ("empty segments, speech associated", [tier("FA1", ["", ""]), below("tx@FA1", "FA1", [(0, "look"), (1, "there")], "assoc")],
     [("FA1", "look"), ("FA1", "there")], 0),
    ("record numbers, speech associated", [tier("ref@A", ["utt.001", "utt.002"]), below("tx@A", "ref@A", [(0, "look"), (1, "there")], "assoc")],
     [("ref@A", "look"), ("ref@A", "there")], 0),
    ("empty segments, words subdivided", [tier("FA1", [""]), below("w@FA1", "FA1", [(0, "look"), (0, "there")], "sub")],
     [("FA1", "look there")], 0),
    ("one participant for several", [tier("FA2", ["look"], extra='PARTICIPANT="MULTI"'), tier("MC1", ["ba"], extra='PARTICIPANT="MULTI"')],
     [("FA2", "look"), ("MC1", "ba")], 0),
]  # fmt: skip


@pytest.mark.case("formats")
@pytest.mark.parametrize(
    ("tiers", "expected", "left_out"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_tiers_of_speech(tmp_path: Path, tiers: list[str], expected: list[tuple[str, str]], left_out: int) -> None:
    (tmp_path / "a.eaf").write_text(document(*tiers), encoding="utf-8")
    found = read_transcript(tmp_path / "a.eaf", recording="a", duration_s=60.0)
    assert sorted((said.speaker, said.text) for said in found.utterances) == sorted(expected)
    assert sum(found.not_speech.values()) == left_out and found.unreadable == ()


def media(*origins: tuple[str, str]) -> str:
    described = "".join(f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///x/{name}" {origin}/>' for name, origin in origins)
    return f'<HEADER TIME_UNITS="milliseconds">{described}</HEADER>'


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("header", "unit", "start_s"),
    [
        (media(("a.mp4", "")), 1000, 1.0),
        (media(("a.mp4", 'TIME_ORIGIN="4000"')), 1000, 5.0),
        (media(("a.mp4", 'TIME_ORIGIN="-500"')), 1000, 0.5),
        (media(("sound.wav", 'TIME_ORIGIN="9000"'), ("a.mp4", 'TIME_ORIGIN="250"')), 1000, 1.25),
        (media(("other.mp4", 'TIME_ORIGIN="4000"')), 1000, 5.0),
        ('<HEADER TIME_UNITS="PAL-frames"/>', 25, 1.0),
        ('<HEADER TIME_UNITS="NTSC-frames"/>', 30, 1.001),
    ],
)
def test_the_clock_of_an_annotation(tmp_path: Path, header: str, unit: int, start_s: float) -> None:
    (tmp_path / "a.eaf").write_text(document(SPEECH, header=header, unit=unit), encoding="utf-8")
    found = read_transcript(tmp_path / "a.eaf", recording="a", duration_s=60.0)
    assert found.utterances[0].start_s == pytest.approx(start_s)
