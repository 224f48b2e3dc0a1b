"""The noise ceiling: how far one half of the children is from the other, measured as a model is.

A half of the children takes the model's place: its scores are the logarithms of its shares, half a choice added to each
picture so that none is infinite, and the temperature is fitted as for any model. No model can be expected to come
nearer to the children than they come to each other; as each half is half as many, the ceiling is a little pessimistic.

    children.csv            random halves of the children, by child
    human.csv with ``n``    two halves drawn from the shares, as if every child had chosen by itself (multinomial)
    shares alone            no ceiling: how much of the shares is chance, nothing tells
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from babyvlm.children.divergence import DivergenceConfig, fit_temperature
from babyvlm.children.trials import AgeGroup, ChildChoice, Floats, TrialSet

NO_COUNTS = "the data give shares and not how many children are behind them, so there is no noise ceiling"
_FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class NoiseCeiling:
    """Divergence between halves of the children of one age."""

    trial_set: str
    age: str
    value: float
    """Mean over splits, nats."""
    low: float
    """Between these two lie 95% of the splits."""
    high: float
    children: float
    """Children, or of simulated halves the mean over trials."""
    simulated: bool


def noise_ceiling(trial_set: TrialSet, group: AgeGroup, config: DivergenceConfig | None = None) -> NoiseCeiling | str:
    """The ceiling at one age; in its place the reason where there is none."""
    config = config or DivergenceConfig()
    rng = np.random.default_rng(config.seed)
    choices = [one for one in trial_set.choices if one.age == group.age]
    names = sorted({one.child for one in choices})
    if names:
        if len(names) < _FEWEST:
            return f"{len(names)} children are too few to be halved"
        found = [_split(choices, names, trial_set, rng, config) for _ in range(config.splits)]
        children = float(len(names))
    elif group.children_T is not None:
        if group.children_T.min() < _FEWEST:
            return f"trials with fewer than {_FEWEST} children cannot be halved"
        found = [_drawn(trial_set, group, rng, config) for _ in range(config.splits)]
        children = float(group.children_T.mean())
    else:
        return NO_COUNTS
    values = [value for value in found if value is not None]
    if not values:
        return "no trial was answered in both halves"
    low, high = np.quantile(values, (0.025, 0.975))
    return NoiseCeiling(
        trial_set=trial_set.name,
        age=group.age,
        value=float(np.mean(values)),
        low=float(low),
        high=float(high),
        children=children,
        simulated=not names,
    )


def _split(
    choices: Sequence[ChildChoice],
    names: Sequence[str],
    trial_set: TrialSet,
    rng: np.random.Generator,
    config: DivergenceConfig,
) -> float | None:
    """The divergence between two random halves of the children."""
    first = {names[at] for at in rng.permutation(len(names))[: len(names) // 2]}
    sums_HTP = np.zeros((2, len(trial_set.trials), trial_set.num_pictures))
    counts_HT = np.zeros((2, len(trial_set.trials)))
    for one in choices:
        half = int(one.child in first)
        sums_HTP[half, one.number - 1] += one.shares_P
        counts_HT[half, one.number - 1] += 1
    return _between(sums_HTP, counts_HT, trial_set.shown, config)


def _drawn(trial_set: TrialSet, group: AgeGroup, rng: np.random.Generator, config: DivergenceConfig) -> float | None:
    """The divergence between two halves drawn from the shares."""
    assert group.children_T is not None
    known_T = group.shares_TP.sum(axis=1) > 0
    halves_T = (group.children_T[known_T] // 2).astype(int)
    shares_TP = group.shares_TP[known_T] / group.shares_TP[known_T].sum(axis=1, keepdims=True)
    sums_HTP = np.stack([rng.multinomial(halves_T, shares_TP) for _ in range(2)]).astype(float)
    counts_HT = np.stack([halves_T, halves_T]).astype(float)
    return _between(sums_HTP, counts_HT, trial_set.shown[group.numbers_T[known_T] - 1], config)


def _between(sums_HTP: Floats, counts_HT: Floats, shown_TP: np.ndarray, config: DivergenceConfig) -> float | None:
    both_T = (counts_HT > 0).all(axis=0)
    if not both_T.any():
        return None
    shares_TP = sums_HTP[0, both_T] / counts_HT[0, both_T, None]
    shown_TP = shown_TP[both_T]
    smoothed_TP = np.where(shown_TP, np.log(sums_HTP[1, both_T] + 0.5), np.nan)
    return fit_temperature(shares_TP, smoothed_TP, config.betas).divergence
