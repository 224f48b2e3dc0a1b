"""The battery ``devbench``: Looking While Listening, visual vocabulary and the Test for Reception of Grammar.

SOURCE/<set>/manifest.csv   trial n is row n: text1, image1 (the target), image2 ... (the foils)
       <set>/images...      the pictures that the manifest names, which come from the authors of each set

A trial becomes an item that shows its pictures in an order drawn by set and trial: the first is not always right.
`Origin.source` of each picture says which it is, ``lex-lwl/37/image2``: by that, ``babyvlm children`` puts a model's
scores beside what children chose, picture by picture. A trial whose pictures are not there is named and counted.

Source: DevBench (Tan and others, 2024), https://github.com/alvinwmtan/dev-bench.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from babyvlm.errors import InputError
from babyvlm.records import IMAGE_TOKEN
from babyvlm.spreadsheets import TableReader, open_table
from babyvlm.toolbox.batteries import Battery, BatteryRecord, BatteryTurn
from babyvlm.toolbox.tasks import LETTERS, looking_while_listening_prompt

MANIFEST = "manifest.csv"
_IMAGE = "image"
_PLACE = re.compile(r"(.+)/([1-9]\d*)/image([1-9]\d*)")
_TASKS = {
    "lex-lwl": "devbench_looking",
    "lex-viz_vocab": "devbench_vocabulary",
    "gram-trog": "devbench_grammar",
}
"""By the name of a set's folder; other sets with one text are vocabulary, or with two pictures, looking."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One row of a manifest."""

    number: int
    """From 1."""
    text: str
    pictures: tuple[str, ...]
    """Files relative to the set's folder, the target first; empty where the trial has no such picture."""


@dataclass(frozen=True, kw_only=True)
class TrialPlace:
    """Which picture of which trial."""

    trial_set: str
    number: int
    picture: int
    """From 1, the target."""

    @property
    def source(self) -> str:
        """As `Origin.source` has it."""
        return f"{self.trial_set}/{self.number}/image{self.picture}"


def read_place(source: str) -> TrialPlace | None:
    """The picture that an `Origin.source` names; None where it names none of a trial.

    >>> read_place("lex-lwl/37/image2").picture, read_place("S_20130112_1234_01")
    (2, None)
    """
    found = _PLACE.fullmatch(source)
    return TrialPlace(trial_set=found[1], number=int(found[2]), picture=int(found[3])) if found else None


def present(value: str) -> str:
    """A cell's text; empty where it stands for none.

    >>> present(" NA "), present("ball ")
    ('', 'ball')
    """
    plain = value.strip()
    return "" if plain.upper() in ("NA", "NAN") else plain


def picture_columns(table: TableReader) -> list[str]:
    """``image1``, ``image2`` and so on, in this order."""
    found = [name for name in table.columns if name.startswith(_IMAGE) and name[len(_IMAGE) :].isdigit()]
    return sorted(found, key=lambda name: int(name[len(_IMAGE) :]))


def read_manifest_trials(folder: Path) -> tuple[Trial, ...]:
    """The trials of a manifest; trial n is its nth row.

    Raises:
        InputError: The file is missing, or lacks ``text1`` or two columns of pictures.
    """
    path = folder / MANIFEST
    table = open_table(path)
    columns = picture_columns(table)
    if "text1" not in table.columns or len(columns) < 2:
        raise InputError(
            f"the columns are {', '.join(table.columns)}",
            path=path,
            place="line 1",
            remedy="DevBench's manifests have text1, and image1, image2 and so on",
        )
    trials: list[Trial] = []
    for line, row in table:
        pictures = tuple(present(row[name]) for name in columns)
        if not pictures[0] or sum(map(bool, pictures)) < 2:
            raise InputError("a trial needs its target, image1, and a foil", path=path, place=f"line {line}")
        trials.append(Trial(number=len(trials) + 1, text=row["text1"].strip(), pictures=pictures))
    if not trials:
        raise InputError("there is no trial in it", path=path)
    return tuple(trials)


