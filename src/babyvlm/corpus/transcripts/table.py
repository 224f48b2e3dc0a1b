"""CSV and TSV transcripts: one utterance a row, columns named in the first line.

    start, end, text          seconds; or with the unit in the name: start_ms, onset_s, end_seconds, duration
    start, end as 00:01:02.5  clock times
    speaker, language         optional

Whisper's own TSV is known by its header (``start end text``, whole numbers): its times are milliseconds.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, base_language, clock_s, read_text
from babyvlm.errors import TranscriptError

_NAMES: Mapping[str, frozenset[str]] = {
    "start": frozenset({"start", "onset", "begin", "starttime", "begintime", "segmentonset", "from", "tmin"}),
    "end": frozenset({"end", "offset", "stop", "endtime", "stoptime", "segmentoffset", "to", "tmax"}),
    "duration": frozenset({"duration", "length", "dur"}),
    "text": frozenset({"text", "utterance", "transcript", "transcription", "words", "content", "sentence"}),
    "speaker": frozenset({"speaker", "speakertype", "speakerid", "participant", "who", "role"}),
    "language": frozenset({"language", "lang", "locale"}),
}
_UNITS = {"ms": 0.001, "msec": 0.001, "milliseconds": 0.001, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d+))?")


@dataclass(frozen=True, kw_only=True)
class _Column:
    name: str
    unit_s: float | None
    """Seconds of one unit; None where the name does not say."""


def is_transcript_header(line: str) -> bool:
    """Whether a first line names the columns of a transcript.

    >>> is_transcript_header("onset_s,duration,who,utterance"), is_transcript_header("frame,label")
    (True, False)
    """
    columns = _columns(next(csv.reader([line], delimiter=_delimiter(line)), []))
    return {"start", "text"} <= columns.keys() and bool({"end", "duration"} & columns.keys())


def parse_table(path: Path) -> list[Cue]:
    """Reads the rows of a CSV or TSV transcript, in the order of the file.

    Raises:
        TranscriptError: A column is missing, or naming the line whose times are none.
    """
    text = read_text(path)
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(first), strict=True)
    cues: list[Cue] = []
    try:
        columns = _columns(reader.fieldnames or [])
        if not is_transcript_header(first):
            raise TranscriptError(
                f"expected the columns start, end (or duration) and text, found {list(reader.fieldnames or [])}",
                path=path,
                place="line 1",
            )
        whisper_tsv = path.suffix.lower() == ".tsv" and list(reader.fieldnames or []) == ["start", "end", "text"]
        for row in reader:
            place = f"line {reader.line_num}"
            cells = {name: (row.get(column.name) or "").strip() for name, column in columns.items()}
            start_s, end_s = _times(cells, columns, whisper_tsv, path, place)
            cues.append(
                Cue(
                    place=place,
                    start_s=start_s,
                    end_s=end_s,
                    speaker=cells.get("speaker", ""),
                    text=" ".join(cells["text"].split()),
                    language=base_language(cells.get("language", "")),
                )
            )
    except csv.Error as error:
        raise TranscriptError(f"not CSV: {error}", path=path, place=f"line {reader.line_num}") from error
    return cues


def _times(
    cells: Mapping[str, str], columns: Mapping[str, _Column], whisper_tsv: bool, path: Path, place: str
) -> tuple[float | None, float | None]:
    def seconds(name: str) -> float | None:
        try:
            return _seconds(cells[name], 0.001 if whisper_tsv else columns[name].unit_s or 1.0)
        except ValueError as error:
            raise TranscriptError(f"{name} {cells[name]!r}: {error}", path=path, place=place) from None

    start_s = seconds("start")
    if "end" in columns:
        return start_s, seconds("end")
    lasts_s = seconds("duration")
    return start_s, None if start_s is None or lasts_s is None else start_s + lasts_s


def _seconds(cell: str, unit_s: float) -> float | None:
    if not cell:
        return None
    if (clock := _CLOCK.fullmatch(cell)) is not None:
        return clock_s(*clock.groups())
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("expected seconds, or a clock time such as 00:01:02.5")
    return number * unit_s


def _columns(names: Iterable[str]) -> dict[str, _Column]:
    """What each column holds, by its name in any spelling, with the unit that the name gives."""
    found: dict[str, _Column] = {}
    for name in names:
        words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name or "").lower())
        unit_s = _UNITS.get(words[-1]) if len(words) > 1 else None
        meaning = "".join(words[:-1] if unit_s is not None else words)
        for kind, known in _NAMES.items():
            if meaning in known:
                found.setdefault(kind, _Column(name=name, unit_s=unit_s))
    return found


def _delimiter(line: str) -> str:
    return max(("\t", ",", ";"), key=line.count)
