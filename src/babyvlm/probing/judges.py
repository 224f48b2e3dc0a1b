"""The three probes, as functions of features: nearest neighbours, a linear classifier, and ABX.

N pictures, M pictures to be told, D features, K labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from babyvlm.errors import ConfigError
from babyvlm.probing.tables import Floats, Labels

_STEPS, _PRODUCTS = 100, 1000
"""Of Newton's method at most, and of the search for each of its steps."""
_SLOPE, _ROUNDING, _LEAST_SHARE = 1e-9, 1e-12, 1e-9
_CHUNK = 64


def nearest_labels(known_ND: Floats, labels_N: Labels, asked_MD: Floats, neighbours: int) -> Labels:
    """The label that most of the nearest neighbours have; of labels with as many, the first.

    Args:
        known_ND: Features with known labels.
        labels_N: Those labels, 0 to K - 1.
        asked_MD: Features to be told.
        neighbours: How many vote; all there are, where there are fewer. Neighbours are by the cosine.
    """
    similar_MN = _unit(asked_MD) @ _unit(known_ND).T
    nearest_MK = np.argsort(-similar_MN, axis=1, kind="stable")[:, :neighbours]
    votes = np.zeros((len(asked_MD), int(labels_N.max()) + 1))
    for place in range(nearest_MK.shape[1]):
        votes[np.arange(len(asked_MD)), labels_N[nearest_MK[:, place]]] += 1
    told_M: Labels = votes.argmax(1)
    return told_M


def linear_labels(known_ND: Floats, labels_N: Labels, asked_MD: Floats, penalty: float) -> Labels:
    """The likeliest label by multinomial logistic regression on standardised features.

    The weights minimise the sum of the cross-entropies and ``penalty`` times half of the sum of the squared weights;
    the intercepts cost nothing. That is scikit-learn's LogisticRegression with ``C = 1 / penalty``.

    Args:
        known_ND: Features with known labels; their means and deviations standardise both.
        labels_N: Those labels, 0 to K - 1.
        asked_MD: Features to be told.
        penalty: What weights cost; above 0.
    """
    mean_D, deviation_D = known_ND.mean(0), known_ND.std(0)
    deviation_D = np.where(deviation_D > 0, deviation_D, 1.0)
    weights_KD, intercepts_K = fit_linear((known_ND - mean_D) / deviation_D, labels_N, penalty)
    told_M: Labels = ((asked_MD - mean_D) / deviation_D @ weights_KD.T + intercepts_K).argmax(1)
    return told_M


def fit_linear(known_ND: Floats, labels_N: Labels, penalty: float) -> tuple[Floats, Floats]:
    """Weights W, KD, and intercepts b, K, of the regression, by Newton's method in double precision.

    The least weights lie in the span of the pictures, so that of more features than pictures no more are searched than
    there are pictures. The search is for Z = W L, where L L' = X'X / K + penalty is the curvature in W where every
    label is as likely: conjugate gradients then find each of Newton's steps in few products. Neither cost nor gradient
    needs W, since penalty |W|^2 = |Z|^2 - |X W'|^2 / K.

    Raises:
        ConfigError: The cost has no least value that double precision finds, as with a penalty next to nothing.
    """
    basis_DR = None
    if known_ND.shape[1] > len(known_ND):
        basis_DR, _ = np.linalg.qr(known_ND.T)
        known_ND = known_ND @ basis_DR
    x_ND = torch.from_numpy(np.ascontiguousarray(known_ND)).double()
    curvature_DD = x_ND.T @ x_ND / (int(labels_N.max()) + 1)
    curvature_DD.diagonal().add_(penalty)
    lower_DD = torch.linalg.cholesky(curvature_DD)
    scaled_ND = torch.linalg.solve_triangular(lower_DD, x_ND.T, upper=False).T.contiguous()
    z_KD, intercepts_K = _least(scaled_ND, torch.from_numpy(labels_N))
    found_KD = torch.linalg.solve_triangular(lower_DD.T, z_KD.T, upper=True).T.numpy()
    return (found_KD if basis_DR is None else found_KD @ basis_DR.T), intercepts_K.numpy()


