"""The battery ``minimal-pairs``: two sentences that differ in one thing, one of them grammatical. No picture is shown.

*.txt     Zorro: a bad and a good sentence by turns, the bad one first; a file for each paradigm
*.jsonl   BLiMP: ``sentence_good`` and ``sentence_bad`` in each line, and ``UID``, the paradigm

The two sentences are the options, in an order drawn by file and line: a language model is asked how likely each is, and
others say which is right. The paradigm is the item's category.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from babyvlm.errors import InputError
from babyvlm.regular_files import read_regular
from babyvlm.toolbox.batteries import Battery, BatteryRecord, BatteryTurn

_SEED = 0


def read_minimal_pairs(source: Path) -> Iterator[BatteryRecord]:
    """One record for each pair.

    Raises:
        InputError: There is no file of pairs, or one does not read as text.
    """
    found = sorted(source.glob("*")) if source.is_dir() else [source]
    files = [path for path in found if path.suffix in (".txt", ".jsonl") and path.is_file()]
    if not files:
        raise InputError(
            "no file of pairs", path=source, remedy="Give *.txt as Zorro has them, or *.jsonl as BLiMP has them"
        )
    for path in files:
        try:
            lines = read_regular(path).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"does not read as text ({error})", path=path) from error
        yield from _blimp(path, lines) if path.suffix == ".jsonl" else _zorro(path, lines)


def _zorro(path: Path, lines: list[str]) -> Iterator[BatteryRecord]:
    said = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    for (number, bad), (_, good) in zip(said[::2], said[1::2], strict=False):
        yield _record(path, number, good=good, bad=bad, paradigm=path.stem)
    if len(said) % 2:
        yield BatteryRecord(place=f"{path.name}, line {said[-1][0]}", problem="pair: its second sentence is missing")


def _blimp(path: Path, lines: list[str]) -> Iterator[BatteryRecord]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            pair = json.loads(line)
            good, bad = pair["sentence_good"], pair["sentence_bad"]
            if not isinstance(good, str) or not isinstance(bad, str):
                raise TypeError
            paradigm = str(pair.get("UID") or path.stem)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            yield BatteryRecord(place=place, problem="pair: not an object with sentence_good and sentence_bad")
            continue
        yield _record(path, number, good=good.strip(), bad=bad.strip(), paradigm=paradigm)


def _record(path: Path, number: int, *, good: str, bad: str, paradigm: str) -> BatteryRecord:
    place = f"{path.name}, line {number}"
    if not good or not bad or good == bad:
        return BatteryRecord(place=place, problem="pair: the sentences are empty or the same")
    options = (good, bad) if Random(f"{_SEED}/{path.name}/{number}").random() < 0.5 else (bad, good)
    turn = BatteryTurn(
        prompt=f'Which of these two sentences is right? "{options[0]}" or "{options[1]}"', options=options, gold=good
    )
    return BatteryRecord(place=place, task="minimal_pairs", turns=(turn,), category=paradigm)


def write_example(folder: Path) -> None:
    """A file of each kind."""
    pairs = [(f"the dog are {word} .", f"the dog is {word} .") for word in ("here", "big", "red", "old")]
    zorro = "\n".join(sentence for pair in pairs for sentence in pair)
    (folder / "agreement.txt").write_text(zorro + "\n", encoding="utf-8")
    blimp = [{"sentence_good": good, "sentence_bad": bad, "UID": "cats"} for bad, good in
             ((bad.replace("dog", "cat"), good.replace("dog", "cat")) for bad, good in pairs)]  # fmt: skip
    (folder / "cats.jsonl").write_text("\n".join(map(json.dumps, blimp)) + "\n", encoding="utf-8")


MINIMAL_PAIRS = Battery(name="minimal-pairs", read=read_minimal_pairs, write_example=write_example)
