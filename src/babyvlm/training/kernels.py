"""Which kernels a recipe's model computes with on this machine."""

from __future__ import annotations

import torch
from torch import nn

from babyvlm.errors import ConfigError
from babyvlm.model.packed_attention import NO_VARLEN, VARLEN, packed, varlen_kernel
from babyvlm.training.configuration import Recipe
from babyvlm.training.distribution import layers_of


def row_attention(recipe: Recipe, device: torch.device) -> str:
    """The kernel of the language model: ``auto`` is a row in one call on a GPU whose torch can do so, else ``sdpa``."""
    if recipe.attention != "auto":
        return recipe.attention
    can = device.type == "cuda" and recipe.precision != "no" and varlen_kernel() is not None
    return VARLEN if can else "sdpa"


def tower_attention(recipe: Recipe) -> str:
    """The tower's kernel: its pictures are all of one length."""
    return "sdpa" if recipe.attention in ("auto", VARLEN) else recipe.attention


def attention_of(recipe: Recipe, device: torch.device) -> dict[str, str]:
    """Both, as transformers takes them."""
    return {"text_config": packed(row_attention(recipe, device)), "vision_config": tower_attention(recipe)}


def require_kernels(recipe: Recipe) -> None:
    """Raises ConfigError where this torch has not the attention asked for."""
    if recipe.attention == VARLEN and varlen_kernel() is None:
        raise ConfigError(f"{NO_VARLEN}. This is torch {torch.__version__}")


def fuses_layers(recipe: Recipe, device: torch.device) -> bool:
    """Whether layers of the language model compute as ``fused_layers.py`` says: on processors, each with a copy of all
    weights, where nothing else takes the layers in hand."""
    usual = recipe.attention == "eager" and recipe.sharding == "ddp"
    return device.type == "cpu" and usual and not (recipe.compile or recipe.gradient_checkpointing)


def compile_layers(module: nn.Module) -> None:
    """Has each transformer layer of the tower and of the language model compiled at its first call.

    Shapes are dynamic: rows differ in tokens, and steps in pictures.
    """
    for layer in layers_of(module):
        layer.compile(dynamic=True)
