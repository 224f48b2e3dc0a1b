"""A LLaMA layer on a processor, forward and backward by one autograd function: the same numbers in fewer passes.

    hidden_TD ── norm ── queries, keys, values ── rotated ── attention by heads ── + ── norm ── MLP ── + ── hidden_TD

In models of a few million parameters products take a third to two thirds of a step's time on a processor; the rest are
passes over memory, of which transformers' layers make many: norms in float32, rotations in five passes, scores copied
to float32 and back. Of a row only what a learned place sees goes through the layers: no padding, and of each sample
nothing behind its last learned place. Of the last layer only the places whose next token is learned are computed, and
of all others keys and values:

    row ── T seen places ── layers ── hidden_TD ─┬─ all ───────────────── keys, values ─┐
                                                 └─ M learned places ──── queries ──────┴─ attention ── + ── MLP ── + ──

Attention alone needs samples of one length beside each other: there states are spread over S slots, B samples of L in a
block, and gathered again. D width, H heads, C width of a head, K = D / 2, E = 2 D, F width of the MLP, Q queries of a
sample.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from babyvlm.model.packed_attention import RowLayout
from babyvlm.training.seen_places import Asking, SeenRow, gathered, spread

_SCORES = 2**18
"""Scores computed at a time."""


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
    rows = _Rows(language_model)
    for layer in fused:
        layer.forward = functools.partial(_layer, layer, type(layer).forward, rows)
    try:
        yield
    finally:
        for layer in fused:
            del layer.forward


def _heads(config: Any) -> int:
    heads: int = config.num_attention_heads
    return heads


def _layer(
    layer: Any, usual: Callable[..., torch.Tensor], rows: _Rows, hidden_1TD: torch.Tensor, **options: Any
) -> torch.Tensor:
    """What transformers' decoder layer computes: the first one of what is seen, the last one of what is learned."""
    layout: RowLayout | None = options.get("layout")
    attention, mlp = layer.self_attn, layer.mlp
    if layout is None or torch.is_autocast_enabled("cpu"):
        return usual(layer, hidden_1TD, **options)
    row = rows.of(layout, *(turns_1TC[0] for turns_1TC in options["position_embeddings"]))
    last = layer is rows.last
    layout.spared = last and row.learned is not None
    hidden_TD = hidden_1TD[0]
    if layer is rows.first and row.seen_T is not None:
        hidden_TD = hidden_TD.index_select(0, row.seen_T)
    norms = (layer.input_layernorm, layer.post_attention_layernorm)
    weights = (
        norms[0].weight,
        attention.q_proj.weight,
        attention.k_proj.weight,
        attention.v_proj.weight,
        attention.o_proj.weight,
        norms[1].weight,
        mlp.gate_proj.weight,
        mlp.up_proj.weight,
        mlp.down_proj.weight,
    )
    asking = row.learned if last and row.learned is not None else row.all
    epsilons = tuple(norm.variance_epsilon for norm in norms)
    fused_MD: torch.Tensor = _FusedLayer.apply(hidden_TD, row, asking, epsilons, *weights)
    return fused_MD[None]


class _Rows:
    """The row that goes through the layers, worked out once for all of them."""

    def __init__(self, language_model: Any) -> None:
        self.first, self.last = language_model.layers[0], language_model.layers[-1]
        self._of = functools.partial(
            SeenRow.of, heads=_heads(language_model.config), scaling=self.first.self_attn.scaling
        )
        self._layout: RowLayout | None = None
        self._row: SeenRow | None = None

    def of(self, layout: RowLayout, cosines_TC: torch.Tensor, sines_TC: torch.Tensor) -> SeenRow:
        if self._row is None or self._layout is not layout:
            self._layout, self._row = layout, self._of(layout, cosines_TC, sines_TC)
        return self._row


