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
from torch import nn

from babyvlm.errors import ConfigError
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.parts import Part, parameter_counts, part_of
from babyvlm.training.ahead import Ahead
from babyvlm.training.batches import BatchPlan, Sample
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.configuration import MixturePhase
from babyvlm.training.distribution import Shared, units_of
from babyvlm.training.encoded import origins_of
from babyvlm.training.features import encode_pictures
from babyvlm.training.flops import StepFlops
from babyvlm.training.fused_layers import fused_layers
from babyvlm.training.kernels import compile_layers, fuses_layers
from babyvlm.training.ladder import Course, Ladder
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.optimizers import Optimizers
from babyvlm.training.ordered_plan import OrderedPlan
from babyvlm.training.run import RunContext
from babyvlm.training.samples import Pictures
from babyvlm.training.schedules import learning_rate_factor, weight_decay
from babyvlm.training.session import Session, StepFacts, measured_after, measured_every
from babyvlm.training.steps import StepMaker
from babyvlm.training.validation import Validation


def train_language_model(
    model: BabyLlavaForConditionalGeneration,
    sources: Mapping[str, Sequence[Sample]],
    pictures: Pictures | None,
    *,
    run: RunContext,
    stage: str,
    optimisation: Optimisation,
    trains: Sequence[Part],
    mixture: Sequence[MixturePhase],
    micro_batch_tokens: int,
    cache_vision_features: bool,
    views: Pictures | None = None,
    validation: Validation | None = None,
    course: Course | None = None,
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
        views: Pictures numbered behind ``pictures``; only with ``cache_vision_features``.
        validation: Held-out samples, measured as often as the recipe says.
        course: The order of the samples and the checkpoints to keep; None shuffles and keeps none.

    Returns:
        The log, as JSON lines.

    Raises:
        ConfigError: There are more processes than samples in a step.
        TrainingError: The loss is not finite, or it diverged.
    """
    accelerator, recipe = run.accelerator, run.recipe
    phases, plan, steps = _planned(sources, mixture, optimisation, run, stage, course)
    ladder = course.ladder(plan, origins_of(sources), steps, accelerator) if course and course.keep_at else None
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in trains)
    model.train()
    _announce(model, sources, trains, run, f"{stage}: {{size:,}} samples, {steps:,} steps of {optimisation.batch_size}")
    resume = Resume(run.out, stage, _fingerprint(optimisation, mixture, sources, run, course), accelerator)
    found = resume.load({"model": model})
    point = found or ResumePoint()
    if found:
        accelerator.print(f"{stage}: resumes after step {point.step:,}")
    began_s = time.monotonic()
    features_UTD = _kept_features(model, (pictures, views), run) if cache_vision_features else None
    if validation:
        validation.prepare(
            model,
            run,
            trains=trains,
            micro_batch_tokens=micro_batch_tokens,
            cache_vision_features=cache_vision_features,
        )
    point = replace(point, seconds=point.seconds + time.monotonic() - began_s)
    flops = StepFlops(model, recipe.model, trains, cached_features=features_UTD is not None)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if recipe.compile:
        compile_layers(model)
    units = units_of(model)
    shared = Shared(model, accelerator, precision=recipe.precision, sharding=recipe.sharding, units=units)
    optimizer = Optimizers(shared.trained(), optimisation)
    if found:
        resume.load_optimizer(optimizer)
    session = Session(run, stage, steps, point=point, resume=resume, uniform_loss=math.log(recipe.model.vocabulary))
    make = StepMaker(plan, sources, pictures, features_UTD, run=run, micro_batch_tokens=micro_batch_tokens, flops=flops)
    ready = _Ready(
        shared=shared, language_model=model.model.language_model, optimizer=optimizer, session=session, make=make,
        phases=phases, steps=steps, done=point.step, ladder=ladder,
    )  # fmt: skip
    return _take_steps(ready, run, optimisation, validation)


def _kept_features(
    model: BabyLlavaForConditionalGeneration, shown: Sequence[Pictures | None], run: RunContext
) -> torch.Tensor | None:
    """The tower's output for tables of pictures, one behind the other, UTD; None where there are none."""
    kept = [encode_pictures(model, pictures, run) for pictures in shown if pictures is not None]
    return torch.cat(kept) if len(kept) > 1 else kept[0] if kept else None


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A stage before its next step."""

    shared: Shared
    language_model: nn.Module
    optimizer: Optimizers
    session: Session
    make: StepMaker
    phases: Sequence[MixturePhase]
    steps: int
    done: int
    """Steps taken before an interruption."""
    ladder: Ladder | None


def _take_steps(ready: _Ready, run: RunContext, optimisation: Optimisation, validation: Validation | None) -> str:
    """Takes every step that is left; returns the log."""
    accelerator, device, steps = run.accelerator, run.accelerator.device, ready.steps
    shared, optimizer, session = ready.shared, ready.optimizer, ready.session
    validate_every = measured_every(steps, run.recipe.validations)
    fused = fused_layers(ready.language_model, fuses_layers(run.recipe, device))
    with Ahead(ready.make, range(ready.done, steps), device) as ahead, fused:
        for number in range(ready.done, steps):
            run.before_step(number)
            factor = learning_rate_factor(number, steps, optimisation)
            phase = next(phase for phase in ready.phases if number < round(phase.until * steps))
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
            facts = StepFacts(
                samples=step.samples,
                tokens=step.tokens,
                flops=step.flops,
                learning_rate=optimisation.learning_rate * factor,
                waited_s=ahead.wait_s(),
                figures={"idle": round(step.idle, 4)},
            )
            session.record(number + 1, {"loss": loss}, norm, facts)
            optimizer.step()
            shared.refresh()
            if validation and measured_after(number + 1, steps, validate_every):
                with session.metrics.paused():
                    facts.held_out.update(validation.measure(shared, run))
            if ready.ladder and ready.ladder.due(number + 1):
                with session.metrics.paused():
                    ready.ladder.keep(number + 1, shared.state, session.metrics.log)
            session.finish_step(number + 1, {"model": shared.state}, optimizer)
        log = session.close()
    shared.restore()
    return log


def _planned(
    sources: Mapping[str, Sequence[Sample]],
    mixture: Sequence[MixturePhase],
    optimisation: Optimisation,
    run: RunContext,
    stage: str,
    course: Course | None,
) -> tuple[list[MixturePhase], BatchPlan | OrderedPlan, int]:
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
    phases, seed = _present(mixture, held), run.recipe.seed
    if course and course.order.is_timed:
        told = origins_of(sources), course.recordings, course.order
        return phases, OrderedPlan(*told, phases, optimisation.batch_size, steps, seed), steps
    return phases, BatchPlan(held, phases, optimisation.batch_size, steps, seed), steps


def _announce(
    model: BabyLlavaForConditionalGeneration,
    sources: Mapping[str, Sequence[Sample]],
    trains: Sequence[Part],
    run: RunContext,
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
    run: RunContext,
    course: Course | None,
) -> str:
    """Everything that the state of an interrupted stage depends on."""
    facts = [
        asdict(optimisation),
        [asdict(phase) for phase in mixture],
        {name: len(rows) for name, rows in sources.items()},
        run.recipe.seed,
        run.data,
    ]
    if course and course.order.is_timed:
        facts.append(asdict(course.order))
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
