"""The training loop of every stage that has a language model in it (stages 0 language, 1, 2 and 3 of the paper).

    step s ── rows, made ahead (steps.py) ── forward, backward ── clip ── AdamW ── log, one step late on a GPU
                                             loss = sum over learned tokens / learned tokens of the whole step

Gradients accumulate over the rows of a step, as many as ``micro_batch_tokens`` asks for. One optimizer step can be
followed here from front to back; checkpoints and logging are calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

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
    vision_until: float = 1.0,
    begin_again: Callable[[], None] | None = None,
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
        cache_vision_features: Whether to run the tower once for every picture as soon as it is frozen.
        vision_until: Fraction of the steps after which a tower that learns is frozen.
        begin_again: Called there, with the model in float32, to give the other parts other weights; the rates then go
            through their course before and after it, each from the beginning. None goes on as it is.
        views: Pictures numbered behind ``pictures``.
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
    model.train()
    spans = _spans(steps, trains, cache_vision_features, vision_until, restarts=begin_again is not None)
    _announce(model, sources, spans, run, f"{stage}: {{size:,}} samples, {steps:,} steps of {optimisation.batch_size}")
    resume = Resume(run.out, stage, _fingerprint(optimisation, mixture, sources, run, course, spans), accelerator)
    found = resume.load({"model": model})
    point = found or ResumePoint()
    if found:
        accelerator.print(f"{stage}: resumes after step {point.step:,}")
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if recipe.compile:
        compile_layers(model)
    stage_of = _Stage(
        model=model, sources=sources, shown=(pictures, views), plan=plan, phases=phases, steps=steps,
        optimisation=optimisation, micro_batch_tokens=micro_batch_tokens, run=run, validation=validation, ladder=ladder,
    )  # fmt: skip
    session: Session | None = None
    for span in (span for span in spans if span.end > point.step):
        began_s = time.monotonic()
        with session.metrics.paused() if session else contextlib.nullcontext():
            if begin_again and span.begin > 0 and point.step <= span.begin:
                begin_again()
            make = stage_of.begin(span)
        if session is None:
            point = replace(point, seconds=point.seconds + time.monotonic() - began_s)
            uniform = math.log(recipe.model.vocabulary)
            session = Session(run, stage, steps, point=point, resume=resume, uniform_loss=uniform)
        stage_of.take(span, make, session, resume, point.step)
    assert session is not None
    return session.close()


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Steps in which the same parts learn. Each starts with empty optimizer moments."""

    begin: int
    end: int
    trains: tuple[Part, ...]
    keeps_features: bool
    course: range
    """Steps over which the rates go through their course."""


def _spans(
    steps: int, trains: Sequence[Part], keeps_features: bool, vision_until: float, *, restarts: bool
) -> list[_Span]:
    """The stage's spans: one, or one in which the tower learns and one in which it is frozen."""
    frozen: tuple[Part, ...] = tuple(part for part in trains if part != "vision")
    switch = steps if vision_until == 1 else max(1, min(steps - 1, round(vision_until * steps)))
    if "vision" not in trains or switch == steps:
        switch, frozen = 0, tuple(trains)
    before, after = range(switch), range(switch, steps)
    courses = (before, after) if restarts else (range(steps),) * 2
    last = _Span(begin=switch, end=steps, trains=frozen, keeps_features=keeps_features, course=courses[1])
    if not before:
        return [last]
    return [_Span(begin=0, end=switch, trains=tuple(trains), keeps_features=False, course=courses[0]), last]


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """What all spans of a stage share."""

    model: BabyLlavaForConditionalGeneration
    sources: Mapping[str, Sequence[Sample]]
    shown: tuple[Pictures | None, Pictures | None]
    """Pictures, and views numbered behind them."""
    plan: BatchPlan | OrderedPlan
    phases: Sequence[MixturePhase]
    steps: int
    optimisation: Optimisation
    micro_batch_tokens: int
    run: RunContext
    validation: Validation | None
    ladder: Ladder | None

    def begin(self, span: _Span) -> StepMaker:
        """Freezes what does not learn, keeps the tower's output if that is wanted, and returns what makes steps."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(part_of(name) in span.trains)
        features_UTD = None
        if span.keeps_features:
            kept = [encode_pictures(self.model, shown, self.run) for shown in self.shown if shown is not None]
            features_UTD = torch.cat(kept) if len(kept) > 1 else kept[0] if kept else None
        if self.validation:
            self.validation.prepare(
                self.model,
                self.run,
                trains=span.trains,
                micro_batch_tokens=self.micro_batch_tokens,
                cache_vision_features=span.keeps_features,
            )
        return StepMaker(
            self.plan,
            self.sources,
            self.shown[0],
            features_UTD,
            views=self.shown[1],
            run=self.run,
            micro_batch_tokens=self.micro_batch_tokens,
            flops=StepFlops(self.model, self.run.recipe.model, span.trains, cached_features=features_UTD is not None),
        )

    def take(self, span: _Span, make: StepMaker, session: Session, resume: Resume, done: int) -> None:
        """Takes the steps of a span, but those done before an interruption; at the end the model is in float32."""
        accelerator, recipe, device = self.run.accelerator, self.run.recipe, self.run.accelerator.device
        optimisation, validation, steps = self.optimisation, self.validation, self.steps
        units = units_of(self.model)
        shared = Shared(self.model, accelerator, precision=recipe.precision, sharding=recipe.sharding, units=units)
        optimizer = Optimizers(shared.trained(), optimisation)
        if span.begin < done:
            resume.load_optimizer(optimizer)
        numbers, course = range(max(span.begin, done), span.end), span.course
        validate_every = measured_every(steps, recipe.validations)
        fused = fused_layers(self.model.model.language_model, fuses_layers(recipe, device))
        with Ahead(make, numbers, device) as ahead, fused:
            for number in numbers:
                self.run.before_step(number)
                factor = learning_rate_factor(number - course.start, len(course), optimisation)
                phase = next(phase for phase in self.phases if number < round(phase.until * steps))
                optimizer.scale(factor, phase.vision_rate)
                optimizer.set_weight_decay(weight_decay(number - course.start, len(course), optimisation))
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
                        facts.held_out.update(validation.measure(shared, self.run))
                if self.ladder and self.ladder.due(number + 1):
                    with session.metrics.paused():
                        self.ladder.keep(number + 1, shared.state, session.metrics.log)
                session.finish_step(number + 1, {"model": shared.state}, optimizer)
            session.finish_span()
        shared.restore()


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
    spans: Sequence[_Span],
    run: RunContext,
    begin: str,
) -> None:
    """Says what trains and what is frozen."""
    counts, trains = parameter_counts(model), spans[0].trains
    frozen = [f"{part} {counts[part]:,}" for part in counts if part not in trains]
    trained = [f"{part} {counts[part]:,}" for part in counts if part in trains]
    later = "".join(f"; after step {span.begin:,} vision is frozen too" for span in spans[1:])
    run.accelerator.print(
        begin.format(size=sum(map(len, sources.values())))
        + f"; trains {', '.join(trained)} parameters; frozen: {', '.join(frozen) or 'nothing'}{later}"
    )


def _fingerprint(
    optimisation: Optimisation,
    mixture: Sequence[MixturePhase],
    sources: Mapping[str, Sequence[Sample]],
    run: RunContext,
    course: Course | None,
    spans: Sequence[_Span],
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
    facts += [[span.begin, len(span.course)] for span in spans[1:]]
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
