"""Scores: items and responses in, metrics with intervals out. Pure functions, so that a run can be scored again.

    reply -> outcome    right | wrong | unparsed | refused | failed
    outcomes of an item -> its metrics -> means over a task, Wilson interval -> overall mean of primary metrics

A failed reply (nothing came back) leaves its item out of every metric and is counted; an unparsed or refused one stays
in and earns nothing. ``scoring="reference"`` reproduces the published reference instead, in which all three are simply
wrong. Beside each value stand the worst and the best it could be, with every such reply taken as wrong, as right.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, variance
from typing import get_args

from pydantic import Field

from babyvlm.errors import InputError
from babyvlm.records import Item, ItemTurn, Outcome, Record, Reply, Response
from babyvlm.toolbox.directions import DIRECTIONS, neighbours
from babyvlm.toolbox.replies import Scoring, is_refusal, read_answer
from babyvlm.toolbox.tasks import ROWS, TASKS, TaskSpec, is_hard, row_name, task_named

_Z = 1.959964  # two-sided 95%


class TurnScore(Record):
    """What one reply was worth."""

    outcome: Outcome
    answer: str | None
    """The answer as read; None where none was."""


class ItemScore(Record):
    """What one response was worth."""

    item: str
    task: str
    """The sub-task; with ``.hard`` behind it, its hard variant."""
    category: str
    turns: tuple[TurnScore, ...]
    metrics: dict[str, float]
    """Empty where a reply failed: the item then counts in no metric."""
    participant: str = ""
    """Who replied, where several people did."""


class TaskScore(Record):
    """One sub-task's result."""

    task: str
    """The sub-task; with ``.hard`` behind it, its hard variant."""
    primary_metric: str
    value: float
    """The primary metric, 0 to 1; 0 where every item failed."""
    low: float
    """Lower end of the 95% Wilson interval of ``value``."""
    high: float
    worst: float
    """``value`` over all items asked, if every round that was unparsed, refused or failed had been wrong."""
    best: float
    """``value`` over all items asked, if every such round had been right."""
    chance: float
    metrics: dict[str, float]
    """All metrics, means over scored items."""
    items: int = Field(ge=0)
    """Items asked."""
    scored: int = Field(ge=0)
    """Items that count in the metrics."""
    effective_size: float
    """Number of independent trials that the interval assumes."""
    outcomes: dict[Outcome, int]
    """Rounds by outcome; they add up to all rounds asked."""


class Scores(Record):
    """A respondent's results."""

    scoring: Scoring
    tasks: tuple[TaskScore, ...]
    overall: float
    """Mean of the primary metrics of the sub-tasks present, hard variants aside."""
    not_asked: int
    """Items without a response; they count in nothing."""

    def task(self, name: str) -> TaskScore:
        """The result of one sub-task; KeyError where there is none."""
        return {score.task: score for score in self.tasks}[name]


def score_turn(turn: ItemTurn, reply: Reply, spec: TaskSpec, *, scoring: Scoring = "default") -> TurnScore:
    """Judges one reply."""
    if scoring == "reference":
        answer = read_answer(reply.text or "", spec, turn.options, scoring=scoring)
        return TurnScore(outcome="right" if answer == turn.gold else "wrong", answer=answer)
    if reply.refused:
        return TurnScore(outcome="refused", answer=None)
    if reply.text is None:
        return TurnScore(outcome="failed", answer=None)
    answer = read_answer(reply.text, spec, turn.options)
    if answer is None:
        return TurnScore(outcome="refused" if is_refusal(reply.text) else "unparsed", answer=None)
    return TurnScore(outcome="right" if answer == turn.gold else "wrong", answer=answer)


def score_item(item: Item, response: Response, *, scoring: Scoring = "default") -> ItemScore:
    """Judges one response.

    Raises:
        InputError: The response is to another item, or has not one reply for each turn.
    """
    if response.item != item.id or len(response.replies) != len(item.turns):
        raise InputError(
            f"{len(response.replies)} replies to item {response.item!r}, where {len(item.turns)} to {item.id!r} belong",
            remedy="Was the run made on this toolbox?",
        )
    spec = task_named(item.task)
    turns = tuple(
        score_turn(turn, reply, spec, scoring=scoring) for turn, reply in zip(item.turns, response.replies, strict=True)
    )
    scored = all(turn.outcome != "failed" for turn in turns)
    metrics = item_metrics(item, turns) if scored else {}
    return ItemScore(
        item=item.id,
        task=row_name(item.task, item.variant),
        category=item.category,
        turns=turns,
        metrics=metrics,
        participant=response.participant,
    )


