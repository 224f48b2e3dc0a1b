"""A tower's first layers where pictures are small: convolutions in place of one cut into patches.

    pixels_UCHW ─ 3x3 ─ GELU ─ ... ─ what is left of a patch, stride as large ─ patches_UDhw

A patch of 16 pixels of a picture of 64 is more than a small tower can learn to read at once; Xiao et al. 2021 ("Early
convolutions help transformers see better") describe the remedy. DEVIATION: the published tower cuts patches, as does
ours wherever a shape has no stem.

Copied beside the weights of every checkpoint (``modeling.py``), of a tower by itself too where it has a stem.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ViTConfig, ViTModel


def stem_strides(channels: Sequence[int]) -> list[int]:
    """By how much each convolution divides the side.

    Args:
        channels: Of the pictures, and of each convolution; one with as many as the one before keeps the side.

    >>> stem_strides([3, 32, 64, 64, 128])
    [2, 2, 1, 2]
    """
    return [1 if before == after else 2 for before, after in itertools.pairwise(channels)]


class ConvolutionalStem(nn.Module):
    """Convolutions that halve the side or keep it, and a last one to the tower's width.

    Args:
        channels: Of the pictures, and of each convolution (:func:`stem_strides`).
        width: Of the tower.
        patch_size: Side of the square that becomes one token, pixels; a multiple of 2 to the number of halvings.
        keeps_spread: Whether weights are drawn so that what a convolution gives varies as what it takes does (He et al.
            2015); else the tower draws them like its own.
    """

    def __init__(self, channels: Sequence[int], width: int, patch_size: int, keeps_spread: bool = False) -> None:
        super().__init__()
        strides = stem_strides(channels)
        self.halvings = nn.ModuleList(  # the name that saved towers have for all of them
            nn.Conv2d(before, after, 3, stride=stride, padding=1)
            for (before, after), stride in zip(itertools.pairwise(channels), strides, strict=True)
        )
        left = patch_size // math.prod(strides)
        self.patches = nn.Conv2d(channels[-1], width, left, stride=left)
        if keeps_spread:
            for convolution in (*self.halvings, self.patches):
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                nn.init.zeros_(convolution.bias)
                convolution._is_hf_initialized = True  # so that transformers does not draw it again

    def forward(self, pixels_UCHW: torch.Tensor) -> torch.Tensor:
        """One column of the tower's width for each patch, UDhw."""
        x_UCHW = pixels_UCHW.contiguous(memory_format=torch.channels_last)
        for convolution in self.halvings:
            x_UCHW = F.gelu(convolution(x_UCHW))
        patches_UDHW: torch.Tensor = self.patches(x_UCHW)
        return patches_UDHW

    @property
    def weight(self) -> torch.Tensor:
        """What transformers takes the tower's precision from, as of the cut into patches."""
        return self.patches.weight

    def products_a_patch(self) -> int:
        """Multiplications for each patch in one pass forward."""
        places, products = self.patches.kernel_size[0] ** 2, self.patches.weight.numel()
        layers: list[Any] = list(self.halvings)
        for layer in layers[::-1]:
            products += layer.weight.numel() * places
            places *= layer.stride[0] ** 2
        return products


def put_stem(tower: ViTModel) -> None:
    """Puts a stem in place of the cut into patches where the tower's configuration names the stem's channels."""
    config: Any = tower.config
    if channels := getattr(config, "stem", None):
        patches: Any = tower.embeddings.patch_embeddings
        patches.projection = ConvolutionalStem(
            [config.num_channels, *channels],
            config.hidden_size,
            config.patch_size,
            getattr(config, "stem_keeps_spread", False),
        )


class TowerWithStemConfig(ViTConfig):
    """Configuration of ``TowerWithStem``.

    Of a type of its own: transformers would load a ``vit`` without the stem and draw the weights that it then lacks.
    """

    model_type = "babyvlm_vit"


TOWER_TYPES = (ViTConfig.model_type, TowerWithStemConfig.model_type)
"""Types of a tower by itself. Until 2026-11, one with a stem was saved as a ``vit`` too."""


class TowerWithStem(ViTModel):
    """A ViT whose configuration has a stem.

    Args:
        config: The tower's; a plain ``ViTConfig`` with a stem, as a whole model has, becomes a ``TowerWithStemConfig``.
        add_pooling_layer: As for ``ViTModel``, but off by default: no stage trains one.
    """

    config_class = TowerWithStemConfig

    def __init__(self, config: ViTConfig, add_pooling_layer: bool = False) -> None:
        if not isinstance(config, TowerWithStemConfig):
            settings = {name: value for name, value in config.to_dict().items() if name != "model_type"}
            config = TowerWithStemConfig(**settings)
        super().__init__(config, add_pooling_layer=add_pooling_layer)
        put_stem(self)
        self.post_init()


TowerWithStemConfig.register_for_auto_class("AutoConfig")
TowerWithStem.register_for_auto_class("AutoModel")


def new_tower(config: ViTConfig) -> ViTModel:
    """A tower with drawn weights: transformers' own ViT, unless the configuration has a stem."""
    return TowerWithStem(config) if getattr(config, "stem", None) else ViTModel(config, add_pooling_layer=False)
