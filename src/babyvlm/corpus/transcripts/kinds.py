"""The transcript formats by the ending of their files: the built-in ones, and those of other packages.

A format is one file with a reader, listed here; another package adds one by an entry point in ``babyvlm.transcripts``
whose name is the ending without its dot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.transcripts.chat import read_chat
from babyvlm.corpus.transcripts.cues import Parsed
from babyvlm.corpus.transcripts.documents import read_document
from babyvlm.corpus.transcripts.elan import read_elan
from babyvlm.corpus.transcripts.subrip import read_subrip
from babyvlm.corpus.transcripts.table import read_table
from babyvlm.corpus.transcripts.webvtt import read_webvtt
from babyvlm.registry import Registry


@dataclass(frozen=True, kw_only=True)
class TranscriptFormat:
    """How the files of one ending are read."""

    read: Callable[[Path, str], Parsed]
    """Given a path and a recording's id (for files that hold the speech of many), the cues in the order of the file.
    Raises TranscriptError where the file is of another format; a single bad cue is skipped with its place."""
    example: str
    """A small file of the format with one utterance or more, for the contract suite."""


_CHA = "@UTF8\n@Begin\n@Participants:\tMOT Mother\n*MOT:\tlook a dog . \x15500_1500\x15\n@End\n"
_EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"/><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="500"/>
<TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="1500"/></TIME_ORDER><TIER TIER_ID="Mother" PARTICIPANT="Mother"
LINGUISTIC_TYPE_REF="u"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>look a dog</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="u" TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>
"""
_TIMES = "00:00:00.500 --> 00:00:01.500\n"


def _check(name: str, found: object) -> str:
    if not isinstance(found, TranscriptFormat):
        return f"it is a {type(found).__name__}, where a TranscriptFormat belongs"
    return "" if name == name.lower() and "." not in name else "its name must be a file ending, in lower case, no dot"


REGISTRY: Registry[TranscriptFormat] = Registry(
    "babyvlm.transcripts",
    {
        "cha": TranscriptFormat(read=lambda path, _: read_chat(path), example=_CHA),
        "eaf": TranscriptFormat(read=lambda path, _: read_elan(path), example=_EAF),
        "vtt": TranscriptFormat(read=lambda path, _: read_webvtt(path), example=f"WEBVTT\n\n{_TIMES}look a dog\n"),
        "srt": TranscriptFormat(read=lambda path, _: read_subrip(path), example=f"1\n{_TIMES}look a dog\n"),
        "csv": TranscriptFormat(read=read_table, example="start,end,speaker,text\n0.5,1.5,Mother,look a dog\n"),
        "tsv": TranscriptFormat(read=read_table, example="start\tend\ttext\n500\t1500\tlook a dog\n"),
        "json": TranscriptFormat(
            read=lambda path, _: read_document(path),
            example='{"segments": [{"start": 0.5, "end": 1.5, "text": "look a dog"}]}\n',
        ),
    },
    _check,
)


def transcript_suffixes() -> tuple[str, ...]:
    """How transcripts end. Where a recording has several, the first of these is used.

    What people correct by hand comes before what programs write, and formats of other packages come last.
    """
    return tuple(f".{name}" for name in REGISTRY.names())
