"""Whether a tower still learns by self-distillation: the teacher's entropy, the rank of its features, and when to stop.

A run collapses when the teacher says the same of every frame: evenly all prototypes (loss ln K, entropy ln K), or
always one of them (loss 0, entropy 0); or when its features differ along one direction alone. The loss by itself looks
steady then, and an early plateau near ln K is usual; so a sign counts once it has held for long after the warm-up.
"""

from __future__ import annotations

import math

import torch

_NEAR = 1e-3
"""How near to ln K or to 0, as a part of ln K, entropy and loss are as good as there."""
_FLAT_RANK = 1.1
"""Rank of the features at which they differ along one direction."""


def feature_rank(tokens_ND: torch.Tensor) -> torch.Tensor:
    """How many directions features spread over: the participation ratio of their covariance, (sum of its eigenvalues)²
    over the sum of their squares.

    >>> corners_ND = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    >>> feature_rank(corners_ND)
    tensor(2.)
    """
    with torch.autocast(tokens_ND.device.type, enabled=False):
        centred_ND = tokens_ND.float() - tokens_ND.float().mean(0)
        # The smaller of the two products: both have the covariance's eigenvalues.
        wide = centred_ND.shape[1] > centred_ND.shape[0]
        product = centred_ND @ centred_ND.T if wide else centred_ND.T @ centred_ND
        return product.trace().square() / product.square().sum().clamp(min=torch.finfo(torch.float32).tiny)


class CollapseWatch:
    """Counts for how many steps in a row a sign of collapse has held.

    Args:
        prototypes: K.
        warmup: Steps that are not looked at.
        patience: Steps in a row after which a sign counts.
    """

    def __init__(self, prototypes: int, *, warmup: int, patience: int) -> None:
        self._uniform, self._warmup, self._patience = math.log(prototypes), warmup, patience
        self._sign, self._steps = "", 0

    def check(self, step: int, *, loss: float, entropy: float, rank: float) -> str:
        """What is wrong after a step (counted from 1), as a sentence's end; empty where nothing is."""
        sign = self._sign_of(loss / self._uniform, entropy / self._uniform, rank) if step > self._warmup else ""
        self._steps = self._steps + 1 if sign and sign == self._sign else bool(sign)
        self._sign = sign
        return f"for {self._steps} steps {sign}" if self._steps >= self._patience else ""

    def _sign_of(self, loss: float, entropy: float, rank: float) -> str:
        if abs(entropy - 1) < _NEAR and abs(loss - 1) < _NEAR:
            return f"the teacher has named all prototypes evenly for every frame (loss and entropy {self._uniform:.2f})"
        if entropy < _NEAR and loss < _NEAR:
            return "the teacher has named the same prototype for every frame (loss and entropy 0)"
        if rank < _FLAT_RANK:
            return "features have differed along one direction only"
        return ""
