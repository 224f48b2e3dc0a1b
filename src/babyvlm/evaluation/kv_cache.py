"""Branching off a key/value cache: the options of a question are each read on from the same prompt.

cache of B rows ── repeat ── B x K rows ── read the options ── keep the first of each K, cut back ── as it was
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache


def length(cache: DynamicCache) -> int:
    """Tokens in the cache."""
    return int(cache.get_seq_length())


def repeat(cache: DynamicCache, times: int) -> None:
    """Each row ``times`` times, one behind the other, in place."""
    cache.batch_repeat_interleave(times)


def cut(cache: DynamicCache, tokens: int, *, every: int = 1) -> None:
    """Keeps the first ``tokens`` tokens and every ``every``-th row, in place."""
    # By hand: the argument of transformers' own crop has meant both what stays and what goes.
    layer: Any
    for layer in cache.layers:
        layer.keys = layer.keys[::every, :, :tokens].contiguous()
        layer.values = layer.values[::every, :, :tokens].contiguous()


def option_likelihoods(logits_BKLV: torch.Tensor, first_BV: torch.Tensor, tails_BKL: torch.Tensor) -> torch.Tensor:
    """Log-likelihood of each option.

    Args:
        logits_BKLV: After each token of an option.
        first_BV: After the prompt.
        tails_BKL: The options' tokens, padded on the right with -1.

    Returns:
        (B, K); minus infinity for an option without tokens.
    """
    before_BKLV = torch.cat([first_BV[:, None, None].expand(-1, tails_BKL.shape[1], 1, -1), logits_BKLV[:, :, :-1]], 2)
    logs_BKL = before_BKLV.float().log_softmax(-1).gather(-1, tails_BKL.clamp(min=0)[..., None])[..., 0]
    counted_BKL = tails_BKL >= 0
    total_BK = (logs_BKL * counted_BKL).sum(-1)
    return total_BK.masked_fill(~counted_BKL.any(-1), -torch.inf)
