"""How a model met the words that items ask for: taught, heard only, or never.

    training set ─┬─ utterances of its training split ───────── heard
                  └─ categories of its instruction items ────── taught
    word items of a run ──────────────────────────────────────> accuracy by how their word was met

Words that were only heard tell what pretraining brings (ours): instruction cannot have taught them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from babyvlm.curation.sets import INSTRUCTION, PretrainingSet
from babyvlm.folders import read_manifest
from babyvlm.plurals import plural
from babyvlm.reports.breakdowns import is_right
from babyvlm.reports.results import RunResult
from babyvlm.toolbox import wilson_interval
from babyvlm.toolbox.instruction import TAUGHT
from babyvlm.toolbox.tasks import row_name
from babyvlm.words import words_of

Exposure = Literal["taught", "heard only", "never met"]
EXPOSURES: tuple[Exposure, ...] = get_args(Exposure)
_WORD_TASKS = ("looking_while_listening", "picture_vocabulary")


@dataclass(frozen=True, kw_only=True)
class WordsMet:
    """What a training set says and teaches."""

    heard: frozenset[str]
    """Words of the utterances of the training split, in lower case."""
    taught: frozenset[str]
    """Categories that training items of the instruction set ask for or show."""

    def exposure(self, category: str) -> Exposure:
        """How a category's word was met.

        One of several words counts as heard where each of them was; a plural is as good as a singular.
        """
        if category in self.taught:
            return "taught"
        parts = words_of(category)
        is_heard = bool(parts) and all({part, plural(part)} & self.heard for part in parts)
        return "heard only" if is_heard else "never met"


@dataclass(frozen=True, kw_only=True)
class ExposureRow:
    """Items of a sub-task whose words were met in one way."""

    task: str
    exposure: Exposure
    words: int
    right: int
    items: int
    """Those with a figure."""

    @property
    def value(self) -> float:
        return self.right / self.items

    @property
    def interval(self) -> tuple[float, float]:
        """95% Wilson interval over items."""
        return wilson_interval(self.value, self.items)


def read_words_met(folder: Path) -> WordsMet | None:
    """The words that a curated set lets a model meet; None where an earlier version did not record what it teaches.

    Raises:
        DataFolderError: The folder is no whole pretraining set.
    """
    data = PretrainingSet(folder)
    heard = frozenset(word for one in data.utterances("train") for word in words_of(one.text))
    taught: Sequence[str] | None = ()
    if data.has_instruction:
        taught = read_manifest(folder / INSTRUCTION, "instruction-set").configuration.get(TAUGHT)
    if taught is None:
        return None
    return WordsMet(heard=heard, taught=frozenset(taught))


def by_exposure(result: RunResult, met: WordsMet) -> tuple[ExposureRow, ...]:
    """Accuracy of the word tasks by how their words were met; ways in which no word was met are left out."""
    right: Counter[tuple[str, Exposure]] = Counter()
    items: Counter[tuple[str, Exposure]] = Counter()
    words: dict[tuple[str, Exposure], set[str]] = {}
    for item in result.items:
        if item.task in _WORD_TASKS and (found := is_right(result, item)) is not None:
            key = row_name(item.task, item.variant), met.exposure(item.category)
            right[key] += found
            items[key] += 1
            words.setdefault(key, set()).add(item.category)
    return tuple(
        ExposureRow(
            task=task, exposure=way, words=len(words[task, way]), right=right[task, way], items=items[task, way]
        )
        for task in sorted({task for task, _ in items})
        for way in EXPOSURES
        if items[task, way]
    )
