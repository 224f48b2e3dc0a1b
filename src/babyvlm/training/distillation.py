"""The training loop of the vision stage: one step can be followed here from front to back.

    step s ── frames (uint8) ── to the device ── windows, views ── student, teacher ── clip ── AdamW ── teacher ── log
              └ gathered ahead, pinned           └ cut on the device

Everything random in a step depends on (seed, step, process) alone, so that resume is exact. Views are drawn by the
device's own generator: a GPU draws other views than a CPU does, of the same distribution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
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
from babyvlm.training.figures import Figures, LateFigures
from babyvlm.training.journal import Journal
from babyvlm.training.kernels import compile_layers, tower_attention
from babyvlm.training.objective import Said, VisionObjective
from babyvlm.training.objectives import REGISTRY as OBJECTIVES
from babyvlm.training.optimizers import Optimizers, forget_gradient, tower_rates
from babyvlm.training.probe import Probe
from babyvlm.training.run import Run
from babyvlm.training.samples import Pictures
from babyvlm.training.schedules import cosine, learning_rate_factor, teacher_temperature, weight_decay
from babyvlm.training.vision import (
    cut_views,
    cut_windows,
    draw_masks,
    micro_batches,
)

_LEAST_PATIENCE = 100


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What a process takes of a step."""

    pixels_BCSS: torch.Tensor
    """uint8, pinned where there is a GPU."""
    generator: torch.Generator
    """Of the CPU, as the choice of the frames has left it."""
    aspects_B: torch.Tensor | None = None
    """Width over height of each before it was stretched to a square; None where squares are what is cut from."""


