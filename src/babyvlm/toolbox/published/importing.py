"""Published items in: a folder, a JSON file, a list of pairs or a hub data set becomes a toolbox folder.

files -> records -> pictures read and named by content -> prompts recognised -> items.jsonl
      \\-> published.jsonl   every record, as it was

A record of which no item can be made (a picture missing, an answer that is no option, another record with another
answer) is kept in ``published.jsonl`` with the reason, counted in the manifest, and exported again with the rest. A
prompt of no published wording is still asked where the file's name tells the task and the prompt its options; such
items have the variant ``unrecognised``. Pictures get the hash of their content as a name: the published sample set
gives answers away in ``.jpg`` and ``.jpeg``.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from babyvlm.errors import ConfigError, InputError
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.progress import progress
from babyvlm.records import Item, content_id, write_jsonl
from babyvlm.toolbox.folder import IMAGES, ITEMS, Toolbox, open_toolbox
from babyvlm.toolbox.published.boxes import BoxClue, BoxReading, box_reading, box_values
from babyvlm.toolbox.published.hub import local_folder
from babyvlm.toolbox.published.items import UnusableError, item_of
from babyvlm.toolbox.published.layouts import FoundFile, SourceFiles, find_files, locate
from babyvlm.toolbox.published.notes import CONTRADICTED, contradicted, giveaways, unrecognised_prompts
from babyvlm.toolbox.published.pictures import PictureStore
from babyvlm.toolbox.published.records import (
    PUBLISHED,
    PublishedRecord,
    RecordImage,
    attached_paths,
    image_paths,
)
from babyvlm.toolbox.published.winoground_list import pair_item, pair_row, pairs_of, picture_places
from babyvlm.toolbox.tasks import REGISTRY, in_table_order, task_named

FORMATTING = "formatting"
"""The manifest's entry of how each source file is written."""
_UNSTATED = "restricted: published items, licence not stated (babyvlm toolbox import --licence says otherwise)"
_NAMED = 5
"""Records named on screen for each reason that makes them no item."""


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """How published items are read."""

    licence: str = _UNSTATED
    """Licence of pictures whose record has none; one that begins with ``restricted`` keeps them on this machine, as
    the published sets come from gated corpora."""
    task: str = ""
    """The sub-task of records whose file and folder names do not show it."""
    split: Literal["", "train", "validation", "test"] = ""
    """The split of records whose file and folder names do not show it."""
    max_unusable: float = 0.5
    """Largest share of unusable records; above it the import fails."""

    def __post_init__(self) -> None:
        if self.task:
            task_named(self.task)
        if not 0 <= self.max_unusable <= 1:
            raise ConfigError(f"max_unusable is a fraction between 0 and 1, not {self.max_unusable}")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of an import."""

    toolbox: Toolbox
    records: int
    """Source records, all of them kept."""
    problems: dict[str, int]
    """Records without an item, by reason."""
    examples: dict[str, list[str]]
    """The first of them, by reason: the file, which record of it, and its id."""
    unrecognised: dict[str, int]
    """Prompts of no published wording, one example for each task (or file), with their number."""


_Read = tuple[PublishedRecord, Item | None]


def import_items(
    source: str | Path, out: Path, config: ImportConfig | None = None, *, image_root: Path | None = None
) -> Imported:
    """Imports published items.

    Args:
        source: A folder in one of the published layouts, a JSON file, a CSV file of pairs, or the name of a hub data
            set (``owner/name``).
        out: The toolbox folder to write; absent or empty.
        config: How they are read.
        image_root: Where the picture paths of a bare JSON file start.

    Raises:
        InputError: No records at ``source``, or too many of them come to nothing.
        OutputExistsError: ``out`` already holds something.
    """
    config = config or ImportConfig()
    refuse_existing(out)
    folder = local_folder(source)
    found = find_files(folder, image_root=image_root, task=config.task or None, split=config.split or None)
    kept: list[PublishedRecord] = []
    items: dict[str, Item] = {}
    notes: list[str] = []
    repeats = 0
    with fresh_folder(out) as partial:
        (partial / IMAGES).mkdir()
        store = PictureStore(folder=partial / IMAGES)
        total = sum(len(file.records) for file in found.files)
        with progress(description="import", total=total, unit="record") as bar:
            for file in found.files:
                read = _read_file(file, store, config, bar.update)
                reading = box_reading(_clues(read, store))
                for published, item in read:
                    if item is not None and item.id in items and items[item.id].split != item.split:
                        item = item.model_copy(update={"id": content_id(item.id, item.split)})
                    if item is not None:
                        repeats += item.id in items
                        items.setdefault(item.id, item)
                    kept.append(_with_box(published, item, reading, store))
                if any(box_values(published.record) is not None for published, _ in read):
                    notes.append(f"{file.source.path}: bb read as {reading}")
        _leave_out(contradicted(items.values()), kept, items)
        problems, examples = _problems(kept)
        refuse_too_few(folder, config, len(kept), problems)
        order = {task: place for place, task in enumerate(in_table_order(one.task for one in items.values()))}
        in_order: list[Item] = sorted(items.values(), key=lambda item: (order[item.task], item.id))
        write_jsonl(partial / ITEMS, in_order)
        write_jsonl(partial / PUBLISHED, kept)
        unrecognised = unrecognised_prompts(kept, items)
        notes += [f"prompt of no published wording, {count} times: {what}" for what, count in unrecognised.items()]
        notes += giveaways(items, store.formats) + _source_notes(found, kept)
        Manifest(
            kind="toolbox",
            configuration={
                **asdict(config),
                "split": config.split or ("" if all(file.split_said for file in found.files) else "unknown"),
                "source": str(source) if folder != Path(source) else folder.name,
                FORMATTING: {file.source.path: file.formatting.model_dump() for file in found.files if file.formatting},
            },
            inputs={file.source.path: hashlib.sha256(file.path.read_bytes()).hexdigest()[:16] for file in found.files},
            counts={
                **Counter(one.task for one in items.values()),
                "published records": len(kept),
                "records that repeat an item": repeats,
                "unrecognised prompts": sum(unrecognised.values()),
            },
            skipped=dict(sorted((problems + Counter({"file: holds no records": len(found.passed_over)})).items())),
            notes=notes,
            extensions=REGISTRY.used(one.task for one in items.values()),
        ).write(partial)
    return Imported(
        toolbox=open_toolbox(out),
        records=len(kept),
        problems=dict(problems),
        examples=examples,
        unrecognised=unrecognised,
    )


def _read_file(file: FoundFile, store: PictureStore, config: ImportConfig, done: Any) -> list[_Read]:
    """Every record of a file with its item; None where there is none."""
    if file.source.layout == "table":
        return _read_pairs(file, store, config, done)
    read = []
    for record in file.records:
        read.append(_read_record(record, file, store, config))
        done(1)
    return read


def _read_record(record: dict[str, Any], file: FoundFile, store: PictureStore, config: ImportConfig) -> _Read:
    images, problem = [], ""
    for named in [*image_paths(record), *attached_paths(record)]:
        image, trouble = _keep_picture((named,), file, store)
        # An animation made of the frames is not shown; without it the item is as good.
        problem = problem or (trouble if named in image_paths(record) else "")
        images.append(image)
    item = None
    if not problem:
        shown = [str(image.stored) for image in images[: len(image_paths(record))]]
        try:
            item = item_of(record, file.source.task, file.source.split, shown, config.licence)
        except UnusableError as reason:
            problem = str(reason)
    return _published(file, record, images, item, problem), item


def _read_pairs(file: FoundFile, store: PictureStore, config: ImportConfig, done: Any) -> list[_Read]:
    """The rows of a list of pairs; an item needs the picture of its pair's other row too."""
    rows = [pair_row(record) for record in file.records]
    images, troubles = [], []
    for row in rows:
        image, trouble = _keep_picture(picture_places(row), file, store)
        images.append(image.model_copy(update={"named": row.image}))
        troubles.append(trouble)
        done(1)
    whole, read = pairs_of(rows), []
    for row, record, image, problem in zip(rows, file.records, images, troubles, strict=True):
        item = None
        if not problem:
            pictures = {tag: images[place].stored for tag, place in whole.get(row.instance_id, {}).items()}
            try:
                item = pair_item(row, pictures, file.source.split, config.licence)
            except UnusableError as reason:
                problem = str(reason)
        read.append((_published(file, record, [image], item, problem), item))
    return read


