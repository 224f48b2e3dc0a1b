"""Captions that are shown again: each word once, at its first time; what people say twice stays twice."""
# ruff: noqa: E501 (rows of a format stand as programs write them)

from __future__ import annotations

import re
from pathlib import Path

import pytest

from babyvlm.corpus import read_transcript


def stamp(time_s: float, mark: str) -> str:
    milliseconds = round(time_s * 1000)
    return f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds // 1000 % 60:02}{mark}{milliseconds % 1000:03}"


def captions(cues: list[tuple[float, float, str]], suffix: str) -> str:
    mark = "," if suffix == ".srt" else "."
    blocks = [f"{stamp(a, mark)} --> {stamp(b, mark)}\n{text}\n\n" for a, b, text in cues]
    if suffix == ".vtt":
        return "WEBVTT\nKind: captions\nLanguage: en\n\n" + "".join(blocks)
    return "".join(f"{number}\n{block}" for number, block in enumerate(blocks, start=1))


LINES = ["look the red ball", "do you want it", "yes roll it", "good job"]


def rolled(
    blank: str = "", tagged: bool = False, flash: bool = True, join: str = "\n"
) -> list[tuple[float, float, str]]:
    """Each line for two seconds, under the line before, and each then moved up for 10 ms, as YouTube does it."""
    cues: list[tuple[float, float, str]] = []
    for number, line in enumerate(LINES):
        start = 2.0 * number + 0.01
        words = line.split()
        new = words[0] + "".join(f"<00:00:{start + 0.2 * n:06.3f}><c> {w}</c>" for n, w in enumerate(words[1:], 1))
        above = [LINES[number - 1]] if number else [blank] if blank else []
        cues.append((start, start + 1.99, join.join([*above, new if tagged else line])))
        if flash:
            cues.append((start + 1.99, start + 2.0, f"{line}\n{blank}" if blank else line))
    return cues


FULL = [(2.0 * number + 0.01, line) for number, line in enumerate(LINES)]
WORDS = ["look", "at", "the", "red", "ball"]
GROWING = [(n * 0.5, n * 0.5 + 0.5, " ".join(WORDS[: n + 1])) for n in range(5)]
MARKED = [
    (n * 0.5, n * 0.5 + 0.5, " ".join(f"<u>{w}</u>" if k == n else w for k, w in enumerate(WORDS))) for n in range(5)
]
THREE_LINES = [(float(n), n + 1.0, "\n".join(LINES[max(0, n - 2) : n + 1])) for n in range(4)]
JOINED = [(0.0, 2.0, "look here"), (2.0, 4.0, "look here do you want it"), (4.0, 6.0, "do you want it roll it")]
INSISTING = [
    (float(n), n + 1.0, text)
    for n, text in enumerate(["no", "no no", "no no no", "stop it", "stop it now", "please", "good"])
]
SAID_TWICE = [
    (0.0, 1.0, "no"),
    (1.0, 2.0, "no"),
    (2.0, 3.0, "look at that"),
    (3.0, 4.0, "look at that"),
    (4.0, 5.0, "yes"),
]

CASES = [
    ("YouTube WebVTT", ".vtt", rolled(" ", tagged=True), FULL),
    ("YouTube WebVTT without blanks", ".vtt", rolled(tagged=True), FULL),
    ("YouTube as SubRip", ".srt", rolled(), FULL),
    ("YouTube as SubRip, one line per cue", ".srt", rolled(join=" "), FULL),
    ("YouTube as SubRip, short cues taken out", ".srt", rolled(flash=False), FULL),
    ("YouTube, word times and no short cues", ".vtt", rolled(" ", tagged=True, flash=False), FULL),
    ("one line and its echo", ".vtt", rolled(" ", tagged=True)[:2], FULL[:1]),
    ("roll-up of three lines", ".srt", THREE_LINES, [(float(n), line) for n, line in enumerate(LINES)]),
    ("growing word by word", ".vtt", GROWING, [(n * 0.5, word) for n, word in enumerate(WORDS)]),
    ("Whisper with highlight_words", ".srt", MARKED, [(0.0, "look at the red ball")]),
    ("one line per cue, no short cues", ".srt", JOINED, [(0.0, "look here"), (2.0, "do you want it"), (4.0, "roll it")]),
    ("the seam of two segments", ".vtt", [(0.0, 1.0, "look"), (3.0, 4.0, "there"), (3.0, 4.0, "there"), (5.0, 6.0, "yes")],
     [(0.0, "look"), (3.0, "there"), (5.0, "yes")]),
    ("people insist", ".srt", INSISTING, [(a, text) for a, _, text in INSISTING]),
    ("people say things twice", ".srt", SAID_TWICE, [(a, text) for a, _, text in SAID_TWICE]),
    ("people say things twice, in WebVTT", ".vtt", SAID_TWICE, [(a, text) for a, _, text in SAID_TWICE]),
    ("a refrain much later", ".srt", [(0, 1, "roll the ball"), (5, 6, "roll the ball"), (10, 11, "roll the ball\nagain")],
     [(0, "roll the ball"), (5, "roll the ball"), (10, "roll the ball again")]),
]  # fmt: skip


@pytest.mark.case("formats")
@pytest.mark.parametrize(("suffix", "cues", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_word_comes_once_at_its_first_time(
    tmp_path: Path, suffix: str, cues: list[tuple[float, float, str]], expected: list[tuple[float, str]]
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(captions(cues, suffix), encoding="utf-8")
    found = read_transcript(path, recording="r", duration_s=60.0)
    assert [(said.start_s, said.text) for said in found.utterances] == [(round(a, 3), text) for a, text in expected]
    shown = sum(len(re.sub("<[^<>]*>", "", text).split()) for _, _, text in cues)
    kept = sum(len(text.split()) for _, text in expected)
    assert found.unreadable == () and bool(found.not_speech) == (shown > kept)  # what is left out is counted


@pytest.mark.case("formats")
def test_a_highlighted_caption_lasts_until_its_last_word(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(captions(MARKED, ".srt"))
    (said,) = read_transcript(tmp_path / "a.srt", recording="r", duration_s=60.0).utterances
    assert (said.start_s, said.end_s) == (0.0, 2.5)
