"""Where published records and their pictures lie: the layouts in the wild, and how tasks and splits are spelled.

tree    <root>/[<split>/]<task>/data.json         pictures in <task>/images/, paths relative to <task>/
flat    <root>/<task>_<split>.json                pictures in <root>/images/<task>/, paths relative to either
bare    one JSON file                             picture paths relative to a given image root
table   one CSV file of pairs                     see winoground_list.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babyvlm.errors import InputError
from babyvlm.records import ItemSplit, Split
from babyvlm.regular_files import parse_json, read_regular
from babyvlm.toolbox.published.formatting import Formatting, json_formatting, table_formatting
from babyvlm.toolbox.published.records import SourceFile
from babyvlm.toolbox.published.winoground_list import is_pair_list, read_pair_list

_SPLITS: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
SPLIT_NAMES: dict[ItemSplit, str] = {"train": "train", "validation": "val", "test": "test", "unknown": ""}
"""How published folders spell our splits; empty where they name none."""

_SPELLINGS: dict[str, tuple[str, ...]] = {
    "looking_while_listening": ("lookingwhilelistening", "lwl", "winoground", "babywinoground"),
    "picture_vocabulary": ("picturevocabulary", "picturevocab", "picturevocabselected", "pv", "vocabulary"),
    "localization": ("localization", "localize", "localisation", "localise"),
    "left_right": ("leftright",),
    "spatial_details": ("spatialdetails", "spatialdetail", "spatial"),
    "visual_delayed_response_binary": ("visualdelayedresponsebinary", "vdrbinary", "vdrimage", "vdr"),
    "visual_delayed_response_open": ("visualdelayedresponseopen", "vdropen"),
    "memory": ("memory",),
    "who_has_more_synthetic": ("whohasmoresynthetic", "comparesynthetic", "comparesynth"),
    "who_has_more_naturalistic": (
        "whohasmorenaturalistic", "whohasmorereal", "whohasmore", "comparereal", "comparenaturalistic", "compare",
    ),
    "subitizing": ("subitizing", "subitize", "subitising"),
    "object_counting": ("objectcounting", "counting", "count"),
}  # fmt: skip
_BY_SPELLING = {spelling: task for task, spellings in _SPELLINGS.items() for spelling in spellings}
PUBLISHED_NAMES: dict[str, str] = {
    "looking_while_listening": "looking_while_listening",
    "picture_vocabulary": "picture_vocabulary",
    "localization": "localize",
    "left_right": "leftright",
    "spatial_details": "spatialdetails",
    "visual_delayed_response_binary": "vdr_binary",
    "visual_delayed_response_open": "vdr_open",
    "memory": "memory",
    "who_has_more_synthetic": "compare_synthetic",
    "who_has_more_naturalistic": "compare_real",
    "subitizing": "subitize",
    "object_counting": "count",
}
"""How published folders spell our sub-tasks."""

RECORDS = "data.json"


def task_spelled(name: str) -> str | None:
    """The sub-task that a folder or file name means.

    >>> task_spelled("vdr-binary"), task_spelled("baby_pv"), task_spelled("notes")
    ('visual_delayed_response_binary', 'picture_vocabulary', None)
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for spelling in (plain, plain.removesuffix("task"), plain.removeprefix("baby"), plain.removeprefix("nih")):
        if spelling in _BY_SPELLING:
            return _BY_SPELLING[spelling]
    return None


def split_spelled(name: str) -> Split | None:
    """The split that a folder name means; None where it means none."""
    return _SPLITS.get(name.lower())