class _FusedLayer(torch.autograd.Function):
    """A whole layer. Of the backward pass: ``d_x`` is the gradient by ``x``."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_TD: torch.Tensor,
        row: SeenRow,
        asking: Asking,
        epsilons: tuple[float, float],
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        norm_D, query_DD, key_DD, value_DD, out_DD, second_norm_D, gate_FD, up_FD, down_DF = weights
        places_M = asking.places_M
        unit_TD, scale_T1 = _units(hidden_TD, epsilons[0])
        normed_TD = unit_TD * norm_D
        asking_MD = hidden_TD if places_M is None else hidden_TD[places_M]
        asking_normed_MD = normed_TD if places_M is None else normed_TD[places_M]
        both_TE = normed_TD @ _halved(row.heads, key_DD, value_DD).T
        queries_MD = asking_normed_MD @ _halved(row.heads, query_DD).T
        _turn(both_TE, row.cosines_TK, row.sines_TK)
        _turn(queries_MD, asking.cosines_MK, asking.sines_MK)
        found_MD, kept = _attend(row, asking, queries_MD, both_TE)
        middle_MD = torch.addmm(asking_MD, found_MD, out_DD.T)
        middle_unit_MD, middle_scale_M1 = _units(middle_MD, epsilons[1])
        middle_normed_MD = middle_unit_MD * second_norm_D
        gate_MF, up_MF = middle_normed_MD @ gate_FD.T, middle_normed_MD @ up_FD.T
        share_MF = torch.sigmoid(gate_MF)
        opened_MF = gate_MF * share_MF
        inner_MF = opened_MF * up_MF
        ctx.row, ctx.asking = row, asking
        ctx.save_for_backward(
            unit_TD, scale_T1, normed_TD, found_MD, middle_unit_MD, middle_scale_M1, middle_normed_MD, share_MF, up_MF,
            opened_MF, inner_MF, *weights, *kept,
        )  # fmt: skip
        return torch.addmm(middle_MD, inner_MF, down_DF.T)

    @staticmethod
    def backward(ctx: Any, d_MD: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        row: SeenRow = ctx.row
        asking: Asking = ctx.asking
        saved = ctx.saved_tensors
        (unit_TD, scale_T1, normed_TD, found_MD, middle_unit_MD, middle_scale_M1, middle_normed_MD, share_MF, up_MF,
         opened_MF, inner_MF) = saved[:11]  # fmt: skip
        norm_D, query_DD, key_DD, value_DD, out_DD, second_norm_D, gate_FD, up_FD, down_DF = saved[11:20]
        kept, places_M = saved[20:], asking.places_M
        # The MLP.
        d_inner_MF, d_down_DF = d_MD @ down_DF, _outer(d_MD, inner_MF)
        d_up_MF = d_inner_MF * opened_MF
        # What is opened rises by share + opened (1 - share): no exponential once more.
        d_gate_MF = d_inner_MF.mul_(up_MF).mul_(torch.addcmul(share_MF, opened_MF, 1 - share_MF))
        d_gate_FD, d_up_FD = _outer(d_gate_MF, middle_normed_MD), _outer(d_up_MF, middle_normed_MD)
        d_middle_normed_MD = torch.addmm(d_gate_MF @ gate_FD, d_up_MF, up_FD)
        d_middle_MD, d_second_norm_D = _norm_backward(
            d_middle_normed_MD, middle_unit_MD, middle_scale_M1, second_norm_D, d_MD
        )
        # Attention.
        d_found_MD, d_out_DD = d_middle_MD @ out_DD, _outer(d_middle_MD, found_MD)
        d_queries_MD, d_both_TE = _attend_backward(row, asking, d_found_MD, kept)
        _turn(d_queries_MD, asking.cosines_MK, asking.sines_MK, back=True)
        _turn(d_both_TE, row.cosines_TK, row.sines_TK, back=True)
        d_normed_TD = d_both_TE @ _halved(row.heads, key_DD, value_DD)
        d_asked_MD = d_queries_MD @ _halved(row.heads, query_DD)
        if places_M is None:
            asking_normed_MD, d_asking_TD = normed_TD, d_middle_MD
            d_normed_TD += d_asked_MD
        else:
            asking_normed_MD = normed_TD[places_M]
            d_normed_TD.index_add_(0, places_M, d_asked_MD)
            d_asking_TD = torch.zeros_like(unit_TD).index_copy_(0, places_M, d_middle_MD)
        (d_query_DD,) = _whole(row.heads, _outer(d_queries_MD, asking_normed_MD))
        d_key_DD, d_value_DD = _whole(row.heads, *_outer(d_both_TE, normed_TD).chunk(2))
        d_hidden_TD, d_norm_D = _norm_backward(d_normed_TD, unit_TD, scale_T1, norm_D, d_asking_TD)
        return (
            d_hidden_TD, None, None, None, d_norm_D, d_query_DD, d_key_DD, d_value_DD, d_out_DD, d_second_norm_D,
            d_gate_FD, d_up_FD, d_down_DF,
        )  # fmt: skip


def _outer(d_output_TE: torch.Tensor, input_TD: torch.Tensor) -> torch.Tensor:
    """The gradient by a projection's weights, ED."""
    return d_output_TE.T @ input_TD


