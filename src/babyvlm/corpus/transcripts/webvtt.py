"""WebVTT (``.vtt``): cues with times, voices and markup.

All of WebVTT's cue syntax is read (https://www.w3.org/TR/webvtt1/). Only an empty line ends a cue: a line that holds
blanks is part of it, as in YouTube's captions. Voice tags (``<v Mother>``) give the speaker, a cue with several voices
becomes one utterance for each, all other markup is dropped. Text that belongs to no cue would be speech lost: it is
reported, where the standard would skip it in silence.

Segments of HTTP Live Streaming, joined to one file, repeat their header. ``X-TIMESTAMP-MAP`` then says how far apart
they are: the first one begins the file.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, Parsed, base_language, clock_s, read_lines
from babyvlm.corpus.transcripts.subrip import split_speaker
from babyvlm.errors import TranscriptError

_TIMESTAMP = r"(?:(\d{1,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"[ \t]*{_TIMESTAMP}[ \t]*-->[ \t]*{_TIMESTAMP}(?:[ \t]+.*)?")
_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_TAG = re.compile(r"<(/?)([^<>]*)>")
_RUBY = re.compile(r"<rt(?:\.[^<>]*)?>.*?(?:</rt>|(?=</ruby>)|$)", re.DOTALL)
_VOICE = re.compile(r"v(?:\.[^ \t\n.]*)*(?:[ \t\n]+(.*))?", re.DOTALL)
_LOCAL = re.compile(r"LOCAL:(?:(\d+):)?(\d{2}):(\d{2})\.(\d{3})")
_MPEGTS = re.compile(r"MPEGTS:(\d{1,18})")
_MPEG_TICKS_PER_S = 90_000


@dataclass
class _State:
    """What the blocks before have said."""

    language: str = ""
    first_map_s: float | None = None
    shift_s: float = 0.0


def read_webvtt(path: Path) -> Parsed:
    """Reads the cues of a WebVTT file, in the order of the file.

    Raises:
        TranscriptError: The file does not begin as WebVTT does.
    """
    parsed = Parsed(path=path)
    lines = read_lines(path)
    if _HEADER.fullmatch(lines[0]) is None:
        raise TranscriptError(
            f"expected WEBVTT, found {lines[0][:40]!r}",
            path=path,
            place="line 1",
            remedy="A WebVTT file begins with the line WEBVTT; name SubRip files .srt",
        )
    state = _State()
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
        elif _HEADER.fullmatch(lines[at]):
            at = _read_header(lines, at + 1, parsed, state)
        elif _is_aside(lines, at):
            while at < len(lines) and lines[at]:
                at += 1
        else:
            at = _read_cue(lines, at, parsed, state)
    _split_named_speakers(parsed)
    return parsed


def parse_webvtt(path: Path) -> list[Cue]:
    """The cues of a WebVTT file, in the order of the file.

    Raises:
        TranscriptError: Naming the first line that cannot be read.
    """
    parsed = read_webvtt(path)
    parsed.leave_out_broken()
    if parsed.unreadable:
        raise parsed.unreadable[0]
    return parsed.cues


def _read_header(lines: list[str], at: int, parsed: Parsed, state: _State) -> int:
    """Reads header metadata up to the empty line, or cue, after it; returns the index of that."""
    while at < len(lines) and lines[at].strip() and "-->" not in lines[at]:
        if (declared := re.fullmatch(r"Language:\s*(\S+)\s*", lines[at], re.IGNORECASE)) is not None:
            state.language = base_language(declared[1])
        elif lines[at].startswith("X-TIMESTAMP-MAP"):
            local, ticks = _LOCAL.search(lines[at]), _MPEGTS.search(lines[at])
            if local is None or ticks is None:
                parsed.skip("X-TIMESTAMP-MAP names no LOCAL and MPEGTS time", f"line {at + 1}")
            else:
                _map_times(int(ticks[1]) / _MPEG_TICKS_PER_S - clock_s(*local.groups()), at, parsed, state)
        at += 1
    return at


def _map_times(map_s: float, at: int, parsed: Parsed, state: _State) -> None:
    if state.first_map_s is None:
        state.first_map_s = map_s
        if map_s:
            parsed.note(
                f"X-TIMESTAMP-MAP places the cues {map_s:+.3f} s in a transport stream; the file's own times are used",
                f"line {at + 1}",
                "They are right where the recording begins with the first segment of the stream",
            )
    state.shift_s = map_s - state.first_map_s


def _is_aside(lines: list[str], at: int) -> bool:
    """Whether a comment, style sheet or region begins; a cue may have such a name, but its times follow at once."""
    named = re.fullmatch(r"NOTE(?:[ \t].*)?|(?:STYLE|REGION)[ \t]*", lines[at]) is not None
    return named and not (at + 1 < len(lines) and _TIMING.fullmatch(lines[at + 1]))


def _read_cue(lines: list[str], at: int, parsed: Parsed, state: _State) -> int:
    """Appends the cue that begins at index ``at``, one entry for each voice; returns the index after it."""
    begun = at
    if "-->" not in lines[at] and at + 1 < len(lines) and "-->" in lines[at + 1]:
        at += 1  # an identifier
    timing = _TIMING.fullmatch(lines[at])
    end = at + 1
    while end < len(lines) and lines[end] and "-->" not in lines[end]:
        end += 1
    payload = lines[at + 1 : end]
    if end < len(lines) and "-->" in lines[end] and len(payload) > 1 and not payload[-2].strip():
        payload, end = payload[:-2], end - 1  # blanks instead of an empty line, then the next identifier
    if timing is None:
        if "-->" in lines[at]:
            problem = f"expected times like 00:01:02.500 --> 00:01:04.000, found {lines[at].strip()[:60]!r}"
            parsed.skip(problem, f"line {at + 1}", "Its text is left out")
        else:
            problem = f"{lines[begun][:60]!r} belongs to no cue: no times stand above it"
            parsed.skip(problem, f"line {begun + 1}", "A cue's text must not hold empty lines")
        return end
    parts = timing.groups()
    start_s, end_s = clock_s(*parts[:4]) + state.shift_s, clock_s(*parts[4:]) + state.shift_s
    markup = _RUBY.sub("", "\n".join(payload))
    shown = tuple(line for each in markup.split("\n") if (line := _plain(each)))
    for speaker, text in _voices(markup):
        parsed.cues.append(
            Cue(
                place=f"line {at + 1}",
                start_s=start_s,
                end_s=end_s,
                speaker=speaker,
                text=text,
                language=state.language,
                lines=shown,
                markup=markup,
            )
        )
    return end


def _plain(line: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", line)).split())


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


def _split_named_speakers(parsed: Parsed) -> None:
    """Takes ``[SPEAKER_00]: look`` (WhisperX) and ``Anna: look`` (Zoom) apart; a name counts where it comes twice."""
    split = [split_speaker(cue.text) if not cue.speaker else ("", "") for cue in parsed.cues]
    names = [speaker for speaker, _ in split]
    for index, (cue, (speaker, text)) in enumerate(zip(parsed.cues, split, strict=True)):
        if speaker and (cue.text.startswith("[") or names.count(speaker) > 1):
            lines = (text,) if len(cue.lines) <= 1 else cue.lines
            parsed.cues[index] = Cue(**{**vars(cue), "speaker": speaker, "text": text, "lines": lines})
