"""How old the children are who answer like a model: its ability on the line of children's ability by age.

children with ages ──> ability = level + growth x age, and a spread about it ──> age at which a model's is expected

The line is fitted to the answers themselves and not to estimated abilities, which are drawn to their mean. A model's
ability is what its answers alone say. The interval joins what they leave open with the line fitted to bootstrap samples
of the children. There is no age, and a reason in its place, where children or items do not allow one: too few children
or items in common, no spread of ages, an ability that does not rise with age, a model that may be guessing (a Rasch
model knows no guessing, and would find children who answer so), or one beyond the ages of the children.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from babyvlm.children.ability import Calibration, likelihoods
from babyvlm.children.trials import Floats
from babyvlm.toolbox import wilson_interval

FEWEST_CHILDREN, FEWEST_ITEMS, FEWEST_AGES = 20, 10, 3
_GRID_Q = np.linspace(-8.0, 8.0, 161)
_EM, _RESAMPLES = 100, 200
_MOST_GROUPS, _CHILDREN_A_GROUP = 6, 15
_CLEARLY = 2.58
"""Standard errors, so that of six groups that rise evenly hardly any seem to fall."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Children's ability by age, logits, at ``level + growth x (age - centre)``."""

    centre: float
    """Mean age, months."""
    level: float
    growth: float
    """Logits by month."""
    spread: float
    """Standard deviation about the line."""
    growth_low: float
    growth_high: float
    youngest: float
    oldest: float
    children: int
    draws_D2: Floats
    """Level and growth in bootstrap samples of the children."""

    def at(self, months: Floats) -> Floats:
        """Expected ability at some ages."""
        found: Floats = self.level + self.growth * (months - self.centre)
        return found


@dataclass(frozen=True, kw_only=True)
class LikeAge:
    """The age of the children who answer like a model."""

    months: float
    low: float | None
    """Lower end of the 95% interval; None where it lies below the youngest child."""
    high: float | None
    """None where it lies above the oldest child."""


def fit_growth(right_CI: Floats, ages_C: Floats, calibration: Calibration, *, seed: int = 0) -> Growth | str:
    """The line of ability by age; or why there is none.

    Args:
        right_CI: Children's answers to ``calibration.names``; NaN where there is none.
        ages_C: Their ages, months.
        calibration: The items.
        seed: Of the resampling.
    """
    if len(ages_C) < FEWEST_CHILDREN:
        return f"{len(ages_C)} children with an age have answered; {FEWEST_CHILDREN} are needed"
    if len(calibration.items) < FEWEST_ITEMS:
        return f"{len(calibration.items)} items have a difficulty; {FEWEST_ITEMS} are needed"
    if len(set(ages_C.tolist())) < FEWEST_AGES:
        return f"the children have {len(set(ages_C.tolist()))} different ages; {FEWEST_AGES} are needed"
    likely_CQ = likelihoods(right_CI, calibration, _GRID_Q)
    centre = float(ages_C.mean())
    level, growth, spread = _line(likely_CQ, ages_C - centre)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(len(ages_C), size=len(ages_C))
        draws.append(_line(likely_CQ[drawn], ages_C[drawn] - centre, (level, growth, spread))[:2])
    draws_D2 = np.array(draws)
    low, high = np.quantile(draws_D2[:, 1], (0.025, 0.975))
    if low <= 0:
        return f"ability may not rise with age: {growth:.3f} logits a month, 95% interval {low:.3f} to {high:.3f}"
    if fall := _fall(likely_CQ, ages_C):
        return fall
    return Growth(
        centre=centre,
        level=level,
        growth=growth,
        spread=spread,
        growth_low=float(low),
        growth_high=float(high),
        youngest=float(ages_C.min()),
        oldest=float(ages_C.max()),
        children=len(ages_C),
        draws_D2=draws_D2,
    )