def manifests_in(folder: Path) -> tuple[Path, ...]:
    """Folders with a manifest: ``folder`` itself, or what lies in it, at most two levels down, by name."""
    if (folder / MANIFEST).is_file():
        return (folder,)
    found = []
    for place, below, files in os.walk(folder):
        below.sort()
        if len(Path(place).relative_to(folder).parts) >= 2:
            below.clear()
        if MANIFEST in files:
            found.append(Path(place))
    return tuple(sorted(found))


def read_devbench(source: Path) -> Iterator[BatteryRecord]:
    """One record for each trial of each set.

    Raises:
        InputError: There is no manifest, or one does not read.
    """
    if not source.is_dir() or not (folders := manifests_in(source)):
        raise InputError(
            f"no {MANIFEST} in it", path=source, remedy="Give the folder of a DevBench set, or the one above several"
        )
    for folder in folders:
        name = folder.resolve().name
        if len(folders) > 1 and (problem := _of_another_kind(folder / MANIFEST)):
            yield BatteryRecord(place=f"{name}/{MANIFEST}", problem=problem)
            continue
        for trial in read_manifest_trials(folder):
            yield _record(name, folder, trial)


def _of_another_kind(path: Path) -> str:
    """What keeps a manifest from being one of words or sentences for pictures; empty where nothing does.

    DevBench has sets of two texts for two pictures, and of pictures alone, beside those that are read here.
    """
    columns = open_table(path).columns
    texts = [name for name in columns if name.startswith("text")]
    one_text = texts == ["text1"] and len(picture_columns(open_table(path))) >= 2
    return "" if one_text else "manifest: not of one text and its pictures"


def _record(name: str, folder: Path, trial: Trial) -> BatteryRecord:
    place = f"{name}/{MANIFEST}, trial {trial.number}"
    shown = [number for number, picture in enumerate(trial.pictures, start=1) if picture]
    if len(shown) > len(LETTERS):
        return BatteryRecord(place=place, problem=f"pictures: more than {len(LETTERS)}")
    order = Random(f"{name}/{trial.number}").sample(shown, len(shown))
    task = _TASKS.get(name) or ("devbench_looking" if len(trial.pictures) == 2 else "devbench_vocabulary")
    files = [trial.pictures[number - 1] for number in order]
    turn = BatteryTurn(
        prompt=_prompt(task, trial.text, len(order)),
        images=tuple(folder / file for file in files),
        options=LETTERS[: len(order)],
        gold=LETTERS[order.index(1)],
        labels=tuple(Path(file).stem for file in files),
        origins=tuple(TrialPlace(trial_set=name, number=trial.number, picture=number).source for number in order),
    )
    return BatteryRecord(place=place, task=task, turns=(turn,), category=trial.text)


def _prompt(task: str, text: str, pictures: int) -> str:
    if pictures == 2 and task != "devbench_grammar":
        return looking_while_listening_prompt(text)
    choices = " ".join(f"({letter}){IMAGE_TOKEN}" for letter in LETTERS[:pictures])
    if task == "devbench_grammar":
        return f"Which image shows '{text}'? {choices}"
    return f"Touch the image of '{text}' {choices}"


def write_example(folder: Path) -> None:
    """A set of two pictures and one of four, the last of whose trials has three."""
    colours = {"dog": (150, 90, 40), "cup": (220, 220, 230), "car": (200, 30, 40), "hat": (40, 60, 160)}
    for name, rows in (
        ("lex-lwl", ("dog,cup", "cup,car", "hat,dog", "car,hat")),
        ("lex-viz_vocab", ("dog,cup,car,hat", "cup,car,hat,dog", "hat,dog,cup,")),
    ):
        (folder / name / "images").mkdir(parents=True)
        for word, colour in colours.items():
            Image.new("RGB", (48, 48), colour).save(folder / name / "images" / f"{word}.png")
        width = rows[0].count(",") + 1
        lines = [",".join(["text1", *(f"image{number}" for number in range(1, width + 1))])]
        for row in rows:
            words = row.split(",")
            lines.append(",".join([words[0], *(f"images/{word}.png" if word else "" for word in words)]))
        (folder / name / MANIFEST).write_text("\n".join(lines) + "\n", encoding="utf-8")


DEVBENCH = Battery(name="devbench", read=read_devbench, write_example=write_example)
