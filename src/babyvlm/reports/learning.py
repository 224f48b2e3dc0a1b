"""What the kept checkpoints of a stage know: by sub-task and by word, against words heard and against age.

    runs of the checkpoints ── accuracy by sub-task ── accuracy by word ── where each word is acquired
    children's words by age ────────────────────────────────────────────── where children acquire it

Words are those that an item of a word-to-picture task turns on. Pure functions of saved runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babyvlm.errors import ConfigError
from babyvlm.evaluation.acquisition import MIN_ITEMS, AcquisitionPoint, acquisition, crossing
from babyvlm.evaluation.runs import judge_run
from babyvlm.heard import Heard
from babyvlm.records import Item
from babyvlm.reports.results import read_scores
from babyvlm.toolbox import ItemScore, TaskScore
from babyvlm.toolbox.tasks import TASKS
from babyvlm.toolbox.vocabulary import Vocabulary, early_vocabulary
from babyvlm.toolbox.vocabulary.by_age import WordByAge

WORD_TASKS = ("picture_vocabulary", "looking_while_listening")
"""Sub-tasks whose items turn on a word: hear it, choose the picture. Their hard variants have other foils."""


@dataclass(frozen=True, kw_only=True)
class KeptRun:
    """A kept checkpoint's run."""

    heard: Heard
    scores: Mapping[str, TaskScore]
    """By sub-task."""
    items: Mapping[str, Item]
    judged: Mapping[str, ItemScore]
    """By item id."""


def read_kept(heard: Heard, run: Path) -> KeptRun:
    """Reads the run of a kept checkpoint.

    Raises:
        DataFolderError: The folder is no scored run.
    """
    found = judge_run(run)
    scores = {score.task: score for score in read_scores(run).tasks}
    return KeptRun(heard=heard, scores=scores, items={item.id: item for item in found.items}, judged=found.scores)


@dataclass(frozen=True, kw_only=True)
class LearnedWord:
    """One word's course."""

    word: str
    chance: float
    accuracy: tuple[float | None, ...]
    """After each checkpoint, 0 to 1; None where no item has a figure."""
    by_words: AcquisitionPoint | None
    """In words heard; None where there are too few items or checkpoints."""
    by_age: AcquisitionPoint | None
    """In months of the highest age heard; None too where the stage was not trained by age."""
    child_months: float | None
    """Age at which half of the children say it; None where it is not known, or not within the measured ages."""
    items: int


@dataclass(frozen=True, kw_only=True)
class StageCourse:
    """All that the kept checkpoints of one stage show."""

    stage: str
    kept: tuple[KeptRun, ...]
    """By words heard."""
    words: tuple[LearnedWord, ...]
    """Those acquired first come first, those never last."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Sub-tasks that all checkpoints were asked, in the order of tables."""
        return tuple(self.kept[0].scores)

    @property
    def aged(self) -> tuple[tuple[float, KeptRun], ...]:
        """The checkpoints to draw against age, each with the highest age that it has heard, months; none where the
        stage was not trained by age."""
        return tuple((age, self.kept[place]) for place, age in by_highest_age([one.heard for one in self.kept]))


def by_highest_age(heard: Sequence[Heard]) -> list[tuple[int, float]]:
    """Places of the checkpoints that stand for an age, and that age, months, ascending.

    Of several that have reached the same age, as marks within one recording, the last stands for it.

    Args:
        heard: Of the checkpoints, by words.

    Returns:
        Two places or more; none where the stage was not trained by age, or an age is not known.
    """
    found: dict[float, int] = {}
    for place, one in enumerate(heard):
        if one.order not in ("chronological", "cumulative") or one.ages_months is None:
            return []
        found[one.ages_months[1]] = place
    return [(place, age) for age, place in sorted(found.items())] if len(found) > 1 else []


