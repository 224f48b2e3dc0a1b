"""Scores: items and responses in, metrics with intervals out. Pure functions, so that a run can be scored again.

    reply -> outcome    right | wrong | unparsed | refused | failed
    outcomes of an item -> its metrics -> means over a task, Wilson interval -> overall mean of primary metrics

A failed reply (nothing came back) leaves its item out of every metric and is counted; an unparsed or refused one stays
in and earns nothing. Beside each value stand the worst and the best it could be, with every such reply taken as wrong,
as right.

The published scoring is reproduced on request (`babyvlm.toolbox.reference`). With ``scoring="reference"`` a reply that
cannot be read is wrong and a failed one leaves its item out; with ``scoring="leaderboard"`` a failed one is wrong too.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, variance
from typing import ClassVar, cast, get_args

from pydantic import Field

from babyvlm.errors import InputError
from babyvlm.records import Item, ItemTurn, Outcome, Record, Reply, Response, SparseRecord
from babyvlm.toolbox.contrasts.figures import ContrastScores
from babyvlm.toolbox.directions import DIRECTIONS, neighbours
from babyvlm.toolbox.graded import GradedScores
from babyvlm.toolbox.reference import mean_right, reference_adjacent, reference_remembered
from babyvlm.toolbox.replies import CUT_OFF, Scoring, is_refusal, read_answer
from babyvlm.toolbox.tasks import TASKS, TaskSpec, in_table_order, is_extra, row_name, task_named, task_of_row
from babyvlm.toolbox.winoground import BOARD_METRICS, WinogroundScores

_Z = 1.959964  # two-sided 95%
SCORING_NAMES: dict[Scoring, str] = {
    "default": "a reply that cannot be read is unparsed and earns nothing; an error leaves its item out of the mean",
    "reference": "as the published evaluation script scores, known faults included; an error leaves its item out of "
    "the mean",
    "leaderboard": "as the published lmms-eval wrapper scores, known faults included; an error is an empty reply and "
    "wrong",
}
"""What each way of scoring does, in words."""


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
    value: float | None
    """The primary metric, 0 to 1; None where every item failed."""
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


class Scores(SparseRecord):
    """A respondent's results."""

    sparse: ClassVar[tuple[str, ...]] = ("graded", "contrasts")

    scoring: Scoring
    tasks: tuple[TaskScore, ...]
    overall: float | None
    """Mean of the primary metrics of the published sub-tasks present, those without a figure aside; None where no
    sub-task has one. Hard variants and tasks of other packages never count in it."""
    not_asked: int
    """Items without a response; they count in nothing."""
    winoground: WinogroundScores | None = None
    """Baby Winoground; None where nobody judged phrases. Not in ``overall``, though in the leaderboard's mean."""
    graded: GradedScores | None = None
    """What the scores for every option say; None where no reply has any. In no other figure."""
    contrasts: ContrastScores | None = None
    """What contrasts of pictures and captions come to; None where there is none. In no other figure."""

    def task(self, name: str) -> TaskScore:
        """The result of one sub-task; KeyError where there is none."""
        return {score.task: score for score in self.tasks}[name]


def score_turn(turn: ItemTurn, reply: Reply, spec: TaskSpec, *, scoring: Scoring = "default") -> TurnScore:
    """Judges one reply."""
    if scoring != "default":
        if reply.text is None and scoring == "reference":
            return TurnScore(outcome="failed", answer=None)
        answer = read_answer(reply.text or "", spec, turn.options, scoring=scoring)
        return TurnScore(outcome="right" if answer == turn.gold else "wrong", answer=answer)
    if reply.refused:
        return TurnScore(outcome="refused", answer=None)
    if reply.text is None:
        return TurnScore(outcome="failed", answer=None)
    answer = read_answer(reply.text, spec, turn.options, cut=reply.problem.startswith(CUT_OFF))
    if answer is None:
        return TurnScore(outcome="refused" if is_refusal(reply.text) else "unparsed", answer=None)
    return TurnScore(outcome="right" if answer == turn.gold else "wrong", answer=answer)


