"""Ability and difficulty: a Rasch model over whoever answered the same items, by marginal maximum likelihood.

right or wrong, respondents x items ──> difficulties (and, on request, slopes) with standard errors ──> abilities

    P(right) = 1 / (1 + exp(-slope x (ability - difficulty)))       slope 1 in a Rasch model

Abilities are normal with mean 0; their spread is estimated with the items in a Rasch model, and is 1 in a two-parameter
one. The integral over abilities is a sum over a fixed grid, and the maximum is reached by EM (Bock and Aitkin, 1981).
Standard errors are from the observed information, after Louis (1982). An ability is the mean of what the answers leave
open (EAP), with the interval that holds 95% of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from babyvlm.children.trials import Floats
from babyvlm.errors import ConfigError, InputError

_GRID_Q = np.linspace(-6.0, 6.0, 81)
_NEWTON = 8
_LOG_SLOPE_PRIOR = 0.5
"""Standard deviation of a log slope in a two-parameter model: enough to keep a slope finite where answers are few."""
_STRETCH = 4.0


@dataclass(frozen=True, kw_only=True)
class AbilityConfig:
    """How abilities and difficulties are estimated."""

    two_parameter: bool = False
    """Whether every item has a slope of its own."""
    max_iterations: int = 2000
    """Of EM."""
    tolerance: float = 1e-6
    """Largest change of a parameter, in logits, at which EM ends."""

    def __post_init__(self) -> None:
        if self.max_iterations < 1 or self.tolerance <= 0:
            raise ConfigError(f"max_iterations={self.max_iterations}, tolerance={self.tolerance}: both must be above 0")


@dataclass(frozen=True, kw_only=True)
class ItemEstimate:
    """One item's difficulty."""

    item: str
    difficulty: float
    """Logits; the ability at which half are right."""
    error: float
    """Standard error."""
    slope: float
    answered: int
    """Respondents who answered it."""


@dataclass(frozen=True, kw_only=True)
class AbilityEstimate:
    """One respondent's ability."""

    ability: float
    """Logits, posterior mean."""
    low: float
    high: float
    answered: int
    """Items answered."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Items on the scale of abilities."""

    items: tuple[ItemEstimate, ...]
    spread: float
    """Standard deviation of the abilities of those it was estimated from, logits."""
    respondents: int
    iterations: int
    converged: bool
    left_out: dict[str, str] = field(default_factory=dict)
    """Items of no difficulty, with the reason."""

    @property
    def names(self) -> tuple[str, ...]:
        """Items with a difficulty."""
        return tuple(one.item for one in self.items)


def calibrate(right_RI: Floats, items: Sequence[str], config: AbilityConfig | None = None) -> Calibration:
    """Difficulties from answers.

    Args:
        right_RI: Respondents x items: 1 right, 0 wrong, NaN where there is no answer.
        items: The items' names.
        config: How.

    Raises:
        InputError: Fewer than two respondents, or no item that some get right and others wrong.
    """
    config = config or AbilityConfig()
    there_RI = np.isfinite(right_RI)
    means_I = np.array([np.nanmean(column) if np.isfinite(column).any() else np.nan for column in right_RI.T])
    usable_I = np.isfinite(means_I) & (means_I > 0) & (means_I < 1)
    left_out = {
        name: "nobody answered it" if mean != mean else "everybody is right" if mean == 1 else "everybody is wrong"
        for name, mean, usable in zip(items, means_I, usable_I, strict=True)
        if not usable
    }
    if len(right_RI) < 2 or not usable_I.any():
        raise InputError(
            f"{len(right_RI)} respondents, {int(usable_I.sum())} items that some get right and others wrong",
            remedy="Give runs of more respondents on the same items",
        )
    kept_RI = there_RI[:, usable_I]
    some_R = kept_RI.any(axis=1)
    right = np.where(kept_RI, right_RI[:, usable_I], 0.0)[some_R]
    fit = _Fit(right, kept_RI[some_R].astype(float), config)
    iterations, converged = fit.run()
    errors_I = fit.errors()
    names = [name for name, usable in zip(items, usable_I, strict=True) if usable]
    estimates = tuple(
        ItemEstimate(item=name, difficulty=float(b), error=float(e), slope=float(a), answered=int(n))
        for name, b, e, a, n in zip(names, fit.hard_I, errors_I, fit.slope_I, kept_RI.sum(axis=0), strict=True)
    )
    return Calibration(
        items=estimates,
        spread=fit.spread,
        respondents=int(some_R.sum()),
        iterations=iterations,
        converged=converged,
        left_out=left_out,
    )


