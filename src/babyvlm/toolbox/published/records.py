"""What a toolbox folder keeps of the published records its items came from.

toolbox/
├── items.jsonl        what is asked (see `babyvlm.toolbox.build`)
├── published.jsonl    one line for each source record, in the source's order: the record itself, its file, its item
└── images/            every picture a record names, each once, named by content
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from babyvlm.records import ItemSplit, Record, read_jsonl
from babyvlm.toolbox.folder import PUBLISHED_RECORDS

PUBLISHED = PUBLISHED_RECORDS

BoxForm = Literal["xywh", "xyxy"]
BoxSpace = Literal["picture", "frame"]
SourceLayout = Literal["tree", "flat", "bare", "table"]
"""``table`` is a CSV file of pairs (Baby Winoground); the others are JSON files of conversations."""


class RecordImage(Record):
    """One file that a record names."""

    named: str
    """As the record writes it."""
    location: str
    """Where the file lay, relative to the source folder (or the image root of a bare JSON file)."""
    stored: str | None
    """Its name in ``images/``; None where the source did not hold it."""


class SourceFile(Record):
    """One file of records."""

    path: str
    """Relative to the source folder."""
    layout: SourceLayout
    task: str | None
    """The sub-task that the file or folder name says; None where it says none."""
    split: ItemSplit


class PublishedRecord(Record):
    """One source record, whether or not an item could be made of it."""

    file: SourceFile
    item: str | None
    """The item made of it; None where none could be."""
    problem: str = ""
    """Why there is no item; empty where there is one."""
    box: tuple[float, float, float, float] | None = None
    """``bb`` as left, top, width, height in the picture, pixels; None where there is none or it cannot be read."""
    box_form: BoxForm | None = None
    box_space: BoxSpace | None = None
    """Whether ``bb`` was in the coordinates of the picture, or of the frame that it was cut from."""
    images: tuple[RecordImage, ...] = ()
    """Every file it names, in the order of its keys."""
    record: dict[str, Any] = Field(default_factory=dict)
    """The record itself, unknown keys included."""


def published_records(folder: Path) -> Iterator[PublishedRecord]:
    """The source records of an imported toolbox folder; none where it was built, not imported.

    Raises:
        DataFolderError: A line does not validate.
    """
    if (folder / PUBLISHED).is_file():
        yield from read_jsonl(folder / PUBLISHED, PublishedRecord)


def image_paths(record: dict[str, Any]) -> list[str]:
    """The pictures that a record shows, in order; ``image`` may be one path or a list."""
    shown = record.get("image", [])
    return [shown] if isinstance(shown, str) else [path for path in shown if isinstance(path, str)]


def attached_paths(record: dict[str, Any]) -> list[str]:
    """Files that a record names besides the pictures it shows: the animation made of its frames."""
    attached = record.get("gif")
    return [attached] if isinstance(attached, str) and attached else []


def with_paths(record: dict[str, Any], renamed: dict[str, str]) -> dict[str, Any]:
    """The record with its file paths exchanged, everything else as it was."""

    def exchange(value: Any) -> Any:
        if isinstance(value, str):
            return renamed.get(value, value)
        return [exchange(entry) for entry in value] if isinstance(value, list) else value

    return {key: exchange(value) if key in ("image", "gif") else value for key, value in record.items()}


def all_images(records: Iterable[PublishedRecord]) -> dict[str, str]:
    """Stored name of every picture, by where it lay in the source."""
    return {image.location: image.stored for record in records for image in record.images if image.stored is not None}
