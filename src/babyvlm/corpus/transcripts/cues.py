"""What every transcript format is read into, and how text files are opened.

A format's reader takes a file and gives its cues in the order of the file, each with the place at which it stands. What
it cannot read costs the one cue it belongs to: it is kept as an error with file and line, beside the cues.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babyvlm.errors import TranscriptError
from babyvlm.regular_files import parse_json, read_regular

_NEWLINE = re.compile(r"\r\r\n|\r\n|\n|\r")  # the first where a text was converted twice
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
NOT_UTF8 = "\ufdd0"
"""Stands for bytes, and halves of characters, that could not be read: Unicode keeps it free, and no file holds it."""
MARK_BAD_BYTES = "babyvlm-mark"
codecs.register_error(MARK_BAD_BYTES, lambda error: (NOT_UTF8, error.end))  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One voice of one stretch of speech, as it stands in the file."""

    place: str
    """Where in the file: ``line 12``, or ``segments[3]`` in a JSON document."""
    start_s: float | None
    """None where the file gives no time: CHAT utterances without a bullet, unaligned ELAN annotations."""
    end_s: float | None
    """None where the file does not say; with a start it lasts until the next cue."""
    speaker: str
    """As the transcript labels it, or the role that it declares for the label; empty when it does not say."""
    text: str
    language: str = ""
    """As the transcript declares it, in lower case and without a region; empty when it does not."""
    lines: tuple[str, ...] = ()
    """The lines on screen without markup, for captions."""
    markup: str = ""
    """The same with markup, for captions."""


@dataclass(kw_only=True)
class Parsed:
    """What a format's reader finds in a file."""

    path: Path
    cues: list[Cue] = field(default_factory=list)
    unreadable: list[TranscriptError] = field(default_factory=list)
    """One for each cue, row or record that cannot be read."""
    not_speech: Counter[str] = field(default_factory=Counter)
    """What stands in the file and is no speech, by reason."""
    notes: list[TranscriptError] = field(default_factory=list)
    """What is odd, and used all the same."""

    def skip(self, problem: str, place: str, remedy: str | None = None) -> None:
        """Leaves out what stands at a place, and says why."""
        self.unreadable.append(TranscriptError(problem, path=self.path, place=place, remedy=remedy))

    def note(self, problem: str, place: str | None = None, remedy: str | None = None) -> None:
        """Says what is odd."""
        self.notes.append(TranscriptError(problem, path=self.path, place=place, remedy=remedy))

    def leave_out_broken(self) -> None:
        """Leaves out cues that hold bytes of no known encoding."""
        broken = [cue for cue in self.cues if NOT_UTF8 in cue.text + cue.speaker]
        for cue in broken:
            remedy = "Save the transcript as UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)"
            shown = cue.text[:60].replace(NOT_UTF8, "?")
            self.skip(f"{shown!r} holds bytes that are not UTF-8, or half a character", cue.place, remedy)
        if broken:
            places = {id(cue) for cue in broken}
            self.cues = [cue for cue in self.cues if id(cue) not in places]


def read_bytes(path: Path) -> bytes:
    """The bytes of a transcript.

    Raises:
        TranscriptError: The file is missing or does not read.
    """
    try:
        return read_regular(path)
    except FileNotFoundError:
        raise TranscriptError("the transcript is missing", path=path) from None
    except (OSError, MemoryError) as error:
        raise TranscriptError(f"the transcript does not read ({error})", path=path) from error


