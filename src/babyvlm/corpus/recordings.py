"""Finding recordings: a folder tree of videos in, ``Recording`` records and named problems out.

    <any folder>/<stem>.mp4 (or .mkv, .mov ...)      the recording, whose id is the stem
    <any folder>/<stem>.vtt or <stem>.en.vtt         its transcript
    <any folder>/<stem>.boxes.json                   its boxes
    recordings.csv                                   overrides, in the corpus folder itself (optional)

``recordings.csv`` has a column ``recording`` and any of ``child``, ``age_months``, ``date``, ``split`` and ``licence``;
an empty cell leaves what the name says. The split is by recording: no recording lies on two sides of it.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from babyvlm.corpus.layouts import LICENCES, Layout, NameFacts, read_name
from babyvlm.errors import ConfigError, InputError, MediaError
from babyvlm.media import probe
from babyvlm.records import Record, Recording, Split

RECORDINGS_CSV = "recordings.csv"
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".mts"})
TRANSCRIPT_SUFFIXES = (".vtt", ".en.vtt")
BOXES_SUFFIX = ".boxes.json"


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


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a corpus that cannot be used."""

    reason: str
    """One of a few fixed phrases, by which problems are counted."""
    error: InputError

    @property
    def file(self) -> Path:
        return Path(self.error.path or "")

    @property
    def message(self) -> str:
        return str(self.error)


class RecordingRow(Record):
    """One line of ``recordings.csv``."""

    recording: str
    child: str | None = None
    age_months: float | None = None
    date: datetime.date | None = None
    split: Split | None = None
    licence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of a corpus by recording id, before any is opened."""

    videos: Mapping[str, Path]
    transcripts: Mapping[str, Path]
    boxes: Mapping[str, Path]
    problems: tuple[Problem, ...]


def find_files(folder: Path) -> Found:
    """Walks a folder tree, following links and passing by hidden files, and sorts out videos and their sidecars."""
    videos: dict[str, Path] = {}
    problems: list[Problem] = []
    files = _walk(folder)
    for path in files:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if (other := videos.get(path.stem)) is not None:
            error = MediaError(
                f"two videos are named {path.stem!r}; the other is {other}",
                path=path,
                remedy="A recording's name must be its own: rename one, with its sidecar files",
            )
            problems.append(Problem(reason="name used twice", error=error))
        else:
            videos[path.stem] = path
    present = set(files)
    transcripts = {
        stem: sidecar
        for stem, video in videos.items()
        for suffix in reversed(TRANSCRIPT_SUFFIXES)
        if (sidecar := video.with_name(stem + suffix)) in present
    }
    boxes = {
        stem: sidecar for stem, video in videos.items() if (sidecar := video.with_name(stem + BOXES_SUFFIX)) in present
    }
    used = {*transcripts.values(), *boxes.values()}
    for path in files:
        if path in used or not path.name.endswith((".vtt", BOXES_SUFFIX)):
            continue
        stem = path.name.removesuffix(BOXES_SUFFIX).removesuffix(".vtt").removesuffix(".en")
        video = videos.get(stem) or videos.get(stem.rpartition(".")[0])  # of another language: <stem>.es.vtt
        if video is None:
            error = MediaError(f"the video of {path.name} is missing", path=path.with_name(f"{stem}.mp4"))
            problems.append(Problem(reason="missing video", error=error))
        elif video.parent != path.parent:
            away = InputError(f"it does not lie beside its video {video}", path=path, remedy="Move it there")
            problems.append(Problem(reason="sidecar away from its video", error=away))
    return Found(videos=videos, transcripts=transcripts, boxes=boxes, problems=tuple(problems))


def read_recordings_csv(path: Path) -> dict[str, RecordingRow]:
    """Reads the overrides by recording id; none where there is no such file.

    A column whose name is nearly a known one is taken for a typing error; others are the lab's own and left alone.

    Raises:
        InputError: Naming the line and the cell that cannot be used.
    """
    if not path.is_file():
        return {}
    known = list(RecordingRow.model_fields)
    rows: dict[str, RecordingRow] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        if "recording" not in columns:
            raise InputError(f"the column 'recording' is missing; found {columns}", path=path, place="line 1")
        for column in columns:
            if column not in known and (near := difflib.get_close_matches(column.lower(), known, n=1, cutoff=0.75)):
                raise InputError(f"unknown column {column!r}; did you mean {near[0]!r}?", path=path, place="line 1")
        for cells in reader:
            place = f"line {reader.line_num}"
            filled = {name: cells[name].strip() for name in known if (cells.get(name) or "").strip()}
            try:
                row = RecordingRow.model_validate(filled)
            except ValidationError as error:
                fault = error.errors()[0]
                column = str(fault["loc"][0])
                raise InputError(
                    f"{column} {filled.get(column, '')!r}: {fault['msg']}", path=path, place=place
                ) from error
            if row.recording in rows:
                raise InputError(f"recording {row.recording!r} is listed twice", path=path, place=place)
            rows[row.recording] = row
    return rows


def read_recordings(
    folder: Path, found: Found, rows: Mapping[str, RecordingRow], *, layout: Layout, fractions: SplitFractions
) -> tuple[list[Recording], list[Problem]]:
    """Opens every video, and says of each recording what its name, its row and its file tell.

    Returns:
        The recordings by id, and a problem for each video that does not open and each row without a video.
    """
    recordings: list[Recording] = []
    problems: list[Problem] = []
    for stem in rows.keys() - found.videos.keys():
        error = MediaError(f"{RECORDINGS_CSV} lists {stem!r}, and there is no such video", path=folder)
        problems.append(Problem(reason="missing video", error=error))
    for stem, path in sorted(found.videos.items()):
        try:
            duration_s = probe(path).duration_s
        except MediaError as error:
            problems.append(Problem(reason="unreadable video", error=error))
            continue
        name = read_name(stem, layout) or NameFacts()
        row = rows.get(stem) or RecordingRow(recording=stem)
        recordings.append(
            Recording(
                id=stem,
                child=row.child or name.child or "unknown",
                age_months=name.age_months if row.age_months is None else row.age_months,
                date=row.date or name.date,
                media=path.relative_to(folder).as_posix(),
                duration_s=duration_s,
                licence=row.licence or LICENCES[layout],
                split=row.split or hashed_split(stem, fractions),
            )
        )
    _leave_some_to_train(recordings, found, rows)
    return recordings, sorted(problems, key=lambda problem: problem.message)


def _leave_some_to_train(recordings: list[Recording], found: Found, rows: Mapping[str, RecordingRow]) -> None:
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


def _walk(folder: Path) -> list[Path]:
    files: list[Path] = []
    visited: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in visited:  # a link back to a folder above
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(files)
