"""The training loop of every stage that has a language model in it (stages 0 language, 1, 2 and 3 of the paper).

    step s ── BatchPlan ── samples ── rows ── forward, backward ── clip ── AdamW ── log
                                      loss = sum over learned tokens / learned tokens of the whole step

One optimizer step can be followed here from front to back; checkpoints and logging are calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from babyvlm.model.modeling import BabyLlavaForConditionalGeneration, parameter_counts
from babyvlm.model.processing import normalise
from babyvlm.progress import progress
from babyvlm.training.batches import BatchPlan, Sample, pack
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.configuration import MixturePhase, Optimisation, Part
from babyvlm.training.journal import Journal
from babyvlm.training.optimizers import Optimizers, part_of
from babyvlm.training.samples import PixelTable, collate

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


def train_language_model(
    model: BabyLlavaForConditionalGeneration,
    sources: Mapping[str, Sequence[Sample]],
    pictures: PixelTable | None,
    *,
    stage: str,
    optimisation: Optimisation,
    trains: Sequence[Part],
    mixture: Sequence[MixturePhase],
    micro_batch_tokens: int,
    cache_vision_features: bool,
    accelerator: Accelerator,
    out: Path,
    seed: int,
    log_every_steps: int,
    checkpoint_every_s: float,
) -> str:
    """Trains ``model`` in place for one stage.

    Args:
        model: On the accelerator's device, float32.
        sources: Samples by source.
        pictures: What the samples' picture numbers refer to; None for text alone.
        stage: Its name, for the log and the checkpoints.
        optimisation: Rates, batch size, duration.
        trains: Parts that learn.
        mixture: How often each source is drawn.
        micro_batch_tokens: Largest forward pass, tokens.
        cache_vision_features: Whether to run the frozen tower once for every picture beforehand.
        accelerator: Device, precision, processes.
        out: The run's folder.
        seed: Seed of the order of the samples.
        log_every_steps: Steps between two lines of the log.
        checkpoint_every_s: Seconds between two resumable checkpoints.

    Returns:
        The log, as JSON lines.

    Raises:
        TrainingError: The loss is not finite.
    """
    size = sum(map(len, sources.values()))
    steps = optimisation.steps or math.ceil((optimisation.epochs or 0) * size / optimisation.batch_size)
    held = {name: len(rows) for name, rows in sources.items() if rows}
    if absent := sorted({name for phase in mixture for name in phase.weights} - held.keys()):
        accelerator.print(f"{stage}: the data hold no {', '.join(absent)}; the rest of the mixture is drawn oftener")
    phases = _present(mixture, held)
    plan = BatchPlan(held, phases, optimisation.batch_size, steps, seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in trains)
    optimizer = Optimizers(((n, p) for n, p in model.named_parameters() if p.requires_grad), optimisation)
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
            [asdict(optimisation), [asdict(p) for p in mixture], {n: len(r) for n, r in sources.items()}, seed]
        ).encode()
    ).hexdigest()
    resume = Resume(out, stage, fingerprint)
    done, seconds, log = 0, 0.0, ""
    if (found := resume.load({"model": model}, optimizer)) is not None:
        point, log = found
        done, seconds = point.step, point.seconds
        accelerator.print(f"{stage}: goes on after step {done:,}")
    features_UTD = None
    if cache_vision_features and pictures is not None:
        features_UTD = encode_pictures(model, pictures, accelerator)
    wrapped = accelerator.prepare(model)
    journal = Journal(
        stage,
        steps,
        out / "tensorboard",
        log_every_steps,
        done=done,
        seconds=seconds,
        log=log,
        silent=not accelerator.is_main_process,
    )
    saved_s = time.monotonic()

    for step in range(done, steps):
        factor = learning_rate_factor(step, steps, optimisation.warmup_fraction)
        phase = next(phase for phase in phases if step < round(phase.until * steps))
        optimizer.scale(factor, phase.vision_rate)

        samples = [sources[source][index] for source, index in plan.step(step)]
        learned = sum(sample.num_learned for sample in samples)
        mine = samples[accelerator.process_index :: accelerator.num_processes]
        rows = pack(mine, micro_batch_tokens)
        loss = torch.zeros((), device=accelerator.device)
        for number, row in enumerate(rows):
            ids_1T, labels_1T, distinct, index_N = collate(row)
            inputs = {}
            if distinct and features_UTD is not None:
                inputs["vision_features"] = features_UTD[distinct].to(accelerator.device)
            elif distinct and pictures is not None:
                inputs["pixel_values"] = normalise(pictures.pixels_NCHW[distinct].to(accelerator.device))
            if distinct:
                inputs["image_index"] = index_N.to(accelerator.device)
            # Gradients of several processes are averaged, and only with the last row.
            last = number == len(rows) - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(wrapped), accelerator.autocast():
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
        norm = accelerator.clip_grad_norm_(wrapped.parameters(), optimisation.clip_norm)
        optimizer.step()

        journal.step(
            step + 1,
            samples=len(samples),
            tokens=sum(map(len, samples)),
            loss=round(accelerator.reduce(loss, "mean").item(), 5),
            learning_rate=optimisation.learning_rate * factor,
            gradient_norm=round(float(norm), 4),
        )
        if time.monotonic() - saved_s > checkpoint_every_s and step + 1 < steps:
            if accelerator.is_main_process:
                point = ResumePoint(step=step + 1, seconds=journal.seconds)
                resume.save({"model": model}, optimizer, point, journal.log)
            accelerator.wait_for_everyone()
            saved_s = time.monotonic()

    journal.close()
    return journal.log


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
