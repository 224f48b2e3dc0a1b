"""Which places of a row go through fused layers, and where attention has them (``fused_layers.py``).

    row of R places, padded ── T seen by a learned place ── S slots: blocks of B samples of L
                               └─ M that ask: all of them, in the last layer the learned ones

No learned place sees padding, what stands behind the last learned one of its sample, or a sample of which nothing is
learned: none of that goes through the layers. N samples and heads, C width of a head, K half the width of all.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from babyvlm.model.packed_attention import RowLayout

_LENGTHS = 8
"""Samples of a block have a multiple of so many slots."""
_SPAN = 96
"""Queries that are computed together at least, where a sample has more."""
_HALF_ROW = 128
"""In half precision the places that go through the layers are a multiple of so many: kernels are made for each size."""


class Span(NamedTuple):
    """Some queries of a sample that are computed together, and how many of its keys they may see."""

    queries: slice
    keys: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Samples beside each other in slots, padded to one length, and what of them asks."""

    samples: int
    keys: slice
    """Slots."""
    queries: slice
    """Slots of those that ask."""
    mask: torch.Tensor
    """Additive, LL or NQL."""
    spans: tuple[Span, ...]
    """The queries of a sample, in order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asking:
    """Those of the seen places that ask, M."""

    places_M: torch.Tensor | None
    """Which of the T; None for all."""
    slots_M: torch.Tensor
    """The slot of each."""
    slots: int
    cosines_MK: torch.Tensor
    """For all heads, attention's scale in it."""
    sines_MK: torch.Tensor
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenRow:
    """What the layers need to know of a row."""

    heads: int
    seen_T: torch.Tensor | None
    """The places that go through the layers; None for all."""
    slots_T: torch.Tensor
    """The slot of each."""
    slots: int
    cosines_TK: torch.Tensor
    """For all heads."""
    sines_TK: torch.Tensor
    all: Asking
    learned: Asking | None
    """None where it is not known what is learned."""

    @classmethod
    def of(
        cls, layout: RowLayout, cosines_RC: torch.Tensor, sines_RC: torch.Tensor, *, heads: int, scaling: float
    ) -> SeenRow:
        """Of a row of R places, padding included.

        Args:
            layout: How samples lie in it, and what of them is learned.
            cosines_RC: Of the angles by which queries and keys are turned; the second half repeats the first.
            sines_RC: The same.
            heads: Of the model.
            scaling: What scores are multiplied by.
        """
        dtype, half = cosines_RC.dtype, cosines_RC.shape[1] // 2
        seen = _Seen.of(layout, fill=_HALF_ROW if dtype != torch.float32 else 1)
        places_T = seen.starts_N.repeat_interleave(seen.lengths_N) + _counted(seen.lengths_N)
        places_T.clamp_(max=len(cosines_RC) - 1)
        cosines_TK, sines_TK = (turns_RC[places_T, :half].tile(1, heads) for turns_RC in (cosines_RC, sines_RC))
        slots_T, keys = _spread_over(seen.lengths_N, seen.of_block, _LENGTHS)
        masks = [_causal(block.length, dtype) for block in keys]
        every = Asking(
            places_M=None,
            slots_M=slots_T,
            slots=_end(keys),
            cosines_MK=cosines_TK * scaling,
            sines_MK=sines_TK * scaling,
            blocks=tuple(
                Block(
                    samples=block.samples,
                    keys=block.slots,
                    queries=block.slots,
                    mask=mask,
                    spans=_spans(block.length),
                )
                for block, mask in zip(keys, masks, strict=True)
            ),
        )
        learned = None
        if layout.learned_places is not None:
            first_N = seen.lengths_N.cumsum(0) - seen.lengths_N
            places_M = first_N.repeat_interleave(seen.learned_N) + seen.within_M
            slots_M, queries = _spread_over(seen.learned_N, seen.of_block, 1)
            within_S = torch.zeros(_end(queries), dtype=torch.long).index_copy_(0, slots_M, seen.within_M)
            learned = Asking(
                places_M=places_M,
                slots_M=slots_M,
                slots=_end(queries),
                cosines_MK=every.cosines_MK[places_M],
                sines_MK=every.sines_MK[places_M],
                blocks=tuple(
                    Block(
                        samples=block.samples,
                        keys=block.slots,
                        queries=asked.slots,
                        mask=mask[within_S[asked.slots]]
                        .view(asked.samples, asked.length, block.length)
                        .repeat(heads, 1, 1),
                        spans=(Span(slice(0, asked.length), block.length),),
                    )
                    for block, asked, mask in zip(keys, queries, masks, strict=True)
                    if asked.length
                ),
            )
        return cls(
            heads=heads,
            seen_T=None if layout.learned_places is None else places_T,
            slots_T=slots_T,
            slots=every.slots,
            cosines_TK=cosines_TK,
            sines_TK=sines_TK,
            all=every,
            learned=learned,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What learned places see of a row, N samples; all of it where they are not known."""

    starts_N: torch.Tensor
    """Where each begins in the row."""
    lengths_N: torch.Tensor
    """Up to the last learned place."""
    learned_N: torch.Tensor
    """How many places of each are learned."""
    within_M: torch.Tensor
    """Where in their samples these are."""
    of_block: list[int]
    """How many of the samples each block has."""

    @classmethod
    def of(cls, layout: RowLayout, fill: int) -> _Seen:
        """Samples of which nothing is learned are left out; another one fills up to a multiple of ``fill``."""
        samples_B, lengths_B = (torch.tensor(column) for column in zip(*layout.blocks, strict=True))
        block_N = torch.repeat_interleave(samples_B)
        padded_N = lengths_B[block_N]
        starts_N = padded_N.cumsum(0) - padded_N
        places_M = layout.learned_places
        if places_M is None:
            none_N = torch.zeros_like(padded_N)
            return cls(
                starts_N=starts_N,
                lengths_N=padded_N,
                learned_N=none_N,
                within_M=none_N[:0],
                of_block=[samples for samples, _ in layout.blocks],
            )
        sample_M = torch.searchsorted(starts_N, places_M, right=True) - 1
        within_M = places_M - starts_N[sample_M]
        learned_N = torch.bincount(sample_M, minlength=len(padded_N))
        taught_N = learned_N > 0
        lengths_n = within_M[learned_N[taught_N].cumsum(0) - 1] + 1
        of_block = torch.bincount(block_N[taught_N], minlength=len(layout.blocks)).tolist()
        columns = [starts_N[taught_N], lengths_n, learned_N[taught_N]]
        if rest := -int(columns[1].sum()) % fill:
            of_block.append(1)
            columns = [
                torch.cat([column_N, torch.tensor([more])])
                for column_N, more in zip(columns, (0, rest, 0), strict=True)
            ]
        return cls(
            starts_N=columns[0], lengths_N=columns[1], learned_N=columns[2], within_M=within_M, of_block=of_block
        )


class _Spread(NamedTuple):
    """The slots of a block."""

    samples: int
    length: int
    slots: slice


def _counted(lengths_N: torch.Tensor) -> torch.Tensor:
    """0, 1, 2, ... up to each of some lengths, one behind the other."""
    first_N = lengths_N.cumsum(0) - lengths_N
    return torch.arange(int(lengths_N.sum())) - first_N.repeat_interleave(lengths_N)


def _spread_over(lengths_N: torch.Tensor, of_block: Sequence[int], multiple: int) -> tuple[torch.Tensor, list[_Spread]]:
    """The slots of so many places of each sample, as many for each of a block, and the blocks that have samples."""
    blocks: list[_Spread] = []
    starts, begin = [], 0
    for own_n in lengths_N.split(list(of_block)):
        if len(own_n):
            length = -(-int(own_n.max()) // multiple) * multiple
            end = begin + len(own_n) * length
            blocks.append(_Spread(len(own_n), length, slice(begin, end)))
            starts.append(begin + length * torch.arange(len(own_n)))
            begin = end
    starts_N = torch.cat([torch.zeros(0, dtype=torch.long), *starts])
    return starts_N.repeat_interleave(lengths_N) + _counted(lengths_N), blocks


def _end(blocks: Sequence[_Spread]) -> int:
    return blocks[-1].slots.stop if blocks else 0


def _spans(length: int) -> tuple[Span, ...]:
    """Of a sample that all places of ask in: of long ones the upper triangle of scores is mostly left out."""
    step = -(-length // max(1, length // _SPAN))
    return tuple(Span(slice(begin, end := min(begin + step, length)), end) for begin in range(0, length, step))


@functools.lru_cache(maxsize=32)
def _causal(length: int, dtype: torch.dtype) -> torch.Tensor:
    """Additive mask, LL."""
    return torch.full((length, length), torch.finfo(dtype).min, dtype=dtype).triu_(1)


def spread(states_NX: torch.Tensor, slots_N: torch.Tensor, slots: int) -> torch.Tensor:
    """States in their slots, zeros in the others, SX."""
    if len(states_NX) == slots:
        return states_NX
    return states_NX.new_zeros(slots, states_NX.shape[1]).index_copy_(0, slots_N, states_NX)


def gathered(states_SX: torch.Tensor, slots_N: torch.Tensor) -> torch.Tensor:
    """Those of the slots that are meant, NX."""
    return states_SX if len(states_SX) == len(slots_N) else states_SX.index_select(0, slots_N)
