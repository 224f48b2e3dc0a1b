"""How far a model's choices are from children's, at the temperature that suits it best.

scores of the pictures ──> softmax(beta x score) ──> KL(children || model) in each trial ──> mean ──> least over beta

The mean is a convex function of beta: in each trial it is a constant, less beta times the score that children choose on
average, plus the log-partition function, which is convex. So the least lies where the derivative is zero, or at an end
of the range where it has no zero, and bisection finds it to the last digit. The derivative is the mean over trials of
the model's expected score less the children's.

Source: DevBench (Tan and others, 2024), whose search stops at 200 evaluations; the least itself is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babyvlm.children.trials import AgeGroup, Floats, LeftOut, TrialSet
from babyvlm.errors import ConfigError, InputError

BETAS = (0.025, 40.0)
"""Range of the inverse temperature (DevBench)."""
_BISECTIONS = 200
_GRID = 600
"""Temperatures that a bootstrap sample is fitted on, evenly spaced on a log scale."""


@dataclass(frozen=True, kw_only=True)
class DivergenceConfig:
    """How models are compared with children."""

    betas: tuple[float, float] = BETAS
    """Range of the inverse temperature (DevBench)."""
    normalise: bool = False
    """Whether children's shares that add up to less than 1 (some chose no picture of the trial) are scaled to 1 first;
    as published, they are taken as they stand (DevBench)."""
    resamples: int = 1000
    """Bootstrap samples of trials for an interval (ours)."""
    splits: int = 200
    """Random halves of the children for the noise ceiling (ours)."""
    seed: int = 0
    """Of the bootstrap and the halves."""

    def __post_init__(self) -> None:
        low, high = self.betas
        if not 0 < low < high:
            raise ConfigError(f"betas={self.betas}: the range must be of two rising numbers above 0")
        if self.resamples < 100 or self.splits < 10:
            raise ConfigError(f"resamples={self.resamples}, splits={self.splits}: at least 100 and 10 are needed")


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """The inverse temperature at which the mean divergence is least."""

    beta: float
    divergence: float
    """Mean over trials, nats."""
    at_end: bool
    """Whether it lies at an end of the range: the divergence falls, or stays equal, to there."""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """One model beside the children of one age."""

    model: str
    trial_set: str
    group: AgeGroup
    fit: Temperature
    low: float
    """Lower end of the 95% interval of the divergence, over trials."""
    high: float
    beta_low: float
    beta_high: float
    numbers_T: NDArray[np.int64]
    """The trials that both have."""
    each_T: Floats
    """Divergence in each of them, nats."""
    accuracy: float
    """Share of these trials in which the target has the highest score; a tie is no hit."""
    unnormalised: int
    """Trials whose shares do not add up to 1."""
    left_out: tuple[LeftOut, ...]


def trial_divergences(shares_TP: Floats, scores_TP: Floats, betas_B: Floats) -> Floats:
    """KL(children || model) of each trial at each inverse temperature, T x B, nats.

    Args:
        shares_TP: Children's shares; 0 counts as nothing.
        scores_TP: Scores; NaN for a picture that is not there.
        betas_B: Inverse temperatures.
    """
    there_TP = np.isfinite(scores_TP)
    # Taken from the highest, so that no exponential is too large; a picture that is not there has probability 0.
    best_T1 = np.max(np.where(there_TP, scores_TP, -np.inf), axis=1, keepdims=True)
    below_TP = np.where(there_TP, scores_TP - best_T1, 0.0)
    weights_TBP = np.exp(betas_B[None, :, None] * below_TP[:, None, :]) * there_TP[:, None, :]
    log_partition_TB = np.log(weights_TBP.sum(axis=2))
    entropy_T = np.sum(
        np.where(shares_TP > 0, shares_TP * np.log(np.where(shares_TP > 0, shares_TP, 1.0)), 0.0), axis=1
    )
    chosen_T = np.sum(shares_TP * below_TP, axis=1)
    return entropy_T[:, None] - np.outer(chosen_T, betas_B) + shares_TP.sum(axis=1)[:, None] * log_partition_TB


def mean_slope(shares_TP: Floats, scores_TP: Floats, beta: float) -> float:
    """Derivative of the mean divergence: the model's expected score less the children's, by trial, averaged."""
    there_TP = np.isfinite(scores_TP)
    below_TP = np.where(there_TP, scores_TP - np.nanmax(scores_TP, axis=1, keepdims=True), 0.0)
    weights_TP = np.exp(beta * below_TP) * there_TP
    expected_T = (weights_TP * below_TP).sum(axis=1) / weights_TP.sum(axis=1)
    return float(np.mean(shares_TP.sum(axis=1) * expected_T - (shares_TP * below_TP).sum(axis=1)))


def fit_temperature(shares_TP: Floats, scores_TP: Floats, betas: tuple[float, float] = BETAS) -> Temperature:
    """The inverse temperature of least mean divergence.

    Args:
        shares_TP: Children's shares, at least one trial.
        scores_TP: Scores of the same pictures.
        betas: Range to search.
    """
    low, high = betas
    at_end = True
    if mean_slope(shares_TP, scores_TP, low) >= 0:
        beta = low
    elif mean_slope(shares_TP, scores_TP, high) <= 0:
        beta = high
    else:
        at_end = False
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            if mean_slope(shares_TP, scores_TP, middle) < 0:
                low = middle
            else:
                high = middle
        beta = 0.5 * (low + high)
    each_T1 = trial_divergences(shares_TP, scores_TP, np.array([beta]))
    return Temperature(beta=beta, divergence=float(each_T1.mean()), at_end=at_end)


def divergence_from(
    group: AgeGroup, scores_TP: Floats, *, model: str, trial_set: str, config: DivergenceConfig | None = None
) -> Divergence:
    """One model beside the children of one age, over the trials that both have.

    Args:
        group: The children.
        scores_TP: The model's scores, row n for trial n + 1; NaN where it has none.
        model: Its name.
        trial_set: The set's name.
        config: How they are compared.

    Raises:
        InputError: Both have no trial in common.
    """
    config = config or DivergenceConfig()
    shares_TP, own_TP, kept_T, left_out = _shared(group, scores_TP)
    if not kept_T.any():
        raise InputError(f"{model} and {group.people} have no trial of {trial_set} in common")
    sums_T = shares_TP.sum(axis=1)
    if config.normalise:
        shares_TP = shares_TP / sums_T[:, None]
    fit = fit_temperature(shares_TP, own_TP, config.betas)
    grid_B = np.geomspace(*config.betas, _GRID)
    each_TB = trial_divergences(shares_TP, own_TP, grid_B)
    trials = len(each_TB)
    draws_RT = np.random.default_rng(config.seed).multinomial(trials, np.full(trials, 1 / trials), config.resamples)
    means_RB = draws_RT @ each_TB / trials
    low, high = np.quantile(means_RB.min(axis=1), (0.025, 0.975))
    beta_low, beta_high = np.quantile(grid_B[means_RB.argmin(axis=1)], (0.025, 0.975))
    foils_TP = np.where(np.isfinite(own_TP[:, 1:]), own_TP[:, 1:], -np.inf)
    return Divergence(
        model=model,
        trial_set=trial_set,
        group=group,
        fit=fit,
        low=float(low),
        high=float(high),
        beta_low=float(beta_low),
        beta_high=float(beta_high),
        numbers_T=group.numbers_T[kept_T],
        each_T=trial_divergences(shares_TP, own_TP, np.array([fit.beta]))[:, 0],
        accuracy=float(np.mean(own_TP[:, 0] > foils_TP.max(axis=1))),
        unnormalised=int(np.sum(np.abs(sums_T - 1) > 1e-9)),
        left_out=left_out,
    )


def guessing_divergence(trial_set: TrialSet, group: AgeGroup) -> float:
    """The mean divergence of guessing from children, nats: every picture equally likely."""
    known_T = group.shares_TP.sum(axis=1) > 0
    even_TP = np.where(trial_set.shown[group.numbers_T[known_T] - 1], 0.0, np.nan)
    return float(trial_divergences(group.shares_TP[known_T], even_TP, np.ones(1)).mean())


def _shared(group: AgeGroup, scores_TP: Floats) -> tuple[Floats, Floats, NDArray[np.bool_], tuple[LeftOut, ...]]:
    """Shares and scores of the trials that both have, which of the group's these are, and what is left out."""
    own_TP = scores_TP[group.numbers_T - 1]
    there_TP = np.isfinite(own_TP)
    none_T = there_TP.sum(axis=1) < 2
    lacks_T = ~none_T & ((group.shares_TP > 0) & ~there_TP).any(axis=1)
    nobody_T = ~none_T & ~lacks_T & (group.shares_TP.sum(axis=1) <= 0)
    reasons = (
        (none_T, "the model has no score"),
        (lacks_T, "the model has no score for a picture that children chose"),
        (nobody_T, "no child chose any picture"),
    )
    left_out = tuple(
        LeftOut(age=group.age, reason=reason, trials=tuple(group.numbers_T[out_T].tolist()))
        for out_T, reason in reasons
        if out_T.any()
    )
    kept_T = ~(none_T | lacks_T | nobody_T)
    return group.shares_TP[kept_T], own_TP[kept_T], kept_T, left_out