def _published(
    file: FoundFile, record: dict[str, Any], images: Sequence[RecordImage], item: Item | None, problem: str
) -> PublishedRecord:
    return PublishedRecord(
        file=file.source, item=item.id if item else None, problem=problem, images=tuple(images), record=record
    )


def _keep_picture(places: Sequence[str], file: FoundFile, store: PictureStore) -> tuple[RecordImage, str]:
    """Keeps a picture that lies at one of several places; what is wrong with it, if anything."""
    found = [locate(place, file) for place in places]
    path, location = next((one for one in found if one[0] is not None), found[0])
    stored, problem = None, ""
    try:
        if path is None:
            raise UnusableError("image: missing" if location else "image: outside the source folder")
        stored = store.add(path)
    except UnusableError as reason:
        problem = str(reason)
        if path is not None and path.is_file():
            stored = store.add_unread(path)
    return RecordImage(named=places[0], location=location, stored=stored), problem


def _clues(read: Iterable[_Read], store: PictureStore) -> list[BoxClue]:
    return [clue for published, item in read if (clue := _clue(published, item, store)) is not None and clue.width]


def _clue(published: PublishedRecord, item: Item | None, store: PictureStore) -> BoxClue | None:
    values = box_values(published.record)
    if values is None:
        return None
    stored = published.images[0].stored if published.images else None
    width, height = store.sizes.get(stored or "", (0, 0))
    answer = item.turns[0].gold if item is not None and item.task == "localization" else ""
    return BoxClue(values=values, width=width, height=height, answer=answer)


