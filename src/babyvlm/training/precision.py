"""The precision that this machine computes a recipe in.

A processor without instructions for bfloat16 multiplies it in software: on one with AVX2 alone a product of matrices
took 35 to 90 times as long as in float32 (``benchmarks/cpu_bfloat16.py``). There a recipe that asks for bfloat16 is
computed in float32, which is no less exact and needs more memory.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import torch

from babyvlm.training.configuration import Recipe


@functools.cache
def cpu_has_bf16() -> bool:
    """Whether PyTorch's products of bfloat16 matrices use the processor's own instructions."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported())


def has_bf16(device: torch.device) -> bool:
    """Whether products in bfloat16 pay on a device: on GPUs, and on processors with instructions for them."""
    return device.type != "cpu" or cpu_has_bf16()


def on_this_machine(recipe: Recipe, device: torch.device) -> Recipe:
    """The recipe as it is computed on a device: in float32 where bfloat16 does not pay."""
    return recipe if recipe.precision == "no" or has_bf16(device) else replace(recipe, precision="no")
