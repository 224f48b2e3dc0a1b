"""The three probes, as functions of features: nearest neighbours, a linear classifier, and ABX.

N pictures, M pictures to be told, D features, K labels.
"""

from __future__ import annotations

import numpy as np
import torch

from babyvlm.probing.tables import Floats, Labels

_STEPS, _SLOPE = 1000, 1e-8
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
    """Weights W, KD, and intercepts b, K, of the regression, by L-BFGS in double precision.

    The least weights lie in the span of the pictures, so that of more features than pictures no more are searched than
    there are pictures. The search is for Z = W L, where L L' = X'X / K + penalty is the curvature in W where every
    label is as likely: that takes a fraction of the steps that W itself takes. Neither cost nor gradient needs W then,
    since penalty |W|^2 = |Z|^2 - |X W'|^2 / K.
    """
    basis_DR = None
    if known_ND.shape[1] > len(known_ND):
        basis_DR, _ = np.linalg.qr(known_ND.T)
        known_ND = known_ND @ basis_DR
    x_ND, y_N = torch.from_numpy(np.ascontiguousarray(known_ND)).double(), torch.from_numpy(labels_N)
    labels, row_N = int(labels_N.max()) + 1, torch.arange(len(y_N))
    curvature_DD = x_ND.T @ x_ND / labels
    curvature_DD.diagonal().add_(penalty)
    lower_DD = torch.linalg.cholesky(curvature_DD)
    scaled_ND = torch.linalg.solve_triangular(lower_DD, x_ND.T, upper=False).T.contiguous()
    z_KD = torch.zeros(labels, x_ND.shape[1], dtype=torch.double)
    intercepts_K = torch.zeros(labels, dtype=torch.double)
    search = torch.optim.LBFGS(
        [z_KD, intercepts_K],
        max_iter=_STEPS,
        tolerance_grad=_SLOPE,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def cost() -> float:
        sums_NK = scaled_ND @ z_KD.T
        logs_NK = (sums_NK + intercepts_K).log_softmax(1)
        total = (z_KD.square().sum() - sums_NK.square().sum() / labels) / 2 - logs_NK[row_N, y_N].sum()
        slopes_NK = logs_NK.exp_()
        slopes_NK[row_N, y_N] -= 1
        intercepts_K.grad = slopes_NK.sum(0)
        z_KD.grad = (slopes_NK - sums_NK / labels).T @ scaled_ND + z_KD
        return float(total)

    search.step(cost)
    found_KD = torch.linalg.solve_triangular(lower_DD.T, z_KD.T, upper=True).T.numpy()
    return (found_KD if basis_DR is None else found_KD @ basis_DR.T), intercepts_K.numpy()


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
