"""What a process needs for one step of a stage with a language model, made ahead of it.

    plan ── samples ── shared out ── mine ── rows ── ids, labels, places, pictures (pinned where there is a GPU)

Everything that would make a GPU wait for the host, such as where the learned tokens are, is worked out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from babyvlm.model.modeling import IGNORED
from babyvlm.model.packed_attention import Blocks
from babyvlm.model.processing import normalise
from babyvlm.training.ahead import gathered, pinned
from babyvlm.training.balance import shared_out
from babyvlm.training.batches import Row, Sample, pack
from babyvlm.training.flops import StepFlops
from babyvlm.training.run import RunContext
from babyvlm.training.samples import Pictures, collate


@dataclass(frozen=True, kw_only=True)
class RowInputs:
    """One forward pass, on the CPU."""

    ids_1T: torch.Tensor
    labels_1T: torch.Tensor
    learned_M: torch.Tensor
    """Places whose next token is learned."""
    blocks: Blocks
    seen_P: torch.Tensor | None = None
    """Places of the pictures' placeholders; None without pictures."""
    index_N: torch.Tensor | None = None
    """For each placed picture its number among the distinct ones."""
    pixels_UCHW: torch.Tensor | None = None
    """The distinct pictures, uint8."""
    features_UTD: torch.Tensor | None = None
    """Their kept features, in place of the pictures."""

    def arguments(self, device: torch.device) -> dict[str, Any]:
        """What the model is called with, on its device; copies from pinned memory wait for nothing."""

        def there(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=True)

        given: dict[str, Any] = {
            "input_ids": there(self.ids_1T),
            "labels": there(self.labels_1T),
            "learned_places": there(self.learned_M),
            "blocks": self.blocks,
            "use_cache": False,
        }
        if self.seen_P is not None and self.index_N is not None:
            given |= {"picture_places": there(self.seen_P), "image_index": there(self.index_N)}
        if self.features_UTD is not None:
            given["vision_features"] = there(self.features_UTD)
        elif self.pixels_UCHW is not None:
            given["pixel_values"] = normalise(there(self.pixels_UCHW))
        return given


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a process needs for a step."""

    rows: list[RowInputs]
    samples: int
    """Of all processes."""
    tokens: int
    """Of all processes, without padding."""
    learned: int
    """Tokens that enter the loss, of all processes."""
    flops: float
    """Of all processes."""
    idle: float
    """Part of the time in which processes wait for the most laden one, by the count of operations."""


class Plan(Protocol):
    """Says which samples a step takes."""

    def step(self, step: int) -> list[tuple[str, int]]:
        """The samples of one step, as (source, index in it)."""


class StepMaker:
    """Makes the inputs of any step, always the same for the same step.

    Args:
        plan: Which samples.
        sources: The samples by source.
        pictures: What their picture numbers refer to; None for text alone.
        views: Pictures numbered behind those.
        features_UTD: Kept features of all pictures and views, in place of them.
        run: The recipe and the processes.
        micro_batch_tokens: Largest forward pass, tokens.
        flops: Counts operations.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Mapping[str, Sequence[Sample]],
        pictures: Pictures | None,
        features_UTD: torch.Tensor | None,
        *,
        views: Pictures | None = None,
        run: RunContext,
        micro_batch_tokens: int,
        flops: StepFlops,
    ) -> None:
        self._plan, self._sources, self._flops = plan, sources, flops
        self._pictures = [shown for shown in (pictures, views) if shown is not None]
        self._features_UTD = features_UTD
        self._micro_batch_tokens, self._image_token = micro_batch_tokens, run.recipe.model.vocabulary
        self._rank, self._processes = run.accelerator.process_index, run.accelerator.num_processes
        self._sees = pictures is not None
        tokens, token = run.recipe.model.image_tokens, self._image_token
        self._shown = Sample(
            ids=np.full(tokens, token, np.int32), labels=np.full(tokens, IGNORED, np.int32), images=(0,)
        )
        self._in_shards, self._device = run.recipe.sharding != "ddp", run.accelerator.device

    def __call__(self, step: int) -> Step:
        samples = [self._sources[source][index] for source, index in self._plan.step(step)]
        shares = shared_out(samples, self._processes, lambda one: self._flops([one], len(one.images)))
        rows = [self._inputs(row) for row in self._rows(shares.of, samples)]
        mine = sum(0 if row.index_N is None else int(row.index_N.max()) + 1 for row in rows)
        return Step(
            rows=rows,
            samples=len(samples),
            tokens=sum(map(len, samples)),
            learned=sum(sample.num_learned for sample in samples),
            flops=self._flops(samples, mine * self._processes),
            idle=shares.idle,
        )

    def _rows(self, shares: list[list[Sample]], samples: Sequence[Sample]) -> list[Row]:
        """This process's rows; as many for each where the model is in shards, which all gather at once."""
        if not self._in_shards:
            # A step may draw fewer samples than there are processes. One left over learns nothing from another's, so
            # that all go forward and backward alike: copies wait for each other.
            mine = shares[self._rank] or [_unlearned(sample) for sample in samples[:1]]
            return pack(mine, self._micro_batch_tokens)
        packed = [pack(share, self._micro_batch_tokens) for share in shares]
        # What fills up stands in front: gradients are averaged with the last row, which must have some.
        longest = max(map(len, packed))
        filled = [[_NOTHING] * (longest - len(rows)) + rows for rows in packed]
        return self._with_pictures(filled) if self._sees else filled[self._rank]

    def _with_pictures(self, rows: list[list[Row]]) -> list[Row]:
        """This process's rows, each with a picture that teaches nothing where another process's row has one: all pass
        the tower and the connector, or none does. The last row averages gradients: it passes them where any row of the
        step does."""
        shows = [any(_has_picture(row) for row in alike) for alike in zip(*rows, strict=True)]
        shows[-1] = any(shows)
        return [
            replace(row, groups=(*row.groups, (self._shown,))) if shown and not _has_picture(row) else row
            for row, shown in zip(rows[self._rank], shows, strict=True)
        ]

    def _inputs(self, row: Row) -> RowInputs:
        ids_1T, labels_1T, distinct, index_N = collate(row)
        inputs = RowInputs(
            ids_1T=self._pinned(ids_1T),
            labels_1T=self._pinned(labels_1T),
            learned_M=self._pinned((labels_1T[0, 1:] != IGNORED).nonzero()[:, 0]),
            blocks=row.blocks,
        )
        if not distinct:
            return inputs
        kept = self._features_UTD
        tables = [kept] if kept is not None else [shown.pixels_NCHW for shown in self._pictures]
        taken = gathered(tables, torch.tensor(distinct), self._device) if tables else None
        return replace(
            inputs,
            seen_P=self._pinned((ids_1T[0] == self._image_token).nonzero()[:, 0]),
            index_N=self._pinned(index_N),
            pixels_UCHW=taken if kept is None else None,
            features_UTD=taken if kept is not None else None,
        )

    def _pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        return pinned(tensor, self._device)


_NOTHING = Row(groups=((Sample(ids=np.zeros(1, np.int32), labels=np.full(1, IGNORED, np.int32), images=()),),))


def _has_picture(row: Row) -> bool:
    return any(sample.images for group in row.groups for sample in group)


def _unlearned(sample: Sample) -> Sample:
    return replace(sample, labels=np.full_like(sample.labels, IGNORED))
