"""The battery ``machine-devbench``: the published trials of EgoBabyVLM's Machine-DevBench.

SOURCE/Lexical/<Nouns|Adjectives>/manifest_<nouns|adjectives>_<style>.json        image_positive, image_negative,
                                                                                  caption_positive, frequency_bin
SOURCE/Grammatical/gram_<kind>/manifest_grammatical_<kind>_<style>.json           image_0, image_1, caption_a,
                                                                                  caption_b, freq_bin

Each file holds ``{"items": [...]}``; pictures are relative to it. All styles are read, and counted together. Verbs,
which the layout provides for, are no part of the measure: a file of them is named and left out.

Source: the README and data page of https://github.com/facebookresearch/egobabyvlm (its trials are CC BY-NC).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from babyvlm.errors import InputError
from babyvlm.regular_files import read_regular
from babyvlm.toolbox.batteries import Battery, BatteryRecord
from babyvlm.toolbox.contrasts.configuration import GRAMMATICAL, LEXICAL
from babyvlm.toolbox.contrasts.trials import TrialKey, grammar_records, lexical_record
from babyvlm.toolbox.contrasts.vocabulary import merged_bin

_PUBLISHED_KINDS = {"order_matters": "word_order"}
"""Kinds that are named otherwise here."""


def read_machine_devbench(source: Path) -> Iterator[BatteryRecord]:
    """One record for each question of each trial.

    Raises:
        InputError: There is no file of trials, or one does not read.
    """
    files = sorted(source.glob("Lexical/*/manifest_*.json")) + sorted(source.glob("Grammatical/*/manifest_*.json"))
    if not source.is_dir() or not files:
        raise InputError(
            "no file of trials in it", path=source, remedy="Give the folder that has Lexical and Grammatical in it"
        )
    for path in files:
        lexical = path.parent.parent.name == "Lexical"
        named = path.parent.name.lower() if lexical else path.parent.name.removeprefix("gram_")
        kind = _PUBLISHED_KINDS.get(named, named)
        where = path.relative_to(source).as_posix()
        if kind not in (LEXICAL if lexical else GRAMMATICAL):
            yield BatteryRecord(place=where, problem=f"kind: {named} is no part of the measure")
            continue
        style = path.stem.rpartition("_")[2]
        for number, trial in enumerate(_trials(path), start=1):
            yield from (_lexical if lexical else _grammatical)(kind, f"{style}-{number}", trial, path, where)


def _trials(path: Path) -> list[Any]:
    try:
        trials = json.loads(read_regular(path))["items"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"does not read as trials ({error})", path=path) from error
    if not isinstance(trials, list):
        raise InputError("its items are no list", path=path)
    return trials


def _texts(trial: Any, *names: str) -> list[str] | None:
    """Fields that all hold text; None where one does not."""
    found = [trial.get(name) for name in names] if isinstance(trial, dict) else []
    texts = [one for one in found if isinstance(one, str) and one.strip()]
    return texts if len(texts) == len(names) else None


def _lexical(kind: str, name: str, trial: Any, path: Path, where: str) -> Iterator[BatteryRecord]:
    place = f"{where}, trial {name.rpartition('-')[2]}"
    if not (found := _texts(trial, "image_positive", "image_negative", "caption_positive", "frequency_bin")):
        yield BatteryRecord(place=place, problem="trial: a picture, the caption or the bin is missing")
        return
    right, wrong, caption, label = found
    key = TrialKey(kind=kind, bin=merged_bin(label), name=name)
    labels = caption, Path(wrong).stem
    yield lexical_record(key, caption, path.parent / right, path.parent / wrong, place=place, labels=labels)


def _grammatical(kind: str, name: str, trial: Any, path: Path, where: str) -> Iterator[BatteryRecord]:
    place = f"{where}, trial {name.rpartition('-')[2]}"
    if not (found := _texts(trial, "image_0", "image_1", "caption_a", "caption_b")):
        yield BatteryRecord(place=place, problem="trial: a picture or a caption is missing")
        return
    first, second, one, other = found
    if one == other:
        yield BatteryRecord(place=place, problem="trial: both captions are the same")
        return
    (label,) = _texts(trial, "freq_bin") or ("unknown",)
    key = TrialKey(kind=kind, bin=merged_bin(label), name=name)
    yield from grammar_records(key, (one, other), (path.parent / first, path.parent / second), place=place)


def write_example(folder: Path) -> None:
    """Two styles of nouns, and a kind of grammar."""
    nouns = folder / "Lexical" / "Nouns"
    counting = folder / "Grammatical" / "gram_counting"
    for place, name in enumerate(("dog", "cup", "hat", "car")):
        for where in (nouns, *((counting,) if name in ("dog", "cup") else ())):
            where.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (48, 48), (60 * place, 40, 200 - 50 * place)).save(where / f"{name}.png")
    for style in ("realistic", "cartoon"):
        words = ("dog", "cup") if style == "realistic" else ("hat", "car")
        trials = [
            {"image_positive": f"{word}.png", "image_negative": f"{other}.png", "caption_positive": word,
             "frequency_bin": label}
            for word, other, label in zip(words, words[::-1], ("[1,2)", "[8,16)"), strict=True)
        ]  # fmt: skip
        (nouns / f"manifest_nouns_{style}.json").write_text(json.dumps({"items": trials}), encoding="utf-8")
    trial = {"image_0": "dog.png", "image_1": "cup.png", "caption_a": "one dog", "caption_b": "two dogs"}
    (counting / "manifest_grammatical_counting_realistic.json").write_text(
        json.dumps({"items": [trial | {"freq_bin": "[2,4)"}]}), encoding="utf-8"
    )


MACHINE_DEVBENCH = Battery(name="machine-devbench", read=read_machine_devbench, write_example=write_example)
