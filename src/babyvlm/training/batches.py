"""Which samples a step learns from: a pure function of (seed, step), so that resume is exact.

sources {name: samples} ── weights by phase ── draws of step s ── sorted by length ── rows
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babyvlm.errors import ConfigError
from babyvlm.training.configuration import MixturePhase

_GROUP_TOKENS = 100
"""What attention over one more group costs, in tokens, a rough fit on the nursery's model."""
_ROUND_LENGTH, _ROUND_ROW = 8, 128
"""Lengths of samples and of rows are multiples of these: kernels are compiled for each shape they meet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One conversation as the model takes it."""

    ids: np.ndarray
    """Token ids, int32, (L,)."""
    labels: np.ndarray
    """The ids where they are learned, -100 elsewhere, int32, (L,)."""
    images: tuple[int, ...]
    """Index of each picture in the stage's pixel table."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_learned(self) -> int:
        """Tokens that enter the loss; a label at the first position has nothing to be predicted from."""
        return int((self.labels[1:] >= 0).sum())


class BatchPlan:
    """Draws the samples of each step, always as many.

    Every source is gone through in a new random order each epoch. What a phase has taken from each follows the weights
    at every point: see :func:`apportioned`.

    Args:
        sizes: Number of samples of each source.
        phases: Mixture over the stage.
        batch_size: Samples a step.
        steps: Steps of the stage.
        seed: Seed of the orders.

    Raises:
        ConfigError: A weight names no source, or leaves nothing to draw.
    """

    def __init__(
        self, sizes: Mapping[str, int], phases: Sequence[MixturePhase], batch_size: int, steps: int, seed: int
    ) -> None:
        self._sizes, self._seed = {name: size for name, size in sorted(sizes.items()) if size}, seed
        self._orders: dict[str, tuple[int, np.ndarray]] = {}
        self._drawn_before = planned_draws(self._sizes, phases, batch_size, steps)

    def step(self, step: int) -> list[tuple[str, int]]:
        """The samples of one step, as (source, index in it)."""
        return [(source, int(index)) for source, index_B in self.drawn(step).items() for index in index_B]

    def drawn(self, step: int) -> dict[str, np.ndarray]:
        """The samples of one step by source."""
        return {
            source: self._taken(number, source, np.arange(*self._drawn_before[step : step + 2, number]))
            for number, source in enumerate(self._sizes)
        }

    def _taken(self, number: int, source: str, draws_B: np.ndarray) -> np.ndarray:
        """The samples that are drawn from a source as its n-th, counted from 0."""
        size = self._sizes[source]
        taken_B = np.empty_like(draws_B)
        epochs_B, places_B = np.divmod(draws_B, size)
        for epoch in np.unique(epochs_B).tolist():
            if source not in self._orders or self._orders[source][0] != epoch:
                order = np.random.default_rng([self._seed, number, epoch]).permutation(size)
                self._orders[source] = (epoch, order)
            taken_B[epochs_B == epoch] = self._orders[source][1][places_B[epochs_B == epoch]]
        return taken_B


def planned_draws(sizes: Mapping[str, int], phases: Sequence[MixturePhase], batch_size: int, steps: int) -> np.ndarray:
    """Samples to take from each source before each step, (steps + 1, sources), sources as in ``sizes``.

    Raises:
        ConfigError: A weight names no source, or leaves nothing to draw.
    """
    counts, planned = [], 0
    for phase in phases:
        weights = dict(phase.weights) or {name: float(size) for name, size in sizes.items()}
        if unknown := sorted(set(weights) - set(sizes)):
            raise ConfigError(
                f"the mixture weighs {', '.join(unknown)}, of which the data hold nothing; "
                f"they hold {', '.join(sorted(sizes)) or 'nothing'}"
            )
        total = sum(weights.values())
        if total <= 0:
            raise ConfigError("a mixture phase draws nothing: its weights add up to 0")
        shares = [weights.get(name, 0.0) / total for name in sizes]
        end = max(planned, round(phase.until * steps))
        counts.append(apportioned(shares, batch_size, end - planned))
        planned = end
    none = np.zeros((1, len(sizes)), np.int64)
    drawn_before: np.ndarray = np.concatenate([none, *counts]).cumsum(0)
    return drawn_before


def apportioned(shares: Sequence[float], batch_size: int, steps: int) -> np.ndarray:
    """How many samples each step takes from each source: whole numbers that add up to ``batch_size`` in every step.

    The n-th sample of a source may be taken in the step in which its share passes n - 1, and is due when it passes n;
    what is due first is taken first. So the sum over the first steps never differs by a whole sample from the share.

    Returns:
        Counts, (steps, sources).
    """
    taken = [0] * len(shares)
    counts = np.zeros((steps, len(shares)), np.int64)
    for step in range(steps):
        passed = batch_size * (step + 1)
        open_now = [
            ((number + 1) / share, source)
            for source, share in enumerate(shares)
            if share > 0
            for number in range(taken[source], math.ceil(share * passed - 1e-9))
        ]
        for _, source in sorted(open_now)[:batch_size]:
            counts[step, source] += 1
            taken[source] += 1
    return counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Samples of one forward pass, one behind the other, none seeing another."""

    groups: tuple[tuple[Sample, ...], ...]
    """Samples of like length; each group is padded to its longest."""

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Samples and padded length of each group, and what fills the row up to a round number of tokens."""
        blocks = tuple((len(group), _rounded(max(map(len, group)), _ROUND_LENGTH)) for group in self.groups)
        filled = sum(samples * length for samples, length in blocks)
        rest = _rounded(filled, _ROUND_ROW) - filled
        return (*blocks, (1, rest)) if rest else blocks

    @property
    def num_tokens(self) -> int:
        """Padding included."""
        return sum(samples * length for samples, length in self.blocks)


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def pack(samples: Sequence[Sample], max_tokens: int) -> list[Row]:
    """Puts samples into rows of at most ``max_tokens`` tokens; a longer sample has a row to itself.

    Groups are cut so that padding and the price of a group together cost least.
    """
    rows: list[list[tuple[Sample, ...]]] = []
    room = 0
    for group in _groups(sorted(samples, key=len), max_tokens):
        size = len(group) * _rounded(max(map(len, group)), _ROUND_LENGTH)
        if size > room:
            rows.append([])
            room = max_tokens
        rows[-1].append(group)
        room -= size
    return [Row(groups=tuple(groups)) for groups in rows]


def _groups(ordered: Sequence[Sample], max_tokens: int) -> list[tuple[Sample, ...]]:
    # cheapest[end]: least cost of the first `end` samples, and where the last of their groups begins
    cheapest: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(ordered) + 1):
        longest = _rounded(len(ordered[end - 1]), _ROUND_LENGTH)
        first = max(0, end - max(1, max_tokens // longest))
        costs = ((cheapest[start][0] + (end - start) * longest + _GROUP_TOKENS, start) for start in range(first, end))
        cheapest.append(min(costs))
    groups: list[tuple[Sample, ...]] = []
    end = len(ordered)
    while end:
        start = cheapest[end][1]
        groups.append(tuple(ordered[start:end]))
        end = start
    return groups[::-1]
