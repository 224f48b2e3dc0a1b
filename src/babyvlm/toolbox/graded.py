"""Graded figures: what the scores for every option say beyond which option was chosen. Pure functions.

    item + reply with scores -> ScoredRound: credit under each reading, confidence
    rounds -> graded accuracy by sub-task | calibration, over all rounds | accuracy against coverage

A round's *credit* is 1 where the right option has the highest figure, and 1/n where n options share it. Its
*confidence* is the largest share of a softmax over the options' sums, at temperature 1: likelihoods as they are,
similarities on the model's own scale. A respondent's own figures (kind ``score``) have no scale that says what a share
means, so they have no calibration; their shares put rounds in order all the same.

Rounds with a single option, as the first of a memory item, say nothing and are left out.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar, Literal, get_args

from babyvlm.errors import InputError
from babyvlm.records import Item, OptionScores, Record, Response, ScoreKind, SparseRecord
from babyvlm.toolbox.tasks import in_table_order, is_extra, row_name

ScoreReading = Literal["sums", "means", "corrected"]
READINGS: tuple[ScoreReading, ...] = get_args(ScoreReading)
BINS = 10
"""Equal steps of confidence in the table of calibration."""
COVERAGES = tuple(step / 10 for step in range(1, 11))
"""Shares of rounds at which accuracy is given, the most confident first."""


@dataclass(frozen=True)
class ScoredRound:
    """One round whose options have scores."""

    task: str
    kind: ScoreKind
    credits: dict[ScoreReading, float]
    confidence: float
    """Largest share of the softmax over the options."""
    chance: float
    """Credit expected of guessing."""


class GradedTask(Record):
    """One sub-task's graded accuracy."""

    task: str
    """The sub-task; with ``.hard`` behind it, its hard variant."""
    rounds: int
    """Rounds with scores and more than one option."""
    accuracy: dict[ScoreReading, float]
    """Mean credit under each reading that every one of the rounds has, 0 to 1."""
    chance: float
    """Mean credit of guessing."""


class ReliabilityBin(Record):
    """Rounds of like confidence."""

    low: float
    high: float
    rounds: int
    confidence: float
    """Mean confidence of the rounds."""
    accuracy: float
    """Mean credit of the rounds, by sums."""


class SelectivePoint(Record):
    """Accuracy on the most confident rounds alone."""

    coverage: float
    """Share of the rounds that are kept."""
    accuracy: float
    """Mean credit by sums; where the last place kept is one of several rounds of equal confidence, their mean."""


class GradedScores(SparseRecord):
    """What a respondent's scores say."""

    sparse: ClassVar[tuple[str, ...]] = ("calibration_error", "reliability")

    kind: ScoreKind
    rounds: int
    unscored: int
    """Rounds with more than one option and no scores: failed ones, and those of which an API said nothing."""
    tasks: tuple[GradedTask, ...]
    overall: dict[ScoreReading, float]
    """Mean over the published sub-tasks that have scores, under each reading that all of them have."""
    selective: tuple[SelectivePoint, ...]
    calibration_error: float | None = None
    """Expected calibration error: the mean distance between confidence and accuracy of a bin, by its rounds."""
    reliability: tuple[ReliabilityBin, ...] = ()
    """Bins that hold a round; they are equal steps of confidence."""


def option_credit(values: Sequence[float], right: int) -> float:
    """What the right option earns: 1, or the share of a tie; 0 where another figure is higher.

    >>> option_credit([0.5, 2.0, 2.0], 1), option_credit([0.5, 2.0], 0)
    (0.5, 0.0)
    """
    highest = max(values)
    return 1 / list(values).count(highest) if values[right] == highest else 0.0


def option_shares(values: Sequence[float]) -> list[float]:
    """Softmax over figures, at temperature 1.

    >>> option_shares([0.0, 0.0])
    [0.5, 0.5]
    """
    highest = max(values)
    powers = [math.exp(value - highest) for value in values]
    return [power / sum(powers) for power in powers]


def scored_rounds(items: Iterable[Item], responses: Iterable[Response]) -> Iterator[ScoredRound | None]:
    """Every round with more than one option; None for one without scores.

    Raises:
        InputError: A reply has scores for another number of options than its round has.
    """
    known = {item.id: item for item in items}
    for response in responses:
        item = known.get(response.item)
        for turn, reply in zip(item.turns if item else (), response.replies, strict=False):
            assert item is not None
            if len(turn.options) < 2:
                continue
            if reply.scores is None:
                yield None
                continue
            if len(reply.scores.sums) != len(turn.options):
                raise InputError(
                    f"{len(reply.scores.sums)} scores for the {len(turn.options)} options of item {item.id!r}",
                    remedy="Was the run made on this toolbox?",
                )
            yield _scored(row_name(item.task, item.variant), reply.scores, turn.options.index(turn.gold))


