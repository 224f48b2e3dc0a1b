"""SubRip (``.srt``): numbered blocks of times and text.

Times with a point for the comma are read too, since many tools write them. A speaker stands before a colon, as in
``Mother: look``, or in brackets, as WhisperX writes it: ``[SPEAKER_00]: look``. SubRip declares no encoding; see
``cues.read_text``.
"""

from __future__ import annotations

import html
import re
from itertools import pairwise
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, Parsed, clock_s, read_lines
from babyvlm.errors import TranscriptError

_STAMP = r"(\d{1,6}):([0-5]?\d):([0-5]?\d)(?:[,.](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}(?:\s.*)?")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}|<\d[\d:.]*>")
_BREAK = re.compile(r"\\[Nh]")
"""SubStation's line break and hard blank, which some converters leave."""
_SPEAKER = re.compile(r"(?:\[([^\[\]]{1,40})\]|([A-Z][\w .'-]{0,30})):\s+(.*)", re.DOTALL)


def read_subrip(path: Path) -> Parsed:
    """Reads the cues of a SubRip file, in the order of the file.

    Raises:
        TranscriptError: There are no times in it.
    """
    parsed = Parsed(path=path)
    lines = read_lines(path, parsed)
    timings = [index for index, line in enumerate(lines) if "-->" in line]
    first_text = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first_text is None:
        return parsed
    form = "A SubRip file begins with a number and times like 00:01:02,500 --> 00:01:04,000"
    if not timings:
        raise TranscriptError(
            f"{lines[first_text][:60]!r} belongs to no times", path=path, place=f"line {first_text + 1}", remedy=form
        )
    before = [line for line in lines[: timings[0]] if line.strip()]
    is_numbered = bool(before) and before[-1].strip().isdigit()
    if len(before) > is_numbered:
        parsed.skip(f"{lines[first_text][:60]!r} belongs to no times", f"line {first_text + 1}", form)
    for index, following in pairwise([*timings, len(lines)]):
        block = [line for line in lines[index + 1 : following] if line.strip()]
        if is_numbered and following < len(lines) and block and block[-1].strip().isdigit():
            del block[-1]  # the number of the block that follows
        _read_block(lines[index], block, f"line {index + 1}", parsed)
    return parsed


def _read_block(timing: str, block: list[str], place: str, parsed: Parsed) -> None:
    match = _TIMING.fullmatch(timing)
    if match is None:
        problem = f"expected times like 00:01:02,500 --> 00:01:04,000, found {timing.strip()[:60]!r}"
        parsed.skip(problem, place, "Its text is left out")
        return
    shown = [line for each in block if (line := " ".join(html.unescape(_BREAK.sub(" ", _TAG.sub("", each))).split()))]
    speaker, text = split_speaker(" ".join(shown))
    parts = match.groups()
    parsed.cues.append(
        Cue(
            place=place,
            start_s=clock_s(*parts[:4]),
            end_s=clock_s(*parts[4:]),
            speaker=speaker,
            text=text,
            lines=(text,) if speaker and len(shown) == 1 else tuple(shown),
            markup="\n".join(line for line in block if line.strip()),
        )
    )


def split_speaker(text: str) -> tuple[str, str]:
    """The speaker that a text begins with, empty where there is none, and what is said.

    >>> split_speaker("Mother: look: a dog"), split_speaker("look: a dog")
    (('Mother', 'look: a dog'), ('', 'look: a dog'))
    """
    match = _SPEAKER.fullmatch(text)
    return (match[1] or match[2], match[3]) if match else ("", text)