def item_metrics(item: Item, turns: Sequence[TurnScore]) -> dict[str, float]:
    """The metrics of one item, given what each of its rounds was worth."""
    spec = task_named(item.task)
    if spec.primary_metric == "acc_testing_adjusted":
        return _memory_metrics(item, turns)
    right = float(turns[0].outcome == "right")
    metrics = {spec.primary_metric: right}
    if spec.answers == "direction":
        gold, answer = item.turns[0].gold, turns[0].answer
        near = gold in DIRECTIONS and answer in DIRECTIONS and answer in neighbours(gold)
        metrics["acc_adjacent"] = float(right or near)
    return metrics


def _memory_metrics(item: Item, turns: Sequence[TurnScore]) -> dict[str, float]:
    base = memory_base(item)
    right = [turn.outcome == "right" for turn in turns]
    learned: dict[str, list[bool]] = {}
    for turn in item.turns[:base]:
        learned.setdefault(_shown_label(turn, turn.gold), [])
    for turn, is_right in zip(item.turns[base:], right[base:], strict=True):
        for option in turn.options:
            if option != turn.gold and (old := _shown_label(turn, option)) in learned:
                learned[old].append(is_right)
    kept = sum(len(tests) >= 2 and all(tests) for tests in learned.values())
    return {
        "acc_learning": fmean(right[:base]),
        "acc_testing_raw": fmean(right[base:]) if right[base:] else 0.0,
        "acc_testing_adjusted": kept / base,
    }


def memory_base(item: Item) -> int:
    """Learning rounds of a memory item, as the reference counts them."""
    return (len(item.turns) + 1) // 3


def _shown_label(turn: ItemTurn, option: str) -> str:
    """What an option shows: its label, or, in items without labels, the picture itself."""
    # DEVIATION: without labels the reference has no adjusted figure.
    shown = turn.labels or turn.images
    place = turn.options.index(option)
    return shown[place] if place < len(shown) else ""


def score(items: Iterable[Item], responses: Iterable[Response], *, scoring: Scoring = "default") -> Scores:
    """Scores a run.

    Args:
        items: Everything that was to be asked.
        responses: What came back, at most one for each item, or one from each participant.
        scoring: ``reference`` reproduces the published reference, known faults included.

    Raises:
        InputError: A response to no known item, two to one item, or one that does not fit its item.
    """
    by_id = {item.id: item for item in items}
    judged: dict[tuple[str, str], ItemScore] = {}
    for response in responses:
        key = response.item, response.participant
        if response.item not in by_id or key in judged:
            problem = "a second response to" if key in judged else "a response to an unknown"
            raise InputError(f"{problem} item {response.item!r}", remedy="Was the run made on this toolbox?")
        judged[key] = score_item(by_id[response.item], response, scoring=scoring)
    return summarise(judged.values(), by_id.values(), scoring=scoring)


def summarise(judged: Iterable[ItemScore], items: Iterable[Item], *, scoring: Scoring = "default") -> Scores:
    """Sums up item scores, in the order of the tasks."""
    known = {item.id: item for item in items}
    by_task: dict[str, list[ItemScore]] = defaultdict(list)
    for item_score in judged:
        by_task[item_score.task].append(item_score)
    tasks = tuple(_task_score(row, by_task[row], known) for row in ROWS if by_task[row])
    counted = [task.value for task in tasks if not is_hard(task.task)]
    return Scores(
        scoring=scoring,
        tasks=tasks,
        overall=fmean(counted) if counted else 0.0,
        not_asked=len(known) - len({item_score.item for of_task in by_task.values() for item_score in of_task}),
    )


