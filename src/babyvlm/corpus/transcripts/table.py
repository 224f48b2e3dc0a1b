"""CSV and TSV transcripts: one utterance, or one word, per row; columns named in the first line.

    start, end, text            seconds; or with the unit in the name: start_ms, onset_s, end_seconds, duration
    start, end as 00:01:02.5    clock times
    speaker, language           optional
    time, speaker, text         a start alone lasts until the next one

Programs whose columns fix the unit are known by them: ChildProject's ``segment_onset`` and ``segment_offset`` are
milliseconds, and so are the whole numbers of Whisper's own TSV (``start end text``). SAYCam's tables (``Video Name,
Time, Speaker, Utterance``) and BabyView's, with one token per row, are read in ``table_layouts.py``.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, Parsed, base_language, clock_s, read_text
from babyvlm.errors import TranscriptError

_NAMES: Mapping[str, Sequence[str]] = {
    "start": ("start", "onset", "begin", "starttime", "begintime", "segmentonset", "from", "tmin", "xmin"),
    "end": ("end", "offset", "stop", "endtime", "stoptime", "segmentoffset", "to", "tmax", "xmax"),
    "duration": ("duration", "length", "dur"),
    "moment": ("time", "timestamp", "timecode"),
    "text": ("transcription", "transcript", "utterance", "text", "sentence", "content", "words"),
    "speaker": ("speaker", "speakerid", "speakertype", "participant", "who", "role", "speakerrole"),
    "language": ("language", "lang", "locale"),
    "video": ("videoname", "video"),
    "token": ("token", "word"),
    "tokenstart": ("tokenstarttime", "tokenstart", "wordstart"),
    "tokenend": ("tokenendtime", "tokenend", "wordend"),
    "group": ("utteranceid", "utterancenum", "utterancenumber"),
}
"""What a column may be called, without case, blanks and underscores; the first of a kind goes before the others."""
_UNITS = {"ms": 0.001, "msec": 0.001, "milliseconds": 0.001, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0}
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d{1,9}))?")
_NUMBER = re.compile(r"([+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?)\s*(ms|msec|s|sec|seconds)?")
_MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"})
_MISSING_TEXT = frozenset({"", "NA", "NaN"})
"""Nan and None may be said."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that is known."""

    name: str
    unit_s: float | None
    """Seconds of one unit; None where the name does not say."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a table, by what they hold."""

    names: tuple[str, ...]
    columns: Mapping[str, Column]
    delimiter: str

    @property
    def has_times(self) -> bool:
        known = self.columns.keys()
        if "start" in known:
            return bool({"end", "duration"} & known)
        if {"end", "duration"} <= known and self.columns["end"].name.lower().startswith("offset"):
            return True
        return "moment" in known and bool({"speaker", "video"} & known)

    @property
    def is_transcript(self) -> bool:
        """Whether these are the columns of a transcript."""
        return self.is_of_tokens or (self.has_times and "text" in self.columns)

    @property
    def is_of_tokens(self) -> bool:
        """Whether a row is a word, as in BabyView's tables."""
        return {"token", "tokenstart", "tokenend", "group"} <= self.columns.keys()

    @property
    def lacks(self) -> str:
        """What a transcript has and this has not."""
        lacking = [] if "text" in self.columns else ["text"]
        if not self.has_times:
            lacking += [name for name in ("start",) if not {"start", "moment"} & self.columns.keys()]
            lacking += ["end or duration"] if not {"end", "duration"} & self.columns.keys() else []
        return ", ".join(lacking)


def read_header(line: str) -> Header:
    """What the first row of a table names.

    >>> read_header("onset_s;duration;who;utterance").is_transcript, read_header("frame,label").lacks
    (True, 'text, start, end or duration')
    """
    candidates = [_header(line, delimiter) for delimiter in ("\t", ",", ";", "|")]
    return max(candidates, key=lambda each: (each.is_transcript, len(each.columns), len(each.names)))


def _header(line: str, delimiter: str) -> Header:
    try:
        names = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        names = ()
    return Header(names=names, columns=_columns(names), delimiter=delimiter)


def _columns(names: Sequence[str]) -> dict[str, Column]:
    """What each column holds, by its name in any spelling, with the unit that the name gives."""
    meanings: dict[str, Column] = {}
    for name in names:
        words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name or "").lower())
        unit_s = _UNITS.get(words[-1]) if len(words) > 1 else None
        meaning = "".join(words[:-1] if unit_s is not None else words)
        if meaning in ("segmentonset", "segmentoffset") and unit_s is None:
            unit_s = 0.001  # as ChildProject defines them
        meanings.setdefault(meaning, Column(name=name, unit_s=unit_s))
    return {
        kind: next(meanings[name] for name in known if name in meanings)
        for kind, known in _NAMES.items()
        if any(name in meanings for name in known)
    }


