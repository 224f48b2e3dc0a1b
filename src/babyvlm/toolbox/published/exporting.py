"""Items out, in a published layout.

source   the files and pictures as imported, byte by byte. A JSON or CSV file written in a way of its own, which the
         import notes, has equal records with their keys in order; files that held no records are not kept
tree     <split>/<task>/data.json and <split>/<task>/images/
flat     <task>_<split>.json and images/<task>/
bare     records.json, or records_train.json, records_val.json and records_test.json, and images/

An unknown split has no folder and no ending.

Items that were built, not imported, get a record of the published form, with ids as published: ``<task>_<number>``, of
Localization ``count_<number>``, of Visual Delayed Response ``<recording>_clip_<number>``; where an object is asked for,
``bb`` is its box in the uncropped frame. What that form has no place for (our id, licence, category, difficulty,
origin) goes under its ``meta`` key.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.folders import fresh_folder, refuse_existing
from babyvlm.records import Item, ItemSplit
from babyvlm.regular_files import read_regular
from babyvlm.toolbox.folder import Toolbox
from babyvlm.toolbox.published.formatting import Formatting, written_json, written_table
from babyvlm.toolbox.published.importing import FORMATTING
from babyvlm.toolbox.published.layouts import PUBLISHED_NAMES, RECORDS, SPLIT_NAMES
from babyvlm.toolbox.published.records import (
    PublishedRecord,
    all_images,
    attached_paths,
    image_paths,
    published_records,
    with_paths,
)

ExportLayout = Literal["source", "tree", "flat", "bare"]
_UNKNOWN = "unknown"
_ID_NAMES = {"localization": "count"}
"""What ids of a task begin with, where it is not the task's published name."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A record to write, with its pictures in `images/` by the path it names them with."""

    record: dict[str, Any]
    pictures: dict[str, str]
    task: str
    split: ItemSplit


def export_items(toolbox: Toolbox, out: Path, layout: ExportLayout | None = None) -> dict[str, int]:
    """Writes a toolbox's items in a published layout.

    Args:
        toolbox: Imported or built.
        out: The folder to write; absent or empty.
        layout: ``source`` for imported items and ``tree`` for built ones when None.

    Returns:
        How many records each written file holds, by its path.

    Raises:
        ConfigError: ``source`` is asked for, and the items were not imported.
        DataFolderError: A picture is missing.
        OutputExistsError: ``out`` already holds something.
    """
    refuse_existing(out)
    imported = list(published_records(toolbox.folder))
    layout = layout or ("source" if imported else "tree")
    if layout not in get_args(ExportLayout):
        raise ConfigError(f"there is no layout {layout!r}; choose one of {', '.join(get_args(ExportLayout))}")
    if layout == "source" and not imported:
        raise ConfigError(f"{toolbox.folder}: these items were built, not imported; choose --layout tree, flat or bare")
    with fresh_folder(out) as partial:
        if layout == "source":
            return _write_source(toolbox, imported, partial)
        known = {item.id: item for item in toolbox.items}
        # A row of a table is no conversation: in the other layouts its item is.
        conversations = [published for published in imported if published.file.layout != "table"]
        entries = [_imported_entry(published, known) for published in conversations]
        from_records = {published.item for published in conversations}
        built = [item for item in toolbox.items if item.id not in from_records]
        entries += [_built_entry(item, name) for item, name in zip(built, published_ids(built), strict=True)]
        return _write_entries(toolbox, entries, partial, layout)


def _write_source(toolbox: Toolbox, imported: list[PublishedRecord], out: Path) -> dict[str, int]:
    by_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for published in imported:
        by_file[published.file.path].append(published.record)
    # Files that held no record at all are in the manifest alone.
    for path in toolbox.manifest.inputs:
        by_file.setdefault(path, [])
    for location, stored in all_images(imported).items():
        _copy(toolbox, stored, out / location)
    layouts = {published.file.path: published.file.layout for published in imported}
    formatting = toolbox.manifest.configuration.get(FORMATTING, {})
    for path, records in by_file.items():
        written = written_table if layouts.get(path) == "table" else written_json
        content = written(records, Formatting(**formatting.get(path, {})))
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content.encode("utf-8"))
    return {path: len(records) for path, records in by_file.items()}


