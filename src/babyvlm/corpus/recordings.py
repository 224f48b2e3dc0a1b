"""From files to recordings: what name, header and ``recordings.csv`` say of each video.

``recordings.csv`` lies in the corpus folder itself. It has a column ``recording`` and any of ``child``, ``age_months``,
``date``, ``birth_date``, ``split`` and ``licence``; an empty cell leaves what the name says. The split is by recording:
no recording lies on two sides of it.
"""

from __future__ import annotations

import datetime
import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from babyvlm.corpus.ego4d import read_participants
from babyvlm.corpus.files import CorpusFiles
from babyvlm.corpus.layouts import DAYS_PER_MONTH, Layout, NameFacts, commonest_layout, layout_of, licence_of, read_name
from babyvlm.corpus.media_memory import MediaMemory
from babyvlm.corpus.problems import Problem
from babyvlm.corpus.transcripts.cues import Parsed, read_text
from babyvlm.errors import ConfigError, InputError, MediaError
from babyvlm.records import Record, Recording, Split
from babyvlm.regular_files import require_regular
from babyvlm.spreadsheets import TableReader

RECORDINGS_CSV = "recordings.csv"


@dataclass(frozen=True, kw_only=True)
class SplitFractions:
    """Shares of recordings held out where ``recordings.csv`` gives no split."""

    validation: float = 0.05
    """Fraction of recordings, 0 to 1 (ours)."""
    test: float = 0.05
    """Fraction of recordings, 0 to 1 (ours)."""

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ConfigError(
                f"validation ({self.validation}) and test ({self.test}) must be fractions that leave some for training"
            )


class RecordingOverrides(Record):
    """One line of ``recordings.csv``."""

    recording: str
    child: str | None = None
    age_months: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    date: datetime.date | None = None
    birth_date: datetime.date | None = None
    """The age follows from it and the date, where no age is given."""
    split: Split | None = None
    licence: str | None = None


def read_recordings_csv(path: Path) -> dict[str, RecordingOverrides]:
    """Reads the overrides by recording id; none where there is no such file.

    A column whose name is nearly a known one is taken for a typing error; others are the lab's own and left alone.

    Raises:
        InputError: Naming the line and the cell that cannot be used.
    """
    if not os.path.lexists(path):
        return {}
    try:
        require_regular(path)
    except OSError as error:
        problem = f"does not read ({error.strerror})"
        raise InputError(problem, path=path, remedy="Make it a file, or remove it") from error
    known = list(RecordingOverrides.model_fields)
    rows: dict[str, RecordingOverrides] = {}
    text = read_text(path, Parsed(path=path))
    first = text.partition("\n")[0]
    table = TableReader(text, path, delimiter=";" if first.count(";") > first.count(",") else ",")
    columns = table.columns
    if "recording" not in columns:
        raise InputError(f"the column 'recording' is missing; found {columns}", path=path, place="line 1")
    for column in columns:
        if column not in known and (near := difflib.get_close_matches(column.lower(), known, n=1, cutoff=0.75)):
            raise InputError(f"unknown column {column!r}; did you mean {near[0]!r}?", path=path, place="line 1")
    for line, cells in table:
        place = f"line {line}"
        filled = {name: cells[name].strip() for name in known if cells.get(name, "").strip()}
        try:
            row = RecordingOverrides.model_validate(filled)
        except ValidationError as error:
            fault = error.errors()[0]
            column = str(fault["loc"][0])
            raise InputError(f"{column} {filled.get(column, '')!r}: {fault['msg']}", path=path, place=place) from error
        if row.recording in rows:
            raise InputError(f"recording {row.recording!r} is listed twice", path=path, place=place)
        rows[row.recording] = row
    return rows