def _line(
    likely_CQ: Floats, ages_C: Floats, start: tuple[float, float, float] = (0.0, 0.0, 1.0)
) -> tuple[float, float, float]:
    """Level, growth and spread of highest likelihood, by EM."""
    level, growth, spread = start
    design_C2 = np.stack([np.ones_like(ages_C), ages_C], axis=1)
    for _ in range(_EM):
        log_CQ = likely_CQ - 0.5 * ((_GRID_Q - (level + growth * ages_C)[:, None]) / spread) ** 2
        weight_CQ = np.exp(log_CQ - log_CQ.max(axis=1, keepdims=True))
        weight_CQ /= weight_CQ.sum(axis=1, keepdims=True)
        mean_C = weight_CQ @ _GRID_Q
        variance_C = weight_CQ @ _GRID_Q**2 - mean_C**2
        before = level, growth
        (level, growth), *_ = np.linalg.lstsq(design_C2, mean_C, rcond=None)
        spread = float(np.sqrt(np.mean((mean_C - design_C2 @ (level, growth)) ** 2 + variance_C)))
        spread = max(spread, 0.05)
        if max(abs(level - before[0]), abs(growth - before[1]) * (np.abs(ages_C).max() or 1.0)) < 1e-4:
            break
    return float(level), float(growth), spread


def _fall(likely_CQ: Floats, ages_C: Floats) -> str:
    """What falls, where children of some ages are clearly less able than those just younger; empty where none are."""
    order = np.argsort(ages_C, kind="stable")
    groups = []
    for part in np.array_split(order, min(_MOST_GROUPS, max(2, len(ages_C) // _CHILDREN_A_GROUP))):
        log_CQ = likely_CQ[part] - 0.5 * (_GRID_Q / 3.0) ** 2
        weight_CQ = np.exp(log_CQ - log_CQ.max(axis=1, keepdims=True))
        mean_C = (weight_CQ @ _GRID_Q) / weight_CQ.sum(axis=1)
        groups.append((ages_C[part], float(mean_C.mean()), float(mean_C.std() / np.sqrt(len(part)))))
    for (_, before, error), (ages, after, other) in itertools.pairwise(groups):
        if before - after > _CLEARLY * np.hypot(error, other):
            return (
                f"ability does not rise throughout: children of {ages.min():g} to {ages.max():g} months are less able "
                "than those just younger"
            )
    return ""


def like_age(
    right_I: Floats, calibration: Calibration, growth: Growth, *, chance_I: Floats | None = None, seed: int = 0
) -> LikeAge | str:
    """The age of the children who answer like one model; or why there is none.

    Args:
        right_I: Its answers to ``calibration.names``; NaN where there is none.
        calibration: The items.
        growth: The children.
        chance_I: Chance of guessing each item right; None where nothing can be guessed.
        seed: Of the interval's draws.
    """
    answered = int(np.isfinite(right_I).sum())
    if answered < FEWEST_ITEMS:
        return f"it answered {answered} of the children's items; {FEWEST_ITEMS} are needed"
    if np.nanmin(right_I) == np.nanmax(right_I):
        all_of, bound = ("right", "upper") if np.nanmin(right_I) else ("wrong", "lower")
        return f"it is {all_of} in all {answered} items, so its ability has no {bound} bound"
    there_I = np.isfinite(right_I)
    share, chance = float(right_I[there_I].mean()), 0.0 if chance_I is None else float(chance_I[there_I].mean())
    if chance and wilson_interval(share, answered)[0] <= chance:
        return f"it is right in {share:.0%} of the items, not clearly more than guessing ({chance:.0%})"
    log_Q = likelihoods(right_I[None, :], calibration, _GRID_Q)[0]
    weight_Q = np.exp(log_Q - log_Q.max())
    weight_Q /= weight_Q.sum()
    fine_Q = np.linspace(_GRID_Q[0], _GRID_Q[-1], 6401)
    best = fine_Q[np.argmax(likelihoods(right_I[None, :], calibration, fine_Q)[0])]
    months = growth.centre + (float(best) - growth.level) / growth.growth
    if months < growth.youngest:
        return f"it is less able than children of {growth.youngest:g} months, the youngest, are expected to be"
    if months > growth.oldest:
        return f"it is more able than children of {growth.oldest:g} months, the oldest, are expected to be"
    rng = np.random.default_rng(seed)
    lines_D2 = growth.draws_D2[rng.integers(len(growth.draws_D2), size=4000)]
    able_D = rng.choice(_GRID_Q, p=weight_Q, size=4000) + rng.uniform(-0.5, 0.5, 4000) * (_GRID_Q[1] - _GRID_Q[0])
    drawn_D = growth.centre + (able_D - lines_D2[:, 0]) / np.maximum(lines_D2[:, 1], 1e-9)
    low, high = np.quantile(drawn_D, (0.025, 0.975))
    return LikeAge(
        months=float(months),
        low=float(low) if low >= growth.youngest else None,
        high=float(high) if high <= growth.oldest else None,
    )
