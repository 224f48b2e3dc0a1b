"""WebVTT transcripts: a sidecar file in, timed utterances of one recording out.

    bytes --parse_webvtt--> cues --read_transcript--> utterances that lie within their recording

All of WebVTT's cue syntax is read (https://www.w3.org/TR/webvtt1/). Voice tags (``<v Mother>``) give the speaker, a cue
with several voices becomes one utterance for each, all other markup is dropped. Reading is strict where the standard
would skip in silence: text that belongs to no cue is an error, since it would be speech lost.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import TranscriptError
from babyvlm.records import Utterance

PAST_END_TOLERANCE_S = 1.0
"""An utterance may pass the end of its recording by so much and is then clipped: containers round their duration."""

_TIMESTAMP = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"[ \t]*{_TIMESTAMP}[ \t]*-->[ \t]*{_TIMESTAMP}(?:[ \t]+.*)?")
_TAG = re.compile(r"<(/?)([^<>]*)>")
_VOICE = re.compile(r"v(?:\.[^ \t\n.]*)*(?:[ \t\n]+(.*))?", re.DOTALL)
_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One voice of one cue, as it stands in the file."""

    line: int
    """Line of the timing, counted from 1."""
    start_s: float
    end_s: float
    speaker: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The utterances of one recording, by start, and what reading them came upon."""

    utterances: tuple[Utterance, ...]
    clipped: int = 0
    """Utterances cut off at the end of the recording."""
    empty: int = 0
    """Cues without any text, which are no utterances."""
    problems: tuple[TranscriptError, ...] = ()
    """One for each utterance left out because its times cannot be: never empty text, always a fault to mend."""


def read_transcript(path: Path, *, recording: str, duration_s: float) -> Transcript:
    """Reads a WebVTT file and fits its utterances to their recording.

    Args:
        path: The transcript.
        recording: Id of the recording it belongs to.
        duration_s: How long that recording is.

    Raises:
        TranscriptError: The file is missing or does not parse. Utterances with impossible times do not raise; they are
            the transcript's ``problems``.
    """
    utterances: list[Utterance] = []
    problems: list[TranscriptError] = []
    clipped = empty = 0
    for cue in parse_webvtt(path):
        if not cue.text:
            empty += 1
        elif cue.end_s <= cue.start_s:
            problems.append(
                TranscriptError(
                    f"the utterance ends at {cue.end_s:.3f} s, not after its start at {cue.start_s:.3f} s",
                    path=path,
                    place=f"line {cue.line}",
                )
            )
        elif cue.end_s > duration_s + PAST_END_TOLERANCE_S or cue.start_s >= duration_s:
            problems.append(
                TranscriptError(
                    f"the utterance from {cue.start_s:.3f} s to {cue.end_s:.3f} s passes the end of its recording at "
                    f"{duration_s:.3f} s",
                    path=path,
                    place=f"line {cue.line}",
                    remedy="Is this the transcript of another recording, or is the video cut short?",
                )
            )
        else:
            clipped += cue.end_s > duration_s
            utterances.append(
                Utterance(
                    recording=recording,
                    start_s=cue.start_s,
                    end_s=min(cue.end_s, duration_s),
                    speaker=cue.speaker,
                    text=cue.text,
                )
            )
    utterances.sort(key=lambda utterance: (utterance.start_s, utterance.end_s))
    return Transcript(utterances=tuple(utterances), clipped=clipped, empty=empty, problems=tuple(problems))


def parse_webvtt(path: Path) -> list[Cue]:
    """Reads the cues of a WebVTT file, in the order of the file.

    Raises:
        TranscriptError: Naming the line at which the file stops being WebVTT.
    """
    lines = _read_lines(path)
    if re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]) is None:
        raise TranscriptError(
            f"expected WEBVTT, found {lines[0][:40]!r}",
            path=path,
            place="line 1",
            remedy="Convert it first; a .srt needs the line WEBVTT, a blank line, and points for commas",
        )
    at = 1
    while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:  # header metadata
        at += 1
    cues: list[Cue] = []
    while at < len(lines):
        if not lines[at].strip():
            at += 1
        elif re.fullmatch(r"NOTE(?:[ \t].*)?", lines[at]) or re.fullmatch(r"(?:STYLE|REGION)[ \t]*", lines[at]):
            while at < len(lines) and lines[at].strip():
                at += 1
        else:
            at = _read_cue(lines, at, path, cues)
    return cues


def _read_cue(lines: list[str], at: int, path: Path, cues: list[Cue]) -> int:
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
    line, parts = at + 1, timing.groups()
    at += 1
    payload: list[str] = []
    while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:
        payload.append(lines[at])
        at += 1
    for speaker, text in _voices("\n".join(payload)):
        cues.append(Cue(line=line, start_s=_seconds(parts[:4]), end_s=_seconds(parts[4:]), speaker=speaker, text=text))
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


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return (hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + milliseconds) / 1000


def _read_lines(path: Path) -> list[str]:
    if not path.is_file():
        raise TranscriptError("the transcript is missing", path=path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TranscriptError(
            f"byte {data[error.start]:#04x} is not UTF-8",
            path=path,
            place=f"line {len(_NEWLINE.split(data[: error.start].decode('utf-8', 'replace')))}",
            remedy="Save the transcript as UTF-8",
        ) from error
    return _NEWLINE.split(text)
