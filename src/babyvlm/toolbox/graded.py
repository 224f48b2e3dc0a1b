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
    rounds: list[ScoredRound] = []
    unscored = 0
    for one in scored_rounds(items, responses):
        if one is None:
            unscored += 1
        else:
            rounds.append(one)
    if not rounds:
        return None
    if kinds := sorted({one.kind for one in rounds} - {rounds[0].kind}):
        raise InputError(f"scores of two kinds in one run: {rounds[0].kind} and {', '.join(kinds)}")
    tasks = _by_task(rounds)
    counted = [task.accuracy for task in tasks if not is_extra(task.task)]
    calibrated = rounds[0].kind != "score"
    bins = reliability(rounds) if calibrated else ()
    return GradedScores(
        kind=rounds[0].kind,
        rounds=len(rounds),
        unscored=unscored,
        tasks=tasks,
        overall={name: fmean(of_task[name] for of_task in counted) for name in _shared(counted)},
        selective=selective(rounds),
        calibration_error=calibration_error(bins) if calibrated else None,
        reliability=bins,
    )


def _shared(readings: Sequence[dict[ScoreReading, float]]) -> list[ScoreReading]:
    return [name for name in READINGS if readings and all(name in one for one in readings)]


def _by_task(rounds: Sequence[ScoredRound]) -> tuple[GradedTask, ...]:
    by_task: dict[str, list[ScoredRound]] = {}
    for one in rounds:
        by_task.setdefault(one.task, []).append(one)
    return tuple(
        GradedTask(
            task=task,
            rounds=len(of_task),
            accuracy={
                name: fmean(one.credits[name] for one in of_task) for name in _shared([one.credits for one in of_task])
            },
            chance=fmean(one.chance for one in of_task),
        )
        for task in in_table_order(by_task)
        if (of_task := by_task[task])
    )


def reliability(rounds: Sequence[ScoredRound]) -> tuple[ReliabilityBin, ...]:
    """Confidence and accuracy in equal steps of confidence; steps without a round are left out."""
    bins: dict[int, list[ScoredRound]] = {}
    for one in rounds:
        bins.setdefault(min(BINS - 1, int(one.confidence * BINS)), []).append(one)
    return tuple(
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            rounds=len(inside),
            confidence=fmean(one.confidence for one in inside),
            accuracy=fmean(one.credits["sums"] for one in inside),
        )
        for number, inside in sorted(bins.items())
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """The expected calibration error of a table of reliability."""
    rounds = sum(one.rounds for one in bins)
    return sum(one.rounds * abs(one.confidence - one.accuracy) for one in bins) / rounds


def selective(rounds: Sequence[ScoredRound]) -> tuple[SelectivePoint, ...]:
    """Accuracy on the most confident rounds, at `COVERAGES`; the number of rounds kept is rounded up."""
    groups: dict[float, list[float]] = {}
    for one in sorted(rounds, key=lambda one: -one.confidence):
        groups.setdefault(one.confidence, []).append(one.credits["sums"])
    points = []
    for coverage in COVERAGES:
        kept = left = math.ceil(round(coverage * len(rounds), 6))
        earned = 0.0
        for earnings in groups.values():
            taken = min(left, len(earnings))
            earned += taken * fmean(earnings)
            left -= taken
            if not left:
                break
        points.append(SelectivePoint(coverage=coverage, accuracy=earned / kept))
    return tuple(points)