def _task_score(row: str, judged: Sequence[ItemScore], items: dict[str, Item]) -> TaskScore:
    spec = TASKS[row.removesuffix(".hard")]
    counted = [item_score for item_score in judged if item_score.metrics]
    names = counted[0].metrics if counted else {}
    metrics = {name: fmean(item_score.metrics[name] for item_score in counted) for name in names}
    value = metrics.get(spec.primary_metric, 0.0)
    low, high = wilson_interval(value, size := _independent_trials(spec, counted, items))
    worst, best = _bounds(spec, judged, items)
    tally = Counter(turn.outcome for item_score in judged for turn in item_score.turns)
    return TaskScore(
        task=row,
        primary_metric=spec.primary_metric,
        value=value,
        low=low,
        high=high,
        worst=worst,
        best=best,
        chance=fmean(items[item_score.item].chance for item_score in judged),
        metrics=metrics,
        items=len(judged),
        scored=len(counted),
        effective_size=size,
        outcomes={outcome: tally[outcome] for outcome in get_args(Outcome)},
    )


def _independent_trials(spec: TaskSpec, counted: Sequence[ItemScore], items: dict[str, Item]) -> float:
    """How many independent trials some item scores are worth: trials of one memory item, or of one person, are not."""
    many_rounds = spec.primary_metric == "acc_testing_adjusted"
    by_person: dict[str, list[float]] = defaultdict(list)
    for item_score in counted:
        by_person[item_score.participant].append(item_score.metrics[spec.primary_metric])
    each = fmean(memory_base(items[item_score.item]) for item_score in counted) if many_rounds and counted else 1.0
    if len(by_person) > 1:
        return effective_size(list(map(fmean, by_person.values())), each * len(counted) / len(by_person))
    if many_rounds and counted:
        return effective_size([value for values in by_person.values() for value in values], each)
    return float(len(counted))


def _bounds(spec: TaskSpec, judged: Sequence[ItemScore], items: dict[str, Item]) -> tuple[float, float]:
    """The primary metric over all items, with every round that is neither right nor wrong taken as wrong, as right."""
    ends = []
    for outcome in ("wrong", "right"):
        settled = TurnScore(outcome=outcome, answer=None)
        values = []
        for item_score in judged:
            turns = [turn if turn.outcome in ("right", "wrong") else settled for turn in item_score.turns]
            values.append(item_metrics(items[item_score.item], turns)[spec.primary_metric])
        ends.append(fmean(values))
    return ends[0], ends[1]


def wilson_interval(share: float, size: float) -> tuple[float, float]:
    """The 95% Wilson score interval of a share of ``size`` trials.

    >>> [round(end, 3) for end in wilson_interval(0.5, 100)]
    [0.404, 0.596]
    """
    if size <= 0:
        return 0.0, 1.0
    spread = _Z * _Z / size
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / size + spread / size / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def effective_size(shares: Sequence[float], trials_each: float) -> float:
    """Number of independent trials that items of several trials each are worth.

    Objects of one memory item are answered in one go and are not independent. The variance of the mean is taken from
    the variance between items, and the size is that of independent trials with as large a variance:
    p(1 - p) / (s² / n). It is never above n x ``trials_each``. Where the share is 0 or 1, nothing tells how far the
    trials depend on each other, and each item counts once.

    >>> effective_size([0.0, 1.0, 0.0, 1.0], 5)
    3.0
    """
    count, mean = len(shares), fmean(shares)
    most = count * trials_each
    if mean * (1 - mean) <= 1e-12 or count < 2:
        return float(count)
    between = variance(shares)
    return most if between == 0 else min(most, mean * (1 - mean) * count / between)


def leaderboard_results(scores: Scores) -> dict[str, dict[str, dict[str, float]]]:
    """The public leaderboard's scores file.

    It scores Looking While Listening as Baby Winoground, by likelihoods of two phrases for two images, which answers
    alone do not give, and has no Subitizing: neither is in the result.
    """
    absent = {"looking_while_listening", "subitizing"}
    return {
        "results": {
            TASKS[task.task].leaderboard_key: dict(task.metrics)
            for task in scores.tasks
            if task.task not in absent and not is_hard(task.task)
        }
    }
