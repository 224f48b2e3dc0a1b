"""The training loop of every stage that has a language model in it (stages 0 language, 1, 2 and 3 of the paper).

    step s ── BatchPlan ── samples ── rows ── forward, backward ── clip ── AdamW ── log
                                      loss = sum over learned tokens / learned tokens of the whole step

Gradients accumulate over the rows of a step, as many as ``micro_batch_tokens`` asks for. One optimizer step can be
followed here from front to back; checkpoints and logging are calls.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from babyvlm.errors import ConfigError
from babyvlm.model.modeling import IGNORED, BabyLlavaForConditionalGeneration, parameter_counts
from babyvlm.model.processing import normalise
from babyvlm.progress import progress
from babyvlm.training.batches import BatchPlan, Row, Sample, pack
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.configuration import MixturePhase, Optimisation, Part, Recipe
from babyvlm.training.distribution import clip_gradients, distribute, reducing
from babyvlm.training.flops import StepFlops, peak_flops
from babyvlm.training.journal import Journal
from babyvlm.training.optimizers import Optimizers, part_of
from babyvlm.training.samples import PixelTable, collate
from babyvlm.training.trackers import TensorBoard, Tracker, WeightsAndBiases

_ENCODE_IMAGES = 256


def learning_rate_factor(step: int, steps: int, warmup_fraction: float) -> float:
    """Share of the peak rate at a step (counted from 0): linear warm-up, then a cosine to zero.

    >>> [round(learning_rate_factor(step, 10, 0.2), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = max(1, round(steps * warmup_fraction))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@dataclass(frozen=True, kw_only=True)
class Run:
    """What all stages of a run have in common."""

    recipe: Recipe
    """The resolved configuration."""
    accelerator: Accelerator
    """Device, precision, processes."""
    out: Path
    """The run's folder."""
    data: str
    """Digest of the set's content."""
    wandb: str | None = None
    """Project at Weights & Biases; none by default."""

    def journal(self, stage: str, steps: int, *, guessing_loss: float, point: ResumePoint) -> Journal:
        """The log of a stage that stands at ``point``; one process draws and tracks, all of them count."""
        main = self.accelerator.is_main_process
        trackers: list[Tracker] = []
        if main:
            trackers.append(TensorBoard(self.out / "tensorboard" / stage, point.step))
        if main and self.wandb is not None:
            trackers.append(WeightsAndBiases(self.wandb, self.out, stage, asdict(self.recipe)))
        return Journal(
            stage,
            steps,
            self.recipe.log_every_steps,
            trackers=trackers,
            guessing_loss=guessing_loss,
            peak_flops=peak_flops(self.accelerator.device, self.recipe.precision) * self.accelerator.num_processes,
            begin=point,
            silent=not main,
        )


def train_language_model(
    model: BabyLlavaForConditionalGeneration,
    sources: Mapping[str, Sequence[Sample]],
    pictures: PixelTable | None,
    *,
    run: Run,
    stage: str,
    optimisation: Optimisation,
    trains: Sequence[Part],
    mixture: Sequence[MixturePhase],
    micro_batch_tokens: int,
    cache_vision_features: bool,
) -> str:
    """Trains ``model`` in place for one stage.

    Args:
        model: On the accelerator's device, float32.
        sources: Samples by source.
        pictures: What the samples' picture numbers refer to; None for text alone.
        run: The recipe, the processes and the folder.
        stage: Its name, for the log and the checkpoints.
        optimisation: Rates, batch size, duration.
        trains: Parts that learn.
        mixture: How often each source is drawn.
        micro_batch_tokens: Largest forward pass, tokens.
        cache_vision_features: Whether to run the frozen tower once for every picture beforehand.

    Returns:
        The log, as JSON lines.

    Raises:
        ConfigError: There are more processes than samples a step.
        TrainingError: The loss is not finite, or it diverged.
    """
    accelerator, recipe = run.accelerator, run.recipe
    if optimisation.batch_size < accelerator.num_processes:
        raise ConfigError(
            f"{stage}.optimisation.batch_size={optimisation.batch_size} leaves some of "
            f"{accelerator.num_processes} processes without a sample: raise it, or start fewer"
        )
    size = sum(map(len, sources.values()))
    steps = optimisation.steps or math.ceil((optimisation.epochs or 0) * size / optimisation.batch_size)
    held = {name: len(rows) for name, rows in sources.items() if rows}
    if absent := sorted({name for phase in mixture for name in phase.weights} - held.keys()):
        accelerator.print(f"{stage}: the data hold no {', '.join(absent)}; the rest of the mixture is drawn oftener")
    phases = _present(mixture, held)
    plan = BatchPlan(held, phases, optimisation.batch_size, steps, recipe.seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in trains)
    model.train()

    counts = parameter_counts(model)
    frozen = [f"{part} {counts[part]:,}" for part in counts if part not in trains]
    trained = [f"{part} {counts[part]:,}" for part in counts if part in trains]
    accelerator.print(
        f"{stage}: {size:,} samples, {steps:,} steps of {optimisation.batch_size}; "
        f"trains {', '.join(trained)} parameters; frozen: {', '.join(frozen) or 'nothing'}"
    )

    fingerprint = hashlib.sha256(
        json.dumps(
            [
                asdict(optimisation),
                [asdict(p) for p in mixture],
                {n: len(r) for n, r in sources.items()},
                recipe.seed,
                run.data,
            ]
        ).encode()
    ).hexdigest()
    resume = Resume(run.out, stage, fingerprint, accelerator)
    found = resume.load({"model": model})
    point = found or ResumePoint()
    if found:
        accelerator.print(f"{stage}: goes on after step {point.step:,}")
    began_s = time.monotonic()
    features_UTD = None
    if cache_vision_features and pictures is not None:
        features_UTD = encode_pictures(model, pictures, accelerator)
    encoded_s = time.monotonic() - began_s
    flops = StepFlops(model, recipe.model, trains, cached_features=features_UTD is not None)

    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if recipe.compile:
        for layer in model.model.language_model.layers:
            layer.compile(dynamic=True)
    wrapped = distribute(model, recipe.sharding, accelerator)
    optimizer = Optimizers(((n, p) for n, p in model.named_parameters() if p.requires_grad), optimisation)
    if found:
        resume.load_optimizer(optimizer)
    journal = run.journal(
        stage,
        steps,
        guessing_loss=math.log(recipe.model.vocabulary),
        point=replace(point, seconds=point.seconds + encoded_s),
    )
    saved_s = time.monotonic()

    for step in range(point.step, steps):
        factor = learning_rate_factor(step, steps, optimisation.warmup_fraction)
        phase = next(phase for phase in phases if step < round(phase.until * steps))
        optimizer.scale(factor, phase.vision_rate)

        samples = [sources[source][index] for source, index in plan.step(step)]
        learned = sum(sample.num_learned for sample in samples)
        rows = _rows(samples, micro_batch_tokens, run)
        loss = torch.zeros((), device=accelerator.device)
        seen = 0
        for number, row in enumerate(rows):
            ids_1T, labels_1T, distinct, index_N = collate(row)
            inputs = {}
            if distinct and features_UTD is not None:
                inputs["vision_features"] = features_UTD[distinct].to(accelerator.device)
            elif distinct and pictures is not None:
                inputs["pixel_values"] = normalise(pictures.pixels_NCHW[distinct].to(accelerator.device))
            if distinct:
                inputs["image_index"] = index_N.to(accelerator.device)
            seen += len(distinct)
            # Gradients of several processes are averaged, and only with the last row.
            with reducing(wrapped, accelerator, last=number == len(rows) - 1), accelerator.autocast():
                part = wrapped(
                    input_ids=ids_1T.to(accelerator.device),
                    labels=labels_1T.to(accelerator.device),
                    num_items_in_batch=learned / accelerator.num_processes,
                    blocks=row.blocks,
                    use_cache=False,
                    **inputs,
                ).loss
                accelerator.backward(part)
            loss += part.detach()
        norm = clip_gradients(wrapped.parameters(), optimisation.clip_norm)
        # All processes save at once or none does, so their clocks are asked together.
        late = loss.new_tensor(float(time.monotonic() - saved_s > recipe.checkpoint_every_s))
        mean_loss, due = accelerator.reduce(torch.stack([loss, late]), "mean").tolist()
        journal.check(step + 1, loss=mean_loss, gradient_norm=norm)
        optimizer.step()

        journal.step(
            step + 1,
            samples=len(samples),
            tokens=sum(map(len, samples)),
            flops=flops(samples, seen * accelerator.num_processes),
            loss=round(mean_loss, 5),
            learning_rate=optimisation.learning_rate * factor,
            gradient_norm=round(norm, 4),
        )
        if due and step + 1 < steps:
            resume.save({"model": model}, optimizer, journal.point)
            saved_s = time.monotonic()

    journal.close()
    return journal.log


_NOTHING = Row(groups=((Sample(ids=np.zeros(1, np.int32), labels=np.full(1, IGNORED, np.int32), images=()),),))


def _unlearned(sample: Sample) -> Sample:
    return replace(sample, labels=np.full_like(sample.labels, IGNORED))


def _rows(samples: Sequence[Sample], micro_batch_tokens: int, run: Run) -> list[Row]:
    """This process's rows of a step; as many for each where the model is in shards, which all gather at once."""
    rank, processes = run.accelerator.process_index, run.accelerator.num_processes
    if run.recipe.sharding != "fsdp":
        # A step may draw fewer samples than there are processes. One left over learns nothing from another's, so that
        # all go forward and backward alike: copies wait for each other.
        mine = samples[rank::processes] or [_unlearned(sample) for sample in samples[:1]]
        return pack(mine, micro_batch_tokens)
    shares = [pack(samples[other::processes], micro_batch_tokens) for other in range(processes)]
    # What fills up stands in front: gradients are averaged with the last row, which must have some.
    return [_NOTHING] * (max(map(len, shares)) - len(shares[rank])) + shares[rank]


def _present(mixture: Sequence[MixturePhase], held: Mapping[str, int]) -> list[MixturePhase]:
    """The phases without sources that the data lack; one left with none is left out, and the next begins earlier.

    The last phase stays as it is where nothing of it is there, to be refused.
    """
    phases = []
    for phase in mixture:
        weights = {name: weight for name, weight in phase.weights.items() if name in held}
        if weights or not phase.weights:
            phases.append(replace(phase, weights=weights))
        elif phase is mixture[-1]:
            phases.append(phase)
    return phases


@torch.no_grad()
def encode_pictures(
    model: BabyLlavaForConditionalGeneration, pictures: PixelTable, accelerator: Accelerator
) -> torch.Tensor:
    """The tower's output for every picture, UTD, on the CPU, in the precision the stage computes in."""
    tower = model.model.vision_tower
    kept = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
    encoded = []
    starts = range(0, len(pictures), _ENCODE_IMAGES)
    for start in progress(starts, description="encode pictures", unit="batch"):
        pixels_NCHW = normalise(pictures.pixels_NCHW[start : start + _ENCODE_IMAGES].to(accelerator.device))
        with accelerator.autocast():
            encoded.append(tower(pixel_values=pixels_NCHW).last_hidden_state.to("cpu", kept))
    return torch.cat(encoded)
