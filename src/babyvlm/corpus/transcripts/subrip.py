"""SubRip (``.srt``): numbered blocks of times and text.

Times with a point for the comma are read too, since many tools write them. A speaker stands before a colon, as in
``Mother: look``, or in brackets, as WhisperX writes it: ``[SPEAKER_00]: look``.
"""

from __future__ import annotations

import html
import re
from itertools import pairwise
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, clock_s, read_lines
from babyvlm.errors import TranscriptError

_STAMP = r"(\d{1,3}):([0-5]\d):([0-5]\d)[,.](\d{1,3})"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}(?:\s.*)?")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_SPEAKER = re.compile(r"(?:\[([^\[\]]{1,40})\]|([A-Z][\w .'-]{0,30})):\s+(.*)", re.DOTALL)


def parse_subrip(path: Path) -> list[Cue]:
    """Reads the cues of a SubRip file, in the order of the file.

    Raises:
        TranscriptError: Naming the line at which the file stops being SubRip.
    """
    lines = read_lines(path)
    timings = [index for index, line in enumerate(lines) if "-->" in line]
    first_text = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first_text is not None and (not timings or timings[0] > first_text + 1):
        raise TranscriptError(
            f"{lines[first_text][:60]!r} belongs to no times", path=path, place=f"line {first_text + 1}",
            remedy="A SubRip file begins with a number and times like 00:01:02,500 --> 00:01:04,000",
        )  # fmt: skip
    cues: list[Cue] = []
    for index, following in pairwise([*timings, len(lines) + 1]):
        match = _TIMING.fullmatch(lines[index])
        if match is None:
            raise TranscriptError(
                f"expected times like 00:01:02,500 --> 00:01:04,000, found {lines[index].strip()[:60]!r}",
                path=path,
                place=f"line {index + 1}",
            )
        block = lines[index + 1 : following - 1]  # without the number of the block that follows
        if following <= len(lines) and not lines[following - 1].strip().isdigit():
            block.append(lines[following - 1])
        speaker, text = split_speaker(html.unescape(_TAG.sub("", " ".join(" ".join(block).split()))))
        parts = match.groups()
        cues.append(
            Cue(
                place=f"line {index + 1}",
                start_s=clock_s(*parts[:4]),
                end_s=clock_s(*parts[4:]),
                speaker=speaker,
                text=text,
            )
        )
    return cues


def split_speaker(text: str) -> tuple[str, str]:
    """The speaker that a text begins with, empty where there is none, and what is said.

    >>> split_speaker("Mother: look: a dog"), split_speaker("look: a dog")
    (('Mother', 'look: a dog'), ('', 'look: a dog'))
    """
    match = _SPEAKER.fullmatch(text)
    return (match[1] or match[2], match[3]) if match else ("", text)
