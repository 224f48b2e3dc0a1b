"""Confidence intervals and tests of differences: scored items in, intervals and p-values out. Pure functions of a seed.

    overall mean    bootstrap over items within their sub-tasks, and over recordings, whose items move together
    two runs        exact McNemar test by sub-task (a sign-flip test where an item earns a fraction), corrected after
                    Holm; bootstrap of the difference of the means
    several seeds   mean, standard deviation and range of sub-tasks and mean
    before a study  how many items a difference takes

Hard variants count in no mean and have rows of their own. A composed picture has no recording; such an item moves
alone. An item whose pictures come from several recordings is counted with that of its first picture.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist, fmean, stdev

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from babyvlm.errors import ConfigError
from babyvlm.records import Item, Record
from babyvlm.toolbox import ItemScore, wilson_interval
from babyvlm.toolbox.tasks import in_table_order, is_extra, row_name, task_of_row

REPLICATES = 2000
"""Bootstrap samples, and random sign flips."""
_EXACT_FLIPS = 16  # differing items up to which all sign flips are gone through
_CHUNK = 250  # replicates at once, which bounds memory


class Interval(Record):
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


class Overall(Record):
    """The mean over sub-tasks, with its intervals."""

    value: float
    by_items: Interval
    """With other items from the same recordings."""
    by_recordings: Interval
    """With other recordings; usually the wider, and the one to quote."""
    recordings: int = Field(ge=0)
    """Recordings that the items come from; with few of them the interval is too narrow."""


class PairedTask(Record):
    """Two runs on the same items of one sub-task."""

    task: str
    items: int
    """Items that both have a figure for."""
    first: float
    second: float
    difference: Interval
    """Second less first; percentile bootstrap over items."""
    only_first: int
    """Items on which the first earned more."""
    only_second: int
    p: float
    """Exact McNemar test, two-sided; where an item earns a fraction, a sign-flip test."""
    p_holm: float
    """Corrected for the number of sub-tasks compared."""


class Comparison(Record):
    """Two runs on the same items."""

    first: str
    second: str
    tasks: tuple[PairedTask, ...]
    mean_difference: Interval
    """Difference of the unweighted means over sub-tasks, second less first; bootstrap over items."""
    mean_difference_by_recordings: Interval
    """The same with bootstrap over recordings."""


class Spread(Record):
    """One figure over several runs, as from different seeds."""

    name: str
    """The sub-task, or ``mean``."""
    mean: float
    deviation: float | None
    """Standard deviation over runs; None for one run."""
    lowest: float
    highest: float
    runs: int


def recording_of(item: Item) -> str:
    """What an item is counted with: its first picture's recording or photograph, or itself where it was composed."""
    for turn in item.turns:
        for origin in turn.origins:
            return f"item {item.id}" if origin.source == "synthetic" else origin.source
    return f"item {item.id}"


def overall(
    items: Sequence[Item], judged: Mapping[str, ItemScore], *, seed: int = 0, replicates: int = REPLICATES
) -> Overall:
    """The mean over sub-tasks with both intervals.

    Args:
        items: What was asked.
        judged: Scores by item id; items without metrics (a reply failed) are left out.
        seed: Seed of the bootstrap.
        replicates: Bootstrap samples.

    Raises:
        ConfigError: No item has a figure.
    """
    items = [item for item in items if item.variant != "hard"]
    figures = _Figures.of(items, {item_id: _primary(score) for item_id, score in judged.items()})
    value = figures.mean()
    clusters = {recording_of(item) for item in items}
    return Overall(
        value=value,
        by_items=_interval(value, figures.resample_items(seed, replicates)),
        by_recordings=_interval(value, figures.resample_clusters(seed, replicates)),
        recordings=sum(not name.startswith("item ") for name in clusters),
    )


