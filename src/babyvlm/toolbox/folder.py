"""A toolbox folder, opened: its items and their pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from babyvlm.errors import DataFolderError, MediaError
from babyvlm.folders import Manifest, read_manifest
from babyvlm.records import Item, read_jsonl
from babyvlm.shown_pictures import open_image
from babyvlm.toolbox.tasks import ROWS, TASKS, row_name

ITEMS = "items.jsonl"
IMAGES = "images"


@dataclass(frozen=True)
class Toolbox:
    """Items of the benchmark, in the order of the folder."""

    folder: Path
    items: tuple[Item, ...]
    manifest: Manifest

    @property
    def tasks(self) -> tuple[str, ...]:
        """The sub-tasks that have items, in the order of tables; a hard variant is one of its own."""
        present = {row_name(item.task, item.variant) for item in self.items}
        return tuple(row for row in ROWS if row in present)

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
    for line, item in enumerate(items, start=1):
        problem = ""
        if item.task not in TASKS:
            problem = f"item {item.id} is of an unknown task {item.task!r}"
        elif ids[item.id] > 1:
            problem = f"item {item.id} occurs {ids[item.id]} times"
        elif missing := [name for turn in item.turns for name in turn.images if name not in present]:
            problem = f"item {item.id} shows {missing[0]}, which is not in {IMAGES}/"
        if problem:
            raise DataFolderError(problem, path=folder / ITEMS, place=f"line {line}", remedy="Build or copy it again")
    return Toolbox(folder=folder, items=items, manifest=manifest)
