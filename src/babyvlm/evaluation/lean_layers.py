"""The layers of a language model that only reads: the same numbers in fewer passes over memory.

    hidden_BLD ── norm ── queries, keys, values ── rotated in place ── attention ── + ── norm ── MLP ── + ── hidden_BLD

Beside products of this size a pass over memory is dear. transformers rotates queries and keys in five, over tensors
whose heads lie far apart, and norms in six; here it is three, over whole tokens, and one. Where logits after the last
token alone are wanted, the last layer computes that token alone, and of those before it keys and values:

    hidden_BLD ─┬─ all tokens but the last ── keys and values ──> cache
                └─ the last token ── the whole layer ──> hidden_B1D

B rows, L new tokens, D width, H heads, C width of a head.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import eager_attention_forward

from babyvlm.evaluation import kv_cache


@contextlib.contextmanager
def lean_layers(language_model: Any, *, last_token_only: bool = False) -> Iterator[None]:
    """Within it the layers compute so; gradients are lost.

    Args:
        language_model: A LLaMA without its output layer, called with a cache.
        last_token_only: Whether the last layer returns the last token alone, (B, 1, D).
    """
    for layer in language_model.layers:
        spared = last_token_only and layer is language_model.layers[-1]
        layer.forward = functools.partial(_layer, layer, kv_cache.argument(type(layer)), spared)
    try:
        yield
    finally:
        for layer in language_model.layers:
            del layer.forward


def _layer(
    layer: Any,
    named: str,
    last_token_only: bool,
    hidden_BLD: torch.Tensor,
    *,
    attention_mask: torch.Tensor | None,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **options: Any,
) -> torch.Tensor:
    """What transformers' decoder layer computes."""
    attention, mlp = layer.self_attn, layer.mlp
    cosines_BLC, sines_BLC = position_embeddings
    normed_BLD = _normed(layer.input_layernorm, hidden_BLD)
    keys, values = attention.k_proj(normed_BLD), attention.v_proj(normed_BLD).unflatten(-1, (-1, attention.head_dim))
    keys = _rotated(keys, cosines_BLC, sines_BLC)
    keys, values = options[named].update(keys.transpose(1, 2), values.transpose(1, 2), attention.layer_idx)
    if last_token_only:
        hidden_BLD, normed_BLD = hidden_BLD[:, -1:], normed_BLD[:, -1:]
        cosines_BLC, sines_BLC = cosines_BLC[:, -1:], sines_BLC[:, -1:]
        attention_mask = None if attention_mask is None else attention_mask[..., -1:, :]
    queries_BLHC = _rotated(attention.q_proj(normed_BLD), cosines_BLC, sines_BLC)
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(attention.config._attn_implementation, eager_attention_forward)
    found_BLHC, _ = attend(
        attention, queries_BLHC.transpose(1, 2), keys, values, attention_mask, dropout=0.0, scaling=attention.scaling
    )
    hidden_BLD = attention.o_proj(found_BLHC.flatten(2)).add_(hidden_BLD)
    normed_BLD = _normed(layer.post_attention_layernorm, hidden_BLD)
    return mlp.down_proj(mlp.act_fn(mlp.gate_proj(normed_BLD)).mul_(mlp.up_proj(normed_BLD))).add_(hidden_BLD)


def _normed(norm: Any, hidden_BLD: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(hidden_BLD, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _rotated(states_BLD: torch.Tensor, cosines_BLC: torch.Tensor, sines_BLC: torch.Tensor) -> torch.Tensor:
    """Queries or keys with their positions put in, BLHC."""
    states_BLHC = states_BLD.unflatten(-1, (-1, cosines_BLC.shape[-1]))
    (first, second), half = states_BLHC.chunk(2, dim=-1), cosines_BLC.shape[-1] // 2
    sines_BL1C = sines_BLC[:, :, None]
    rotated_BLHC = states_BLHC * cosines_BLC[:, :, None]
    rotated_BLHC[..., :half].addcmul_(second, sines_BL1C[..., :half], value=-1)
    rotated_BLHC[..., half:].addcmul_(first, sines_BL1C[..., half:])
    return rotated_BLHC
