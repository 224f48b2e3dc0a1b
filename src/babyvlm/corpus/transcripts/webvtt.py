"""WebVTT (``.vtt``): cues with times, voices and markup.

All of WebVTT's cue syntax is read (https://www.w3.org/TR/webvtt1/). Voice tags (``<v Mother>``) give the speaker, a cue
with several voices becomes one utterance for each, all other markup is dropped. Reading is strict where the standard
would skip in silence: text that belongs to no cue is an error, since it would be speech lost.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, base_language, clock_s, read_lines
from babyvlm.errors import TranscriptError

_TIMESTAMP = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"[ \t]*{_TIMESTAMP}[ \t]*-->[ \t]*{_TIMESTAMP}(?:[ \t]+.*)?")
_TAG = re.compile(r"<(/?)([^<>]*)>")
_VOICE = re.compile(r"v(?:\.[^ \t\n.]*)*(?:[ \t\n]+(.*))?", re.DOTALL)


def parse_webvtt(path: Path) -> list[Cue]:
    """Reads the cues of a WebVTT file, in the order of the file.

    Raises:
        TranscriptError: Naming the line at which the file stops being WebVTT.
    """
    lines = read_lines(path)
    if re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]) is None:
        raise TranscriptError(
            f"expected WEBVTT, found {lines[0][:40]!r}",
            path=path,
            place="line 1",
            remedy="A WebVTT file begins with the line WEBVTT; name SubRip files .srt",
        )
    at, language = 1, ""
    while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:  # header metadata
        if (declared := re.fullmatch(r"Language:\s*(\S+)\s*", lines[at], re.IGNORECASE)) is not None:
            language = base_language(declared[1])
        at += 1
    cues: list[Cue] = []
    while at < len(lines):
        if not lines[at].strip():
            at += 1
        elif re.fullmatch(r"NOTE(?:[ \t].*)?", lines[at]) or re.fullmatch(r"(?:STYLE|REGION)[ \t]*", lines[at]):
            while at < len(lines) and lines[at].strip():
                at += 1
        else:
            at = _read_cue(lines, at, path, cues, language)
    return cues


def _read_cue(lines: list[str], at: int, path: Path, cues: list[Cue], language: str) -> int:
    """Appends the cue that begins at index ``at``, one entry for each voice; returns the index after it."""
    if "-->" not in lines[at]:
        if at + 1 >= len(lines) or "-->" not in lines[at + 1]:
            raise TranscriptError(
                f"{lines[at][:60]!r} belongs to no cue: no times stand above it",
                path=path,
                place=f"line {at + 1}",
                remedy="A cue's text must not hold blank lines",
            )
        at += 1
    timing = _TIMING.fullmatch(lines[at])
    if timing is None:
        raise TranscriptError(
            f"expected times like 00:01:02.500 --> 00:01:04.000, found {lines[at].strip()[:60]!r}",
            path=path,
            place=f"line {at + 1}",
        )
    place, parts = f"line {at + 1}", timing.groups()
    at += 1
    payload: list[str] = []
    while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:
        payload.append(lines[at])
        at += 1
    for speaker, text in _voices("\n".join(payload)):
        start_s, end_s = clock_s(*parts[:4]), clock_s(*parts[4:])
        cues.append(Cue(place=place, start_s=start_s, end_s=end_s, speaker=speaker, text=text, language=language))
    return at


def _voices(payload: str) -> Iterator[tuple[str, str]]:
    """The speakers of a cue's payload, each with their text; one without a speaker where there is no voice tag."""
    voices: list[tuple[str, str]] = [("", "")]
    end = 0
    for tag in _TAG.finditer(payload):
        said = payload[end : tag.start()]
        voices[-1] = (voices[-1][0], voices[-1][1] + said)
        end = tag.end()
        if (voice := _VOICE.fullmatch(tag[2])) is not None:
            speaker = "" if tag[1] else html.unescape(voice[1] or "")
            voices.append((" ".join(speaker.split()), ""))
    voices[-1] = (voices[-1][0], voices[-1][1] + payload[end:])
    spoken = [(speaker, " ".join(html.unescape(text).split())) for speaker, text in voices]
    yield from [voice for voice in spoken if voice[1]] or [("", "")]