def score_item(
    item: Item, response: Response, *, scoring: Scoring = "default", source: Path | None = None
) -> ItemScore:
    """Judges one response.

    Args:
        item: What was asked.
        response: What was answered.
        scoring: How replies are read.
        source: File of the response, for an error.

    Raises:
        InputError: The response is to another item, or has not one reply for each turn.
    """
    if response.item != item.id or len(response.replies) != len(item.turns):
        raise InputError(
            f"{len(response.replies)} replies to item {response.item!r}, where {len(item.turns)} to {item.id!r} belong",
            path=source,
            remedy="Was the run made on this toolbox?",
        )
    spec = task_named(item.task)
    turns = tuple(
        score_turn(turn, reply, spec, scoring=scoring) for turn, reply in zip(item.turns, response.replies, strict=True)
    )
    scored = all(turn.outcome != "failed" for turn in turns)
    metrics = item_metrics(item, turns, scoring=scoring) if scored else {}
    return ItemScore(
        item=item.id,
        task=row_name(item.task, item.variant),
        category=item.category,
        turns=turns,
        metrics=metrics,
        participant=response.participant,
    )


def item_metrics(item: Item, turns: Sequence[TurnScore], *, scoring: Scoring = "default") -> dict[str, float]:
    """The metrics of one item, given what each of its rounds was worth."""
    spec = task_named(item.task)
    if spec.primary_metric == "acc_testing_adjusted":
        return _memory_metrics(item, turns, scoring)
    right = float(turns[0].outcome == "right")
    metrics = {spec.primary_metric: right}
    if spec.answers == "direction":
        gold, answer = item.turns[0].gold, turns[0].answer
        if scoring != "default":
            return metrics | {"acc_adjacent": float(reference_adjacent(gold, answer))}
        near = gold in DIRECTIONS and answer in DIRECTIONS and answer in neighbours(gold)
        metrics["acc_adjacent"] = float(right or near)
    return metrics


def _memory_metrics(item: Item, turns: Sequence[TurnScore], scoring: Scoring) -> dict[str, float]:
    base = memory_base(item)
    right = [turn.outcome == "right" for turn in turns]
    metrics = {"acc_learning": mean_right(right[:base]), "acc_testing_raw": mean_right(right[base:])}
    if scoring != "default":
        return metrics | {"acc_testing_adjusted": reference_remembered(item, right, base)}
    learned: dict[str, list[bool]] = {}
    for turn in item.turns[:base]:
        learned.setdefault(_shown_label(turn, turn.gold), [])
    for turn, is_right in zip(item.turns[base:], right[base:], strict=True):
        for option in turn.options:
            if option != turn.gold and (old := _shown_label(turn, option)) in learned:
                learned[old].append(is_right)
    kept = sum(len(tests) >= 2 and all(tests) for tests in learned.values())
    return metrics | {"acc_testing_adjusted": kept / base if base else 0.0}


def memory_base(item: Item) -> int:
    """Learning rounds of a memory item, as the reference counts them."""
    return (len(item.turns) + 1) // 3


def _shown_label(turn: ItemTurn, option: str) -> str:
    """What an option shows: its label, or, in items without labels, the picture itself."""
    # DEVIATION: without labels the reference has no adjusted figure.
    shown = turn.labels or turn.images
    place = turn.options.index(option)
    return shown[place] if place < len(shown) else ""


def score(
    items: Iterable[Item],
    responses: Iterable[Response],
    *,
    scoring: Scoring = "default",
    source: Path | None = None,
) -> Scores:
    """Scores a run.

    Args:
        items: Everything that was to be asked.
        responses: What came back, at most one for each item, or one from each participant.
        scoring: ``reference`` and ``leaderboard`` reproduce the published scoring, known faults included.
        source: The file of the responses, for messages.

    Raises:
        InputError: A response to no known item, two to one item, or one that does not fit its item.
    """
    by_id = {item.id: item for item in items}
    seen: set[tuple[str, str]] = set()

    def judged() -> Iterator[ItemScore]:
        for response in responses:
            key = response.item, response.participant
            if response.item not in by_id or key in seen:
                problem = "a second response to" if key in seen else "a response to an unknown"
                raise InputError(
                    f"{problem} item {response.item!r}", path=source, remedy="Was the run made on this toolbox?"
                )
            seen.add(key)
            yield score_item(by_id[response.item], response, scoring=scoring, source=source)

    return summarise(judged(), by_id.values(), scoring=scoring)


def summarise(judged: Iterable[ItemScore], items: Iterable[Item], *, scoring: Scoring = "default") -> Scores:
    """Sums up item scores, in the order of the tasks. Keeps none of them: a hundred thousand take little room."""
    known = {item.id: item for item in items}
    tallies: dict[str, _Tally] = {}
    asked: set[str] = set()
    for item_score in judged:
        asked.add(item_score.item)
        if (tally := tallies.get(item_score.task)) is None:
            tally = tallies[item_score.task] = _Tally(item_score.task, scoring)
        tally.add(known[item_score.item], item_score)
    tasks = tuple(tallies[row].score() for row in in_table_order(tallies))
    counted = [task.value for task in tasks if not is_extra(task.task) and task.value is not None]
    return Scores(
        scoring=scoring,
        tasks=tasks,
        overall=fmean(counted) if counted else None,
        not_asked=len(known) - len(asked),
    )