@dataclass(frozen=True, kw_only=True)
class _Note:
    """What the program knows of a step whose figures are still to come."""

    flops: float
    probed: dict[str, float]
    waited_s: float


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
    frames: Pictures, run: Run, resume: Resume, probe: Probe | None = None, aspects_N: torch.Tensor | None = None
) -> tuple[ViTModel, str]:
    """Trains a tower from drawn weights, or from where an interrupted stage stands.

    Args:
        frames: What it learns from.
        run: The recipe, the processes and the folder.
        resume: Where the state of the stage is kept.
        probe: Looks at the teacher now and then; None for no look, and in all processes but the main one.
        aspects_N: Width over height of each frame before it was stretched to a square; None where squares are what
            views are cut from.

    Returns:
        The teacher's tower, and the log as JSON lines.

    Raises:
        ConfigError: The batch does not divide by the processes.
        TrainingError: The loss is not finite, it diverged, or the features collapsed.
    """
    recipe, knobs, accelerator = run.recipe, run.recipe.vision, run.accelerator
    device, optimisation = accelerator.device, knobs.optimisation
    share = _share(optimisation.batch_size, accelerator.num_processes)
    steps = vision_steps(recipe, len(frames))
    objective = new_objective(recipe).to(device)
    if recipe.gradient_checkpointing:
        objective.student.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    found = resume.load({"distillation": objective})
    point = found or ResumePoint()
    if recipe.compile:
        compile_layers(objective)
    shared = Shared(objective, accelerator, precision=recipe.precision, frozen_aside=False)
    trained = shared.trained()
    accelerator.print(
        f"vision: {len(frames):,} frames, {steps:,} steps of {optimisation.batch_size}; "
        f"trains {sum(parameter.numel() for _, parameter in trained):,} parameters (tower and head)"
    )
    optimizer = Optimizers(trained, optimisation, tower_rates(trained, optimisation))
    if found:
        resume.load_optimizer(optimizer)
    log = _VisionLog(run, steps, point, objective.uniform_loss)
    late = LateFigures[_Note](device)
    probe_every = _probe_every(recipe, steps, len(frames))
    saved_s = time.monotonic()

    def gather(step: int) -> Frames:
        generator = torch.Generator().manual_seed(_seed(recipe, step, accelerator.process_index))
        chosen = torch.randint(len(frames), (share,), generator=generator)
        aspects_B = None if aspects_N is None else gathered(aspects_N, chosen, device)
        pixels_BCSS = gathered(frames.pixels_NCHW, chosen, device)
        return Frames(pixels_BCSS=pixels_BCSS, aspects_B=aspects_B, generator=generator)

    with Ahead(gather, range(point.step, steps), device) as ahead:
        for step in range(point.step, steps):
            run.before_step(step)
            optimizer.scale(learning_rate_factor(step, steps, optimisation))
            optimizer.set_weight_decay(weight_decay(step, steps, optimisation))
            objective.teacher_temperature = teacher_temperature(step, steps, knobs)
            if knobs.drop_path:
                torch.manual_seed(_seed(recipe, step, accelerator.process_index))
            taken = ahead.take(step)
            views = views_of(taken, recipe, device)
            masks_VP = None
            if knobs.masked_patch_weight:
                masks_VP = draw_masks(2 * share, recipe.model.image_tokens - 1, knobs, taken.generator)
            loss, said = _distil(shared, views, masks_VP, knobs.micro_batch)
            masked = 0 if masks_VP is None else int((masks_VP > 0).sum())
            norm = shared.clip_gradients(optimisation.clip_norm, optimisation.clip_over)
            if step < knobs.frozen_prototypes * steps:
                forget_gradient(trained, "prototypes")
            # All processes save at once or none does, so their clocks are asked together.
            due = torch.full_like(loss, time.monotonic() - saved_s > recipe.checkpoint_every_s)
            mine = torch.stack([loss, said.entropy / (2 * share), feature_rank(said.tokens), due])
            figures = torch.cat([accelerator.reduce(mine, "mean"), norm[None]])
            probed: dict[str, float] = {}
            flops = objective.flops(recipe.model, share, masked)
            note = _Note(flops=accelerator.num_processes * flops, probed=probed, waited_s=ahead.wait_s())
            arrived = late.put(step + 1, figures, note)
            log.check(arrived)
            optimizer.step()
            shared.refresh()
            objective.update_centres(
                accelerator.reduce(said.classes / (2 * share), "mean"),
                accelerator.reduce(said.patches / max(1, masked), "mean"),
            )
            objective.update_teacher(cosine(knobs.teacher_momentum, 1.0, step, steps), shared.masters)
            if probe and ((step + 1) % probe_every == 0 or step + 1 in (1, steps)):
                probed |= _probed(probe, objective, shared)
            if log.write(arrived) and step + 1 < steps:
                rest = late.rest()
                log.check(rest)
                log.write(rest)
                resume.save({"distillation": shared.state}, optimizer, log.journal.point)
                saved_s = time.monotonic()
        rest = late.rest()
        log.check(rest)
        log.write(rest)
    log.journal.close()
    shared.restore()
    return objective.finished_tower(), log.journal.log


def views_of(taken: Frames, recipe: Recipe, device: torch.device) -> list[torch.Tensor]:
    """Cuts a step's views on the device: the two global ones and then the local ones, each BCHW, normalised.

    On a CPU they are drawn by the generator that chose the frames, on a GPU by its own, begun with the same seed.
    """
    knobs, generator = recipe.vision, taken.generator
    if device.type != "cpu":
        generator = torch.Generator(device).manual_seed(generator.initial_seed())
    frames_BCSS = taken.pixels_BCSS.to(device, non_blocking=True).float() / 255
    windows_BCSS = cut_windows(frames_BCSS, knobs.window_scale, knobs.window_tries, generator)
    sizes = [(recipe.model.image_size, knobs.global_scale)] * 2
    sizes += [(knobs.local_size, knobs.local_scale)] * knobs.local_views
    aspects_B = None if taken.aspects_B is None else taken.aspects_B.to(device, non_blocking=True)
    changes = [knobs.colour.first_global, knobs.colour.second_global] + [knobs.colour.local] * knobs.local_views
    views = []
    for (size, scale), change in zip(sizes, changes, strict=True):
        cut = cut_views(windows_BCSS, size, scale, knobs.flip_probability, generator, aspects_B)
        views.append(normalise(change_colours(cut, knobs.colour, change, generator) * 255))
    return views


