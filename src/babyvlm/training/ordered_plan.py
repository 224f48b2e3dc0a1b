"""Which samples a step takes when the time of the recordings decides: a pure function of (seed, step).

    samples by (recording's rank, start in it) ── a clock from the first to the last ── window of step s
                                               │      new: samples of the window, each at most once
                                               └──    replayed: drawn from all that lies behind the window

The clock runs evenly over the samples of all sources together. Where a mixture says how often each source is drawn, new
samples are taken from the source's own part of the window, evenly where it has more than the step takes. A source that
has nothing so early is made up for by the one that has most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from babyvlm.curation.chronology import chronology
from babyvlm.errors import ConfigError
from babyvlm.records import Recording
from babyvlm.training.batches import planned_draws
from babyvlm.training.configuration import MixturePhase
from babyvlm.training.order import DataOrder
from babyvlm.training.origins import Origins


class OrderedPlan:
    """Draws the samples of each step in the order of time.

    Args:
        origins: Where the samples of each source come from.
        recordings: Those of the set.
        order: Which order.
        phases: Mixture over the stage.
        batch_size: Samples a step.
        steps: Steps of the stage.
        seed: Seed of what is replayed.

    Raises:
        ConfigError: The time of a sample is not known, or the mixture draws nothing.
    """

    def __init__(
        self,
        origins: Mapping[str, Origins],
        recordings: Sequence[Recording],
        order: DataOrder,
        phases: Sequence[MixturePhase],
        batch_size: int,
        steps: int,
        seed: int,
    ) -> None:
        self._order, self._steps, self._seed = order, steps, seed
        held = {name: one for name, one in sorted(origins.items()) if len(one)}
        drawn_before = planned_draws({name: len(one) for name, one in held.items()}, phases, batch_size, steps)
        if any(phase.weights for phase in phases):
            drawn = [name for number, name in enumerate(held) if drawn_before[-1, number]]
            self._counts = np.diff(drawn_before[:, [list(held).index(name) for name in drawn]], axis=0)
        else:
            drawn = list(held)
            self._counts = np.full((steps, 1), batch_size)
        self._sources = drawn
        sizes = [len(held[name]) for name in drawn]
        source_N = np.repeat(np.arange(len(drawn)), sizes)
        index_N = np.concatenate([np.arange(size) for size in sizes])
        rank_N, month_N = _times([held[name] for name in drawn], recordings, latest=order.kind != "reversed")
        start_N = np.concatenate([held[name].start_s_N for name in drawn])
        by_time_N = np.lexsort((index_N, source_N, start_N, rank_N))
        if order.kind == "reversed":
            by_time_N = by_time_N[::-1]
        self._source_N, self._index_N, self._month_N = source_N[by_time_N], index_N[by_time_N], month_N[by_time_N]
        merged = self._counts.shape[1] == 1
        groups = (
            [np.arange(len(by_time_N))] if merged else [np.flatnonzero(self._source_N == n) for n in range(len(drawn))]
        )
        self._groups = groups
        """Places in time of the samples that are drawn from together."""

    def step(self, step: int) -> list[tuple[str, int]]:
        """The samples of one step, as (source, index in it)."""
        return [(source, int(index)) for source, index_B in self.drawn(step).items() for index in index_B]

    def drawn(self, step: int) -> dict[str, np.ndarray]:
        """The samples of one step by source."""
        begin, end = self._clock(step), self._clock(step + 1)
        if self._order.kind == "cumulative":
            end = int(np.searchsorted(self._month_N, self._month_N[end - 1], "right"))
        so_far = [int(np.searchsorted(group, end)) for group in self._groups]
        taken = [
            self._taken(number, count, int(np.searchsorted(self._groups[number], begin)), so_far[number], step)
            for number, count in enumerate(_made_up(self._counts[step], so_far))
            if count
        ]
        places_B = np.concatenate(taken)
        sources_B, index_B = self._source_N[places_B], self._index_N[places_B]
        return {self._sources[source]: index_B[sources_B == source] for source in np.unique(sources_B).tolist()}

    def _clock(self, step: int) -> int:
        """How many samples the pass has gone by before a step; at least one after the first."""
        return math.ceil(step * len(self._source_N) / self._steps)

    def _taken(self, number: int, count: int, begin: int, end: int, step: int) -> np.ndarray:
        """Places in time of what a step takes from a group whose window is from ``begin`` to ``end``."""
        draw = np.random.default_rng([self._seed, number, step])
        group = self._groups[number]
        if self._order.kind == "cumulative":
            return group[_some(draw, end, count)]
        replayed = int(self._order.replay * count + draw.random()) if begin else 0
        new = min(end - begin, count - replayed)
        window = begin + (2 * np.arange(new) + 1) * (end - begin) // (2 * max(1, new))
        return group[np.concatenate([window, _some(draw, begin or end, count - new)])]


def _some(draw: np.random.Generator, size: int, count: int) -> np.ndarray:
    """``count`` places below ``size``, each at most once where there are enough."""
    return draw.choice(size, count, replace=count > size)


def _made_up(counts: np.ndarray, so_far: Sequence[int]) -> list[int]:
    """How much each group gives, where one with nothing so far gives nothing and that with most makes up for it."""
    given = [int(count) if there else 0 for count, there in zip(counts, so_far, strict=True)]
    given[int(np.argmax(so_far))] += int(counts.sum()) - sum(given)
    return given


def _times(
    origins: Sequence[Origins], recordings: Sequence[Recording], *, latest: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Rank and month of each sample.

    Raises:
        ConfigError: One is not known.
    """
    times = chronology(recordings)
    rank_of = np.array([times[one.id].rank if one.id in times else -1 for one in recordings], np.int64)
    month_by_rank = np.array([one.month for one in sorted(times.values(), key=lambda one: one.rank)] or [0], np.int64)
    rank_N = np.concatenate([one.extreme_rank(rank_of, latest=latest) for one in origins])
    if unknown := int((rank_N < 0).sum()):
        raise ConfigError(
            f"the order of {unknown:,} of {len(rank_N):,} samples is not known: their recordings have no age, or they "
            "do not say which recordings they show. Give ages in recordings.csv and curate again, select what has an "
            "age with babyvlm corpus select --ages 0:, or set order.kind=shuffled"
        )
    return rank_N, month_by_rank[rank_N]