def compare(
    items: Sequence[Item],
    first: Mapping[str, ItemScore],
    second: Mapping[str, ItemScore],
    *,
    names: tuple[str, str] = ("first", "second"),
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Comparison:
    """Compares two runs item by item, on the items that both have a figure for.

    Args:
        items: What both were asked.
        first: Scores by item id.
        second: Scores by item id.
        names: What to call them.
        seed: Seed of bootstrap and sign flips.
        replicates: Bootstrap samples, and sign flips where not all are gone through.

    Raises:
        ConfigError: They share no item.
    """
    ones = {item_id: _primary(score) for item_id, score in first.items()}
    others = {item_id: _primary(score) for item_id, score in second.items()}
    shared = [item for item in items if ones.get(item.id) is not None and others.get(item.id) is not None]
    if not shared:
        raise ConfigError(f"{names[0]} and {names[1]} share no item with a figure; compare runs on the same toolbox")
    differences = {item.id: _number(others[item.id]) - _number(ones[item.id]) for item in shared}
    published = [item for item in shared if not is_extra(row_name(item.task, item.variant))]
    figures = _Figures.of(published or shared, differences)
    by_task: dict[str, list[Item]] = defaultdict(list)
    for item in shared:
        by_task[row_name(item.task, item.variant)].append(item)
    found = []
    for number, task in enumerate(in_table_order(by_task)):
        changes = np.array([differences[item.id] for item in by_task[task]])
        alone = _Figures.of(by_task[task], differences)
        found.append(
            PairedTask(
                task=task,
                items=len(changes),
                first=fmean(_number(ones[item.id]) for item in by_task[task]),
                second=fmean(_number(others[item.id]) for item in by_task[task]),
                difference=_interval(float(changes.mean()), alone.resample_items(seed, replicates)),
                only_first=int((changes < 0).sum()),
                only_second=int((changes > 0).sum()),
                p=sign_flip_p(changes, seed=seed + number, replicates=replicates),
                p_holm=1.0,
            )
        )
    corrected = holm([task.p for task in found])
    value = figures.mean()
    return Comparison(
        first=names[0],
        second=names[1],
        tasks=tuple(task.model_copy(update={"p_holm": p}) for task, p in zip(found, corrected, strict=True)),
        mean_difference=_interval(value, figures.resample_items(seed, replicates)),
        mean_difference_by_recordings=_interval(value, figures.resample_clusters(seed, replicates)),
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """p-value of the exact two-sided McNemar test on the items on which two runs differ.

    >>> mcnemar_p(0, 5), mcnemar_p(3, 3)
    (0.0625, 1.0)
    """
    differing = only_first + only_second
    if not differing:
        return 1.0
    few = min(only_first, only_second)
    # In logarithms: the coefficients of thousands of items overflow a float.
    logs = [
        math.lgamma(differing + 1) - math.lgamma(k + 1) - math.lgamma(differing - k + 1) - differing * math.log(2)
        for k in range(few + 1)
    ]
    return min(1.0, 2 * sum(map(math.exp, logs)))


def sign_flip_p(differences: NDArray[np.float64], *, seed: int = 0, replicates: int = REPLICATES) -> float:
    """Two-sided test of no difference in pairs; for right and wrong alone this is the exact McNemar test.

    Args:
        differences: (items,) what the second earned less what the first earned.
        seed: Seed of the flips, where not all are gone through.
        replicates: Random flips where more than a few items differ.
    """
    changed = differences[differences != 0]
    if len(set(np.abs(changed).round(9))) <= 1:
        return mcnemar_p(int((changed < 0).sum()), int((changed > 0).sum()))
    observed = abs(float(changed.sum())) - 1e-9
    if len(changed) <= _EXACT_FLIPS:
        patterns = np.arange(2 ** len(changed))[:, None] >> np.arange(len(changed)) & 1
        return float((np.abs((2 * patterns - 1) @ changed) >= observed).mean())
    rng = np.random.default_rng(seed)
    flips = rng.integers(0, 2, (replicates, len(changed))) * 2 - 1
    # The split as observed is one of the possible ones, so that no p-value is 0.
    return float(((np.abs(flips @ changed) >= observed).sum() + 1) / (replicates + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def spread(figures: Sequence[Mapping[str, float]]) -> tuple[Spread, ...]:
    """Figures of several runs, as from different seeds, put together; sub-tasks not in all of them are left out.

    Args:
        figures: For each run, figures by name.
    """
    if not figures:
        return ()
    names = [name for name in figures[0] if all(name in of_run for of_run in figures)]
    return tuple(
        Spread(
            name=name,
            mean=fmean(values),
            deviation=stdev(values) if len(values) > 1 else None,
            lowest=min(values),
            highest=max(values),
            runs=len(values),
        )
        for name in names
        if (values := [of_run[name] for of_run in figures])
    )


def items_needed(
    difference: float, *, differing: float | None = None, accuracy: float = 0.5, power: float = 0.8
) -> int:
    """How many items a two-sided test at 5% needs to find a difference.

    Args:
        difference: Between the two accuracies, above 0 and below 1.
        differing: Share of the items on which the two runs differ, for a comparison on the same items (McNemar). None
            for two runs on different items.
        accuracy: The lower accuracy, for different items.
        power: Chance to find the difference, 0 to 1.

    Returns:
        Items; with different items, for each of the two runs.

    Raises:
        ConfigError: The figures contradict each other.

    >>> items_needed(0.1, differing=0.3), items_needed(0.1, accuracy=0.5)
    (234, 388)
    """
    if not 0 < difference < 1 or not 0 < power < 1:
        raise ConfigError(f"difference and power lie between 0 and 1, not {difference} and {power}")
    alpha_z, power_z = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(power)
    if differing is not None:
        if not difference <= differing <= 1:
            raise ConfigError(
                f"runs that differ by {difference} differ on that share of items at least, not {differing}"
            )
        spread_ = alpha_z * math.sqrt(differing) + power_z * math.sqrt(max(0.0, differing - difference**2))
        return math.ceil((spread_ / difference) ** 2)
    if not 0 <= accuracy <= 1 - difference:
        raise ConfigError(f"an accuracy of {accuracy} cannot be exceeded by {difference}")
    higher = accuracy + difference
    middle = (accuracy + higher) / 2
    spread_ = alpha_z * math.sqrt(2 * middle * (1 - middle)) + power_z * math.sqrt(
        accuracy * (1 - accuracy) + higher * (1 - higher)
    )
    return math.ceil((spread_ / difference) ** 2)


def independent_difference(first: float, first_items: float, second: float, second_items: float) -> Interval:
    """The difference of two accuracies on different items, second less first, after Newcombe (1998, method 10).

    Args:
        first: Accuracy, 0 to 1.
        first_items: How many items it rests on.
        second: Accuracy, 0 to 1.
        second_items: How many items it rests on.

    >>> independent_difference(0.5, 100, 0.7, 100).low > 0
    True
    """
    low_1, high_1 = wilson_interval(first, first_items)
    low_2, high_2 = wilson_interval(second, second_items)
    value = second - first
    return Interval(
        value=value,
        low=value - math.hypot(second - low_2, high_1 - first),
        high=value + math.hypot(high_2 - second, first - low_1),
    )


class _Figures:
    """One figure an item, by sub-task, with the cluster that each item moves with."""

    def __init__(
        self, values: Sequence[NDArray[np.float64]], clusters: Sequence[NDArray[np.int64]], count: int
    ) -> None:
        self._values, self._clusters, self._count = values, clusters, count

    @classmethod
    def of(cls, items: Sequence[Item], figures: Mapping[str, float | None]) -> _Figures:
        numbers: dict[str, int] = {}
        values: dict[str, list[float]] = defaultdict(list)
        clusters: dict[str, list[int]] = defaultdict(list)
        for item in items:
            figure = figures.get(item.id)
            if figure is not None:
                row = row_name(item.task, item.variant)
                values[row].append(figure)
                clusters[row].append(numbers.setdefault(recording_of(item), len(numbers)))
        if not values:
            raise ConfigError("no item has a figure: every reply failed, or nothing was asked")
        return cls(
            [np.array(values[task]) for task in values], [np.array(clusters[task]) for task in values], len(numbers)
        )

    def mean(self) -> float:
        return fmean(float(values.mean()) for values in self._values)

    def resample_items(self, seed: int, replicates: int) -> NDArray[np.float64]:
        """(replicates,) means, items resampled within each sub-task."""
        rng = np.random.default_rng(seed)

        def draw(count: int) -> NDArray[np.float64]:
            by_task = [
                rng.multinomial(len(values), np.full(len(values), 1 / len(values)), count) @ values / len(values)
                for values in self._values
            ]
            return np.mean(by_task, axis=0)

        return _in_chunks(draw, replicates)

    def resample_clusters(self, seed: int, replicates: int) -> NDArray[np.float64]:
        """(replicates,) means, clusters resampled for all sub-tasks together.

        A draw in which a sub-task has no item is drawn again; a sub-task of a single cluster makes that frequent, and
        after as many draws as items could explain, those that worked are used.
        """
        rng = np.random.default_rng(seed)
        even = np.full(self._count, 1 / self._count)

        def draw(count: int) -> NDArray[np.float64]:
            weights_RC = rng.multinomial(self._count, even, count)
            by_task = []
            for values, clusters in zip(self._values, self._clusters, strict=True):
                weights_RI = weights_RC[:, clusters]
                total_R = weights_RI.sum(axis=1)
                with np.errstate(invalid="ignore", divide="ignore"):
                    by_task.append((weights_RI @ values) / total_R)
            means_R = np.mean(by_task, axis=0)
            return means_R[np.isfinite(means_R)]

        found = _in_chunks(draw, replicates)
        for _ in range(8):
            if len(found) >= replicates:
                break
            found = np.concatenate([found, _in_chunks(draw, replicates)])
        return found[:replicates] if len(found) else np.array([self.mean()])


def over_clusters(
    values: Sequence[float], clusters: Sequence[str], *, seed: int = 0, replicates: int = REPLICATES
) -> Interval | None:
    """A mean with its 95% bootstrap interval over clusters, such as words; None where there is one cluster alone.

    Args:
        values: What was observed.
        clusters: Which cluster each value is of; values of one cluster depend on each other.
        seed: Seed of the bootstrap.
        replicates: Bootstrap samples.
    """
    names, places = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(names) < 2:
        return None
    sums_C = np.bincount(places, weights=np.asarray(values, dtype=float))
    counts_C = np.bincount(places)
    rng = np.random.default_rng(seed)
    weights_RC = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), replicates)
    return _interval(float(sums_C.sum() / counts_C.sum()), (weights_RC @ sums_C) / (weights_RC @ counts_C))


def _in_chunks(draw: Callable[[int], NDArray[np.float64]], replicates: int) -> NDArray[np.float64]:
    return np.concatenate([draw(min(_CHUNK, replicates - start)) for start in range(0, replicates, _CHUNK)])


def _interval(value: float, draws: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(value=value, low=min(value, float(low)), high=max(value, float(high)))


def _primary(score: ItemScore) -> float | None:
    return score.metrics.get(task_of_row(score.task).primary_metric)


def _number(value: float | None) -> float:
    assert value is not None
    return value
