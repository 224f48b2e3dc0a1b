"""Key/value caches: one that grows without copying itself for every token, going back, and options read on from one.

B rows, K options, H heads, L tokens of an option or in a cache, V vocabulary, D width.
"""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any

import torch
from transformers import Cache, DynamicLayer


class _GrowingLayer(DynamicLayer):
    """Writes new tokens into room kept for them, where its base copies everything it holds each time."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        past, new = self.get_seq_length(), key_states.shape[-2]
        if self._kept is None or self._kept[0].shape[-2] < past + new:
            held = super().update(key_states, value_states)
            # Twice as much each time: a conversation of n tokens is copied log n times, not n.
            room = max(self._room, 2 * held[0].shape[-2])
            self._kept = _with_room(held[0], room), _with_room(held[1], room)
        else:
            for kept, states in zip(self._kept, (key_states, value_states), strict=True):
                kept[:, :, past : past + new] = states
        self.keys, self.values = (kept[:, :, : past + new] for kept in self._kept)
        return self.keys, self.values


def _with_room(states_BHLD: torch.Tensor, room: int) -> torch.Tensor:
    rows, heads, length, width = states_BHLD.shape
    roomy = states_BHLD.new_empty((rows, heads, room, width))
    roomy[:, :, :length] = states_BHLD
    return roomy


def growing_cache(room: int = 0) -> Cache:
    """An empty cache for a model whose every layer attends to everything before.

    Args:
        room: Tokens to keep room for from the start, where it is known how many may come.
    """
    new_layer: Any = functools.partial(_GrowingLayer, room)
    return Cache(layer_class_to_replicate=new_layer)


def argument(model: type) -> str:
    """What a kind of model calls the cache it is given: transformers has renamed it.

    Args:
        model: The class; where its ``forward`` hands arguments on, those of the classes it is made from count.
    """
    kind: Any = model
    return _argument(kind)


@functools.cache  # asked for in every pass
def _argument(model: Any) -> str:
    forwards = [vars(kind)["forward"] for kind in model.__mro__ if "forward" in vars(kind)]
    named = any("cache" in inspect.signature(forward).parameters for forward in forwards)
    return "cache" if named else "past_key_values"


def branch(cache: Cache, times: int) -> Cache:
    """A cache that continues another, with each row repeated ``times`` times in turn; the other is left unchanged."""
    branched = copy.copy(cache)
    branched.layers = [copy.copy(layer) for layer in cache.layers]
    branched.batch_repeat_interleave(times)  # into tensors of its own
    return branched


def cut(cache: Cache, tokens: int) -> None:
    """Keeps the first ``tokens`` tokens, in place."""
    # By hand: the argument of transformers' own crop has meant both what stays and what goes.
    layer: Any
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[:, :, :tokens], layer.values[:, :, :tokens]


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


def padded_options(options: list[list[list[int]]]) -> torch.Tensor:
    """Options' tokens as :func:`option_likelihoods` takes them: (B, K, L), padded on the right with -1.

    Args:
        options: Tokens of each option of each row.
    """
    most, longest = max(map(len, options)), max(len(ids) for row in options for ids in row)
    tails_BKL = torch.full((len(options), most, longest), -1)
    for row, choices in enumerate(options):
        for place, ids in enumerate(choices):
            tails_BKL[row, place, : len(ids)] = torch.tensor(ids)
    return tails_BKL
