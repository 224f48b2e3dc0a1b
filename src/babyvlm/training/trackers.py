"""Where a stage's figures go besides ``metrics.jsonl``: TensorBoard's files always, Weights & Biases on request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from babyvlm.errors import MissingExtraError


class Tracker(Protocol):
    """Takes figures."""

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Takes the figures of one step."""

    def close(self) -> None:
        """Writes out what is left."""


class TensorBoard:
    """Event files in ``OUT/tensorboard/STAGE``.

    Args:
        folder: Where to.
        done: Steps that an interrupted run keeps; what it wrote of later ones is hidden.
    """

    def __init__(self, folder: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of a project at Weights & Biases, or offline as ``WANDB_MODE`` says. Only figures are sent, never frames.

    Args:
        project: Its name.
        out: The run's folder, which also holds what wandb keeps.
        stage: Name of the stage; one run each, resumed with the stage.
        configuration: What to show as the run's configuration.

    Raises:
        MissingExtraError: wandb is not installed.
    """

    def __init__(self, project: str, out: Path, stage: str, configuration: Mapping[str, Any]) -> None:
        identity = hashlib.sha256(f"{out.resolve()}/{stage}".encode()).hexdigest()[:16]
        self._run = _wandb().init(
            project=project,
            name=f"{out.name}-{stage}",
            group=out.name,
            id=identity,
            resume="allow",
            dir=str(out),
            config=dict(configuration),
        )

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


def require_wandb() -> None:
    """Raises MissingExtraError where wandb is not installed, before anything is begun."""
    _wandb()


def _wandb() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise MissingExtraError("--wandb", "wandb") from error
    return wandb
