"""The training loop of the vision stage: one step can be followed here from front to back.

    step s ── frames (uint8) ── to the device ── windows, views ── student, teacher ── clip ── AdamW ── teacher ── log
              └ gathered ahead, pinned           └ cut on the device

Everything random in a step depends on (seed, step, process) alone, so that resume is exact. Views are drawn by the
device's own generator: a GPU draws other views than a CPU does, of the same distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import ViTModel

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import vision_config
from babyvlm.model.processing import normalise
from babyvlm.model.stem import new_tower
from babyvlm.training.ahead import Ahead, gathered
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.collapse import CollapseWatch, feature_rank
from babyvlm.training.colour import change_colours
from babyvlm.training.configuration import Recipe
from babyvlm.training.distribution import Shared
from babyvlm.training.kernels import compile_layers, tower_attention
from babyvlm.training.objective import TeacherOutput, VisionObjective
from babyvlm.training.objectives import REGISTRY as OBJECTIVES
from babyvlm.training.optimizers import Optimizers, forget_gradient, tower_rates
from babyvlm.training.probe import Probe
from babyvlm.training.run import RunContext
from babyvlm.training.samples import Pictures
from babyvlm.training.schedules import cosine, learning_rate_factor, teacher_temperature, weight_decay
from babyvlm.training.session import Session, StepFacts, measured_after, measured_every
from babyvlm.training.vision import (
    cut_views,
    cut_windows,
    draw_masks,
    micro_batches,
)

LEAST_PATIENCE = 100


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What a process takes of a step."""

    pixels_BCSS: torch.Tensor
    """uint8, pinned where there is a GPU."""
    generator: torch.Generator
    """Of the CPU, as the choice of the frames has left it."""
    aspects_B: torch.Tensor | None = None
    """Width over height of each before it was stretched to a square; None where squares are what is cut from."""


def new_objective(recipe: Recipe) -> VisionObjective:
    """What the tower learns by, with drawn weights."""
    config = vision_config(recipe.model)
    config._attn_implementation = tower_attention(recipe)
    return OBJECTIVES.get(recipe.vision.objective)(new_tower(config), recipe.vision)


def vision_steps(recipe: Recipe, frames: int) -> int:
    """Steps of the stage on so many frames."""
    run = recipe.vision.optimisation
    return run.steps or math.ceil((run.epochs or 0) * frames / run.batch_size)