def _imported_entry(published: PublishedRecord, items: dict[str, Item]) -> _Entry:
    item = items.get(published.item or "")
    return _Entry(
        record=published.record,
        pictures={image.named: image.stored for image in published.images if image.stored is not None},
        task=item.task if item is not None else published.file.task or _UNKNOWN,
        split=published.file.split,
    )


def published_ids(items: Sequence[Item]) -> list[str]:
    """Ids as published items have them: running numbers by task, of Visual Delayed Response by recording."""
    numbers: Counter[tuple[str, str]] = Counter()
    ids = []
    for item in items:
        name = _ID_NAMES.get(item.task) or PUBLISHED_NAMES.get(item.task, item.task)
        if item.task.startswith("visual_delayed_response") and item.turns[0].origins:
            name = f"{item.turns[0].origins[0].source}_clip"
        number = numbers[item.task, name]
        numbers[item.task, name] += 1
        ids.append(f"{name}_{number:03d}" if name.endswith("_clip") else f"{name}_{number}")
    return ids


def _built_entry(item: Item, name: str) -> _Entry:
    conversations = []
    for turn in item.turns:
        conversations += [{"from": "human", "value": turn.prompt}, {"from": "gpt", "value": turn.gold}]
    images = [name for turn in item.turns for name in turn.images]
    record: dict[str, Any] = {"id": name, "image": images, "conversations": conversations}
    boxes = [origin.box for turn in item.turns for origin in turn.origins if origin.box is not None]
    if boxes:
        record["bb"] = list(boxes[0])
    if any(turn.labels for turn in item.turns):
        labels = [list(turn.labels) for turn in item.turns]
        record["labels"] = labels if len(labels) > 1 else labels[0]
    record["meta"] = {
        "item": item.id,
        "licence": item.licence,
        "category": item.category,
        "difficulty": item.difficulty,
        "variant": item.variant,
        "origins": [[origin.model_dump() for origin in turn.origins] for turn in item.turns],
    }
    return _Entry(record=record, pictures={name: name for name in images}, task=item.task, split=item.split)


def _write_entries(toolbox: Toolbox, entries: list[_Entry], out: Path, layout: ExportLayout) -> dict[str, int]:
    written: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        task = PUBLISHED_NAMES.get(entry.task, entry.task)
        split = SPLIT_NAMES[entry.split]
        folder, ending = (f"{split}/{task}", f"_{split}") if split else (task, "")
        path, pictures, prefix = {
            "tree": (f"{folder}/{RECORDS}", f"{folder}/images", "images"),
            "flat": (f"{task}{ending}.json", f"images/{task}", f"images/{task}"),
            "bare": (f"records{ending}.json", "images", "images"),
        }[layout]
        renamed = {}
        for named in dict.fromkeys([*image_paths(entry.record), *attached_paths(entry.record)]):
            stored = entry.pictures.get(named)
            # A picture that the source did not hold keeps its path, so that nothing is made up.
            if stored is not None:
                renamed[named] = f"{prefix}/{stored}"
                _copy(toolbox, stored, out / pictures / stored)
        written[path].append(with_paths(entry.record, renamed))
    for path, records in written.items():
        _write_json(out / path, records)
    return {path: len(records) for path, records in sorted(written.items())}


def _copy(toolbox: Toolbox, stored: str, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        content = read_regular(toolbox.image_path(stored))
    except OSError as error:
        raise DataFolderError(f"does not read ({error})", path=toolbox.image_path(stored)) from error
    target.write_bytes(content)


def _write_json(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written_json(records, Formatting()), encoding="utf-8")