def _halved(heads: int, *weights_DX: torch.Tensor) -> torch.Tensor:
    """Weights one above the other, of each the first halves of all heads before the second halves: what positions are
    put in with then lies in two pieces."""
    return torch.cat([each_DX.unflatten(0, (heads, 2, -1)).transpose(0, 1).flatten(0, 2) for each_DX in weights_DX])


def _whole(heads: int, *weights_DX: torch.Tensor) -> list[torch.Tensor]:
    """Gradients by weights of which :func:`_halved` is made."""
    return [each_DX.unflatten(0, (2, heads, -1)).transpose(0, 1).flatten(0, 2) for each_DX in weights_DX]


def _turn(states_TX: torch.Tensor, cosines_TK: torch.Tensor, sines_TK: torch.Tensor, *, back: bool = False) -> None:
    """Puts positions into queries or keys, in place: the first D of X, in halves. ``back`` is the gradient's way."""
    first_TK, second_TK = states_TX[:, : 2 * cosines_TK.shape[1]].chunk(2, dim=1)
    before_TK = first_TK.clone()
    sign = -1 if back else 1
    first_TK.mul_(cosines_TK).addcmul_(second_TK, sines_TK, value=-sign)
    second_TK.mul_(cosines_TK).addcmul_(before_TK, sines_TK, value=sign)


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