def train_tower(
    frames: Pictures,
    run: RunContext,
    resume: Resume,
    probe: Probe | None = None,
    aspects_N: torch.Tensor | None = None,
    held_out: Pictures | None = None,
) -> tuple[ViTModel, str]:
    """Trains a tower from drawn weights, or from where an interrupted stage stands.

    Args:
        frames: What it learns from.
        run: The recipe, the processes and the folder.
        resume: Where the state of the stage is kept.
        probe: Looks at the teacher now and then; None for no look, and in all processes but the main one.
        aspects_N: Width over height of each frame before it was stretched to a square; None where squares are what
            views are cut from.
        held_out: Frames to measure the loss on, as often as the recipe says; None for none.

    Returns:
        The teacher's tower, and the log as JSON lines.

    Raises:
        ConfigError: The batch does not divide by the processes.
        TrainingError: The loss is not finite, it diverged, or the features collapsed.
    """
    recipe, settings, accelerator = run.recipe, run.recipe.vision, run.accelerator
    device, optimisation = accelerator.device, settings.optimisation
    share = share_of(optimisation.batch_size, accelerator.num_processes)
    ready = _set_up(run, resume, len(frames))
    objective, shared, optimizer, session = ready.objective, ready.shared, ready.optimizer, ready.session
    steps = ready.steps

    with Ahead(_gatherer(frames, aspects_N, share, run), range(ready.done, steps), device) as ahead:
        for step in range(ready.done, steps):
            run.before_step(step)
            factor = learning_rate_factor(step, steps, optimisation)
            optimizer.scale(factor)
            optimizer.set_weight_decay(weight_decay(step, steps, optimisation))
            objective.teacher_temperature = teacher_temperature(step, steps, settings)
            if settings.drop_path:
                torch.manual_seed(_seed(recipe, step, accelerator.process_index))
            taken = ahead.take(step)
            views = views_of(taken, recipe, device)
            masks_VP = _masks(taken, recipe)
            loss, taught = _distil(shared, views, masks_VP, settings.micro_batch)
            masked = 0 if masks_VP is None else int((masks_VP > 0).sum())
            norm = shared.clip_gradients(optimisation.clip_norm, optimisation.clip_over)
            if step < settings.frozen_prototypes * steps:
                forget_gradient(ready.trained, "prototypes")
            averaged = {
                "loss": loss,
                "teacher_entropy": taught.entropy / (2 * share),
                "feature_rank": feature_rank(taught.tokens),
            }
            facts = StepFacts(
                samples=optimisation.batch_size,
                tokens=optimisation.batch_size * 2 * recipe.model.image_tokens,
                flops=accelerator.num_processes * objective.flops(recipe.model, share, masked),
                learning_rate=optimisation.learning_rate * factor,
                waited_s=ahead.wait_s(),
            )
            session.record(step + 1, averaged, norm, facts)
            optimizer.step()
            shared.refresh()
            objective.update_centers(
                accelerator.reduce(taught.classes / (2 * share), "mean"),
                accelerator.reduce(taught.patches / max(1, masked), "mean"),
            )
            objective.update_teacher(cosine(settings.teacher_momentum, 1.0, step, steps), shared.masters)
            with session.metrics.paused():
                if probe and measured_after(step + 1, steps, ready.probe_every):
                    facts.held_out.update(_probed(probe, objective, shared))
                if held_out is not None and measured_after(step + 1, steps, ready.validate_every):
                    facts.held_out["validation_loss"] = held_out_loss(held_out, shared, run)
            session.finish_step(step + 1, {"distillation": shared.state}, optimizer)
        log = session.close()
    shared.restore()
    return objective.finished_tower(), log


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A stage before its next step."""

    objective: VisionObjective
    shared: Shared
    trained: list[tuple[str, torch.nn.Parameter]]
    optimizer: Optimizers
    session: Session
    steps: int
    done: int
    """Steps taken before an interruption."""
    probe_every: int
    """Steps between two looks of the probe."""
    validate_every: int
    """Steps between two measurements of the held-out loss."""


def _set_up(run: RunContext, resume: Resume, frames: int) -> _Ready:
    """The objective, drawn or as an interrupted stage left it, its optimizer, and the session that logs."""
    recipe, accelerator, optimisation = run.recipe, run.accelerator, run.recipe.vision.optimisation
    steps = vision_steps(recipe, frames)
    objective = new_objective(recipe).to(accelerator.device)
    if recipe.gradient_checkpointing:
        objective.student.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    found = resume.load({"distillation": objective})
    point = found or ResumePoint()
    if recipe.compile:
        compile_layers(objective)
    shared = Shared(objective, accelerator, precision=recipe.precision, frozen_aside=False)
    trained = shared.trained()
    accelerator.print(
        f"vision: {frames:,} frames, {steps:,} steps of {optimisation.batch_size}; "
        f"trains {sum(parameter.numel() for _, parameter in trained):,} parameters (tower and head)"
    )
    optimizer = Optimizers(trained, optimisation, tower_rates(trained, optimisation))
    if found:
        resume.load_optimizer(optimizer)
    watch = _collapse_watch(recipe, steps)
    session = Session(
        run, "vision", steps, point=point, resume=resume, uniform_loss=objective.uniform_loss, watch=watch
    )
    return _Ready(
        objective=objective,
        shared=shared,
        trained=trained,
        optimizer=optimizer,
        session=session,
        steps=steps,
        done=point.step,
        probe_every=_probe_every(recipe, steps, frames),
        validate_every=measured_every(steps, recipe.validations),
    )


def _gatherer(frames: Pictures, aspects_N: torch.Tensor | None, share: int, run: RunContext) -> Callable[[int], Frames]:
    """Gathers what this process takes of a step."""
    device = run.accelerator.device

    def gather(step: int) -> Frames:
        generator = torch.Generator().manual_seed(_seed(run.recipe, step, run.accelerator.process_index))
        chosen = torch.randint(len(frames), (share,), generator=generator)
        aspects_B = None if aspects_N is None else gathered([aspects_N], chosen, device)
        pixels_BCSS = gathered([frames.pixels_NCHW], chosen, device)
        return Frames(pixels_BCSS=pixels_BCSS, aspects_B=aspects_B, generator=generator)

    return gather


def views_of(taken: Frames, recipe: Recipe, device: torch.device) -> list[torch.Tensor]:
    """Cuts a step's views on the device: the two global ones and then the local ones, each BCHW, normalised.

    On a CPU they are drawn by the generator that chose the frames, on a GPU by its own, begun with the same seed.
    """
    settings, generator = recipe.vision, taken.generator
    if device.type != "cpu":
        generator = torch.Generator(device).manual_seed(generator.initial_seed())
    frames_BCSS = taken.pixels_BCSS.to(device, non_blocking=True).float() / 255
    windows_BCSS = cut_windows(frames_BCSS, settings.window_scale, settings.window_tries, generator)
    sizes = [(recipe.model.image_size, settings.global_scale)] * 2
    sizes += [(settings.local_size, settings.local_scale)] * settings.local_views
    aspects_B = None if taken.aspects_B is None else taken.aspects_B.to(device, non_blocking=True)
    colour = settings.colour
    changes = [colour.first_global, colour.second_global] + [colour.local] * settings.local_views
    views = []
    for (size, scale), change in zip(sizes, changes, strict=True):
        cut = cut_views(windows_BCSS, size, scale, settings.flip_probability, generator, aspects_B)
        views.append(normalise(change_colours(cut, colour, change, generator) * 255))
    return views


def _masks(taken: Frames, recipe: Recipe) -> torch.Tensor | None:
    """Draws the patches to mask in the two global views; None where the objective masks none."""
    if not recipe.vision.masked_patch_weight:
        return None
    return draw_masks(2 * len(taken.pixels_BCSS), recipe.model.image_tokens - 1, recipe.vision, taken.generator)


def _distil(
    shared: Shared, views: Sequence[torch.Tensor], masks_VP: torch.Tensor | None, micro_batch: int | None
) -> tuple[torch.Tensor, TeacherOutput]:
    """Adds up a step's gradients; returns its loss and the output of the teacher, in this process."""
    device = views[0].device
    loss, taught = torch.zeros((), device=device), []
    passes = list(micro_batches(views, masks_VP, micro_batch))
    for number, (some_views, masked, share) in enumerate(passes):
        with shared.row(number, len(passes)):
            part, heard = shared.called(some_views, masked, share)
            shared.backward(part)
        loss += part.detach()
        taught.append(heard)
    return loss, TeacherOutput(
        classes=torch.stack([each.classes for each in taught]).sum(0),
        patches=torch.stack([each.patches for each in taught]).sum(0),
        entropy=torch.stack([each.entropy for each in taught]).sum(),
        tokens=torch.cat([each.tokens for each in taught]),
    )


