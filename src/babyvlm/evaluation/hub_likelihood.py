"""How likely a model of transformers finds each option behind what it has read.

    from a cache    the prompts once, then options behind them, many rows in one pass
    recomputed      one pass for each option, the prompts read again each time: models that cannot go on from a cache
    decoded         encoder and decoder apart: the prompt into the one, an option into the other

Options are padded on the right, prompts on the left; padding is masked and counts for nothing.

B rows, K options, Q rows of an option each, L tokens of an option, P tokens read before, T both, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from babyvlm.evaluation import kv_cache

_TYPES_BEHIND = {"paligemma": 1}
"""The token type of a reply, where it is not that of other words: there, words of type 0 see each other both ways."""

_ROWS = 32
"""Rows of options read on from a cache at once: each copies the keys and values of its prompt."""


def sums_from_cache(
    model: Any, cache: Any, mask_BP: torch.Tensor, first_BV: torch.Tensor, tails_BKL: torch.Tensor
) -> torch.Tensor:
    """Log-likelihoods of options, read on from a cache, which is left as it is.

    Args:
        model: Whose cache it is.
        cache: Keys and values of what was read.
        mask_BP: Which of its tokens are no padding.
        first_BV: Logits after the last of them.
        tails_BKL: Tokens of the options, padded with -1.

    Returns:
        (B, K), nats; minus infinity for an option without tokens.
    """
    named, found = kv_cache.argument(type(model)), []
    for some_BKL in tails_BKL.split(max(1, _ROWS // len(tails_BKL)), dim=1):
        rows, most, longest = some_BKL.shape
        flat_QL = some_BKL.flatten(0, 1)
        mask_QT = torch.cat([mask_BP.repeat_interleave(most, 0), (flat_QL >= 0).long()], 1)
        logits_QLV = model(
            input_ids=flat_QL.clamp(min=0),
            attention_mask=mask_QT,
            **{named: kv_cache.branch(cache, most)},
            **positions(model, mask_QT, longest),
            use_cache=True,
        ).logits
        found.append(kv_cache.option_likelihoods(logits_QLV.unflatten(0, (rows, most)), first_BV, some_BKL))
    return torch.cat(found, 1)


def last_logits(model: Any, number: int) -> dict[str, int]:
    """Asks a model for the logits of the last tokens alone, where it can leave the others out."""
    return {"logits_to_keep": number} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


def positions(model: Any, mask_BT: torch.Tensor, new: int) -> dict[str, torch.Tensor]:
    """The places of the last ``new`` tokens, counted without padding, for a model that takes them."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return {}
    return {"position_ids": (mask_BT.cumsum(1) - 1).clamp(min=0)[:, -new:]}


def sums_recomputed(model: Any, inputs: Mapping[str, torch.Tensor], tails_BKL: torch.Tensor) -> torch.Tensor:
    """Log-likelihoods of options, the prompts read again for each, (B, K).

    Args:
        model: Who reads.
        inputs: The prompts, as its processor gives them, padded on the left.
        tails_BKL: Tokens of the options, padded with -1.
    """
    length = tails_BKL.shape[2]
    types = _TYPES_BEHIND.get(model.config.model_type, 0)
    found = []
    for tail_BL in tails_BKL.unbind(1):
        behind = {
            "input_ids": tail_BL.clamp(min=0),
            "attention_mask": (tail_BL >= 0).long(),
            "token_type_ids": torch.full_like(tail_BL, types),
        }
        longer = {  # what says something of every token; of a reply's words, nothing more
            name: torch.cat([value, behind.get(name, torch.zeros_like(tail_BL)).to(value.dtype)], 1)
            for name, value in inputs.items()
            if value.shape == inputs["input_ids"].shape
        }
        kept = last_logits(model, length + 1)
        logits_BLV = model(**{**inputs, **longer}, **kept, use_cache=False).logits[:, -length - 1 :]
        found.append(kv_cache.option_likelihoods(logits_BLV[:, None, 1:], logits_BLV[:, 0], tail_BL[:, None]))
    return torch.cat(found, 1)


def sums_decoded(model: Any, inputs: Mapping[str, torch.Tensor], tails_BKL: torch.Tensor) -> torch.Tensor:
    """Log-likelihoods of options as what the decoder writes, (B, K).

    Args:
        model: With an encoder and a decoder.
        inputs: The prompts, as its processor gives them.
        tails_BKL: Tokens of the options, padded with -1.
    """
    start = model.config.get_text_config().decoder_start_token_id
    found = []
    for tail_BL in tails_BKL.unbind(1):
        written_BL = torch.nn.functional.pad(tail_BL.clamp(min=0), (1, 0), value=start)
        logits_BLV = model(**inputs, decoder_input_ids=written_BL, use_cache=False).logits
        found.append(kv_cache.option_likelihoods(logits_BLV[:, None, 1:], logits_BLV[:, 0], tail_BL[:, None]))
    return torch.cat(found, 1)
