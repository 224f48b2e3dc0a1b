"""The training loop of every stage that has a language model in it (stages 0 language, 1, 2 and 3 of the paper).

    step s ── rows, made ahead (steps.py) ── forward, backward ── clip ── AdamW ── log, one step late on a GPU
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

import torch

from babyvlm.errors import ConfigError
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration, parameter_counts
from babyvlm.model.processing import normalise
from babyvlm.progress import progress
from babyvlm.training.ahead import Ahead
from babyvlm.training.batches import BatchPlan, Sample
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.configuration import MixturePhase, Optimisation, Part
from babyvlm.training.distribution import Shared
from babyvlm.training.figures import Figures, LateFigures
from babyvlm.training.flops import StepFlops
from babyvlm.training.journal import Journal
from babyvlm.training.kernels import compile_layers
from babyvlm.training.optimizers import Optimizers, part_of
from babyvlm.training.run import Run
from babyvlm.training.samples import Pictures
from babyvlm.training.schedules import learning_rate_factor, weight_decay
from babyvlm.training.steps import Step, StepMaker

_ENCODE_IMAGES = 256


@dataclass(frozen=True, kw_only=True)
class _Note:
    """What the program knows of a step whose figures are still to come."""

    step: Step
    learning_rate: float
    waited_s: float


def train_language_model(
    model: BabyLlavaForConditionalGeneration,
    sources: Mapping[str, Sequence[Sample]],
    pictures: Pictures | None,
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
    accelerator, recipe, device = run.accelerator, run.recipe, run.accelerator.device
    phases, plan, steps = _planned(sources, mixture, optimisation, run, stage)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in trains)
    model.train()
    _announce(model, sources, trains, run, f"{stage}: {{size:,}} samples, {steps:,} steps of {optimisation.batch_size}")
    resume = Resume(run.out, stage, _fingerprint(optimisation, mixture, sources, run), accelerator)
    found = resume.load({"model": model})
    point = found or ResumePoint()
    if found:
        accelerator.print(f"{stage}: resumes after step {point.step:,}")
    began_s = time.monotonic()
    features_UTD = encode_pictures(model, pictures, run) if cache_vision_features and pictures is not None else None
    point = replace(point, seconds=point.seconds + time.monotonic() - began_s)
    flops = StepFlops(model, recipe.model, trains, cached_features=features_UTD is not None)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if recipe.compile:
        compile_layers(model)
    layers = list(model.model.language_model.layers)
    shared = Shared(model, accelerator, precision=recipe.precision, sharding=recipe.sharding, groups=layers)
    optimizer = Optimizers(shared.trained(), optimisation)
    if found:
        resume.load_optimizer(optimizer)
    journal = run.journal(stage, steps, uniform_loss=math.log(recipe.model.vocabulary), point=point)
    make = StepMaker(plan, sources, pictures, features_UTD, run=run, micro_batch_tokens=micro_batch_tokens, flops=flops)
    late, saved_s = LateFigures[_Note](device), time.monotonic()

    with Ahead(make, range(point.step, steps), device) as ahead:
        for number in range(point.step, steps):
            run.before_step(number)
            factor = learning_rate_factor(number, steps, optimisation)
            phase = next(phase for phase in phases if number < round(phase.until * steps))
            optimizer.scale(factor, phase.vision_rate)
            optimizer.set_weight_decay(weight_decay(number, steps, optimisation))
            step = ahead.take(number)
            loss = torch.zeros((), device=device)
            for place, row in enumerate(step.rows):
                # Gradients of several processes are averaged, and only with the last row.
                with shared.row(place, len(step.rows)):
                    learned = step.learned / accelerator.num_processes
                    part = shared.called(**row.arguments(device), num_items_in_batch=learned).loss
                    shared.backward(part)
                loss += part.detach()
            norm = shared.clip_gradients(optimisation.clip_norm)
            # All processes save at once or none does, so their clocks are asked together.
            due = torch.full_like(loss, time.monotonic() - saved_s > recipe.checkpoint_every_s)
            figures = torch.cat([accelerator.reduce(torch.stack([loss, due]), "mean"), norm[None]])
            note = _Note(step=step, learning_rate=optimisation.learning_rate * factor, waited_s=ahead.wait_s())
            arrived = late.put(number + 1, figures, note)
            _check(journal, arrived)
            optimizer.step()
            shared.refresh()
            if _write(journal, arrived) and number + 1 < steps:
                _finish(journal, late)
                resume.save({"model": shared.state}, optimizer, journal.point)
                saved_s = time.monotonic()
        _finish(journal, late)
    journal.close()
    shared.restore()
    return journal.log


def _check(journal: Journal, arrived: Sequence[Figures[_Note]]) -> None:
    """Stops the stage where a figure is bad: on a CPU before the optimizer's step, on a GPU before a checkpoint."""
    for each in arrived:
        loss, _, norm = each.values
        journal.check(each.step, loss=loss, gradient_norm=norm)


