"""What every transcript format is read into, and how text files are opened.

A format's reader takes a file and gives its cues in the order of the file, each with the place it stands at, so that
whatever is found wrong with it later can be told with file and line.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babyvlm.errors import TranscriptError

_NEWLINE = re.compile(r"\r\n|\n|\r")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One voice of one stretch of speech, as it stands in the file."""

    place: str
    """Where in the file: ``line 12``, or ``segments[3]`` in a JSON document."""
    start_s: float | None
    """None where the file gives no time: CHAT utterances without a bullet, unaligned ELAN annotations."""
    end_s: float | None
    speaker: str
    """As the transcript labels it, or the role that it declares for the label; empty when it does not say."""
    text: str
    language: str = ""
    """As the transcript declares it, in lower case and without a region; empty when it does not."""


def read_text(path: Path) -> str:
    """The text of a transcript: UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        TranscriptError: The file is missing, or naming the line that is of another encoding.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TranscriptError("the transcript is missing", path=path) from None
    except OSError as error:
        raise TranscriptError(f"the transcript does not read ({error})", path=path) from error
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TranscriptError(
            f"byte {data[error.start]:#04x} is not {encoding.removesuffix('-sig').upper()}",
            path=path,
            place=f"line {len(_NEWLINE.split(data[: error.start].decode(encoding, 'replace')))}",
            remedy="Save the transcript as UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)",
        ) from error


def read_lines(path: Path) -> list[str]:
    """The lines of a transcript, whatever ends them; one empty line where the file is empty."""
    return _NEWLINE.split(read_text(path))


def read_json(path: Path) -> Any:
    """The value in a JSON file, or the list of values of a file with one a line.

    Raises:
        TranscriptError: Naming the line that is no JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        values = _json_lines(text)
        if values is None:
            place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else None
            raise TranscriptError(f"not JSON: {error}", path=path, place=place) from error
        return values


def _json_lines(text: str) -> list[Any] | None:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines] if len(lines) > 1 else None
    except (json.JSONDecodeError, RecursionError):
        return None


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