def read_text(path: Path, parsed: Parsed | None = None) -> str:
    """The text of a transcript: UTF-8, or UTF-16 where a byte order mark or its zero bytes say so.

    Bytes that are neither become ``NOT_UTF8``, so that they cost the cue they stand in.

    Args:
        path: The transcript.
        parsed: Where its format declares no encoding, as SubRip and CSV do: a file of another one is then read as
            Windows-1252, which is noted here.

    Raises:
        TranscriptError: The file is missing or does not read.
    """
    data = read_bytes(path)
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None) or _unmarked(data)
    text = data.decode(encoding, MARK_BAD_BYTES)
    if parsed is None or NOT_UTF8 not in text or encoding != "utf-8":
        return text
    if text.count(NOT_UTF8) <= sum(map(ord_above_ascii, text)) - text.count(NOT_UTF8):
        return text  # UTF-8 with damaged places
    try:
        read = data.decode("cp1252")
    except UnicodeDecodeError:
        return text
    at = len(_NEWLINE.split(text[: text.index(NOT_UTF8)]))
    parsed.note(
        "the file is not UTF-8; it is read as Windows-1252, whose accented letters may be others in your encoding",
        f"line {at}",
        "Look at the accents, or save it as UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)",
    )
    return read


def ord_above_ascii(character: str) -> bool:
    return ord(character) > 127


def _unmarked(data: bytes) -> str:
    """UTF-16 without a mark has a zero in every other byte of plain letters."""
    head = data[:4096]
    if len(head) >= 4 and head[1::2].count(0) > 0.4 * len(head) / 2 > head[0::2].count(0) * 4:
        return "utf-16-le"
    if len(head) >= 4 and head[0::2].count(0) > 0.4 * len(head) / 2 > head[1::2].count(0) * 4:
        return "utf-16-be"
    return "utf-8"


def read_lines(path: Path, parsed: Parsed | None = None) -> list[str]:
    """The lines of a transcript, whatever ends them; one empty line where the file is empty."""
    return _NEWLINE.split(read_text(path, parsed))


def read_json(path: Path, parsed: Parsed | None = None) -> Any:
    """The value in a JSON file, or the list of values of a file with one per line.

    Args:
        path: The file.
        parsed: Where lines that are no JSON are noted; without it they are left out.

    Raises:
        TranscriptError: Naming the line that is no JSON.
    """
    text = read_text(path)
    try:
        return parse_json(text, half=NOT_UTF8)
    except (ValueError, RecursionError, MemoryError) as error:
        values = _json_lines(text, parsed)
        if values is None:
            place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else None
            raise TranscriptError(
                f"not JSON: {error}", path=path, place=place, remedy="Was it written whole?"
            ) from error
        return values


def _json_lines(text: str, parsed: Parsed | None) -> list[Any] | None:
    """Values one per line; None where fewer than two, or fewer than half of the lines, are objects."""
    values: list[Any] = []
    broken: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line, half=NOT_UTF8)
        except (ValueError, RecursionError, MemoryError) as error:
            broken.append((number, str(error)))
        else:
            if isinstance(value, dict):
                values.append(value)
            else:
                broken.append((number, "no object"))
    if len(values) < 2 or len(broken) >= len(values):
        return None
    if parsed is not None:
        for number, problem in broken:
            parsed.skip(f"the line is not JSON ({problem})", f"line {number}")
    return values


def clock_s(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    """Seconds of a clock time, exact to the fraction's digits.

    >>> clock_s("1", "02", "03", "250")
    3723.25
    """
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return float(f"{whole}.{fraction or 0}")


def base_language(tag: str) -> str:
    """A language tag without its region, in two letters where it is common in three.

    >>> base_language("en-US"), base_language("spa")
    ('en', 'es')
    """
    base = re.split(r"[-_]", tag.strip().lower())[0]
    return _THREE_LETTERS.get(base, base)


_THREE_LETTERS = {
    "eng": "en", "spa": "es", "deu": "de", "fra": "fr", "ita": "it", "nld": "nl", "jpn": "ja", "zho": "zh",
    "por": "pt", "rus": "ru", "kor": "ko", "heb": "he", "dan": "da", "swe": "sv", "nor": "no", "pol": "pl",
    "english": "en", "spanish": "es", "german": "de", "french": "fr", "italian": "it", "dutch": "nl",
    "japanese": "ja", "chinese": "zh", "portuguese": "pt", "russian": "ru", "korean": "ko",
}  # fmt: skip
"""ISO 639-3 as CHAT writes it, and names as older Whisper releases write them."""
