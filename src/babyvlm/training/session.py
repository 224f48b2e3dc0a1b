"""What the training loops of all stages share: the log, checkpoints, and what is measured on held-out data.

    forward, backward, clip ── record ──────────── optimizer ── finish_step
                               │ average, check                 │ log line, checkpoint when one is due

On a GPU the figures of a step are read one step later, so that the host never waits for it (``figures.py``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from babyvlm.errors import BabyVLMError, TrainingError
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.distribution import HasState
from babyvlm.training.figures import Figures, LateFigures
from babyvlm.training.optimizers import Optimizers
from babyvlm.training.run import RunContext

_DECIMALS = {"loss": 5, "feature_rank": 2}


@dataclass(frozen=True, kw_only=True)
class StepFacts:
    """What the program knows of a step without asking the device."""

    samples: int
    """Of all processes."""
    tokens: int
    """Of all processes, without padding."""
    flops: float
    """Operations, of all processes."""
    learning_rate: float
    """Of the optimizer's step, before what multiplies it for some parameters."""
    waited_s: float
    """How long this process waited for its inputs, seconds."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What else the log line says."""
    held_out: dict[str, float] = field(default_factory=dict)
    """What was measured on held-out data after the step; such a step always gets a line."""


class Session:
    """One stage in progress.

    Args:
        run: The recipe, the processes and the folder.
        stage: Name of the stage.
        steps: Steps it will take.
        point: Where it stands.
        resume: Where its state is saved.
        uniform_loss: Loss of a model that finds everything equally likely.
        watch: Looks at each step's averaged figures and returns the problem and the remedy where the stage must stop.
    """

    def __init__(
        self,
        run: RunContext,
        stage: str,
        steps: int,
        *,
        point: ResumePoint,
        resume: Resume,
        uniform_loss: float,
        watch: Callable[[int, Mapping[str, float]], tuple[str, str] | None] | None = None,
    ) -> None:
        self._accelerator, self._resume, self._steps, self._watch = run.accelerator, resume, steps, watch
        self._checkpoint_every_s = run.recipe.checkpoint_every_s
        self.metrics = run.metrics(stage, steps, uniform_loss=uniform_loss, point=point)
        self._late = LateFigures[StepFacts](run.accelerator.device)
        self._names: tuple[str, ...] = ()
        self._arrived: Sequence[Figures[StepFacts]] = ()
        self._saved_s = time.monotonic()
        self._begun = 0
        """Step of the last checkpoint."""

    def record(
        self, step: int, averaged: Mapping[str, torch.Tensor], gradient_norm: torch.Tensor, facts: StepFacts
    ) -> None:
        """Hands in a step's figures before the optimizer takes the step; every process must call.

        Args:
            step: Number of the step, counted from 1.
            averaged: Scalars on the device, ``loss`` among them; the log gets their means over the processes.
            gradient_norm: Of all processes together.
            facts: What is known without the device.

        Raises:
            TrainingError: A figure that has arrived is bad: on a CPU this step's, before the weights change; on a GPU
                an earlier step's, before a checkpoint.
        """
        # All processes save at once or none does, so their clocks are asked together.
        due = torch.full_like(averaged["loss"], time.monotonic() - self._saved_s > self._checkpoint_every_s)
        written = torch.full_like(averaged["loss"], self._resume.written)
        means = self._accelerator.reduce(torch.stack([*averaged.values(), due, written]), "mean")
        self._names = (*averaged, "due", "written", "gradient_norm")
        self._arrived = self._late.put(step, torch.cat([means, gradient_norm[None]]), facts)
        self._check(self._arrived)

    def finish_step(self, step: int, modules: Mapping[str, HasState], optimizer: Optimizers) -> None:
        """Writes what has arrived, and saves the stage's state when that is due; every process must call.

        Args:
            step: Number of the step, counted from 1.
            modules: What is saved, by name.
            optimizer: Saved with it.
        """
        try:
            if self._write(self._arrived) and step < self._steps:
                self._finish()
                self._resume.begin(modules, optimizer, self.metrics.point)
                self._saved_s, self._begun = time.monotonic(), step
        except BabyVLMError:
            self.metrics.close()  # or the sentence would stand behind the bar
            raise

    def finish_span(self) -> None:
        """Waits for the figures of all steps so far and the last checkpoint; every process must call."""
        self._finish()
        self._resume.finish()

    def close(self) -> str:
        """Does the same at the end; returns the log as JSON lines."""
        self.finish_span()
        self.metrics.close()
        return self.metrics.log

    def _named(self, each: Figures[StepFacts]) -> dict[str, float]:
        return dict(zip(self._names, each.values, strict=True))

    def _check(self, arrived: Sequence[Figures[StepFacts]]) -> None:
        try:
            for each in arrived:
                figures = self._named(each)
                self.metrics.check(each.step, loss=figures["loss"], gradient_norm=figures["gradient_norm"])
                if self._watch and (wrong := self._watch(each.step, figures)):
                    self.metrics.stop(*wrong)
        except TrainingError as error:
            error.everywhere = True  # figures are of all processes
            raise

    def _write(self, arrived: Sequence[Figures[StepFacts]]) -> bool:
        """Writes lines; returns whether a checkpoint is due."""
        checkpoint = False
        for each in arrived:
            figures, facts = self._named(each), each.note
            checkpoint |= bool(figures.pop("due"))
            # Of a step before the last checkpoint it tells nothing of that one.
            written = figures.pop("written")
            if each.step > self._begun and (written == 1 or written < 0):
                self._resume.finish()
            # A figure of what an objective has not, such as a teacher, is not a number; loss and norm were checked.
            known = {name: value for name, value in figures.items() if not math.isnan(value)}
            rounded = {name: round(value, _DECIMALS.get(name, 4)) for name, value in known.items()}
            self.metrics.step(
                each.step,
                samples=facts.samples,
                tokens=facts.tokens,
                flops=facts.flops,
                waited_s=facts.waited_s,
                kept=bool(facts.held_out),
                loss=rounded.pop("loss"),
                learning_rate=facts.learning_rate,
                **rounded,
                **facts.figures,
                **facts.held_out,
            )
        return checkpoint

    def _finish(self) -> None:
        rest = self._late.rest()
        self._check(rest)
        self._write(rest)


def measured_after(step: int, steps: int, every: int) -> bool:
    """Whether held-out data are looked at after a step, counted from 1: the first, each ``every``-th, the last."""
    return step in (1, steps) or step % every == 0


def measured_every(steps: int, times: int) -> int:
    """Steps between two looks at held-out data, where there are to be so many."""
    return math.ceil(steps / max(1, times))
