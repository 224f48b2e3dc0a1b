"""Which files are transcripts, whose recording they belong to, and what a file lacks that is none.

A file beside a video belongs to it where its name is the video's stem and a suffix, with a language or the name of the
medium between them: ``visit.vtt``, ``visit.en-US.vtt`` (yt-dlp), ``visit.mp4.json`` (whisper.cpp).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Parsed, read_json, read_text
from babyvlm.corpus.transcripts.documents import KEYS, is_document
from babyvlm.corpus.transcripts.kinds import transcript_suffixes
from babyvlm.corpus.transcripts.table import read_header, split_header
from babyvlm.errors import TranscriptError

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
_MEDIA = frozenset(
    {"mp4", "m4v", "mkv", "mov", "avi", "webm", "mpg", "mpeg", "mts", "wav", "mp3", "m4a", "flac", "ogg"}
)
_OTHER_FORMATS = {
    ".textgrid": "Praat's TextGrid; open it in ELAN (File > Import > Praat TextGrid) and save it as .eaf",
    ".its": "LENA's segments, which hold no words",
    ".rttm": "speaker turns, which hold no words",
    ".txt": "plain text, which has no times; recognisers write .vtt, .srt or .json beside it",
    ".sbv": "YouTube's older captions; download them as .vtt or .srt",
    ".ass": "SubStation captions; convert them: ffmpeg -i IN.ass OUT.srt",
    ".ssa": "SubStation captions; convert them: ffmpeg -i IN.ssa OUT.srt",
    ".ttml": "TTML captions; convert them: ffmpeg -i IN.ttml OUT.srt, or download .vtt",
    ".dfxp": "TTML captions; download them as .vtt or .srt",
    ".srv1": "YouTube's XML captions; download them as .vtt",
    ".srv3": "YouTube's XML captions; download them as .vtt",
    ".json3": "YouTube's JSON captions; download them as .vtt",
    ".lrc": "lyrics; save them as .srt",
    ".xlsx": "a workbook; save its sheet as .csv (UTF-8)",
    ".xls": "a workbook; save its sheet as .csv (UTF-8)",
    ".docx": "a text document; save it with its times as .csv, .srt or .vtt",
    ".antx": "Anvil or Annotation Transcription; export it as .eaf",
    ".xml": "XML of no known transcript format; ELAN's ends in .eaf",
}


def name_tag(stem: str, path: Path) -> str | None:
    """What stands between a recording's stem and the suffix of a transcript's name; None where it is not so named.

    >>> name_tag("visit", Path("visit.en-US.vtt")), name_tag("visit", Path("visit2.vtt"))
    ('en-US', None)
    """
    if path.suffix.lower() not in transcript_suffixes():
        return None
    rest = path.stem
    if rest == stem:
        return ""
    if not rest.startswith(f"{stem}."):
        return None
    tag = rest[len(stem) + 1 :]
    return tag if tag.lower() in _MEDIA or _LANGUAGE.fullmatch(tag) else None


def preference(stem: str, path: Path) -> tuple[int, int, str]:
    """The order of a recording's transcripts: by format, then without a language, in English, in others."""
    tag = name_tag(stem, path) or ""
    rank = 0 if not tag or tag.lower() in _MEDIA else 1 if tag.lower().startswith("en") else 2
    return transcript_suffixes().index(path.suffix.lower()), rank, path.name


def is_transcript(path: Path) -> bool:
    """Whether a file is a transcript: by its suffix, and for CSV, TSV and JSON by the keys that it holds anywhere."""
    return path.suffix.lower() in transcript_suffixes() and not lacks(path)


def lacks(path: Path) -> str:
    """Why a file is no transcript: the nearest format, and what it lacks; empty where it is one."""
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            return _table_lacks(path)
        if suffix == ".json":
            return _document_lacks(path)
    except TranscriptError as error:
        return error.problem
    if suffix in transcript_suffixes():
        return ""
    return _OTHER_FORMATS.get(suffix, "of no transcript format that is known")


def _table_lacks(path: Path) -> str:
    header = read_header(split_header(read_text(path, Parsed(path=path)))[1])
    if header.is_transcript:
        return ""
    named = ", ".join(name[:40] for name in header.names[:12]) or "none"
    frames = any("frame" in name.lower() for name in header.names)
    hint = "; times must be seconds, milliseconds or clock times, not numbers of frames" if frames else ""
    return f"a table without the columns of a transcript: it lacks {header.lacks}{hint}. Its columns are {named}"


def _document_lacks(path: Path) -> str:
    try:
        value = read_json(path)
    except TranscriptError as error:
        text = read_text(path)
        if any(f'"{key}"' in text for key in KEYS):
            return ""  # damaged, and a transcript all the same: reading it says where
        return error.problem
    if is_document(value):
        return ""
    keys = ", ".join(json.dumps(key)[:40] for key in list(value)[:12]) if isinstance(value, dict) else ""
    found = f"an object with {keys}" if keys else f"a {type(value).__name__}"
    return f'JSON without the keys of a recogniser ("segments", "chunks", "recognizedPhrases" ...): it is {found}'
