"""A vision objective: VICReg (Bardes, Ponce & LeCun 2022, arXiv:2105.04906), without a teacher.

two global views -> tower -> expander -> invariance + variance + covariance

V views, B frames, D the tower's width, E the expander's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ViTModel

from babyvlm.training.configuration import VisionStage
from babyvlm.training.objective import VisionObjective

_INVARIANCE, _VARIANCE, _COVARIANCE = 25.0, 25.0, 1.0
"""Weights of the three terms (paper, section 4.2)."""


class VICReg(VisionObjective):
    """Both views of a frame agree; every dimension varies over a batch; no two dimensions say the same.

    Args:
        tower: The tower to train.
        settings: The stage; the expander is as wide as its ``head_width``.
    """

    def __init__(self, tower: ViTModel, settings: VisionStage) -> None:
        super().__init__(tower, settings)
        width = settings.head_width
        self.expander = nn.Sequential(
            nn.Linear(tower.config.hidden_size, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
            nn.Linear(width, width),
        )  # fmt: skip

    def loss(self, views: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The three terms on the two global views; local views are not looked at."""
        classes_VD = self.tokens(torch.cat(list(views[:2])))[:, 0]
        one_BE, other_BE = self.expander(classes_VD).float().chunk(2)
        spread = torch.stack([_variance(one_BE), _variance(other_BE)]).mean()
        entangled = torch.stack([_covariance(one_BE), _covariance(other_BE)]).sum()
        loss = _INVARIANCE * F.mse_loss(one_BE, other_BE) + _VARIANCE * spread + _COVARIANCE * entangled
        return loss, classes_VD


def _variance(embedded_BE: torch.Tensor) -> torch.Tensor:
    """How far each dimension's standard deviation over the batch falls short of 1."""
    return F.relu(1 - (embedded_BE.var(dim=0, unbiased=False) + 1e-4).sqrt()).mean()


def _covariance(embedded_BE: torch.Tensor) -> torch.Tensor:
    """Squared covariances of different dimensions, per dimension."""
    centred_BE = embedded_BE - embedded_BE.mean(dim=0)
    covariance_EE = centred_BE.T @ centred_BE / max(1, len(centred_BE) - 1)
    return (covariance_EE.square().sum() - covariance_EE.diagonal().square().sum()) / covariance_EE.shape[0]
