"""Checkpoints: the finished one of a stage, and the one that an interrupted stage resumes from.

OUT/joint/                finished: config, weights (safetensors), tokenizer, processor, metrics.jsonl, manifest.json
OUT/.joint.resume/        unfinished: weights, optimizer, step, metrics.jsonl; replaced as a whole, so never torn
    .joint.resume.new/    being written; whole once it holds state.json, its last file
    .joint.resume.old/    what it replaces, until it has
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from babyvlm.errors import CheckpointError
from babyvlm.folders import is_no_room, no_room
from babyvlm.training.distribution import HasState, whole_weights
from babyvlm.training.optimizers import Optimizers

_STATE = "state.json"


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """Where an interrupted stage stands."""

    step: int = 0
    """Steps already taken."""
    seconds: float = 0.0
    """Training time already spent."""
    log: str = ""
    """Lines of its log."""


class Resume:
    """Saves and restores the state of a stage in progress.

    Args:
        out: The run's folder.
        stage: Name of the stage.
        fingerprint: Everything that the state depends on; another fingerprint refuses to resume.
        accelerator: The processes; the main one writes.
    """

    def __init__(self, out: Path, stage: str, fingerprint: str, accelerator: Accelerator) -> None:
        self.folder = out / f".{stage}.resume"
        self._new, self._old = (self.folder.with_name(f"{self.folder.name}.{end}") for end in ("new", "old"))
        self._fingerprint, self._accelerator = fingerprint, accelerator

    def save(self, modules: Mapping[str, HasState], optimizer: Optimizers, point: ResumePoint) -> None:
        """Writes the state beside the old one, then puts it in its place; every process must call.

        Raises:
            DataFolderError: There is no room; the old state is still there.
        """
        main = self._accelerator.is_main_process
        weights = {name: whole_weights(module, keep=main) for name, module in modules.items()}
        moments = optimizer.state_dict(keep=main)
        if self._accelerator.is_main_process:
            try:
                self._write(weights, moments, point)
            except OSError as error:
                if not is_no_room(error):
                    raise
                raise no_room(self._new, error) from error
        self._accelerator.wait_for_everyone()

    def _write(self, weights: dict[str, dict[str, torch.Tensor]], moments: dict[str, Any], point: ResumePoint) -> None:
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir(parents=True)
        for name, tensors in weights.items():
            save_file(
                {key: tensor.contiguous().clone() for key, tensor in tensors.items()}, self._new / f"{name}.safetensors"
            )
        torch.save(moments, self._new / "optimizer.pt")
        (self._new / "metrics.jsonl").write_text(point.log, encoding="utf-8")
        _sync(self._new)
        state = {"fingerprint": self._fingerprint, "step": point.step, "seconds": point.seconds}
        (self._new / _STATE).write_text(json.dumps(state), encoding="utf-8")
        _sync(self._new)
        if self.folder.exists():
            shutil.rmtree(self._old, ignore_errors=True)
            self.folder.rename(self._old)
        self._new.rename(self.folder)
        shutil.rmtree(self._old, ignore_errors=True)

    def load(self, modules: Mapping[str, nn.Module]) -> ResumePoint | None:
        """Restores the weights of the newest whole state in place; every process must call.

        Returns:
            Where the stage stands; None when it has not begun.

        Raises:
            CheckpointError: The state belongs to another configuration or other data.
        """
        if self._accelerator.is_main_process:
            self._recover()
        self._accelerator.wait_for_everyone()
        if not self.folder.exists():
            return None
        with _damage_named(self.folder):
            state: dict[str, Any] = json.loads((self.folder / _STATE).read_bytes())
            fingerprint = state["fingerprint"]
            log = (self.folder / "metrics.jsonl").read_text(encoding="utf-8")
            point = ResumePoint(step=int(state["step"]), seconds=float(state["seconds"]), log=log)
        if fingerprint != self._fingerprint:
            raise CheckpointError(
                "an interrupted stage is here, begun with another configuration or other data",
                path=self.folder,
                remedy="Give the same configuration and data, choose another --out, or remove that folder",
            )
        with _damage_named(self.folder):
            for name, module in modules.items():
                module.load_state_dict(load_file(self.folder / f"{name}.safetensors"))
        return point

    def load_optimizer(self, optimizer: Optimizers) -> None:
        """Restores the optimizer that belongs to what :meth:`load` found."""
        with _damage_named(self.folder):
            optimizer.load_state_dict(
                # Or every process of a machine would put its copy on the GPU that the state was saved from.
                torch.load(self.folder / "optimizer.pt", map_location="cpu", weights_only=True)
            )

    def _recover(self) -> None:
        """Puts a state back after a kill between two renames: the new one if it is whole, else the old."""
        if not self.folder.exists():
            if (self._new / _STATE).is_file():
                self._new.rename(self.folder)
            elif self._old.exists():
                self._old.rename(self.folder)
        for left in (self._new, self._old):
            shutil.rmtree(left, ignore_errors=True)

    def clear(self) -> None:
        """Removes the state; the stage is finished."""
        for folder in (self.folder, self._new, self._old):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _damage_named(folder: Path) -> Iterator[None]:
    """Turns what reading a damaged state raises, which may be anything, into an error that says what to do."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):  # nothing is wrong with the state
        raise
    except Exception as error:
        raise CheckpointError(
            f"the state of an interrupted stage does not read ({type(error).__name__}: {error})",
            path=folder,
            remedy="Remove that folder, and the stage begins anew",
        ) from error


def _sync(folder: Path) -> None:
    """Has the disk itself hold every file of a folder, so that a power cut leaves no empty ones."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