class _Fit:
    """EM on a grid of abilities.

    Args:
        right_RI: 1 where an answer is right.
        there_RI: 1 where there is an answer.
        config: How.
    """

    def __init__(self, right_RI: Floats, there_RI: Floats, config: AbilityConfig) -> None:
        self._right_RI, self._there_RI, self._config = right_RI, there_RI, config
        share_I = (right_RI.sum(axis=0) + 0.5) / (there_RI.sum(axis=0) + 1)
        self.hard_I = -np.log(share_I / (1 - share_I))
        self.slope_I = np.ones(len(share_I))
        self.spread = 1.0
        self.grid_Q = _GRID_Q

    def chances(self) -> Floats:
        """P(right) of each item at each ability."""
        return _chances(self.slope_I, self.hard_I, self.grid_Q)

    def posterior(self) -> Floats:
        """What the answers leave open of each respondent's ability."""
        return _posterior(self._right_RI, self._there_RI, self.chances(), self._log_prior())

    def _log_prior(self) -> Floats:
        return -0.5 * (self.grid_Q / self.spread) ** 2

    def run(self) -> tuple[int, bool]:
        """Iterates to the maximum; how often, and whether it was reached."""
        for iteration in range(1, self._config.max_iterations + 1):
            before = self.hard_I, self.slope_I, self.spread
            self.grid_Q = _GRID_Q * max(1.0, self.spread * _STRETCH / 6.0)
            posterior_RQ = self.posterior()
            if not self._config.two_parameter:
                self.spread = float(np.sqrt(np.mean(posterior_RQ @ self.grid_Q**2)))
                self.spread = min(max(self.spread, 1e-3), 20.0)
            self._raise(self._there_RI.T @ posterior_RQ, self._right_RI.T @ posterior_RQ)
            changes = (np.abs(self.hard_I - before[0]).max(), np.abs(self.slope_I - before[1]).max())
            if max(*changes, abs(self.spread - before[2])) < self._config.tolerance:
                return iteration, True
        return self._config.max_iterations, False

    def _raise(self, asked_IQ: Floats, right_IQ: Floats) -> None:
        """The M step: Newton's method, each item by itself."""
        for _ in range(_NEWTON):
            chances_IQ = self.chances()
            weight_IQ = asked_IQ * chances_IQ * (1 - chances_IQ)
            residual_IQ = right_IQ - asked_IQ * chances_IQ
            off_IQ = self.grid_Q[None, :] - self.hard_I[:, None]
            slope_I1 = self.slope_I[:, None]
            # In the difficulty and the logarithm of the slope.
            g_b, h_bb = -(slope_I1 * residual_IQ).sum(axis=1), (slope_I1**2 * weight_IQ).sum(axis=1)
            if not self._config.two_parameter:
                step_I = np.clip(g_b / np.maximum(h_bb, 1e-9), -1, 1)
                self.hard_I = self.hard_I + step_I
                if np.abs(step_I).max() < 1e-10:
                    return
                continue
            along_IQ = slope_I1 * off_IQ
            g_a = (along_IQ * residual_IQ).sum(axis=1) - np.log(self.slope_I) / _LOG_SLOPE_PRIOR**2
            h_aa = (along_IQ**2 * weight_IQ).sum(axis=1) + 1 / _LOG_SLOPE_PRIOR**2
            h_ab = -(slope_I1 * along_IQ * weight_IQ).sum(axis=1)
            determinant = np.maximum(h_aa * h_bb - h_ab**2, 1e-9)
            self.hard_I = self.hard_I + np.clip((h_aa * g_b - h_ab * g_a) / determinant, -1, 1)
            self.slope_I = self.slope_I * np.exp(np.clip((h_bb * g_a - h_ab * g_b) / determinant, -0.5, 0.5))

    def errors(self) -> Floats:
        """Standard errors of the difficulties: the complete information less what is missing of it."""
        posterior_RQ, chances_IQ = self.posterior(), self.chances()
        asked_IQ = self._there_RI.T @ posterior_RQ
        weight_IQ = asked_IQ * chances_IQ * (1 - chances_IQ)
        slope_I1 = self.slope_I[:, None]
        along_IQ = slope_I1 * (self.grid_Q[None, :] - self.hard_I[:, None])
        items, two = len(self.hard_I), self._config.two_parameter
        size = 2 * items if two else items + 1
        complete_PP = np.zeros((size, size))
        missing_PP = np.zeros((size, size))
        at = np.arange(items)
        complete_PP[at, at] = (slope_I1**2 * weight_IQ).sum(axis=1)
        if two:
            complete_PP[items + at, items + at] = (along_IQ**2 * weight_IQ).sum(axis=1) + 1 / _LOG_SLOPE_PRIOR**2
            complete_PP[at, items + at] = complete_PP[items + at, at] = -(slope_I1 * along_IQ * weight_IQ).sum(axis=1)
        else:
            squares_Q = (self.grid_Q / self.spread) ** 2
            complete_PP[items, items] = 2 * float((posterior_RQ @ squares_Q).sum())
        mean_RP = np.zeros((len(posterior_RQ), size))
        for q, ability in enumerate(self.grid_Q):
            residual_RI = self._right_RI - self._there_RI * chances_IQ[:, q]
            score_RP = np.empty((len(posterior_RQ), size))
            score_RP[:, :items] = -self.slope_I * residual_RI
            if two:
                score_RP[:, items:] = along_IQ[:, q] * residual_RI
            else:
                score_RP[:, items] = (ability / self.spread) ** 2 - 1
            weighted_RP = score_RP * posterior_RQ[:, q, None]
            missing_PP += weighted_RP.T @ score_RP
            mean_RP += weighted_RP
        observed_PP = complete_PP - (missing_PP - mean_RP.T @ mean_RP)
        variance_P = np.diag(np.linalg.pinv(observed_PP))
        return np.sqrt(np.where(variance_P[:items] > 0, variance_P[:items], np.nan))


