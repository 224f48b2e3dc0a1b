"""Transcripts in every format that labs have, behind one interface: a file in, timed utterances out.

    kinds.py                      the formats by the ending of their files
    recognising.py                which files are transcripts, and whose
    webvtt.py, subrip.py          captions; captions.py: rolling ones, each word once
    chat.py, chat_codes.py        CHAT
    elan.py, elan_tiers.py        ELAN, and which of its tiers hold speech
    documents.py                  JSON of recognisers; document_parts.py, words.py
    table.py, table_layouts.py    CSV and TSV
    narrations.py                 Ego4D
    cues.py                       what each of them yields
    reading.py                    cues fitted to their recording

``docs/formats.md`` lists the programs whose output is read.
"""

from babyvlm.corpus.transcripts.cues import Cue
from babyvlm.corpus.transcripts.kinds import TranscriptFormat, transcript_suffixes
from babyvlm.corpus.transcripts.reading import Transcript, parse_transcript, read_transcript
from babyvlm.corpus.transcripts.recognising import is_transcript, lacks, name_tag, preference
from babyvlm.corpus.transcripts.webvtt import parse_webvtt

__all__ = [
    "Cue",
    "Transcript",
    "TranscriptFormat",
    "is_transcript",
    "lacks",
    "name_tag",
    "parse_transcript",
    "parse_webvtt",
    "preference",
    "read_transcript",
    "transcript_suffixes",
]
