"""A battery: ``flashcards.csv`` and the pictures beside it, four pictures and a word a row.

word,picture_a,picture_b,picture_c,picture_d,answer
dog,dog.png,cup.png,car.png,hat.png,A
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from babyvlm.errors import InputError
from babyvlm.toolbox.batteries import Battery, BatteryRecord, BatteryTurn
from babyvlm.toolbox.tasks import LETTERS, picture_vocabulary_prompt

_PICTURES = tuple(f"picture_{letter.lower()}" for letter in LETTERS)
_COLUMNS = ("word", *_PICTURES, "answer")


def read_flashcards(source: Path) -> Iterator[BatteryRecord]:
    """One record for each row.

    Raises:
        InputError: There is no table, or it lacks a column.
    """
    path = source / "flashcards.csv" if source.is_dir() else source
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if lacking := set(_COLUMNS) - set(rows.fieldnames or ()):
                raise InputError(f"lacks the columns {', '.join(sorted(lacking))}", path=path, place="line 1")
            for row in rows:
                yield _record(row, path.parent, f"{path.name}, line {rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"does not read ({error})", path=path, remedy="Save it as CSV in UTF-8") from error


def _record(row: dict[str, str], folder: Path, place: str) -> BatteryRecord:
    if not all(row[column] for column in _COLUMNS):
        return BatteryRecord(place=place, problem="row: a cell is empty")
    turn = BatteryTurn(
        prompt=picture_vocabulary_prompt(row["word"]),
        images=tuple(folder / row[column] for column in _PICTURES),
        options=LETTERS,
        gold=row["answer"].strip().upper(),
    )
    return BatteryRecord(place=place, task="picture_vocabulary", turns=(turn,), category=row["word"])


def write_example(folder: Path) -> None:
    """Four words, each asked once."""
    words = {"dog": (150, 90, 40), "cup": (220, 220, 230), "car": (200, 30, 40), "hat": (40, 60, 160)}
    for word, colour in words.items():
        Image.new("RGB", (64, 64), colour).save(folder / f"{word}.png")
    lines = [",".join(_COLUMNS)]
    for word, letter in zip(words, LETTERS, strict=True):
        lines.append(",".join([word, *(f"{one}.png" for one in words), letter]))
    (folder / "flashcards.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


FLASHCARDS = Battery(name="flashcards", read=read_flashcards, write_example=write_example)