def read_course(
    stage: str, kept: Sequence[KeptRun], children: Mapping[str, WordByAge] | None = None, *, seed: int = 0
) -> StageCourse:
    """Puts the runs of a stage's checkpoints together.

    Args:
        stage: Its name.
        kept: The runs; at least one.
        children: How many children say each word at each age.
        seed: Of the bootstrap.

    Raises:
        ConfigError: The checkpoints were not asked the same items.
    """
    runs = tuple(sorted(kept, key=lambda one: one.heard.words))
    for one in runs:
        if one.items.keys() != runs[0].items.keys():
            raise ConfigError(
                f"{stage}: the checkpoints {runs[0].heard.mark} and {one.heard.mark} were asked other items"
            )
    by_word: dict[str, list[Item]] = {}
    vocabulary = early_vocabulary()
    for item in runs[0].items.values():
        if item.task in WORD_TASKS and item.variant != "hard" and item.category:
            by_word.setdefault(item.category, []).append(item)
    said = {} if children is None else _said_by(children, vocabulary)
    words = [
        _learned(word, items, runs, said.get(_known_as(word, vocabulary)), seed) for word, items in by_word.items()
    ]
    return StageCourse(stage=stage, kept=runs, words=tuple(sorted(words, key=_first_learned)))


def _known_as(word: str, vocabulary: Vocabulary) -> str:
    found = vocabulary.find(word)
    return found.word if found else word.lower()


def _said_by(children: Mapping[str, WordByAge], vocabulary: Vocabulary) -> dict[str, float | None]:
    """Age at which half of the children say each word, by the spelling of the packaged list where it has the word."""
    return {
        _known_as(word, vocabulary): crossing(one.months, np.array(one.say_so), np.array(one.children))
        if len(one.months) > 1
        else None
        for word, one in children.items()
    }


def _learned(
    word: str, items: Sequence[Item], runs: Sequence[KeptRun], child_months: float | None, seed: int
) -> LearnedWord:
    earned_IR = np.array([[_earned(run.judged.get(item.id), item) for run in runs] for item in items])
    chance = sum(item.chance for item in items) / len(items)
    amounts = [run.heard.words for run in runs]
    fits = len(items) >= MIN_ITEMS and len(runs) > 1 and amounts[0] > 0
    fits = fits and all(after > before for before, after in itertools.pairwise(amounts))
    aged = by_highest_age([run.heard for run in runs])
    there = [earned_R[~np.isnan(earned_R)] for earned_R in earned_IR.T]
    return LearnedWord(
        word=word,
        chance=chance,
        accuracy=tuple(float(one.mean()) if len(one) else None for one in there),
        by_words=acquisition(amounts, earned_IR, chance, logarithmic=True, seed=seed) if fits else None,
        by_age=acquisition([age for _, age in aged], earned_IR[:, [place for place, _ in aged]], chance, seed=seed)
        if fits and aged
        else None,
        child_months=child_months,
        items=len(items),
    )


def _earned(judged: ItemScore | None, item: Item) -> float:
    if judged is None or not judged.metrics:
        return float("nan")
    return judged.metrics[TASKS[item.task].primary_metric]


def _first_learned(word: LearnedWord) -> tuple[int, float, str]:
    if word.by_words is None:
        return 3, 0.0, word.word
    place = ("before", "within", "never").index(word.by_words.status)
    return place, word.by_words.value or 0.0, word.word


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's; None where there are fewer than three pairs or one side does not vary.

    >>> rank_correlation([(1, 10), (2, 20), (3, 15)])
    0.5
    """
    if len(pairs) < 3:
        return None
    ranks = [_ranks([pair[side] for pair in pairs]) for side in (0, 1)]
    if any(np.ptp(side) == 0 for side in ranks):
        return None
    return round(float(np.corrcoef(np.stack(ranks))[0, 1]), 12)


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks, those of equal values their mean."""
    held = np.asarray(values)
    return (held[:, None] > held).sum(1) + (held[:, None] == held).sum(1) / 2