def split_header(text: str) -> tuple[int, str]:
    """The number of the line that names the columns, from 1, and that line; Excel's ``sep=;`` stands before it."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not re.fullmatch(r"sep=.", line.strip(), re.IGNORECASE) and not line.startswith("#"):
            return number, line
    return 1, ""


def read_table(path: Path, recording: str = "") -> Parsed:
    """Reads the rows of a CSV or TSV transcript, in the order of the file.

    Args:
        path: The table.
        recording: Id of the recording, where rows name the video they belong to.

    Raises:
        TranscriptError: A column is missing.
    """
    from babyvlm.corpus.transcripts.table_layouts import rows_of_video, token_cues

    parsed = Parsed(path=path)
    text = read_text(path, parsed)
    first, line = split_header(text)
    header = read_header(line)
    if not header.is_transcript:
        raise TranscriptError(
            f"expected the columns start, end (or duration) and text, found {list(header.names)}",
            path=path,
            place=f"line {first}",
            remedy=f"It lacks {header.lacks}",
        )
    rows = list(_rows(text, first, header, parsed))
    if header.is_of_tokens:
        parsed.cues = token_cues(rows, parsed)
        return parsed
    whisper_tsv = path.suffix.lower() == ".tsv" and [name.lower() for name in header.names] == ["start", "end", "text"]
    for row in rows_of_video(rows, recording, parsed):
        try:
            parsed.cues.append(_cue(row, header, whisper_tsv))
        except ValueError as error:
            parsed.skip(str(error), row.place)
    return parsed


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """The known cells of a row; those that hold nothing are left out."""

    place: str
    cells: Mapping[str, str]


def _rows(text: str, first: int, header: Header, parsed: Parsed) -> Iterator[TableRow]:
    body = text.splitlines(keepends=True)[first:]
    strict = csv.reader(io.StringIO("".join(body), newline=""), delimiter=header.delimiter, strict=True)
    try:
        records = [(first + strict.line_num, record) for record in strict]
    except csv.Error:  # a quotation mark that is never closed would swallow all that follows
        records = list(_line_by_line(body, first, header.delimiter, parsed))
    places = {name: index for index, name in reversed(list(enumerate(header.names)))}
    for number, record in records:
        if not any(cell.strip() for cell in record):
            continue
        if len(record) != len(header.names) and len(record) < 2:
            parsed.skip(f"{len(record)} cells, and the header names {len(header.names)}", f"line {number}")
            continue
        cells = {
            kind: cell
            for kind, column in header.columns.items()
            if (at := places[column.name]) < len(record)
            and (cell := record[at].strip()) not in (_MISSING_TEXT if kind in ("text", "token") else _MISSING)
        }
        yield TableRow(place=f"line {number}", cells=cells)


def _line_by_line(body: Sequence[str], first: int, delimiter: str, parsed: Parsed) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(body, start=first + 1):
        try:
            yield number, next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            parsed.skip(f"not CSV: {error}", f"line {number}", "Close its quotation marks")


def _cue(row: TableRow, header: Header, whisper_tsv: bool) -> Cue:
    cells = row.cells

    def seconds(name: str) -> float | None:
        if name not in cells:
            return None
        unit_s = 0.001 if whisper_tsv else header.columns[name].unit_s or 1.0
        return read_seconds(name, cells[name], unit_s, decimal_comma=header.delimiter != ",")

    if "start" in header.columns:
        start_s, end_s = seconds("start"), seconds("end")
    elif "moment" in header.columns:
        start_s, end_s = seconds("moment"), None
    else:
        start_s, end_s = seconds("end"), None  # an offset with a duration is where it begins
    if end_s is None and (lasts_s := seconds("duration")) is not None and start_s is not None:
        end_s = start_s + lasts_s
    return Cue(
        place=row.place,
        start_s=start_s,
        end_s=end_s,
        speaker=cells.get("speaker", ""),
        text=" ".join(cells.get("text", "").split()),
        language=base_language(cells.get("language", "")),
    )


def read_seconds(name: str, cell: str, unit_s: float, *, decimal_comma: bool) -> float:
    """Seconds of a cell: a number in its column's unit, one with a unit of its own, or a clock time.

    Raises:
        ValueError: It is none of them.
    """
    if (clock := _CLOCK.fullmatch(cell)) is not None:
        hours, minutes, seconds, _ = clock.groups()
        if int(seconds) < 60 and (hours is None or int(minutes) < 60):
            return clock_s(*clock.groups())
    elif (number := _NUMBER.fullmatch(cell)) is not None and ("," not in cell or decimal_comma):
        value = float(number[1].replace(",", "."))
        if math.isfinite(value):
            return round(value * (_UNITS[number[2]] if number[2] else unit_s), 6)
    frames = " (a fourth part would count frames)" if cell.count(":") == 3 else ""
    raise ValueError(f"{name} {cell!r}: expected seconds, or a clock time such as 00:01:02.5{frames}")