def _chances(slope_I: Floats, hard_I: Floats, grid_Q: Floats) -> Floats:
    logits_IQ = np.clip(slope_I[:, None] * (grid_Q[None, :] - hard_I[:, None]), -35, 35)
    return 1 / (1 + np.exp(-logits_IQ))


def _posterior(right_RI: Floats, there_RI: Floats, chances_IQ: Floats, log_prior_Q: Floats) -> Floats:
    log_RQ = right_RI @ np.log(chances_IQ) + (there_RI - right_RI) @ np.log1p(-chances_IQ) + log_prior_Q
    weight_RQ = np.exp(log_RQ - log_RQ.max(axis=1, keepdims=True))
    return weight_RQ / weight_RQ.sum(axis=1, keepdims=True)


def likelihoods(right_RI: Floats, calibration: Calibration, grid_Q: Floats) -> Floats:
    """Log-likelihood of each respondent's answers at each ability, R x Q.

    Args:
        right_RI: Answers to ``calibration.names``, in that order; NaN where there is none.
        calibration: The items.
        grid_Q: Abilities, logits.
    """
    there_RI = np.isfinite(right_RI)
    right = np.where(there_RI, right_RI, 0.0)
    slope_I = np.array([one.slope for one in calibration.items])
    hard_I = np.array([one.difficulty for one in calibration.items])
    chances_IQ = _chances(slope_I, hard_I, grid_Q)
    found: Floats = right @ np.log(chances_IQ) + (there_RI - right) @ np.log1p(-chances_IQ)
    return found


def abilities(right_RI: Floats, calibration: Calibration) -> tuple[AbilityEstimate, ...]:
    """The ability of each respondent, given items on a scale.

    Args:
        right_RI: Answers to ``calibration.names``, in that order; NaN where there is none.
        calibration: The items.
    """
    grid_Q = np.linspace(-6, 6, 601) * max(1.0, calibration.spread * _STRETCH / 6.0)
    log_RQ = likelihoods(right_RI, calibration, grid_Q) - 0.5 * (grid_Q / calibration.spread) ** 2
    return tuple(
        AbilityEstimate(ability=mean, low=low, high=high, answered=int(answered))
        for (mean, low, high), answered in zip(
            summarised(log_RQ, grid_Q), np.isfinite(right_RI).sum(axis=1), strict=True
        )
    )


def summarised(log_RQ: Floats, grid_Q: Floats) -> list[tuple[float, float, float]]:
    """Mean, and the ends of the middle 95%, of each row's distribution over the grid."""
    weight_RQ = np.exp(log_RQ - log_RQ.max(axis=1, keepdims=True))
    weight_RQ /= weight_RQ.sum(axis=1, keepdims=True)
    found = []
    for row_Q in weight_RQ:
        below_Q: NDArray[np.float64] = np.cumsum(row_Q) - 0.5 * row_Q
        low, high = np.interp((0.025, 0.975), below_Q, grid_Q)
        found.append((float(row_Q @ grid_Q), float(low), float(high)))
    return found
