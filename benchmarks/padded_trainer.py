"""The usual stack, to compare with: Hugging Face ``Trainer`` on padded batches, as the published code trains.

A dataset gives one sample, the collator pads the batch to its longest, every picture of the batch goes through the
tower, logits are computed at every position, and attention runs over the padded rectangle. The weights, the samples,
their order, the optimiser and the schedule are ours, so that losses can be compared step by step.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import LlavaForConditionalGeneration, TrainerCallback, TrainingArguments
from transformers import Trainer as HuggingFaceTrainer

from babyvlm.model.modeling import IGNORED, BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise
from babyvlm.model.tokenizer import PAD
from babyvlm.training.batches import Sample
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.schedules import learning_rate_factor


class PlainLlava(BabyLlavaForConditionalGeneration):
    """Our weights and tower, and transformers' own forward pass and loss."""

    forward = LlavaForConditionalGeneration.forward


class Drawn(Dataset):
    """Samples in the order in which the steps draw them; pictures lie decoded in memory, which favours this side."""

    def __init__(self, samples: Sequence[Sample], pixels_NCHW: torch.Tensor) -> None:
        self._samples, self._pixels_NCHW = samples, pixels_NCHW

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        sample = self._samples[place]
        labels = torch.from_numpy(sample.labels).long()
        labels[0] = IGNORED  # nothing comes before it
        return {
            "input_ids": torch.from_numpy(sample.ids).long(),
            "labels": labels,
            "pixel_values": normalise(self._pixels_NCHW[list(sample.images)]),
        }


def pad_to_longest(samples: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The published collator: right-padded tokens and labels, all pictures in one tensor."""

    def padded(key: str, value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence([sample[key] for sample in samples], True, value)

    input_ids_BL = padded("input_ids", PAD)
    return {
        "input_ids": input_ids_BL,
        "labels": padded("labels", IGNORED),
        "attention_mask": input_ids_BL.ne(PAD),
        "pixel_values": torch.cat([sample["pixel_values"] for sample in samples]),
    }


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a run leaves to compare."""

    losses: list[float]
    """Of every step."""
    ends_s: list[float]
    """When each step ended, seconds after the first began."""


class _Watch(TrainerCallback):
    def __init__(self) -> None:
        self.began_s, self.ends_s, self.losses = 0.0, [], []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.began_s = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ends_s.append(time.monotonic() - self.began_s)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))


class _InOrder(HuggingFaceTrainer):
    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def train_padded(
    model: PlainLlava,
    samples: Sequence[Sample],
    pixels_NCHW: torch.Tensor,
    settings: Optimisation,
    *,
    out: str,
    steps: int,
    schedule_steps: int,
    micro_batch: int,
    bf16: bool,
    processes: int = 1,
    gradient_checkpointing: bool = False,
) -> Curve:
    """Trains as the published code does.

    Args:
        model: With its frozen parts frozen.
        samples: ``steps`` times ``settings.batch_size`` of them, in the order in which they are drawn.
        pixels_NCHW: Every picture, uint8.
        settings: Batch size, rates, clipping; AdamW throughout.
        out: A folder for Trainer to call its own.
        steps: How many to take.
        schedule_steps: How long the learning rate's schedule is.
        micro_batch: Samples a forward pass, over all processes.
        bf16: Whether to compute in bfloat16 by autocast.
        processes: How many share a batch.
        gradient_checkpointing: Whether to compute activations again in the backward pass.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, schedule_steps, settings)
    )
    arguments = TrainingArguments(
        output_dir=out,
        max_steps=steps,
        per_device_train_batch_size=micro_batch // processes,
        gradient_accumulation_steps=settings.batch_size // micro_batch,
        max_grad_norm=settings.clip_norm,
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        dataloader_num_workers=4 if torch.cuda.is_available() else 0,  # as published; two cores have none to spare
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        gradient_checkpointing=gradient_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    watch = _Watch()
    trainer = _InOrder(
        model=model,
        args=arguments,
        train_dataset=Drawn(samples, pixels_NCHW),
        data_collator=pad_to_longest,
        optimizers=(optimizer, schedule),
        callbacks=[watch],
    )
    trainer.train()
    return Curve(losses=watch.losses, ends_s=watch.ends_s)