def _with_box(
    published: PublishedRecord, item: Item | None, reading: BoxReading, store: PictureStore
) -> PublishedRecord:
    changes: dict[str, Any] = {"item": item.id if item else None}
    if (clue := _clue(published, item, store)) is not None:
        # In the coordinates of another picture a box would be wrong; the record keeps its numbers.
        box = clue.box(reading) if clue.width else clue.as_xywh(reading.form)
        changes |= {"box": box, "box_form": reading.form, "box_space": reading.space}
    return published.model_copy(update=changes)


def _leave_out(ids: set[str], kept: list[PublishedRecord], items: dict[str, Item]) -> None:
    """Takes out items that contradict each other."""
    for name in ids:
        del items[name]
    for place, published in enumerate(kept):
        if published.item in ids:
            kept[place] = published.model_copy(update={"item": None, "problem": CONTRADICTED})


def _problems(kept: Sequence[PublishedRecord]) -> tuple[Counter[str], dict[str, list[str]]]:
    """Records without an item, by reason, and the names of the first of them."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = defaultdict(list)
    places: Counter[str] = Counter()
    for published in kept:
        place = places[published.file.path]
        places[published.file.path] += 1
        if published.problem:
            counts[published.problem] += 1
            if len(examples[published.problem]) < _NAMED:
                name = published.record.get("id", published.record.get("instance_id"))
                named = "" if name is None else f" (id {name!r})"
                examples[published.problem].append(f"{published.file.path}[{place}]{named}")
    return counts, dict(examples)


def _source_notes(found: SourceFiles, kept: Sequence[PublishedRecord]) -> list[str]:
    """What is to be known of the files themselves."""
    notes = []
    if unplaced := sum(one.box is None and box_values(one.record) is not None for one in kept):
        notes.append(f"{unplaced} bb do not fit their picture or its answer: no box")
    if untold := sorted({file.source.path for file in found.files if not file.split_said}):
        notes.append(f"{_some(untold)}: no name says the split, which is unknown; --split states it")
    if odd := sorted(file.source.path for file in found.files if file.formatting is None):
        notes.append(f"{_some(odd)}: written in a way of its own; an export has equal records, not the same bytes")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")


def refuse_too_few(source: Path, config: ImportConfig, records: int, problems: Counter[str]) -> None:
    """Raises InputError where too many of a source's records yield no item."""
    unusable = sum(problems.values())
    if records and unusable < records and unusable <= config.max_unusable * records:
        return
    reasons = "; ".join(f"{count} x {reason}" for reason, count in problems.most_common())
    raise InputError(
        f"{unusable} of {records} records yield no item ({reasons or 'there is no record'})",
        path=source,
        remedy="Give --image-root where pictures are missing, --task where no file names one, "
        "or --max-unusable to import the rest",
    )


def report_import(imported: Imported) -> str:
    """What to tell the person who imported."""
    counts = imported.toolbox.manifest.counts
    lines = [f"{task:32} {counts[task]:6} items" for task in imported.toolbox.tasks]
    return "\n".join([*lines, f"{'source records kept':32} {imported.records:6}"])


def warn_of_problems(imported: Imported) -> None:
    """Says on standard error what came to nothing, and what looked odd."""
    for reason, count in imported.problems.items():
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        named = ", ".join(imported.examples[reason])
        print(f"no item, {count} records: {reason}: {named}{more}", file=sys.stderr)
    for note in imported.toolbox.manifest.notes:
        print(f"note: {note}", file=sys.stderr)
