"""What all stages of a run have in common, and the schedule of the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from babyvlm.training.checkpoints import ResumePoint
from babyvlm.training.configuration import Recipe, saved_settings
from babyvlm.training.flops import peak_flops
from babyvlm.training.metrics_logger import MetricsLogger
from babyvlm.training.trackers import TensorBoard, Tracker, WeightsAndBiases


def accelerator_for(recipe: Recipe, *, cpu: bool = False) -> Accelerator:
    """The processes, their device, and autocast where the recipe's precision asks for it.

    Args:
        recipe: The resolved configuration.
        cpu: Whether to stay off any GPU.
    """
    autocast = "bf16" if recipe.precision == "bf16" else "no"
    # Without views of the buckets, every gradient would be held twice.
    handlers = [DistributedDataParallelKwargs(gradient_as_bucket_view=True)]
    return Accelerator(mixed_precision=autocast, cpu=cpu, kwargs_handlers=handlers)


def _nothing(step: int) -> None:
    """What a run that nobody watches does before a step."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
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
    tensorboard: bool = True
    """Whether event files are written."""
    before_step: Callable[[int], None] = _nothing
    """Called at the start of each step with its number, counted from 0: benchmarks measure from here."""

    def metrics(self, stage: str, steps: int, *, uniform_loss: float, point: ResumePoint) -> MetricsLogger:
        """The log of a stage that stands at ``point``; one process draws and tracks, all of them count."""
        main = self.accelerator.is_main_process
        trackers: list[Tracker] = []
        if main and self.tensorboard:
            trackers.append(TensorBoard(self.out / "tensorboard" / stage, point.step))
        if main and self.wandb is not None:
            trackers.append(WeightsAndBiases(self.wandb, self.out, stage, saved_settings(self.recipe)))
        return MetricsLogger(
            stage,
            steps,
            self.recipe.log_every_steps,
            trackers=trackers,
            uniform_loss=uniform_loss,
            peak_flops=peak_flops(self.accelerator.device, self.recipe.precision) * self.accelerator.num_processes,
            begin=point,
            silent=not main,
        )
