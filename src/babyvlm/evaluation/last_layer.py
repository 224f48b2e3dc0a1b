"""The last layer of a language model, where logits after the last token alone are wanted.

    hidden_BLD ─┬─ all tokens but the last ── keys and values ──> cache
                └─ the last token ── the whole layer ──> hidden_B1D

Nothing reads what the last layer makes of earlier tokens but their keys and values; queries, attention and the MLP,
most of the layer's cost, are spared for them. B rows, L new tokens, D width.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from babyvlm.evaluation import kv_cache


@contextlib.contextmanager
def last_token_only(language_model: Any) -> Iterator[None]:
    """Within it the last layer returns the last token alone, (B, 1, D).

    Args:
        language_model: A LLaMA without its output layer, called with a cache.
    """
    layer: Any = language_model.layers[-1]
    whole, named = layer.forward, kv_cache.argument(type(layer))

    def forward(
        hidden_BLD: torch.Tensor,
        *,
        attention_mask: torch.Tensor | None,
        position_ids: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        **options: Any,
    ) -> Any:
        cosines, sines = position_embeddings
        if hidden_BLD.shape[1] > 1:
            attention = layer.self_attn
            normed_BLD = layer.input_layernorm(hidden_BLD[:, :-1])
            keys, values = (
                project(normed_BLD).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
                for project in (attention.k_proj, attention.v_proj)
            )
            _, keys = apply_rotary_pos_emb(keys, keys, cosines[:, :-1], sines[:, :-1])
            options[named].update(keys, values, attention.layer_idx)
        return whole(
            hidden_BLD[:, -1:],
            attention_mask=None if attention_mask is None else attention_mask[..., -1:, :],
            position_ids=position_ids[:, -1:],
            position_embeddings=(cosines[:, -1:], sines[:, -1:]),
            **options,
        )

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