def _seed(recipe: Recipe, step: int, process: int) -> int:
    return (recipe.seed * 1_000_003 + step) * 4096 + process


def share_of(batch_size: int, processes: int) -> int:
    if batch_size % processes:
        raise ConfigError(
            f"vision.optimisation.batch_size={batch_size} does not divide by {processes} processes: "
            f"set it to {max(1, batch_size // processes) * processes}, or start another number"
        )
    return batch_size // processes


@torch.no_grad()
def held_out_loss(frames: Pictures, shared: Shared, run: RunContext) -> float:
    """The stage's loss on frames it does not learn from; every process must call.

    The views are the same at every look, and squares are what they are cut from.

    Args:
        frames: Held out.
        shared: The objective.
        run: The recipe and the processes.

    Returns:
        Mean of the objective's ``held_out_loss``.
    """
    accelerator, recipe, objective = run.accelerator, run.recipe, shared.module
    assert isinstance(objective, VisionObjective)
    totals = torch.zeros(2, device=accelerator.device)
    size = max(1, share_of(recipe.vision.optimisation.batch_size, accelerator.num_processes))
    starts = range(0, len(frames), min(size, recipe.vision.micro_batch or size))
    objective.eval()
    for number, start in list(enumerate(starts))[accelerator.process_index :: accelerator.num_processes]:
        pixels_BCSS = frames.pixels_NCHW[start : start + starts.step]
        generator = torch.Generator().manual_seed(_seed(recipe, number, 0))
        views = views_of(Frames(pixels_BCSS=pixels_BCSS, generator=generator), recipe, accelerator.device)
        with shared.autocast():
            loss = objective.held_out_loss(views)
        totals += torch.stack([loss.float(), torch.ones_like(loss.float())]) * len(pixels_BCSS)
    objective.train()
    loss_sum, count = accelerator.reduce(totals, "sum").tolist()
    return float(round(loss_sum / count, 5))


def _collapse_watch(recipe: Recipe, steps: int) -> Callable[[int, Mapping[str, float]], tuple[str, str] | None]:
    """Says what is wrong, and what to change, where the features collapse."""
    settings = recipe.vision
    watch = CollapseWatch(
        settings.prototypes,
        warmup=math.ceil(steps * settings.optimisation.warmup_fraction),
        patience=max(LEAST_PATIENCE, math.ceil(steps * settings.collapse_patience)),
    )

    def look(step: int, figures: Mapping[str, float]) -> tuple[str, str] | None:
        loss, entropy, rank = (figures[name] for name in ("loss", "teacher_entropy", "feature_rank"))
        if wrong := watch.check(step, loss=loss, entropy=entropy, rank=rank):
            remedy = (
                "Lower vision.optimisation.learning_rate or vision.teacher_temperature, or raise "
                "vision.teacher_momentum or vision.koleo_weight"
            )
            return f"the vision stage has collapsed: {wrong}, up to step {step}", remedy
        return None

    return look


def _probe_every(recipe: Recipe, steps: int, frames: int) -> int:
    if recipe.vision.probes is None:
        return max(1, math.ceil(frames / recipe.vision.optimisation.batch_size))
    return measured_every(steps, recipe.vision.probes)


def _probed(probe: Probe, objective: VisionObjective, shared: Shared) -> dict[str, float]:
    with shared.autocast():
        accuracy = probe.accuracy(objective.probed_tower())
    return {"knn_word" if probe.by_word else "knn_recording": round(accuracy, 4)}
