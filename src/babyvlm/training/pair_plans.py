"""Which pairs a step of the contrastive stage takes: a pure function of (seed, step)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from babyvlm.training.configuration import MixturePhase
from babyvlm.training.ladder import Course, DrawsSamples
from babyvlm.training.ordered_plan import OrderedPlan
from babyvlm.training.pairs import PAIRS, Pairs, pair_order


@dataclass(frozen=True, kw_only=True)
class ShuffledPairs:
    """All pairs, in a new random order each epoch."""

    pairs: int
    batch_size: int
    seed: int

    def drawn(self, step: int) -> dict[str, np.ndarray]:
        """The pairs of one step."""
        return {PAIRS: pair_order(self.pairs, self.batch_size, step, self.seed)}


def pair_plan(pairs: Pairs, course: Course | None, batch_size: int, steps: int, seed: int) -> DrawsSamples:
    """The plan that a stage's order asks for.

    Raises:
        ConfigError: The order is one of time, and that of a pair is not known.
    """
    if course is None or not course.order.is_timed:
        return ShuffledPairs(pairs=len(pairs), batch_size=batch_size, seed=seed)
    told = pairs.by_source, course.recordings, course.order
    return OrderedPlan(*told, (MixturePhase(),), batch_size, steps, seed)