def _least(scaled_ND: torch.Tensor, labels_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Z and the intercepts where the cost is least: Newton's steps, each found by conjugate gradients and halved until
    it lowers the cost enough."""
    ones_N1 = torch.ones(len(scaled_ND), 1, dtype=torch.double)
    with_one_NE = torch.cat([scaled_ND, ones_N1], dim=1)  # an intercept is the weight of a one
    labels = int(labels_N.max()) + 1
    right_NK = torch.nn.functional.one_hot(labels_N, labels).double()

    def weighed(both_KE: torch.Tensor) -> torch.Tensor:
        """What the penalty adds to a slope: Z minus its share in the sums over pictures; nothing for intercepts."""
        z_KD = both_KE[:, :-1]
        slopes_KD = z_KD - (scaled_ND @ z_KD.T).T @ scaled_ND / labels
        return torch.cat([slopes_KD, torch.zeros(labels, 1, dtype=torch.double)], dim=1)

    def looked_at(both_KE: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
        logs_NK = (with_one_NE @ both_KE.T).log_softmax(1)
        pulled_KE, shares_NK = weighed(both_KE), logs_NK.exp()
        cost = float((both_KE * pulled_KE).sum() / 2 - (logs_NK * right_NK).sum())
        return cost, (shares_NK - right_NK).T @ with_one_NE + pulled_KE, shares_NK

    found_KE = torch.zeros(labels, with_one_NE.shape[1], dtype=torch.double)
    cost, slopes_KE, shares_NK = looked_at(found_KE)
    for _ in range(_STEPS):
        if float(slopes_KE.abs().max()) <= _SLOPE:
            return found_KE[:, :-1], found_KE[:, -1]

        def curved(step_KE: torch.Tensor, shares_NK: torch.Tensor = shares_NK) -> torch.Tensor:
            sums_NK = with_one_NE @ step_KE.T
            turned_NK = shares_NK * (sums_NK - (shares_NK * sums_NK).sum(1, keepdim=True))
            return turned_NK.T @ with_one_NE + weighed(step_KE)

        step_KE = _solved(curved, -slopes_KE)
        promised = float((step_KE * slopes_KE).sum())
        share = 1.0
        while True:
            cost_there, slopes_there_KE, shares_there_NK = looked_at(found_KE + share * step_KE)
            if cost_there <= cost + 1e-4 * share * promised + _ROUNDING * abs(cost):
                break
            share /= 2
            if share < _LEAST_SHARE:
                raise ConfigError("the linear probe does not find where its cost is least: raise the penalty")
        found_KE += share * step_KE
        cost, slopes_KE, shares_NK = cost_there, slopes_there_KE, shares_there_NK
    raise ConfigError(f"the linear probe is not at its least cost after {_STEPS} steps of Newton's: raise the penalty")


def _solved(product: Callable[[torch.Tensor], torch.Tensor], wanted: torch.Tensor) -> torch.Tensor:
    """``x`` with ``product(x) = wanted``, by conjugate gradients; the nearer to the end, the more exactly."""
    found, left = torch.zeros_like(wanted), wanted.clone()
    direction, size = left.clone(), float(left.square().sum())
    enough = size * min(0.25, size**0.5)
    for _ in range(_PRODUCTS):
        if size <= enough:
            break
        curved = product(direction)
        length = size / float((direction * curved).sum())
        found += length * direction
        left -= length * curved
        before, size = size, float(left.square().sum())
        direction = left + size / before * direction
    return found


def abx_errors(features_ND: Floats, labels_N: Labels) -> Floats:
    """How often a picture lies nearer to one of another label than to one of its own, by labels, KK.

    For X of label a, A another of a, and B of b: wrong where B is nearer to X than A, half wrong where both are as
    near. A cell is the mean over all such triples; its diagonal, and a cell without any, is NaN. Distances are angles
    (Schatz et al. 2013; fastabx).

    Args:
        features_ND: Features.
        labels_N: Labels, 0 to K - 1.
    """
    unit_ND = _unit(features_ND)
    labels = int(labels_N.max()) + 1
    wrong_KK, counts_KK = np.zeros((labels, labels)), np.zeros((labels, labels))
    of_label = [np.flatnonzero(labels_N == label) for label in range(labels)]
    for own, mine in enumerate(of_label):
        for start in range(0, len(mine), _CHUNK):
            part = mine[start : start + _CHUNK]
            near_XN = unit_ND[part] @ unit_ND.T
            for other, theirs in enumerate(of_label):
                if other == own or not len(theirs):
                    continue
                for row, picture in enumerate(part):
                    alike_A = near_XN[row, mine[mine != picture]]
                    foils_B = np.sort(near_XN[row, theirs])
                    nearer_A = len(foils_B) - np.searchsorted(foils_B, alike_A, side="right")
                    as_near_A = np.searchsorted(foils_B, alike_A, side="right") - np.searchsorted(foils_B, alike_A)
                    wrong_KK[own, other] += (nearer_A + as_near_A / 2).sum()
                    counts_KK[own, other] += len(alike_A) * len(foils_B)
    with np.errstate(invalid="ignore"):
        errors_KK: Floats = wrong_KK / counts_KK
    return errors_KK


def _unit(features_ND: Floats) -> Floats:
    lengths_N1 = np.linalg.norm(features_ND, axis=1, keepdims=True)
    unit_ND: Floats = features_ND / np.where(lengths_N1 > 0, lengths_N1, 1.0)
    return unit_ND