def read_recordings(
    folder: Path,
    found: CorpusFiles,
    rows: Mapping[str, RecordingOverrides],
    *,
    memory: MediaMemory,
    layout: Layout | None,
    fractions: SplitFractions,
) -> tuple[list[Recording], list[Problem]]:
    """Opens every video that is not known, and collects the facts in its name, its row and its file.

    Args:
        folder: The corpus.
        found: Its files.
        rows: Overrides by recording id.
        memory: What is known of the videos already; what is found is added.
        layout: How every recording is named; None where each name tells by itself.
        fractions: Shares held out where no row gives a split.

    Returns:
        The recordings by id, and a problem for each video that does not open and each row without a video.
    """
    recordings: list[Recording] = []
    problems: list[Problem] = []
    for stem in rows.keys() - found.videos.keys():
        error = MediaError(f"{RECORDINGS_CSV} lists {stem!r}, and there is no such video", path=folder)
        problems.append(Problem(reason="missing video", error=error))
    layouts = {stem: layout or layout_of(stem) for stem in found.videos}
    common = layout or commonest_layout(found.videos)
    participants = read_participants(found.files) if "ego4d" in layouts.values() else {}
    headers = memory.probe_all(found.videos.values())
    for stem, path in sorted(found.videos.items()):
        header = headers[path]
        if isinstance(header, MediaError):
            problems.append(Problem(reason="unreadable video", error=header))
            continue
        row = rows.get(stem) or RecordingOverrides(recording=stem)
        name = read_name(stem, layouts[stem])
        strange = name is None or layouts[stem] == "plain" != common
        problems += _notes_on_name(None if strange else name, row, path, common)
        name = name or NameFacts()
        date = row.date or name.date
        recordings.append(
            Recording(
                id=stem,
                child=row.child or name.child or participants.get(stem) or "unknown",
                age_months=_age_months(row, name, date),
                date=date,
                media=path.relative_to(folder).as_posix(),
                duration_s=header.info.duration_s,
                licence=row.licence or licence_of(layouts[stem]),
                split=row.split or hashed_split(stem, fractions),
            )
        )
    _leave_some_to_train(recordings, found, rows)
    return recordings, sorted(problems, key=lambda problem: problem.message)


def _age_months(row: RecordingOverrides, name: NameFacts, date: datetime.date | None) -> float | None:
    if row.age_months is not None:
        return row.age_months
    if row.birth_date is not None and date is not None:
        return round((date - row.birth_date).days / DAYS_PER_MONTH, 2)
    return name.age_months


def _notes_on_name(name: NameFacts | None, row: RecordingOverrides, path: Path, layout: Layout) -> list[Problem]:
    """What is odd about a recording's name, and of consequence."""
    if name is None and row.child is None:
        problem = f"the name is not one of the layout {layout}; the recording is used, its child and age are not known"
        problem += "" if row.licence else ", nor its licence, so that its pictures are kept on this machine"
        remedy = f"Rename it, or give child, age_months, date and licence in {RECORDINGS_CSV}"
        return [Problem(reason="name of no layout", error=InputError(problem, path=path, remedy=remedy), used=True)]
    if name is not None and name.zone is not None and row.date is None:
        problem = f"the name gives a time zone, {name.zone}; the date {name.date} is taken as that zone's"
        remedy = f"Give the date where the child lives in {RECORDINGS_CSV}, if it is another"
        return [Problem(reason="time zone in a name", error=InputError(problem, path=path, remedy=remedy), used=True)]
    return []


def _leave_some_to_train(
    recordings: list[Recording], found: CorpusFiles, rows: Mapping[str, RecordingOverrides]
) -> None:
    """Moves the first recording to train where none, or none with a transcript, fell there: few may all miss it."""
    usable = [number for number, each in enumerate(recordings) if each.id in found.transcripts] or range(
        len(recordings)
    )
    if any(recordings[number].split == "train" for number in usable):
        return
    for number in usable:
        row = rows.get(recordings[number].id)
        if row is None or row.split is None:
            recordings[number] = recordings[number].model_copy(update={"split": "train"})
            return


def hashed_split(recording: str, fractions: SplitFractions) -> Split:
    """The split of a recording by its id alone, so that a corpus may grow without any recording changing sides."""
    share = int.from_bytes(hashlib.sha256(recording.encode()).digest()[:8]) / 2**64
    if share < fractions.test:
        return "test"
    return "validation" if share < fractions.test + fractions.validation else "train"
