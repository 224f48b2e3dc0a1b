"""A transcript format: SubViewer captions (``.sbv``), blocks of times and text with an empty line between them.

0:00:01.500,0:00:03.000
look, a dog
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from babyvlm.corpus.transcripts import TranscriptFormat
from babyvlm.corpus.transcripts.cues import Cue, Parsed, clock_s, read_lines
from babyvlm.errors import TranscriptError

_STAMP = r"(\d+):(\d\d):(\d\d)(?:\.(\d{1,3}))?"
_TIMING = re.compile(rf"{_STAMP},{_STAMP}")


def read_sbv(path: Path, recording: str) -> Parsed:
    """The cues of a file, in its order. A block without times costs itself; a file without any is of another format.

    Raises:
        TranscriptError: No block has times.
    """
    parsed = Parsed(path=path)
    numbered = list(enumerate(read_lines(path, parsed), start=1))
    for filled, group in groupby(numbered, key=lambda line: bool(line[1].strip())):
        if not filled:
            continue
        (number, timing), *text = group
        if (match := _TIMING.fullmatch(timing.strip())) is None:
            parsed.skip(f"expected times like 0:00:01.500,0:00:03.000, found {timing[:60]!r}", f"line {number}")
            continue
        parts = match.groups()
        said = " ".join(line.strip() for _, line in text)
        cue = Cue(place=f"line {number}", start_s=clock_s(*parts[:4]), end_s=clock_s(*parts[4:]), speaker="", text=said)
        parsed.cues.append(cue)
    if parsed.unreadable and not parsed.cues:
        raise TranscriptError("no block of it has times", path=path, remedy="Is it a SubViewer file?")
    return parsed


SBV = TranscriptFormat(read=read_sbv, example="0:00:00.500,0:00:01.500\nlook, a dog\n")
