"""Breakdowns of an accuracy: by number of objects, by answer given, by round. Pure functions of scored items.

Findings of the paper to be able to redraw: counting accuracy by number of objects; direction and place confusions and
the course of a memory item are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from babyvlm.records import Item
from babyvlm.reports.results import RunResult
from babyvlm.toolbox import wilson_interval
from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.scoring import memory_base
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS, TASKS, row_name

NO_ANSWER = "no answer"
"""Column of replies in which no answer could be read, or that were refused."""


@dataclass(frozen=True)
class Share:
    """Part of some trials that were right, with its 95% Wilson interval."""

    x: int
    """What the trials have in common: a number of objects, or a round counted from 1."""
    right: int
    trials: int

    @property
    def value(self) -> float:
        return self.right / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.value, self.trials)


def by_number(result: RunResult, task: str) -> tuple[Share, ...]:
    """Accuracy by the number of objects shown, failed replies left out."""
    right: Counter[int] = Counter()
    trials: Counter[int] = Counter()
    for item, judged in result.judgements:
        if row_name(item.task, item.variant) == task and judged.metrics:
            number = int(item.turns[0].gold)
            trials[number] += 1
            right[number] += judged.turns[0].outcome == "right"
    return tuple(Share(number, right[number], trials[number]) for number in sorted(trials))


@dataclass(frozen=True)
class MemoryCourse:
    """Accuracy by round of the memory items."""

    rounds: tuple[Share, ...]
    learning_rounds: int
    """The first so many rounds learn, the rest test."""


def memory_course(result: RunResult) -> MemoryCourse | None:
    """Accuracy by round; None where the respondent answered no memory item."""
    right: Counter[int] = Counter()
    trials: Counter[int] = Counter()
    base = 0
    for item, judged in result.judgements:
        if row_name(item.task, item.variant) != "memory":
            continue
        base = max(base, memory_base(item))
        for number, turn in enumerate(judged.turns, start=1):
            if turn.outcome != "failed":
                trials[number] += 1
                right[number] += turn.outcome == "right"
    rounds = tuple(Share(number, right[number], trials[number]) for number in sorted(trials))
    return MemoryCourse(rounds, base) if rounds else None


def memory_by_lag(result: RunResult) -> tuple[Share, ...]:
    """Accuracy in the test rounds of Memory by lag: rounds since the old picture was last shown.

    Only items whose labels tell the old picture are counted.
    """
    right: Counter[int] = Counter()
    trials: Counter[int] = Counter()
    for item, judged in result.judgements:
        if row_name(item.task, item.variant) != "memory":
            continue
        base = memory_base(item)
        shown_at: dict[str, int] = {}
        for number, (turn, outcome) in enumerate(zip(item.turns, judged.turns, strict=True)):
            seen_before = [label for label in turn.labels if label in shown_at]
            if number >= base and len(seen_before) == 1 and outcome.outcome != "failed":
                lag = number - shown_at[seen_before[0]]
                trials[lag] += 1
                right[lag] += outcome.outcome == "right"
            shown_at.update(dict.fromkeys(turn.labels, number))
    return tuple(Share(lag, right[lag], trials[lag]) for lag in sorted(trials))


@dataclass(frozen=True)
class Agreement:
    """How often two respondents are right on the same items of a sub-task."""

    task: str
    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def items(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither


def is_right(result: RunResult, item: Item) -> bool | None:
    """Whether an item earned at least half of its primary metric; None where it has no figure."""
    judged = result.judged.get(item.id)
    if judged is None or not judged.metrics:
        return None
    return judged.metrics[TASKS[item.task].primary_metric] >= 0.5


def agreements(first: RunResult, second: RunResult) -> tuple[Agreement, ...]:
    """By sub-task, on the items that both have a figure for."""
    counts: dict[str, Counter[tuple[bool, bool]]] = {}
    for item in first.items:
        one, other = is_right(first, item), is_right(second, item)
        if one is not None and other is not None:
            counts.setdefault(row_name(item.task, item.variant), Counter())[one, other] += 1
    return tuple(
        Agreement(task, found[True, True], found[True, False], found[False, True], found[False, False])
        for task in TASKS
        if (found := counts.get(task))
    )


@dataclass(frozen=True)
class Confusion:
    """How often each right answer got each reply."""

    task: str
    gold: tuple[str, ...]
    """Rows: the right answers."""
    replied: tuple[str, ...]
    """Columns: the answers given, and `NO_ANSWER` where there were any such."""
    counts: tuple[tuple[int, ...], ...]


_CLOCKWISE = ("top left", "top", "top right", "right", "bottom right", "bottom", "bottom left", "left")


def confusion(result: RunResult, task: str) -> Confusion | None:
    """Right answers against replies, failed replies left out; None where the respondent answered no such item."""
    pairs: Counter[tuple[str, str]] = Counter()
    for item, judged in result.judgements:
        if row_name(item.task, item.variant) == task and judged.metrics:
            answer = judged.turns[0].answer
            pairs[_place(item.turns[0].gold, task), _place(answer, task) if answer is not None else NO_ANSWER] += 1
    if not pairs:
        return None
    # Clockwise, so that confusions with a neighbouring direction lie beside the diagonal.
    known: Sequence[str] = QUADRANTS if task == "localization" else _CLOCKWISE
    assert task == "localization" or set(known) == set(DIRECTIONS)
    gold = tuple(known)
    other = sorted({reply for _, reply in pairs} - {*known, NO_ANSWER})
    replied = (*known, *other, *([NO_ANSWER] if any(reply == NO_ANSWER for _, reply in pairs) else []))
    return Confusion(task, gold, replied, tuple(tuple(pairs[row, column] for column in replied) for row in gold))


def _place(answer: str, task: str) -> str:
    if TASKS[task].answers == "letter" and answer in LETTERS:
        return QUADRANTS[LETTERS.index(answer)]
    return answer