def _distil(
    shared: Shared, views: Sequence[torch.Tensor], masks_VP: torch.Tensor | None, micro_batch: int | None
) -> tuple[torch.Tensor, Said]:
    """Adds up a step's gradients; returns its loss and what the teacher said, in this process."""
    device = views[0].device
    loss, said = torch.zeros((), device=device), []
    passes = list(micro_batches(views, masks_VP, micro_batch))
    for number, (some_views, masks, share) in enumerate(passes):
        with shared.row(number, len(passes)):
            given = None if masks is None else masks.to(device, non_blocking=True)
            part, heard = shared.called(some_views, given, share)
            shared.backward(part)
        loss += part.detach()
        said.append(heard)
    return loss, Said(
        classes=torch.stack([each.classes for each in said]).sum(0),
        patches=torch.stack([each.patches for each in said]).sum(0),
        entropy=torch.stack([each.entropy for each in said]).sum(),
        tokens=torch.cat([each.tokens for each in said]),
    )


def _seed(recipe: Recipe, step: int, process: int) -> int:
    return (recipe.seed * 1_000_003 + step) * 4096 + process


def _share(batch_size: int, processes: int) -> int:
    if batch_size % processes:
        raise ConfigError(
            f"vision.optimisation.batch_size={batch_size} does not divide by {processes} processes: "
            f"set it to {max(1, batch_size // processes) * processes}, or start another number"
        )
    return batch_size // processes


def _probe_every(recipe: Recipe, steps: int, frames: int) -> int:
    if recipe.vision.probes is None:
        return max(1, math.ceil(frames / recipe.vision.optimisation.batch_size))
    return math.ceil(steps / max(1, recipe.vision.probes))


def _probed(probe: Probe, objective: VisionObjective, shared: Shared) -> dict[str, float]:
    with shared.autocast():
        accuracy = probe.accuracy(objective.probed_tower())
    return {"knn_word" if probe.by_word else "knn_recording": round(accuracy, 4)}


class _VisionLog:
    """Checks and writes what has arrived of the stage's steps."""

    def __init__(self, run: Run, steps: int, point: ResumePoint, uniform_loss: float) -> None:
        recipe, knobs = run.recipe, run.recipe.vision
        self._batch_size = knobs.optimisation.batch_size
        self._tokens = self._batch_size * 2 * recipe.model.image_tokens
        self.journal: Journal = run.journal("vision", steps, uniform_loss=uniform_loss, point=point)
        self._watch = CollapseWatch(
            knobs.prototypes,
            warmup=math.ceil(steps * knobs.optimisation.warmup_fraction),
            patience=max(_LEAST_PATIENCE, math.ceil(steps * knobs.collapse_patience)),
        )

    def check(self, arrived: Sequence[Figures[_Note]]) -> None:
        """Stops the stage where a figure is bad."""
        for each in arrived:
            loss, entropy, rank, _, norm = each.values
            self.journal.check(each.step, loss=loss, gradient_norm=norm)
            if wrong := self._watch.check(each.step, loss=loss, entropy=entropy, rank=rank):
                self.journal.stop(
                    f"the vision stage has collapsed: {wrong}, up to step {each.step}",
                    "Lower vision.optimisation.learning_rate or vision.teacher_temperature, or raise "
                    "vision.teacher_momentum or vision.koleo_weight",
                )

    def write(self, arrived: Sequence[Figures[_Note]]) -> bool:
        """Writes lines; returns whether a checkpoint is due."""
        late = False
        for each in arrived:
            loss, entropy, rank, due, norm = each.values
            taught = {} if math.isnan(entropy) else {"teacher_entropy": round(entropy, 4)}
            self.journal.step(
                each.step,
                samples=self._batch_size,
                tokens=self._tokens,
                flops=each.note.flops,
                waited_s=each.note.waited_s,
                kept=bool(each.note.probed),
                loss=round(loss, 5),
                gradient_norm=round(norm, 4),
                **taught,
                feature_rank=round(rank, 2),
                **each.note.probed,
            )
            late |= bool(due)
        return late
