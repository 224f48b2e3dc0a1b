"""Batteries: item sets that others distribute, in whatever layout, imported as a toolbox.

SOURCE -> a battery's reader -> records (prompt, picture files, options, answer) -> pictures kept by content -> items

``published`` is the DevCV Toolbox as it is distributed (``published/``); ``devbench``, ``words`` and ``minimal-pairs``
are measures of the field around it. Another package adds a battery by an entry point in ``babyvlm.batteries``: it only
reads records, and what all imports have in common is done here. Items of tasks of its own need those tasks to be
registered too (``tasks.py``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from babyvlm.errors import ConfigError, InputError
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.progress import progress
from babyvlm.records import Item, ItemSplit, ItemTurn, Origin, content_id, write_jsonl
from babyvlm.registry import Registry
from babyvlm.toolbox.folder import IMAGES, ITEMS, open_toolbox
from babyvlm.toolbox.published.importing import ImportConfig, Imported, import_items, refuse_too_few
from babyvlm.toolbox.published.items import UnusableError
from babyvlm.toolbox.published.notes import CONTRADICTED, contradicted, giveaways
from babyvlm.toolbox.published.pictures import PictureStore
from babyvlm.toolbox.tasks import REGISTRY as TASKS
from babyvlm.toolbox.tasks import in_table_order, task_named

_NAMED = 3
"""Places named on screen for each reason that keeps a record from being an item."""


class Importer(Protocol):
    """What imports a battery: a source in, a toolbox folder out."""

    def __call__(
        self, source: str | Path, out: Path, config: ImportConfig | None = None, *, image_root: Path | None = None
    ) -> Imported: ...


@dataclass(frozen=True, kw_only=True)
class BatteryTurn:
    """One round as a battery's reader finds it."""

    prompt: str
    """With an ``<image>`` placeholder for each picture, in their order."""
    images: tuple[Path, ...] = ()
    """Empty where the round is text alone."""
    options: tuple[str, ...]
    gold: str
    labels: tuple[str, ...] = ()
    """What each picture shows; never shown to a respondent."""
    origins: tuple[str, ...] = ()
    """Where each picture comes from in the battery, kept as `Origin.source`; empty where nothing refers to it."""


@dataclass(frozen=True, kw_only=True)
class BatteryRecord:
    """One record as a battery's reader finds it; where it has no rounds, ``problem`` says why."""

    place: str
    """Where it stands, for messages: ``words.csv, line 3``."""
    task: str = ""
    """The name of its task: one of the twelve, of `BATTERY_TASKS`, or one that a package registers."""
    turns: tuple[BatteryTurn, ...] = ()
    split: ItemSplit = "test"
    category: str = ""
    """The word, object or number it turns on."""
    licence: str = ""
    """Of its pictures, where it is not that of the whole source."""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Battery:
    """A battery that a reader of records makes: one of ours, or of another package."""

    name: str
    """That in the registry, or of its entry point."""
    read: Callable[[Path], Iterator[BatteryRecord]]
    """The records of a source in a stable order. A record that cannot be read is yielded with its problem; a source of
    another kind raises InputError."""
    write_example: Callable[[Path], None]
    """Writes a small source into an empty folder, for the contract suite."""

    def __call__(
        self, source: str | Path, out: Path, config: ImportConfig | None = None, *, image_root: Path | None = None
    ) -> Imported:
        """Imports a source.

        Args:
            source: What the reader reads; its pictures lie beside it or below.
            out: The toolbox folder to write; absent or empty.
            config: Licence of the pictures, and how many records may come to nothing.
            image_root: For the published layouts alone.

        Raises:
            ConfigError: A setting of the published layouts is given.
            InputError: The source cannot be read, or too many of its records come to nothing.
            OutputExistsError: ``out`` already holds something.
        """
        config, source = config or ImportConfig(), Path(source)
        if image_root is not None or config.task or config.split:
            raise ConfigError(f"--image-root, --task and --split are for published layouts, not for {self.name}")
        refuse_existing(out)
        if not source.exists():
            raise InputError("there is no such folder or file", path=source, remedy=f"Give what {self.name} reads")
        items: dict[str, Item] = {}
        places: dict[str, list[str]] = defaultdict(list)
        records = 0
        with fresh_folder(out) as partial:
            (partial / IMAGES).mkdir()
            store = PictureStore(folder=partial / IMAGES)
            for record in progress(self.read(source), description=f"import {self.name}", unit="record"):
                records += 1
                try:
                    item = _item_of(record, source, store, config.licence)
                    items.setdefault(item.id, item)
                except UnusableError as problem:
                    places[str(problem)].append(record.place)
            for name in sorted(contradicted(items.values())):
                places[CONTRADICTED].append(f"item {name}")
                del items[name]
            problems = Counter({problem: len(found) for problem, found in sorted(places.items())})
            refuse_too_few(source, config, records, problems)
            order = {task: place for place, task in enumerate(in_table_order(one.task for one in items.values()))}
            in_order: list[Item] = sorted(items.values(), key=lambda item: (order[item.task], item.id))
            write_jsonl(partial / ITEMS, in_order)
            Manifest(
                kind="toolbox",
                configuration={
                    **asdict(config), "battery": self.name, "source": source.resolve().name, "construction": "published"
                },
                counts={**Counter(one.task for one in items.values()), "records": records},
                skipped=dict(problems),
                notes=giveaways(items, store.formats),
                extensions=REGISTRY.used([self.name]) | TASKS.used(one.task for one in items.values()),
            ).write(partial)  # fmt: skip
        examples = {problem: found[:_NAMED] for problem, found in places.items()}
        return Imported(
            toolbox=open_toolbox(out), records=records, problems=dict(problems), examples=examples, unrecognised={}
        )