class _Tally:
    """What one sub-task's score is made of, a few numbers an item.

    Args:
        row: The sub-task; with ``.hard`` behind it, its hard variant.
        scoring: How its items were judged.
    """

    def __init__(self, row: str, scoring: Scoring) -> None:
        self._row, self._spec, self._scoring = row, task_of_row(row), scoring
        self._metrics: dict[str, array[float]] = {}
        self._chances, self._worst, self._best, self._bases = (array("d") for _ in range(4))
        self._outcomes: Counter[Outcome] = Counter()
        self._by_person: dict[str, array[float]] = {}
        self._by_word: dict[str, array[float]] = {}

    def add(self, item: Item, item_score: ItemScore) -> None:
        """Counts an item in."""
        self._chances.append(item.chance)
        self._outcomes.update(turn.outcome for turn in item_score.turns)
        for values, outcome in ((self._worst, "wrong"), (self._best, "right")):
            values.append(self._settled(item, item_score, cast(Outcome, outcome)))
        if item_score.metrics:
            self._bases.append(memory_base(item))
            own = self._by_person.setdefault(item_score.participant, array("d"))
            own.append(item_score.metrics[self._spec.primary_metric])
            if self._spec.by_word:
                of_word = self._by_word.setdefault(item.category, array("d"))
                of_word.append(item_score.metrics[self._spec.primary_metric])
        for name, value in item_score.metrics.items():
            self._metrics.setdefault(name, array("d")).append(value)

    def _settled(self, item: Item, item_score: ItemScore, outcome: Outcome) -> float:
        """The primary metric, had every round that is neither right nor wrong ended so."""
        settled = TurnScore(outcome=outcome, answer=None)
        turns = [turn if turn.outcome in ("right", "wrong") else settled for turn in item_score.turns]
        return item_metrics(item, turns, scoring=self._scoring)[self._spec.primary_metric]

    def _independent_trials(self) -> float:
        """How many independent trials the scores are worth: trials of one memory item, or of one person, are not."""
        many_rounds = self._spec.primary_metric == "acc_testing_adjusted"
        each = fmean(self._bases) if many_rounds and self._bases else 1.0
        if len(self._by_person) > 1:
            each *= len(self._bases) / len(self._by_person)
            return effective_size([fmean(values) for values in self._by_person.values()], each)
        if many_rounds and self._bases:
            return effective_size(self._metrics[self._spec.primary_metric], each)
        if len(self._by_word) > 1:
            return effective_size(
                [fmean(values) for values in self._by_word.values()], len(self._bases) / len(self._by_word)
            )
        return float(len(self._bases))

    def score(self) -> TaskScore:
        """The sub-task's result."""
        metrics = {name: fmean(values) for name, values in self._metrics.items()}
        if self._by_word:
            metrics[self._spec.primary_metric] = fmean(map(fmean, self._by_word.values()))
        value = metrics.get(self._spec.primary_metric)
        size = self._independent_trials()
        low, high = wilson_interval(value or 0.0, size)
        return TaskScore(
            task=self._row,
            primary_metric=self._spec.primary_metric,
            value=value,
            low=low,
            high=high,
            worst=fmean(self._worst),
            best=fmean(self._best),
            chance=fmean(self._chances),
            metrics=metrics,
            items=len(self._chances),
            scored=len(self._bases),
            effective_size=size,
            outcomes={outcome: self._outcomes[outcome] for outcome in get_args(Outcome)},
        )


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

    It scores Looking While Listening as Baby Winoground, by likelihoods of two phrases for two images, and has no
    Subitizing: replies to the items of these two are not in the result.
    """
    absent = {"looking_while_listening", "subitizing"}
    results = {
        TASKS[task.task].leaderboard_key: dict(task.metrics)
        for task in scores.tasks
        if task.task not in absent and not is_extra(task.task)
    }
    if scores.winoground is not None:
        key = TASKS["looking_while_listening"].leaderboard_key
        results[key] = {metric: getattr(scores.winoground, metric) for metric in BOARD_METRICS}
    return {"results": results}