def _write(journal: Journal, arrived: Sequence[Figures[_Note]]) -> bool:
    """Writes lines; returns whether a checkpoint is due."""
    late = False
    for each in arrived:
        (loss, due, norm), step = each.values, each.note.step
        journal.step(
            each.step,
            samples=step.samples,
            tokens=step.tokens,
            flops=step.flops,
            waited_s=each.note.waited_s,
            loss=round(loss, 5),
            learning_rate=each.note.learning_rate,
            gradient_norm=round(norm, 4),
            idle=round(step.idle, 4),
        )
        late |= bool(due)
    return late


def _finish(journal: Journal, late: LateFigures[_Note]) -> None:
    """Waits for the figures of all steps taken."""
    rest = late.rest()
    _check(journal, rest)
    _write(journal, rest)


def _planned(
    sources: Mapping[str, Sequence[Sample]],
    mixture: Sequence[MixturePhase],
    optimisation: Optimisation,
    run: Run,
    stage: str,
) -> tuple[list[MixturePhase], BatchPlan, int]:
    """The phases that have sources, the plan of the batches, and the number of steps."""
    accelerator = run.accelerator
    if optimisation.batch_size < accelerator.num_processes:
        raise ConfigError(
            f"{stage}.optimisation.batch_size={optimisation.batch_size} leaves some of "
            f"{accelerator.num_processes} processes without a sample: raise it, or start fewer"
        )
    size = sum(map(len, sources.values()))
    steps = optimisation.steps or math.ceil((optimisation.epochs or 0) * size / optimisation.batch_size)
    held = {name: len(rows) for name, rows in sources.items() if rows}
    if absent := sorted({name for phase in mixture for name in phase.weights} - held.keys()):
        accelerator.print(f"{stage}: the data hold no {', '.join(absent)}; the rest of the mixture is drawn more often")
    phases = _present(mixture, held)
    return phases, BatchPlan(held, phases, optimisation.batch_size, steps, run.recipe.seed), steps


def _announce(
    model: BabyLlavaForConditionalGeneration,
    sources: Mapping[str, Sequence[Sample]],
    trains: Sequence[Part],
    run: Run,
    begin: str,
) -> None:
    """Says what trains and what is frozen."""
    counts = parameter_counts(model)
    frozen = [f"{part} {counts[part]:,}" for part in counts if part not in trains]
    trained = [f"{part} {counts[part]:,}" for part in counts if part in trains]
    run.accelerator.print(
        begin.format(size=sum(map(len, sources.values())))
        + f"; trains {', '.join(trained)} parameters; frozen: {', '.join(frozen) or 'nothing'}"
    )


def _fingerprint(
    optimisation: Optimisation,
    mixture: Sequence[MixturePhase],
    sources: Mapping[str, Sequence[Sample]],
    run: Run,
) -> str:
    """Everything that the state of an interrupted stage depends on."""
    facts = [
        asdict(optimisation),
        [asdict(phase) for phase in mixture],
        {name: len(rows) for name, rows in sources.items()},
        run.recipe.seed,
        run.data,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


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
def encode_pictures(model: BabyLlavaForConditionalGeneration, pictures: Pictures, run: Run) -> torch.Tensor:
    """The tower's output for every picture, UTD, on the CPU, in the precision the stage computes in."""
    tower, device = model.model.vision_tower, run.accelerator.device
    half = run.recipe.precision != "no"
    kept = torch.bfloat16 if half else torch.float32
    encoded = []
    starts = range(0, len(pictures), _ENCODE_IMAGES)
    for start in progress(starts, description="encode pictures", unit="batch"):
        pixels_NCHW = normalise(pictures.pixels_NCHW[start : start + _ENCODE_IMAGES].to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            encoded.append(tower(pixel_values=pixels_NCHW).last_hidden_state.to("cpu", kept))
    return torch.cat(encoded)
