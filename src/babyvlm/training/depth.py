"""Stochastic depth and layer scale for a tower that has neither (Huang et al. 2016; Touvron et al. 2021).

    residual = residual + keep / p * gamma * branch          in both branches of every layer

They are hung on the last linear layer of each branch, so that the tower's class and the names of its weights stay as
they are, and gamma is folded into that layer where the tower is saved: the tower that comes out needs neither.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import ViTModel


def branch_ends(tower: ViTModel) -> Iterator[nn.Linear]:
    """The last linear layer of every branch of a ViT, layer by layer: of attention, then of the MLP."""
    layers: Any = tower.layers
    for layer in layers:
        yield layer.attention.o_proj
        yield layer.mlp.fc2


class LayerScale(nn.Module):
    """A factor for each channel of every branch's output.

    Args:
        tower: Whose branches; they are scaled from now on.
        start: First value of every factor.
    """

    def __init__(self, tower: ViTModel, start: float) -> None:
        super().__init__()
        self.gammas = nn.ParameterList()
        for layer in branch_ends(tower):
            gamma = nn.Parameter(torch.full((layer.out_features,), start))
            self.gammas.append(gamma)
            layer.register_forward_hook(lambda _, __, output, gamma=gamma: output * gamma)

    @torch.no_grad()
    def folded(self, tower: ViTModel) -> ViTModel:
        """A copy of the tower whose branches end in what they ended in times the factors."""
        plain = copy.deepcopy(tower)
        for layer, gamma in zip(branch_ends(plain), self.gammas, strict=True):
            layer._forward_hooks.clear()
            layer.weight.mul_(gamma[:, None])
            if layer.bias is not None:
                layer.bias.mul_(gamma)
        return plain


def leave_out_branches(tower: ViTModel, rate: float, *, uniform: bool = False) -> None:
    """Has branches of single pictures left out at random while the tower trains, by torch's own random numbers.

    Args:
        tower: Whose branches.
        rate: How often a branch of the last layer is left out.
        uniform: Whether those of all layers are left out as often, as in DINOv2; otherwise earlier ones less often, the
            first never, as in DINO.
    """
    ends = list(branch_ends(tower))
    layers = len(ends) // 2
    for number, layer in enumerate(ends):
        own = rate if uniform else rate * (number // 2) / max(1, layers - 1)
        if own:
            layer.register_forward_hook(functools.partial(_drop, own))


def _drop(rate: float, layer: nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
    if not layer.training:
        return output
    kept = torch.rand([len(output)] + [1] * (output.ndim - 1), device=output.device) >= rate
    return output * kept / (1 - rate)
