"""Attention over samples that lie one behind the other in a single row, none seeing another.

    row     | sample sample sample | sample sample |   hidden states (1, T, D), T = sum of B x L over the blocks
    blocks  |     B = 3 of L       |  B = 2 of L'  |   samples of like length, right-padded to the longest

Everything but attention works token by token and takes the row as it is, so that a pass has one fixed cost however
many lengths it holds. Attention takes the row apart into blocks, views without a copy, and runs the chosen
kernel of transformers on each.

Copied beside the weights of every checkpoint (``modeling.py``).
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import eager_attention_forward

Blocks = tuple[tuple[int, int], ...]
"""(samples B, tokens L each) of every block of a row, in order."""

KERNELS = ("eager", "sdpa", "flash_attention_2")
VARLEN = "varlen"
"""One call of PyTorch's attention over samples of any lengths, on a GPU, in half precision, for all blocks of a row."""


def packed(kernel: str) -> str:
    """The name under which transformers knows ``kernel`` with packing. Without blocks it is ``kernel`` itself.

    >>> packed("sdpa")
    'packed_sdpa'
    """
    return f"packed_{kernel}"


class RowLayout:
    """How samples lie in a row, as attention takes it.

    An object and no tuple: a compiled layer takes any object of a class without recompiling, and would recompile for
    each length of a tuple. Nothing here is copied from the host, for which a GPU would have to wait.

    Args:
        blocks: Of the row.
        device: Of the model.
        learned_places: Places whose next token is learned, in order; None where they are not known.
    """

    def __init__(self, blocks: Blocks, device: torch.device, learned_places: torch.Tensor | None = None) -> None:
        self.blocks, self.learned_places = blocks, learned_places
        self.spared = False
        """Whether the last layer computed those places alone."""
        self.longest = max(length for _, length in blocks)
        """Tokens of the longest sample."""
        ends, begin = [torch.zeros(1, dtype=torch.int32, device=device)], 0
        for samples, length in blocks:
            end = begin + samples * length
            ends.append(torch.arange(begin + length, end + 1, length, dtype=torch.int32, device=device))
            begin = end
        self.starts = torch.cat(ends)
        """Where each sample begins, and the last one ends."""


def row_arguments(blocks: Blocks, device: torch.device, learned_places: torch.Tensor | None = None) -> dict[str, Any]:
    """Arguments of the language model for a row: places within each sample, and a mask that keeps it from making one.

    Args:
        blocks: Of the row.
        device: Of the model.
        learned_places: Places whose next token is learned, in order; None where they are not known.
    """
    positions = [torch.arange(length, device=device).repeat(samples) for samples, length in blocks]
    # transformers hands a four-dimensional mask on as it is; packed attention does not read it.
    return {
        "position_ids": torch.cat(positions)[None],
        "attention_mask": torch.zeros(1, 1, 1, 1, device=device),
        "layout": RowLayout(blocks, device, learned_places),
    }


class _Packed:
    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    # Not compiled: it would be recompiled for every layout.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(
        self,
        module: nn.Module,
        query_BHLK: torch.Tensor,
        key_BGLK: torch.Tensor,
        value_BGLK: torch.Tensor,
        attention_mask: torch.Tensor | None,
        layout: RowLayout | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.kernel, eager_attention_forward)
        if layout is None:
            return attend(module, query_BHLK, key_BGLK, value_BGLK, attention_mask, **kwargs)
        kwargs.pop("position_ids", None)  # those of the row, from which a kernel would guess at packing of its own
        sizes = [samples * length for samples, length in layout.blocks]
        # Split, and not sliced: going backward, each slice would fill a row of zeros.
        parts = zip(*(row[0].split(sizes, dim=1) for row in (query_BHLK, key_BGLK, value_BGLK)), strict=True)
        outputs_1THK = []
        for (samples, length), part in zip(layout.blocks, parts, strict=True):
            query, key, value = (each.unflatten(1, (samples, length)).transpose(0, 1) for each in part)
            mask = _causal(length, query.dtype, query.device) if self.kernel == "eager" else None
            output_BLHK, _ = attend(module, query, key, value, mask, **kwargs)
            outputs_1THK.append(output_BLHK.flatten(0, 1)[None])
        return torch.cat(outputs_1THK, dim=1), None


class _PackedVarlen(_Packed):
    """A row in one call; without blocks it is ``sdpa``."""

    def __init__(self) -> None:
        super().__init__("sdpa")

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(
        self,
        module: nn.Module,
        query_BHLK: torch.Tensor,
        key_BGLK: torch.Tensor,
        value_BGLK: torch.Tensor,
        attention_mask: torch.Tensor | None,
        layout: RowLayout | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if layout is None:
            return super().__call__(module, query_BHLK, key_BGLK, value_BGLK, attention_mask, **kwargs)
        varlen_attn = varlen_kernel()
        if varlen_attn is None:
            raise ValueError(NO_VARLEN)
        starts, longest = layout.starts, layout.longest
        # Rotary positions leave queries and keys in float32 under autocast, values as the kernel takes them.
        query, key, value = (row[0].transpose(0, 1).to(value_BGLK.dtype) for row in (query_BHLK, key_BGLK, value_BGLK))
        scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
        taken, options = _arguments(varlen_attn), dict[str, Any]()
        if "scale" in taken:
            options["scale"] = scale
        else:  # the kernel then divides by the root of the width itself
            query = query * (scale * query.shape[-1] ** 0.5)
        options |= {"window_size": (-1, 0)} if "window_size" in taken else {"is_causal": True}
        if (queries_per_key := query.shape[1] // key.shape[1]) > 1:
            if "enable_gqa" in taken:
                options["enable_gqa"] = True
            else:
                key, value = (row.repeat_interleave(queries_per_key, dim=1) for row in (key, value))
        return varlen_attn(query, key, value, starts, starts, longest, longest, **options)[None], None


NO_VARLEN = "attention=varlen needs torch 2.10 or later; choose attention=sdpa, or install a later torch"


def varlen_kernel() -> Callable[..., torch.Tensor] | None:
    """PyTorch's attention over samples of any lengths; None in a version that has none or one of another form."""
    try:
        kernel: Callable[..., torch.Tensor] = importlib.import_module("torch.nn.attention.varlen").varlen_attn
    except (ImportError, AttributeError):
        return None
    return kernel if _arguments(kernel) & {"window_size", "is_causal"} else None


@functools.lru_cache(maxsize=4)  # every layer asks for the same
def _arguments(kernel: Callable[..., torch.Tensor]) -> frozenset[str]:
    """Names of its arguments, which differ between versions of torch."""
    return frozenset(inspect.signature(kernel).parameters)


@functools.lru_cache(maxsize=32)  # every layer asks for the same few
def _causal(length: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Additive mask, (1, 1, L, L)."""
    lowest = torch.full((length, length), torch.finfo(dtype).min, dtype=dtype, device=device)
    return lowest.triu(1)[None, None]


for _kernel in KERNELS:
    AttentionInterface.register(packed(_kernel), _Packed(_kernel))
    AttentionMaskInterface.register(packed(_kernel), ALL_MASK_ATTENTION_FUNCTIONS[_kernel])
AttentionInterface.register(packed(VARLEN), _PackedVarlen())
AttentionMaskInterface.register(packed(VARLEN), ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
