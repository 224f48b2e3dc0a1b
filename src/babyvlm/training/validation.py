"""Loss and accuracy of a stage with a language model on samples of the validation split.

    validation split ── some of each source ── samples, a source at a time ── shared out ── loss, likeliest tokens

Nothing of it reaches the weights, nor any random number that training draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional as F

from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.parts import Part
from babyvlm.records import Conversation
from babyvlm.training.batches import Sample
from babyvlm.training.distribution import Shared
from babyvlm.training.features import encode_pictures
from babyvlm.training.flops import StepFlops
from babyvlm.training.run import RunContext
from babyvlm.training.samples import Pictures, evenly
from babyvlm.training.steps import RowInputs, StepMaker

_BATCH = 64
"""Samples shared out over the processes at once."""


class InOrder:
    """Goes through samples once, in order, one source after another; stands where a ``BatchPlan`` does in training.

    Args:
        sources: Samples by source.
    """

    def __init__(self, sources: Mapping[str, Sequence[Sample]]) -> None:
        self._batches = [
            [(source, index) for index in range(start, min(start + _BATCH, len(samples)))]
            for source, samples in sources.items()
            for start in range(0, len(samples), _BATCH)
        ]
        self.sources = [batch[0][0] for batch in self._batches]
        """Source of each batch."""

    def step(self, step: int) -> list[tuple[str, int]]:
        """The samples of one batch, as (source, index in it)."""
        return self._batches[step]


class Validation:
    """Held-out samples of one stage.

    Args:
        sources: Samples by source.
        pictures: What their picture numbers refer to; None for text alone.
        with_accuracy: Whether to tell how many samples are right, too: where answers are short.
    """

    def __init__(
        self, sources: Mapping[str, Sequence[Sample]], pictures: Pictures | None = None, *, with_accuracy: bool = False
    ) -> None:
        self.sources = {name: samples for name, samples in sorted(sources.items()) if samples}
        self._pictures, self._with_accuracy = pictures, with_accuracy
        self._plan = InOrder(self.sources)
        self._make: StepMaker | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to measure."""
        return bool(self.sources)

    def prepare(
        self,
        model: BabyLlavaForConditionalGeneration,
        run: RunContext,
        *,
        trains: Sequence[Part],
        micro_batch_tokens: int,
        cache_vision_features: bool,
    ) -> None:
        """To be called once before :meth:`measure`, by every process.

        Args:
            model: On its device.
            run: The recipe and the processes.
            trains: Parts that learn.
            micro_batch_tokens: Largest forward pass, tokens.
            cache_vision_features: Whether the tower is frozen and its output is kept.
        """
        features_UTD = None
        if cache_vision_features and self._pictures is not None:
            features_UTD = encode_pictures(model, self._pictures, run)
        flops = StepFlops(model, run.recipe.model, trains, cached_features=features_UTD is not None)
        self._make = StepMaker(
            self._plan,
            self.sources,
            self._pictures,
            features_UTD,
            run=run,
            micro_batch_tokens=micro_batch_tokens,
            flops=flops,
        )

    @torch.no_grad()
    def measure(self, shared: Shared, run: RunContext) -> dict[str, float]:
        """Measures the model as it is; every process must call.

        Returns:
            ``validation_loss``, nats per learned token; where there are several sources, the same of each as
            ``validation_loss/SOURCE``; on request ``validation_accuracy``, the part of the samples of which every
            learned token is the likeliest after those before it, likewise.
        """
        assert self._make is not None, "prepare() comes first"
        device, names = run.accelerator.device, list(self.sources)
        totals_S4 = torch.zeros(len(names), 4, device=device)
        module = shared.module
        module.eval()
        try:
            for number, source in enumerate(self._plan.sources):
                for row in self._make(number).rows:
                    with shared.autocast():
                        logits_MV = module(**row.arguments(device), num_items_in_batch=1.0).logits
                    totals_S4[names.index(source)] += _totals(logits_MV.float(), row)
        finally:
            module.train()
        totals_S4 = run.accelerator.reduce(totals_S4, "sum").cpu()
        figures = _figures(totals_S4.sum(0).tolist(), "", self._with_accuracy)
        if len(names) > 1:
            for name, totals in zip(names, totals_S4.tolist(), strict=True):
                figures |= _figures(totals, f"/{name}", self._with_accuracy)
        return figures


def _totals(logits_MV: torch.Tensor, row: RowInputs) -> torch.Tensor:
    """Summed loss, learned tokens, samples all of whose learned tokens are the likeliest, samples that learn any."""
    if not len(row.learned_M):
        return logits_MV.new_zeros(4)
    targets_M = row.labels_1T[0, row.learned_M + 1].to(logits_MV.device)
    lengths = [length for samples, length in row.blocks for _ in range(samples)]
    sample_T = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    sample_M = sample_T[row.learned_M].to(logits_MV.device)
    learn_N = torch.zeros(len(lengths), device=logits_MV.device).index_fill_(0, sample_M, 1.0)
    wrong_M = (logits_MV.argmax(-1) != targets_M).float()
    wrong_N = torch.zeros_like(learn_N).index_add_(0, sample_M, wrong_M)
    loss = F.cross_entropy(logits_MV, targets_M, reduction="sum")
    right = (learn_N * (wrong_N == 0)).sum()
    return torch.stack([loss, torch.tensor(float(len(targets_M)), device=loss.device), right, learn_N.sum()])


def _figures(totals: Sequence[float], ending: str, with_accuracy: bool) -> dict[str, float]:
    loss, tokens, right, samples = totals
    figures = {f"validation_loss{ending}": round(loss / max(1.0, tokens), 5)}
    if with_accuracy:
        figures[f"validation_accuracy{ending}"] = round(right / max(1.0, samples), 4)
    return figures


def some_of_each(rows: Sequence[Conversation], most: int) -> list[Conversation]:
    """At most so many conversations, as many of each source as can be, evenly over each.

    Args:
        rows: In a fixed order.
        most: Conversations altogether; at least one of each source is taken.
    """
    by_source: dict[str, list[Conversation]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    chosen: list[Conversation] = []
    for number, name in enumerate(sorted(by_source, key=lambda name: len(by_source[name]))):
        members = by_source[name]
        share = max(1, (most - len(chosen)) // (len(by_source) - number))
        chosen += evenly(members, share)
    return chosen
