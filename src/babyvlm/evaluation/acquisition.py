"""At what amount of experience something is acquired: where a logistic curve crosses half way from chance to certainty.

    answers to a word's items after each amount ── chance + (1 - chance) / (1 + exp(-slope (amount - centre))) ── centre

The likeliest curve that rises is looked for on a grid of centres and slopes, so that nothing has to converge. A centre
outside the measured amounts is no figure: the word was known before the first, or is not known after the last. A
plateau stands at 0.99 at most, so that one slip late in learning does not decide. Intervals come from a bootstrap over
the items. Wordbank's age of acquisition is the same with months for amounts and no chance. Pure functions of a seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from babyvlm.errors import ConfigError

MIN_ITEMS = 3
"""Items of a word below which there is nothing to draw again from, and no figure."""
_INSIDE, _OUTSIDE, _SLOPES = 401, 40, 30
"""Centres within the amounts, before or beyond them, and slopes."""
_PLATEAU, _FLOOR = 0.99, 1e-3
_CHUNK = 100
"""Replicates at once, which bounds memory."""


@dataclass(frozen=True, kw_only=True)
class AcquisitionPoint:
    """Where something is acquired."""

    status: Literal["within", "before", "never"]
    """Between the first and the last amount measured, before the first, or not by the last."""
    value: float | None
    """The amount; None unless ``within``."""
    low: float | None
    """Lower end of the 95% interval; None where it lies outside the measured amounts, or there is no interval."""
    high: float | None
    """Upper end; None likewise."""
    items: int


def acquisition(
    amounts: Sequence[float],
    right_IR: np.ndarray,
    chance: float,
    *,
    logarithmic: bool = False,
    replicates: int = 1000,
    seed: int = 0,
) -> AcquisitionPoint:
    """The amount at which some items are answered half way between chance and always.

    Args:
        amounts: Of experience, ascending, (R,).
        right_IR: What each item earned after each amount, 0 to 1; NaN where it has no figure.
        chance: Of guessing right.
        logarithmic: Whether the curve is one over the logarithm of the amounts.
        replicates: Bootstrap samples of the items.
        seed: Of those.

    Raises:
        ConfigError: Fewer than two amounts, amounts that do not rise, or none that has a logarithm.

    >>> known_from_the_third = np.array([[0, 0, 1, 1]] * 4)
    >>> found = acquisition([1, 10, 100, 1000], known_from_the_third, 0.0, logarithmic=True)
    >>> found.status, round(found.value)
    ('within', 32)
    """
    axis_R = _axis(amounts, logarithmic)
    items = len(right_IR)
    grid = _Grid(axis_R, chance)
    there_IR = ~np.isnan(right_IR)
    earned_IR = np.where(there_IR, right_IR, 0.0)
    centre = grid.centres(earned_IR.sum(0)[None], there_IR.sum(0)[None])[0]
    draw = np.random.default_rng(seed)
    found: list[float] = []
    for start in range(0, replicates if items >= MIN_ITEMS else 0, _CHUNK):
        taken_BI = draw.integers(0, items, (min(_CHUNK, replicates - start), items))
        found += grid.centres(earned_IR[taken_BI].sum(1), there_IR[taken_BI].sum(1)).tolist()
    low, high = _middle(found) if found else (-math.inf, math.inf)

    def amount(place: float) -> float | None:
        if not axis_R[0] <= place <= axis_R[-1]:
            return None
        return float(math.exp(place) if logarithmic else place)

    status: Literal["within", "before", "never"] = "within"
    if centre < axis_R[0] or centre > axis_R[-1]:
        status = "before" if centre < axis_R[0] else "never"
    return AcquisitionPoint(status=status, value=amount(centre), low=amount(low), high=amount(high), items=items)


def crossing(amounts: Sequence[float], right_R: np.ndarray, trials_R: np.ndarray) -> float | None:
    """Where a logistic curve through shares crosses one half; None where it does not within the amounts.

    Args:
        amounts: Ascending, (R,).
        right_R: How many of the trials, or of the children.
        trials_R: Of how many.

    Raises:
        ConfigError: Fewer than two amounts, or amounts that do not rise.
    """
    axis_R = _axis(amounts, logarithmic=False)
    centre = float(_Grid(axis_R, 0.0).centres(right_R[None], trials_R[None])[0])
    return centre if axis_R[0] <= centre <= axis_R[-1] else None


def _axis(amounts: Sequence[float], logarithmic: bool) -> np.ndarray:
    if len(amounts) < 2 or any(after <= before for before, after in itertools.pairwise(amounts)):
        raise ConfigError(f"a curve needs two amounts or more, each above the one before; there are {list(amounts)}")
    if logarithmic and amounts[0] <= 0:
        raise ConfigError(f"a curve over the logarithm needs amounts above 0; the first is {amounts[0]}")
    return np.log(amounts) if logarithmic else np.asarray(amounts, float)


def _middle(found: Sequence[float]) -> tuple[float, float]:
    """Ends of the middle 95%."""
    ordered = sorted(found)
    aside = int(0.025 * len(ordered))
    return ordered[aside], ordered[-1 - aside]


class _Grid:
    """Curves to choose from.

    Centres lie evenly within the amounts, and ever farther apart up to twenty ranges before and beyond them; slopes go
    from all but flat over the range to a rise at a stroke. So a share that hardly changes is that of a
    flat curve, whose centre lies outside unless the share is half way itself.
    """

    def __init__(self, axis_R: np.ndarray, chance: float) -> None:
        reach = axis_R[-1] - axis_R[0]
        inside_C = np.linspace(axis_R[0], axis_R[-1], _INSIDE)
        outside_C = reach * np.geomspace(1 / _INSIDE, 20.0, _OUTSIDE)
        self._centres_C = np.concatenate([axis_R[0] - outside_C[::-1], inside_C, axis_R[-1] + outside_C])
        slopes_S = np.geomspace(0.05, 3200.0, _SLOPES) / reach
        argument_CSR = slopes_S[:, None] * (axis_R - self._centres_C[:, None, None])
        share_CSR = chance + (1 - chance) / (1 + np.exp(-np.clip(argument_CSR, -50, 50)))
        share_GR = np.clip(share_CSR, _FLOOR, max(_PLATEAU, chance)).reshape(-1, len(axis_R))
        self._right_RG, self._wrong_RG = np.log(share_GR).T, np.log1p(-share_GR).T

    def centres(self, right_BR: np.ndarray, trials_BR: np.ndarray) -> np.ndarray:
        """The centre of the likeliest curve of each row; the middle one where several are equally likely."""
        likelihood_BG = right_BR @ self._right_RG + (trials_BR - right_BR) @ self._wrong_RG
        by_centre_BC = likelihood_BG.reshape(len(right_BR), len(self._centres_C), _SLOPES).max(2)
        best_BC = by_centre_BC >= by_centre_BC.max(1, keepdims=True) - 1e-6
        first_B, last_B = best_BC.argmax(1), len(self._centres_C) - 1 - best_BC[:, ::-1].argmax(1)
        middle_B: np.ndarray = (self._centres_C[first_B] + self._centres_C[last_B]) / 2
        return middle_B
