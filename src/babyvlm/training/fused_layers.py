"""A LLaMA layer on a processor, forward and backward by one autograd function: the same numbers in fewer passes.

    hidden_TD ── norm ── queries, keys, values ── rotated ── attention by heads ── + ── norm ── MLP ── + ── hidden_TD

In models of a few million parameters products take a third of a step's time on a processor; the rest are passes over
memory, of which transformers' layers make many: norms in float32, rotations in five passes, scores copied to float32
and back. Of the last layer only the places whose next token is learned are computed, and of all others keys and values:

    hidden_TD ─┬─ all places ──────── keys, values ─┐
               └─ M learned places ── queries ──────┴─ attention ── + ── MLP ── + ── hidden_MD

A row of T tokens lies in blocks of B samples of L tokens (``packed_attention.py``). D width, H heads, C width of a
head, F width of the MLP, Q queries of a sample, S = 2 D.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from babyvlm.model.packed_attention import RowLayout


@contextlib.contextmanager
def fused_layers(language_model: Any, wanted: bool) -> Iterator[None]:
    """Within it the layers of a language model compute so, where they can.

    They do not where keys are shared by several heads or projections have biases, nor under autocast, nor for what lies
    in no packed row.

    Args:
        language_model: A LLaMA without its output layer, on the processor.
        wanted: Whether they are to; else nothing changes.
    """
    config = language_model.config
    plain = not (config.attention_bias or config.mlp_bias or config.attention_dropout) and config.hidden_act == "silu"
    fused = language_model.layers if wanted and plain and _heads(config) == config.num_key_value_heads else []
    for layer in fused:
        layer.forward = functools.partial(_layer, layer, type(layer).forward, layer is language_model.layers[-1])
    try:
        yield
    finally:
        for layer in fused:
            del layer.forward


def _heads(config: Any) -> int:
    heads: int = config.num_attention_heads
    return heads


def _layer(
    layer: Any, usual: Callable[..., torch.Tensor], last: bool, hidden_1TD: torch.Tensor, **options: Any
) -> torch.Tensor:
    """What transformers' decoder layer computes; of the last one, where the row says what is learned, those places."""
    layout: RowLayout | None = options.get("layout")
    attention, mlp = layer.self_attn, layer.mlp
    if layout is None or torch.is_autocast_enabled("cpu"):
        return usual(layer, hidden_1TD, **options)
    cosines_1TC, sines_1TC = options["position_embeddings"]
    places_M = layout.learned_places if last else None
    layout.spared = places_M is not None
    row = _Row(
        blocks=layout.blocks,
        cosines_TC=cosines_1TC[0],
        sines_TC=sines_1TC[0],
        places_M=places_M,
        epsilons=(layer.input_layernorm.variance_epsilon, layer.post_attention_layernorm.variance_epsilon),
        scaling=attention.scaling,
        heads=_heads(attention.config),
    )
    weights = (
        layer.input_layernorm.weight,
        attention.q_proj.weight,
        attention.k_proj.weight,
        attention.v_proj.weight,
        attention.o_proj.weight,
        layer.post_attention_layernorm.weight,
        mlp.gate_proj.weight,
        mlp.up_proj.weight,
        mlp.down_proj.weight,
    )
    fused_TD: torch.Tensor = _FusedLayer.apply(hidden_1TD[0], row, *weights)
    return fused_TD[None]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """What a layer needs to know of a row."""

    blocks: Sequence[tuple[int, int]]
    cosines_TC: torch.Tensor
    sines_TC: torch.Tensor
    places_M: torch.Tensor | None
    """Places that are computed, in order; None for all."""
    epsilons: tuple[float, float]
    scaling: float
    heads: int

    @functools.cached_property
    def turns_of_keys(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines for all heads, TD."""
        return self.cosines_TC.tile(1, self.heads), self.sines_TC.tile(1, self.heads)

    @functools.cached_property
    def turns_of_queries(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The same for the places that ask, attention's scale in it, MD."""
        cosines_TD, sines_TD = self.turns_of_keys
        if self.places_M is not None:
            cosines_TD, sines_TD = cosines_TD[self.places_M], sines_TD[self.places_M]
        return cosines_TD * self.scaling, sines_TD * self.scaling

    def by_head(self, states_TD: torch.Tensor) -> torch.Tensor:
        """Each head's in one piece, HTC."""
        return states_TD.unflatten(1, (self.heads, -1)).transpose(0, 1).contiguous()

    def by_token(self, states_HTC: torch.Tensor) -> torch.Tensor:
        """Each token's in one piece, TD."""
        return states_HTC.transpose(0, 1).flatten(1)

    @functools.cached_property
    def asked(self) -> list[_Asked]:
        """The blocks, with the queries of each."""
        starts, begin = [0], 0
        for samples, length in self.blocks:
            starts.append(begin := begin + samples * length)
        if self.places_M is None:
            return [
                _Asked(start, samples, length, None, _causal(length, self.cosines_TC.dtype))
                for start, (samples, length) in zip(starts, self.blocks, strict=False)
            ]
        bounds = torch.searchsorted(self.places_M, torch.tensor(starts)).tolist()
        found = []
        for number, (samples, length) in enumerate(self.blocks):
            first, end = bounds[number], bounds[number + 1]
            if first < end:
                queries = _Queries.of(self.places_M[first:end] - starts[number], first, samples, length)
                mask_BQL = queries.mask(length, self.cosines_TC.dtype)
                found.append(_Asked(starts[number], samples, length, queries, mask_BQL))
        return found


class _Queries(NamedTuple):
    """Queries of a block, as many for each sample as the most that one has."""

    rows_BQ: torch.Tensor
    """Which of the M they are; any where there are fewer."""
    real_BQ: torch.Tensor
    """Booleans."""
    within_BQ: torch.Tensor
    """Their places within the sample."""

    @classmethod
    def of(cls, places_m: torch.Tensor, first: int, samples: int, length: int) -> _Queries:
        sample_m = places_m // length
        counts_B = torch.bincount(sample_m, minlength=samples)
        number_m = torch.arange(len(places_m)) - (counts_B.cumsum(0) - counts_B)[sample_m]
        shape = (samples, int(counts_B.max()))
        rows_BQ = torch.full(shape, first)
        real_BQ = torch.zeros(shape, dtype=torch.bool)
        within_BQ = torch.zeros(shape, dtype=torch.long)
        rows_BQ[sample_m, number_m] = first + torch.arange(len(places_m))
        real_BQ[sample_m, number_m] = True
        within_BQ[sample_m, number_m] = places_m % length
        return cls(rows_BQ, real_BQ, within_BQ)

    def mask(self, length: int, dtype: torch.dtype) -> torch.Tensor:
        """Additive, BQL."""
        later_BQL = torch.arange(length) > self.within_BQ[..., None]
        return torch.zeros(later_BQL.shape, dtype=dtype).masked_fill_(later_BQL, torch.finfo(dtype).min)


class _Asked(NamedTuple):
    """A block of a row, and which of its places ask."""

    start: int
    samples: int
    length: int
    queries: _Queries | None
    """None where all do."""
    mask: torch.Tensor
    """Additive, LL or BQL."""

    def of_head(self, states_TC: torch.Tensor) -> torch.Tensor:
        """What one head has of the block's places, BLC."""
        return states_TC[self.start : self.start + self.samples * self.length].view(self.samples, self.length, -1)


@functools.lru_cache(maxsize=32)  # every layer asks for the same few
def _causal(length: int, dtype: torch.dtype) -> torch.Tensor:
    """Additive mask, LL."""
    return torch.full((length, length), torch.finfo(dtype).min, dtype=dtype).triu_(1)


class _FusedLayer(torch.autograd.Function):
    """A whole layer. Of the backward pass: ``d_x`` is the gradient by ``x``."""

    @staticmethod
    def forward(ctx: Any, hidden_TD: torch.Tensor, row: _Row, *weights: torch.Tensor) -> torch.Tensor:
        norm_D, query_DD, key_DD, value_DD, out_DD, second_norm_D, gate_FD, up_FD, down_DF = weights
        places_M = row.places_M
        unit_TD, scale_T1 = _units(hidden_TD, row.epsilons[0])
        normed_TD = unit_TD * norm_D
        keys_TD = _rotated(normed_TD @ _with_turned(key_DD, row).T, *row.turns_of_keys)
        values_TD = normed_TD @ value_DD.T
        asking_MD = hidden_TD if places_M is None else hidden_TD[places_M]
        asking_normed_MD = normed_TD if places_M is None else normed_TD[places_M]
        queries_MD = _rotated(asking_normed_MD @ _with_turned(query_DD, row).T, *row.turns_of_queries)
        queries_HMC, keys_HTC, values_HTC = (row.by_head(each) for each in (queries_MD, keys_TD, values_TD))
        found_MD, shares = _attend(row, queries_HMC, keys_HTC, values_HTC)
        middle_MD = torch.addmm(asking_MD, found_MD, out_DD.T)
        middle_unit_MD, middle_scale_M1 = _units(middle_MD, row.epsilons[1])
        middle_normed_MD = middle_unit_MD * second_norm_D
        gate_MF, up_MF = middle_normed_MD @ gate_FD.T, middle_normed_MD @ up_FD.T
        opened_MF = F.silu(gate_MF)
        inner_MF = opened_MF * up_MF
        ctx.row = row
        ctx.save_for_backward(
            unit_TD, scale_T1, normed_TD, queries_HMC, keys_HTC, values_HTC, found_MD, middle_unit_MD, middle_scale_M1,
            middle_normed_MD, gate_MF, up_MF, opened_MF, inner_MF, *weights, *shares,
        )  # fmt: skip
        return torch.addmm(middle_MD, inner_MF, down_DF.T)

    @staticmethod
    def backward(ctx: Any, d_MD: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        row: _Row = ctx.row
        saved = ctx.saved_tensors
        (unit_TD, scale_T1, normed_TD, queries_HMC, keys_HTC, values_HTC, found_MD, middle_unit_MD, middle_scale_M1,
         middle_normed_MD, gate_MF, up_MF, opened_MF, inner_MF) = saved[:14]  # fmt: skip
        norm_D, query_DD, key_DD, value_DD, out_DD, second_norm_D, gate_FD, up_FD, down_DF = saved[14:23]
        shares, places_M = saved[23:], row.places_M
        # The MLP.
        d_inner_MF, d_down_DF = d_MD @ down_DF, _outer(d_MD, inner_MF)
        d_up_MF = d_inner_MF * opened_MF
        d_gate_MF = torch.ops.aten.silu_backward(d_inner_MF.mul_(up_MF), gate_MF)
        d_gate_FD, d_up_FD = _outer(d_gate_MF, middle_normed_MD), _outer(d_up_MF, middle_normed_MD)
        d_middle_normed_MD = torch.addmm(d_gate_MF @ gate_FD, d_up_MF, up_FD)
        d_middle_MD, d_second_norm_D = _norm_backward(
            d_middle_normed_MD, middle_unit_MD, middle_scale_M1, second_norm_D, d_MD
        )
        # Attention.
        d_found_MD, d_out_DD = d_middle_MD @ out_DD, _outer(d_middle_MD, found_MD)
        d_queries_HMC, d_keys_HTC, d_values_HTC = _attend_backward(
            row, d_found_MD, queries_HMC, keys_HTC, values_HTC, shares
        )
        d_queries_MS = _rotated_back(row.by_token(d_queries_HMC), *row.turns_of_queries)
        d_keys_TS = _rotated_back(row.by_token(d_keys_HTC), *row.turns_of_keys)
        d_values_TD = row.by_token(d_values_HTC)
        d_normed_TD = torch.addmm(d_values_TD @ value_DD, d_keys_TS, _with_turned(key_DD, row))
        d_asked_MD = d_queries_MS @ _with_turned(query_DD, row)
        if places_M is None:
            asking_normed_MD, d_asking_TD = normed_TD, d_middle_MD
            d_normed_TD += d_asked_MD
        else:
            asking_normed_MD = normed_TD[places_M]
            d_normed_TD.index_add_(0, places_M, d_asked_MD)
            d_asking_TD = torch.zeros_like(unit_TD).index_copy_(0, places_M, d_middle_MD)
        d_query_DD = _turned_back(_outer(d_queries_MS, asking_normed_MD), row)
        d_key_DD = _turned_back(_outer(d_keys_TS, normed_TD), row)
        d_value_DD = _outer(d_values_TD, normed_TD)
        d_hidden_TD, d_norm_D = _norm_backward(d_normed_TD, unit_TD, scale_T1, norm_D, d_asking_TD)
        return (
            d_hidden_TD, None, d_norm_D, d_query_DD, d_key_DD, d_value_DD, d_out_DD, d_second_norm_D, d_gate_FD,
            d_up_FD, d_down_DF,
        )  # fmt: skip


def _outer(d_output_TE: torch.Tensor, input_TD: torch.Tensor) -> torch.Tensor:
    """The gradient by a projection's weights, ED."""
    return (input_TD.T @ d_output_TE).T


def _turned(weights_DE: torch.Tensor, row: _Row) -> torch.Tensor:
    """Weights whose product is, in each head, the second half negated and the first half."""
    first, second = weights_DE.unflatten(0, (row.heads, 2, -1)).unbind(1)
    return torch.stack([-second, first], dim=1).flatten(0, 2)


def _with_turned(weights_DE: torch.Tensor, row: _Row) -> torch.Tensor:
    """Both, one above the other: what positions are put in with comes out of the same product."""
    return torch.cat([weights_DE, _turned(weights_DE, row)])


def _turned_back(d_weights_SE: torch.Tensor, row: _Row) -> torch.Tensor:
    """The gradient by weights of that by both; turning is the negative of its own transpose."""
    straight_DE, turned_DE = d_weights_SE.chunk(2)
    return straight_DE - _turned(turned_DE, row)


def _rotated(states_TS: torch.Tensor, cosines_TD: torch.Tensor, sines_TD: torch.Tensor) -> torch.Tensor:
    """Queries or keys with their positions put in, TD."""
    straight_TD, turned_TD = states_TS.chunk(2, dim=1)
    return (straight_TD * cosines_TD).addcmul_(turned_TD, sines_TD)


def _rotated_back(d_TD: torch.Tensor, cosines_TD: torch.Tensor, sines_TD: torch.Tensor) -> torch.Tensor:
    """The gradient by both products, TS."""
    d_states_TS = torch.empty(len(d_TD), 2 * d_TD.shape[1], dtype=d_TD.dtype)
    d_straight_TD, d_turned_TD = d_states_TS.chunk(2, dim=1)
    torch.mul(d_TD, cosines_TD, out=d_straight_TD)
    torch.mul(d_TD, sines_TD, out=d_turned_TD)
    return d_states_TS


def _units(hidden_TD: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states scaled to a mean square of one, and by what, T1."""
    squares_T = torch.linalg.vector_norm(hidden_TD, dim=1, dtype=torch.float32).square()
    scale_T1 = (squares_T / hidden_TD.shape[1] + epsilon).rsqrt().to(hidden_TD.dtype)[:, None]
    return hidden_TD * scale_T1, scale_T1


def _norm_backward(
    d_normed_TD: torch.Tensor,
    unit_TD: torch.Tensor,
    scale_T1: torch.Tensor,
    weight_D: torch.Tensor,
    other_TD: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients by what a norm reads, another one added to it, and by its weights."""
    product_TD = d_normed_TD * unit_TD
    along_T1 = (product_TD @ weight_D).div_(len(weight_D))[:, None]
    d_unit_TD = (d_normed_TD * weight_D).addcmul_(unit_TD, along_T1, value=-1)
    return torch.addcmul(other_TD, d_unit_TD, scale_T1), product_TD.sum(0)


def _blocks(row: _Row, heads: int) -> Iterator[tuple[_Asked, int]]:
    for asked in row.asked:
        for head in range(heads):
            yield asked, head


def _asking(asked: _Asked, states_MC: torch.Tensor) -> torch.Tensor:
    """What one head has of the places of a block that ask, BQC."""
    return asked.of_head(states_MC) if asked.queries is None else states_MC[asked.queries.rows_BQ]


def _shares(scores_BQL: torch.Tensor) -> torch.Tensor:
    """Softmax over keys. PyTorch's in bfloat16 is slow where they do not fill its vectors."""
    keys = scores_BQL.shape[-1]
    if scores_BQL.dtype == torch.float32 or keys % 32 == 0 or keys > 256:
        return torch.softmax(scores_BQL, dim=-1)
    return torch.softmax(scores_BQL, dim=-1, dtype=torch.float32).to(scores_BQL.dtype)


def _attend(
    row: _Row, queries_HMC: torch.Tensor, keys_HTC: torch.Tensor, values_HTC: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What attention finds, MD, and the shares of each block and head, BQL."""
    heads, M, C = queries_HMC.shape
    found_MD = torch.empty(M, heads * C, dtype=queries_HMC.dtype)
    shares = []
    for asked, head in _blocks(row, heads):
        scores_BQL = torch.bmm(_asking(asked, queries_HMC[head]), asked.of_head(keys_HTC[head]).transpose(1, 2))
        shares_BQL = _shares(scores_BQL.add_(asked.mask))
        found_BQC = torch.bmm(shares_BQL, asked.of_head(values_HTC[head]))
        found_MC = found_MD[:, head * C : (head + 1) * C]
        if asked.queries is None:
            found_MC[asked.start : asked.start + asked.samples * asked.length] = found_BQC.flatten(0, 1)
        else:
            found_MC[asked.queries.rows_BQ[asked.queries.real_BQ]] = found_BQC[asked.queries.real_BQ]
        shares.append(shares_BQL)
    return found_MD, shares


def _attend_backward(
    row: _Row,
    d_found_MD: torch.Tensor,
    queries_HMC: torch.Tensor,
    keys_HTC: torch.Tensor,
    values_HTC: torch.Tensor,
    shares: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients by queries, keys and values."""
    heads, _, C = queries_HMC.shape
    new = torch.empty_like if row.places_M is None else torch.zeros_like  # blocks that nobody asks in have none
    d_queries_HMC, d_keys_HTC, d_values_HTC = new(queries_HMC), new(keys_HTC), new(values_HTC)
    for (asked, head), shares_BQL in zip(_blocks(row, heads), shares, strict=True):
        d_found_MC = d_found_MD[:, head * C : (head + 1) * C]
        if asked.queries is None:
            d_found_BQC = asked.of_head(d_found_MC)
        else:
            d_found_BQC = d_found_MC[asked.queries.rows_BQ] * asked.queries.real_BQ[..., None]
        keys_BLC, values_BLC = asked.of_head(keys_HTC[head]), asked.of_head(values_HTC[head])
        asked.of_head(d_values_HTC[head]).copy_(torch.bmm(shares_BQL.transpose(1, 2), d_found_BQC))
        d_shares_BQL = torch.bmm(d_found_BQC, values_BLC.transpose(1, 2))
        d_scores_BQL = torch.ops.aten._softmax_backward_data(d_shares_BQL, shares_BQL, -1, shares_BQL.dtype)
        asked.of_head(d_keys_HTC[head]).copy_(
            torch.bmm(d_scores_BQL.transpose(1, 2), _asking(asked, queries_HMC[head]))
        )
        d_queries_BQC = torch.bmm(d_scores_BQL, keys_BLC)
        if asked.queries is None:
            asked.of_head(d_queries_HMC[head]).copy_(d_queries_BQC)
        else:
            d_queries_HMC[head][asked.queries.rows_BQ[asked.queries.real_BQ]] = d_queries_BQC[asked.queries.real_BQ]
    return d_queries_HMC, d_keys_HTC, d_values_HTC
