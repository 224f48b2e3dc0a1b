"""What lies behind an accuracy: by number of objects, by answer given, by round. Pure functions of scored items.

Findings of the paper to be able to redraw: counting accuracy by number of objects; direction and place confusions and
the course of a memory item are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from babyvlm.reports.results import RunResult
from babyvlm.toolbox import wilson_interval
from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.scoring import memory_base
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS, TASKS

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
    for item in result.items:
        judged = result.judged.get(item.id)
        if item.task == task and judged is not None and judged.metrics:
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
    for item in result.items:
        judged = result.judged.get(item.id)
        if item.task != "memory" or judged is None:
            continue
        base = max(base, memory_base(item))
        for number, turn in enumerate(judged.turns, start=1):
            if turn.outcome != "failed":
                trials[number] += 1
                right[number] += turn.outcome == "right"
    rounds = tuple(Share(number, right[number], trials[number]) for number in sorted(trials))
    return MemoryCourse(rounds, base) if rounds else None


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
    for item in result.items:
        judged = result.judged.get(item.id)
        if item.task == task and judged is not None and judged.metrics:
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