def _item_of(record: BatteryRecord, source: Path, store: PictureStore, licence: str) -> Item:
    """The item of a record, its pictures kept.

    Raises:
        UnusableError: There is none, for the reason it gives.
    """
    if record.problem or not record.turns:
        raise UnusableError(record.problem or "record: no rounds")
    spec = task_named(record.task)
    root = (source if source.is_dir() else source.parent).resolve()
    turns = []
    for turn in record.turns:
        if any(not path.resolve().is_relative_to(root) for path in turn.images):
            raise UnusableError("image: outside the source folder")
        if any(not path.is_file() for path in turn.images):
            raise UnusableError("image: missing")
        if spec.answers != "text" and not set(turn.options) <= set(spec.options):
            raise UnusableError(f"options: some are none of the task {spec.name}")
        try:
            kept = tuple(store.add(path) for path in turn.images)
            shown = {"images": kept, "options": turn.options, "gold": turn.gold, "labels": turn.labels}
            origins = tuple(Origin(source=source) for source in turn.origins)
            turns.append(ItemTurn(prompt=turn.prompt, origins=origins, **shown))
        except ValidationError as error:
            raise UnusableError(f"record: {error.errors()[0]['msg']}") from error
    content = [[turn.prompt, turn.gold, *(Path(name).stem for name in turn.images)] for turn in turns]
    return Item(
        id=content_id(spec.name, content),
        task=spec.name,
        split=record.split,
        turns=tuple(turns),
        chance=spec.chance if spec.name == "memory" or spec.answers == "number" else 1 / len(turns[0].options),
        age_span_months=spec.age_span_months,
        category=record.category,
        licence=record.licence or licence,
    )


def _check(name: str, found: object) -> str:
    if not isinstance(found, Battery):
        return f"it is a {type(found).__name__}, where a Battery belongs"
    return "" if found.name == name else f"its name is {found.name!r}; the entry point must have the same"


REGISTRY: Registry[Importer] = Registry(
    "babyvlm.batteries",
    {
        "published": import_items,
        "devbench": "babyvlm.toolbox.devbench:DEVBENCH",
        "words": "babyvlm.toolbox.word_pictures:WORDS",
        "minimal-pairs": "babyvlm.toolbox.minimal_pairs:MINIMAL_PAIRS",
        "machine-devbench": "babyvlm.toolbox.contrasts.reading:MACHINE_DEVBENCH",
    },
    _check,
)
"""The batteries by name."""