def _scored(task: str, scores: OptionScores, right: int) -> ScoredRound:
    readings = {name: values for name in READINGS if (values := getattr(scores, name))}
    return ScoredRound(
        task=task,
        kind=scores.kind,
        credits={name: option_credit(values, right) for name, values in readings.items()},
        confidence=max(option_shares(scores.sums)),
        chance=1 / len(scores.sums),
    )


def graded_scores(items: Iterable[Item], responses: Iterable[Response]) -> GradedScores | None:
    """A run's graded figures; None where no reply has scores.

    Args:
        items: What was asked.
        responses: What came back.

    Raises:
        InputError: A reply has scores for another number of options than its round has, or scores of two kinds.
    """
    tally = _Tally()
    for one in scored_rounds(items, responses):
        tally.add(one)
    return tally.scores()


class _Tally:
    """What the figures are made of, a few numbers a round: a million rounds take little room."""

    def __init__(self) -> None:
        self._credits: dict[str, dict[ScoreReading, array[float]]] = {}
        self._chances: dict[str, array[float]] = {}
        self._confidences, self._earned = array("d"), array("d")
        self._kind: ScoreKind | None = None
        self._unscored = 0

    def add(self, one: ScoredRound | None) -> None:
        """Counts a round in; None for one without scores.

        Raises:
            InputError: Its scores are of another kind than those before.
        """
        if one is None:
            self._unscored += 1
            return
        self._kind = self._kind or one.kind
        if one.kind != self._kind:
            raise InputError(f"scores of two kinds in one run: {self._kind} and {one.kind}")
        self._confidences.append(one.confidence)
        self._earned.append(one.credits["sums"])
        self._chances.setdefault(one.task, array("d")).append(one.chance)
        of_task = self._credits.setdefault(one.task, {})
        for name, credit in one.credits.items():
            of_task.setdefault(name, array("d")).append(credit)

    def scores(self) -> GradedScores | None:
        """The figures; None where no round has scores."""
        if self._kind is None:
            return None
        tasks = tuple(map(self._task, in_table_order(self._credits)))
        counted = [task.accuracy for task in tasks if not is_extra(task.task)]
        shared = [name for name in READINGS if counted and all(name in one for one in counted)]
        calibrated = self._kind != "score"
        bins = reliability(self._confidences, self._earned) if calibrated else ()
        return GradedScores(
            kind=self._kind,
            rounds=len(self._earned),
            unscored=self._unscored,
            tasks=tasks,
            overall={name: fmean(of_task[name] for of_task in counted) for name in shared},
            selective=selective(self._confidences, self._earned),
            calibration_error=calibration_error(bins) if calibrated else None,
            reliability=bins,
        )

    def _task(self, task: str) -> GradedTask:
        chances, credits_ = self._chances[task], self._credits[task]
        whole = {name: values for name, values in credits_.items() if len(values) == len(chances)}
        accuracy = {name: fmean(whole[name]) for name in READINGS if name in whole}
        return GradedTask(task=task, rounds=len(chances), accuracy=accuracy, chance=fmean(chances))


def reliability(confidences: Sequence[float], earned: Sequence[float]) -> tuple[ReliabilityBin, ...]:
    """Confidence and accuracy in equal steps of confidence; steps without a round are left out.

    Args:
        confidences: Of each round, 0 to 1.
        earned: Credit of each round, by sums.
    """
    bins: dict[int, list[int]] = {}
    for place, confidence in enumerate(confidences):
        bins.setdefault(min(BINS - 1, int(confidence * BINS)), []).append(place)
    return tuple(
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            rounds=len(inside),
            confidence=fmean(confidences[place] for place in inside),
            accuracy=fmean(earned[place] for place in inside),
        )
        for number, inside in sorted(bins.items())
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """The expected calibration error of a table of reliability."""
    rounds = sum(one.rounds for one in bins)
    return sum(one.rounds * abs(one.confidence - one.accuracy) for one in bins) / rounds


def selective(confidences: Sequence[float], earned: Sequence[float]) -> tuple[SelectivePoint, ...]:
    """Accuracy on the most confident rounds, at `COVERAGES`; the number of rounds kept is rounded up.

    Args:
        confidences: Of each round.
        earned: Credit of each round, by sums.
    """
    groups: dict[float, list[float]] = {}
    for place in sorted(range(len(earned)), key=lambda place: -confidences[place]):
        groups.setdefault(confidences[place], []).append(earned[place])
    points = []
    for coverage in COVERAGES:
        kept = left = math.ceil(round(coverage * len(earned), 6))
        total = 0.0
        for credits_ in groups.values():
            taken = min(left, len(credits_))
            total += taken * fmean(credits_)
            left -= taken
            if not left:
                break
        points.append(SelectivePoint(coverage=coverage, accuracy=total / kept))
    return tuple(points)
