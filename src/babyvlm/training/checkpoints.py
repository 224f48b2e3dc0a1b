"""Checkpoints: the finished one of a stage, and the one from which an interrupted stage goes on.

OUT/joint/                finished: config, weights (safetensors), tokenizer, processor, metrics.jsonl, manifest.json
OUT/.joint.resume/        unfinished: weights, optimizer, step, metrics.jsonl; replaced as a whole, so never torn
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from babyvlm.errors import CheckpointError
from babyvlm.training.optimizers import Optimizers


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """Where an interrupted stage stands."""

    step: int
    """Steps already taken."""
    seconds: float
    """Training time already spent."""


class Resume:
    """Saves and restores the state of a stage in progress.

    Args:
        out: The run's folder.
        stage: Name of the stage.
        fingerprint: Everything that the state depends on; another fingerprint refuses to resume.
    """

    def __init__(self, out: Path, stage: str, fingerprint: str) -> None:
        self.folder = out / f".{stage}.resume"
        self._fingerprint = fingerprint

    def save(self, modules: dict[str, nn.Module], optimizer: Optimizers, point: ResumePoint, log: str) -> None:
        """Writes the state beside the old one, then puts it in its place."""
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, module in modules.items():
            tensors = {key: tensor.contiguous().clone() for key, tensor in module.state_dict().items()}
            save_file(tensors, fresh / f"{name}.safetensors")
        torch.save(optimizer.state_dict(), fresh / "optimizer.pt")
        (fresh / "metrics.jsonl").write_text(log, encoding="utf-8")
        state = {"fingerprint": self._fingerprint, "step": point.step, "seconds": point.seconds}
        (fresh / "state.json").write_text(json.dumps(state), encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        fresh.rename(self.folder)

    def load(self, modules: dict[str, nn.Module], optimizer: Optimizers) -> tuple[ResumePoint, str] | None:
        """Restores the newest whole state in place.

        Returns:
            Where the stage stands and its log so far; None when it has not begun.

        Raises:
            CheckpointError: The state belongs to another configuration or other data.
        """
        fresh = self.folder.with_name(self.folder.name + ".new")
        if not self.folder.exists() and (fresh / "state.json").is_file():
            fresh.rename(self.folder)  # killed between removing the old state and naming the new one
        if not (self.folder / "state.json").is_file():
            return None
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        if state["fingerprint"] != self._fingerprint:
            raise CheckpointError(
                "an interrupted stage is here, begun with another configuration or other data",
                path=self.folder,
                remedy="Give the same configuration and data, choose another --out, or remove that folder",
            )
        for name, module in modules.items():
            module.load_state_dict(load_file(self.folder / f"{name}.safetensors"))
        optimizer.load_state_dict(torch.load(self.folder / "optimizer.pt", weights_only=True))
        point = ResumePoint(step=state["step"], seconds=state["seconds"])
        return point, (self.folder / "metrics.jsonl").read_text(encoding="utf-8")

    def clear(self) -> None:
        """Removes the state; the stage is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
