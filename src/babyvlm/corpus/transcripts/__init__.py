"""Transcripts in every format that labs have, behind one interface: a file in, timed utterances out.

webvtt.py   subrip.py   chat.py   elan.py   documents.py (JSON)   table.py (CSV, TSV)   narrations.py (Ego4D)
   └──────────┴──────────┴─────────┴────────────┴────────────────────┴──────────────────────┘
                                  cues.py: what each of them yields
                                  reading.py: cues fitted to their recording
"""

from babyvlm.corpus.transcripts.cues import Cue
from babyvlm.corpus.transcripts.reading import (
    TRANSCRIPT_SUFFIXES,
    Transcript,
    is_transcript,
    parse_transcript,
    read_transcript,
)
from babyvlm.corpus.transcripts.webvtt import parse_webvtt

__all__ = [
    "TRANSCRIPT_SUFFIXES",
    "Cue",
    "Transcript",
    "is_transcript",
    "parse_transcript",
    "parse_webvtt",
    "read_transcript",
]