def _parts(shares_NQL: torch.Tensor) -> Iterator[slice]:
    """Some samples and heads at a time, so that their scores stay near the processor."""
    step = max(1, _SCORES // max(1, shares_NQL[0].numel()))
    return (slice(begin, begin + step) for begin in range(0, len(shares_NQL), step))


def _shares(scores_NQL: torch.Tensor) -> torch.Tensor:
    """Softmax over keys, in place. PyTorch's in bfloat16 is slow where they do not fill its vectors."""
    keys = scores_NQL.shape[-1]
    if scores_NQL.dtype == torch.float32 or keys % 32 == 0 or keys > 256:
        return torch.softmax(scores_NQL, dim=-1, out=scores_NQL)
    return scores_NQL.copy_(torch.softmax(scores_NQL, dim=-1, dtype=torch.float32))


def _by_head(states_SD: torch.Tensor, samples: int, heads: int) -> torch.Tensor:
    """Each head's of a block, which come in halves, in one piece, (H B)LC."""
    halves_BL2HK = states_SD.unflatten(1, (2, heads, -1)).unflatten(0, (samples, -1))
    return halves_BL2HK.permute(3, 0, 1, 2, 4).reshape(heads * samples, -1, 2 * halves_BL2HK.shape[-1])


def _put_by_slot(out_SD: torch.Tensor, states_NLC: torch.Tensor, samples: int, heads: int) -> None:
    """The way back."""
    halves_HBL2K = states_NLC.unflatten(2, (2, -1)).unflatten(0, (heads, samples))
    out_SD.unflatten(1, (2, heads, -1)).unflatten(0, (samples, -1)).copy_(halves_HBL2K.permute(1, 2, 3, 0, 4))


def _attend(
    row: SeenRow, asking: Asking, queries_MD: torch.Tensor, both_TE: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What attention finds, MD, and of each block queries, keys, values and shares."""
    heads, width = row.heads, queries_MD.shape[1]
    queries_SD = spread(queries_MD, asking.slots_M, asking.slots)
    both_SE = spread(both_TE, row.slots_T, row.slots)
    found_SD = torch.empty_like(queries_SD)
    kept = []
    for block in asking.blocks:
        samples = block.samples
        queries_NQC = _by_head(queries_SD[block.queries], samples, heads)
        keys_NLC, values_NLC = (
            _by_head(states_SD[block.keys], samples, heads) for states_SD in both_SE.split(width, dim=1)
        )
        found_NQC = torch.empty_like(queries_NQC)
        kept += [queries_NQC, keys_NLC, values_NLC]
        for asked, seen in block.spans:
            shares_NQL = queries_NQC.new_empty(len(queries_NQC), asked.stop - asked.start, seen)
            mask = block.mask[..., asked, :seen]
            for part in _parts(shares_NQL):
                scores_nQL = shares_NQL[part]
                torch.bmm(queries_NQC[part, asked], keys_NLC[part, :seen].transpose(1, 2), out=scores_nQL)
                scores_nQL.add_(mask if mask.ndim == 2 else mask[part])
                found_NQC[part, asked] = torch.bmm(_shares(scores_nQL), values_NLC[part, :seen])
            kept.append(shares_NQL)
        found_SD[block.queries].unflatten(1, (heads, -1)).unflatten(0, (samples, -1)).copy_(
            found_NQC.unflatten(0, (heads, samples)).permute(1, 2, 0, 3)
        )
    return gathered(found_SD, asking.slots_M), kept


def _attend_backward(
    row: SeenRow, asking: Asking, d_found_MD: torch.Tensor, kept: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients by queries, MD, and by keys and values, TE."""
    heads, width = row.heads, d_found_MD.shape[1]
    d_found_SD = spread(d_found_MD, asking.slots_M, asking.slots)
    d_queries_SD = torch.empty_like(d_found_SD)
    # Blocks that nobody asks in have none.
    new = torch.empty if len(asking.blocks) == len(row.all.blocks) else torch.zeros
    d_both_SE = new(row.slots, 2 * width, dtype=d_found_MD.dtype)
    d_keys_SD, d_values_SD = d_both_SE.split(width, dim=1)
    remaining = iter(kept)
    for block in asking.blocks:
        samples = block.samples
        queries_NQC, keys_NLC, values_NLC = (next(remaining) for _ in range(3))
        d_found_BQHC = d_found_SD[block.queries].unflatten(1, (heads, -1)).unflatten(0, (samples, -1))
        d_found_NQC = d_found_BQHC.permute(2, 0, 1, 3).reshape(queries_NQC.shape)
        d_queries_NQC = torch.empty_like(queries_NQC)
        d_keys_NLC, d_values_NLC = torch.zeros_like(keys_NLC), torch.zeros_like(values_NLC)
        for asked, seen in block.spans:
            shares_NQL = next(remaining)
            for part in _parts(shares_NQL):
                shares_nQL, d_found_nQC = shares_NQL[part], d_found_NQC[part, asked]
                d_values_NLC[part, :seen] += torch.bmm(shares_nQL.transpose(1, 2), d_found_nQC)
                d_shares_nQL = torch.bmm(d_found_nQC, values_NLC[part, :seen].transpose(1, 2))
                d_scores_nQL = torch.ops.aten._softmax_backward_data(d_shares_nQL, shares_nQL, -1, shares_nQL.dtype)
                d_keys_NLC[part, :seen] += torch.bmm(d_scores_nQL.transpose(1, 2), queries_NQC[part, asked])
                d_queries_NQC[part, asked] = torch.bmm(d_scores_nQL, keys_NLC[part, :seen])
        _put_by_slot(d_queries_SD[block.queries], d_queries_NQC, samples, heads)
        _put_by_slot(d_keys_SD[block.keys], d_keys_NLC, samples, heads)
        _put_by_slot(d_values_SD[block.keys], d_values_NLC, samples, heads)
    return gathered(d_queries_SD, asking.slots_M), gathered(d_both_SE, row.slots_T)
