"""A toolbox folder, opened: its items and their pictures."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from babyvlm.errors import DataFolderError, MediaError
from babyvlm.folders import Manifest, read_manifest
from babyvlm.records import Item, read_jsonl
from babyvlm.shown_pictures import open_image
from babyvlm.toolbox.tasks import REGISTRY, in_table_order, row_name

ITEMS = "items.jsonl"
IMAGES = "images"
PUBLISHED_RECORDS = "published.jsonl"
"""The source records of imported items; absent where items were built."""


@dataclass(frozen=True)
class Toolbox:
    """Items of the benchmark, in the order of the folder."""

    folder: Path
    items: tuple[Item, ...]
    manifest: Manifest

    @property
    def construction(self) -> str:
        """How its items were built: ``published`` (imported ones too) or ``balanced``, which earlier builders were."""
        if any(item.variant == "balanced" for item in self.items):
            return "balanced"
        if (self.folder / PUBLISHED_RECORDS).is_file():
            return "published"
        return str(self.manifest.configuration.get("construction", "balanced"))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The sub-tasks that have items, in the order of tables; a hard variant is one of its own."""
        return in_table_order({row_name(item.task, item.variant) for item in self.items})

    @property
    def extensions(self) -> dict[str, str]:
        """The packages whose tasks it has, as manifests record them."""
        return REGISTRY.used(item.task for item in self.items)

    def image_path(self, name: str) -> Path:
        """The file of a picture that an item names."""
        return self.folder / IMAGES / name

    def image(self, name: str) -> Image.Image:
        """A picture that an item names, as RGB.

        Raises:
            DataFolderError: The file is missing or damaged.
        """
        try:
            return open_image(self.image_path(name))
        except MediaError as error:
            raise DataFolderError(error.problem, path=error.path, remedy=error.remedy) from error


def _mixed(item: Item, first: Item) -> str:
    """The problem of an item of another construction than the toolbox's first, if it is; hard ones stand by themselves.

    Figures of different constructions belong in no one mean.
    """
    ways = {one.variant == "balanced" for one in (item, first) if one.variant != "hard"}
    if len(ways) < 2:
        return ""
    return (
        f"item {item.id} is of variant {item.variant!r}, {first.id} of {first.variant!r}: one mean has one construction"
    )


def open_toolbox(folder: Path) -> Toolbox:
    """Opens a toolbox folder and checks that it is whole.

    Raises:
        DataFolderError: Not a toolbox, of another schema, with an item that does not validate, of an unknown task or
            occurring twice, or with a picture missing.
    """
    manifest = read_manifest(folder, "toolbox")
    items = tuple(read_jsonl(folder / ITEMS, Item))
    ids = Counter(item.id for item in items)
    present = {path.name for path in (folder / IMAGES).iterdir()} if (folder / IMAGES).is_dir() else set()
    leading = next((item for item in items if item.variant != "hard"), None)
    for line, item in enumerate(items, start=1):
        problem = "" if leading is None else _mixed(item, leading)
        remedy = "Build or copy it again"
        if item.task not in REGISTRY:
            problem = f"item {item.id} is of an unknown task {item.task!r}"
            if release := manifest.extensions.get(f"{REGISTRY.kind} {item.task}"):
                remedy = f"It was built with {release}: install that package beside babyvlm"
        elif ids[item.id] > 1:
            problem = f"item {item.id} occurs {ids[item.id]} times"
        elif missing := [name for turn in item.turns for name in turn.images if name not in present]:
            problem = f"item {item.id} shows {missing[0]}, which is not in {IMAGES}/"
        if problem:
            raise DataFolderError(problem, path=folder / ITEMS, place=f"line {line}", remedy=remedy)
    return Toolbox(folder=folder, items=items, manifest=manifest)


def toolbox_hash(toolbox: Toolbox) -> str:
    """Identifies a toolbox by its items: equal for toolboxes with the same items."""
    return hashlib.sha256("\n".join(item.id for item in toolbox.items).encode()).hexdigest()[:16]
