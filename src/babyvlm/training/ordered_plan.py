"""Which samples a step takes when the time of the recordings decides: a pure function of (seed, step).

    samples by (recording's rank, start in it) ── a clock from the first to the last ── window of step s
                                               │      new: samples of the window, each at most once
                                               └──    replayed: drawn from those that were new in earlier steps

The clock runs evenly over the samples of all sources together. New samples are taken evenly from a window that has more
than the step takes. Where a mixture says how often each source is drawn, each has its own part of the window; a source
that has nothing so early is made up for by the one that has most.
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
        self._groups = (
            [np.arange(len(by_time_N))] if merged else [np.flatnonzero(self._source_N == n) for n in range(len(drawn))]
        )
        """Places in time of the samples that are drawn from together, ascending."""
        if order.kind != "cumulative":
            self._new, self._new_before = self._planned_new()

    def step(self, step: int) -> list[tuple[str, int]]:
        """The samples of one step, as (source, index in it)."""
        return [(source, int(index)) for source, index_B in self.drawn(step).items() for index in index_B]

    def drawn(self, step: int) -> dict[str, np.ndarray]:
        """The samples of one step by source."""
        taken = [
            self._taken(number, count, end, step) for number, (count, end) in enumerate(self._asked(step)) if count
        ]
        places_B = np.concatenate(taken)
        sources_B, index_B = self._source_N[places_B], self._index_N[places_B]
        return {self._sources[source]: index_B[sources_B == source] for source in np.unique(sources_B).tolist()}

    def _asked(self, step: int) -> list[tuple[int, int]]:
        """How many samples a step takes of each group, and how many of its samples the clock has passed by then."""
        end = math.ceil((step + 1) * len(self._source_N) / self._steps)
        if self._order.kind == "cumulative":
            end = int(np.searchsorted(self._month_N, self._month_N[end - 1], "right"))
        so_far = [int(np.searchsorted(group, end)) for group in self._groups]
        return list(zip(_made_up(self._counts[step], so_far), so_far, strict=True))

    def _planned_new(self) -> tuple[list[np.ndarray], np.ndarray]:
        """The new samples of all steps.

        Returns:
            For each group its samples in the order in which they are new, as places in time; and how many of them there
            were before each step, (steps + 1, groups).
        """
        groups = len(self._groups)
        new: list[list[np.ndarray]] = [[np.zeros(0, np.int64)] for _ in range(groups)]
        before = np.zeros((self._steps + 1, groups), np.int64)
        passed, drawn = [0] * groups, [0] * groups
        for step in range(self._steps):
            for number, (count, end) in enumerate(self._asked(step)):
                # Of n draws the floor of replay times n have been replayed; in the first there is nothing to replay.
                share = self._order.replay
                replayed = math.floor(share * (drawn[number] + count)) - math.floor(share * drawn[number])
                begin = passed[number]
                fresh = min(end - begin, count - (replayed if before[step, number] else 0)) if count else 0
                even = begin + (2 * np.arange(fresh) + 1) * (end - begin) // (2 * max(1, fresh))
                new[number].append(self._groups[number][even])
                before[step + 1, number] = before[step, number] + fresh
                drawn[number] += count
                passed[number] = end if count else begin
        return [np.concatenate(each) for each in new], before

    def _taken(self, number: int, count: int, end: int, step: int) -> np.ndarray:
        """Places in time of what a step takes of a group, of which the clock has passed ``end`` samples."""
        draw = np.random.default_rng([self._seed, number, step])
        if self._order.kind == "cumulative":
            return self._groups[number][_some(draw, end, count)]
        met, new = self._new_before[step : step + 2, number].tolist()
        replayed = _some(draw, met or new, count - (new - met))
        return self._new[number][np.concatenate([np.arange(met, new), replayed])]


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