def read_stem(stem: str) -> tuple[str | None, Split | None]:
    """Task and split that a file's stem says.

    >>> read_stem("picture_vocab_test"), read_stem("leftright"), read_stem("abc")
    (('picture_vocabulary', 'test'), ('left_right', None), (None, None))
    """
    parts = re.split(r"[_\-.]", stem)
    for place in (-1, 0):
        if len(parts) > 1 and (split := split_spelled(parts[place])):
            rest = parts[:-1] if place == -1 else parts[1:]
            return task_spelled("_".join(rest)), split
    return task_spelled(stem), None


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file of records, read."""

    source: SourceFile
    path: Path
    records: tuple[dict[str, Any], ...]
    image_folders: tuple[Path, ...]
    """Where its picture paths may start, the likeliest first."""
    root: Path
    """No picture may lie outside it."""
    split_said: bool = True
    """Whether a name or the user says the split."""
    formatting: Formatting | None = None
    """How it is written, where that can be done again byte for byte."""


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """Everything in a source."""

    files: tuple[FoundFile, ...]
    passed_over: tuple[str, ...]
    """JSON files that hold no records, relative to the source."""


def find_files(
    source: Path, *, image_root: Path | None = None, task: str | None = None, split: Split | None = None
) -> SourceFiles:
    """Reads every file of records of a source.

    Args:
        source: A folder in one of the published layouts, one JSON file, or a CSV file of pairs.
        image_root: Where picture paths start; beside the records when None.
        task: The sub-task of records whose file name does not say.
        split: The split of records whose file and folder names do not say.

    Raises:
        InputError: There is nothing at ``source``, or no file of records in it, or one that does not parse.
    """
    if source.is_file() and source.suffix.lower() == ".csv":
        return SourceFiles(files=(_table(source, source.name, image_root or source.parent, split),), passed_over=())
    if source.is_file():
        stem_task, named_split = read_stem(source.stem)
        said = named_split or split
        described = SourceFile(path=source.name, layout="bare", task=stem_task or task, split=said or "unknown")
        records = read_records(source)
        if records is None:
            raise InputError("holds no list of conversation records", path=source)
        root = image_root or source.parent
        return SourceFiles(
            files=(_found(described, source, records, [root, root / "images"], root, said is not None),), passed_over=()
        )
    if not source.is_dir():
        raise InputError("there is no such folder or file", path=source)
    files, passed_over = [], []
    for path in _record_files(source):
        if path.suffix == ".csv":
            if is_pair_list(path):
                files.append(_table(path, str(path.relative_to(source)), image_root or source, split))
            continue
        relative = path.relative_to(source)
        records = read_records(path)
        if records is None:
            passed_over.append(str(relative))
            continue
        base = image_root or path.parent
        if path.name == RECORDS and len(relative.parts) > 1:
            splits = [found for part in relative.parts[:-2] if (found := split_spelled(part))]
            said = splits[-1] if splits else split or split_spelled(source.resolve().name)
            named = task_spelled(path.parent.name) or task
            described = SourceFile(path=str(relative), layout="tree", task=named, split=said or "unknown")
            folders = [base, base / "images", source]
        else:
            stem_task, named_split = read_stem(path.stem)
            splits = [found for part in relative.parts[:-1] if (found := split_spelled(part))]
            said = named_split or (splits[-1] if splits else split or split_spelled(source.resolve().name))
            described = SourceFile(
                path=str(relative),
                layout="flat",
                task=stem_task or task,
                split=said or "unknown",
            )
            pictures = base / "images"
            names = {path.stem, re.sub(r"[_\-](?:train|val|validation|test)$", "", path.stem)}
            folders = [base, pictures, *(pictures / name for name in sorted(names, key=len))]
        files.append(_found(described, path, records, folders, image_root or source, said is not None))
    if not files:
        raise InputError(
            "no file of conversation records here",
            path=source,
            remedy="Expected <task>/data.json, <split>/<task>/data.json, <task>_<split>.json or baby_winoground.csv",
        )
    return SourceFiles(files=tuple(files), passed_over=tuple(passed_over))


def _found(
    described: SourceFile,
    path: Path,
    records: tuple[dict[str, Any], ...],
    folders: list[Path],
    root: Path,
    split_said: bool,
) -> FoundFile:
    return FoundFile(
        source=described,
        path=path,
        records=records,
        image_folders=tuple(folders),
        root=root,
        split_said=split_said,
        formatting=json_formatting(path.read_bytes(), list(records)),
    )


def _table(path: Path, name: str, root: Path, split: Split | None) -> FoundFile:
    """A list of pairs, read."""
    rows = read_pair_list(path)
    described = SourceFile(path=name, layout="table", task="looking_while_listening", split=split or "unknown")
    return FoundFile(
        source=described,
        path=path,
        records=tuple(rows),
        image_folders=tuple(dict.fromkeys((path.parent, path.parent / "images", root, root / "images"))),
        root=root,
        split_said=split is not None,
        formatting=table_formatting(path.read_bytes(), rows),
    )


def _record_files(source: Path) -> Iterator[Path]:
    """JSON and CSV files in a stable order; hidden folders are not entered."""
    for folder, names, files in os.walk(source):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if name.endswith((".json", ".csv")) and not name.startswith("."):
                yield Path(folder) / name


def read_records(path: Path) -> tuple[dict[str, Any], ...] | None:
    """The conversation records of a JSON file; None where it holds something else.

    Raises:
        InputError: The file is not JSON, or one of its records is not like the others.
    """
    try:
        loaded = parse_json(read_regular(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({error})", path=path, remedy="Was it copied whole?") from error
    if not isinstance(loaded, list) or not any(
        isinstance(entry, dict) and "conversations" in entry for entry in loaded
    ):
        return () if loaded == [] else None
    for number, entry in enumerate(loaded):
        if not isinstance(entry, dict):
            raise InputError(
                f"a {type(entry).__name__} among the records, where an object belongs", path=path, place=f"[{number}]"
            )
    return tuple(loaded)


def locate(named: str, found: FoundFile) -> tuple[Path | None, str]:
    """Where a picture lies that a record names.

    Args:
        named: The path in the record.
        found: The file that the record is in.

    Returns:
        The file, None where it is missing or lies outside the source, and its place relative to the source's root.
    """
    written = named.lstrip("/")
    root = os.path.normpath(found.root)
    first = ""
    for folder in found.image_folders:
        candidate = os.path.normpath(folder / written)
        place = os.path.relpath(candidate, root)
        if place.startswith(".."):
            continue
        first = first or place
        if (path := Path(candidate)).is_file():
            return path, place
    return None, first
