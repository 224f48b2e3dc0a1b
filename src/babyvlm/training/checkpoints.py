"""Checkpoints: the finished one of a stage, and the one that an interrupted stage resumes from.

OUT/joint/                finished: config, weights (safetensors), tokenizer, processor, metrics.jsonl, manifest.json
OUT/.joint.resume/        unfinished: replaced as a whole, so never torn
    rank-0.safetensors    each process's share of weights and moments
    metrics.jsonl
    state.json            fingerprint, step, files
OUT/.joint.resume.new/    being written; whole once it holds state.json, its last file
OUT/.joint.resume.old/    what it replaces, until it has

Each process copies its share to the CPU and writes it in a thread of its own while training goes on; once all have, the
main process writes ``state.json``. The next checkpoint, and the end of the stage, wait for the one before.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import nn

from babyvlm.errors import CheckpointError, DataFolderError
from babyvlm.folders import NO_ROOM, is_no_room, no_room
from babyvlm.training.distribution import HasState
from babyvlm.training.nodes import decided, everywhere
from babyvlm.training.optimizers import Optimizers
from babyvlm.training.shards import Piece, Pieces, own_pieces, write_pieces

_STATE, _MOMENTS = "state.json", "optimizer"


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
        self._writing: Future[None] | None = None
        self._point = ResumePoint()
        self._files: list[Path] = []

    def save(self, modules: Mapping[str, HasState], optimizer: Optimizers, point: ResumePoint) -> None:
        """Writes the state and waits for it; every process must call.

        Raises:
            DataFolderError: There is no room; the old state is still there.
        """
        self.begin(modules, optimizer, point)
        self.finish()

    def begin(self, modules: Mapping[str, HasState], optimizer: Optimizers, point: ResumePoint) -> None:
        """Begins to write the state beside the old one; every process must call.

        Raises:
            DataFolderError: There was no room for the state before.
        """
        self.finish()
        accelerator = self._accelerator
        tensors = {f"{name}/{key}": value for name, module in modules.items() for key, value in _state(module)}
        tensors |= {f"{_MOMENTS}/{key}": value for key, value in optimizer.tensors().items()}
        pieces = own_pieces(tensors, accelerator.process_index, accelerator.num_processes)
        decided(accelerator, self._make_room_for_new)
        with contextlib.suppress(FileExistsError):  # or this process does not see it yet
            self._new.mkdir()
        path = self._new / f"rank-{accelerator.process_index}.safetensors"
        self._point = point
        with ThreadPoolExecutor(1, "checkpoint") as pool:
            self._writing = pool.submit(self._write, path, pieces)
            pool.shutdown(wait=False)

    def _make_room_for_new(self) -> None:
        with _room_named(self._new):
            shutil.rmtree(self._new, ignore_errors=True)
            self._new.mkdir(parents=True)

    def _write(self, path: Path, pieces: Mapping[str, Piece]) -> None:
        with _room_named(path):
            write_pieces(path, pieces)

    @property
    def written(self) -> float:
        """Whether this process has nothing left to write: 1, or 0; minus infinity where writing has failed."""
        if self._writing is None:
            return 1.0
        if not self._writing.done():
            return 0.0
        return 1.0 if self._writing.exception() is None else -math.inf

    def finish(self) -> None:
        """Waits until every process has written its share, and puts the state in its place; every process must call.

        Raises:
            DataFolderError: There is no room; the old state is still there.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            everywhere(self._accelerator, writing.result)
            decided(self._accelerator, self._put_in_place)

    def _put_in_place(self) -> None:
        with _room_named(self._new):
            files = [f"rank-{process}.safetensors" for process in range(self._accelerator.num_processes)]
            (self._new / "metrics.jsonl").write_text(self._point.log, encoding="utf-8")
            _sync(self._new / "metrics.jsonl")
            state = {"fingerprint": self._fingerprint, "step": self._point.step, "seconds": self._point.seconds}
            (self._new / _STATE).write_text(json.dumps(state | {"files": files}), encoding="utf-8")
            _sync(self._new / _STATE)
            if self.folder.exists():
                shutil.rmtree(self._old, ignore_errors=True)
                self.folder.rename(self._old)
            self._new.rename(self.folder)
            shutil.rmtree(self._old, ignore_errors=True)

    def load(self, modules: Mapping[str, nn.Module]) -> ResumePoint | None:
        """Restores the weights of the newest whole state in place; every process must call.

        The main process looks whether there is one, and the others take its word.

        Returns:
            Where the stage stands; None when it has not begun.

        Raises:
            CheckpointError: The state belongs to another configuration or other data.
        """
        self._writing = None
        found = decided(self._accelerator, self._found)
        if found is None:
            return None
        names, point = found
        self._files = [self.folder / name for name in names]
        with _damage_named(self.folder):
            pieces = Pieces(self._files)
            for name, module in modules.items():
                _fill(module, pieces, f"{name}/")
        return ResumePoint(**point)

    def _found(self) -> tuple[list[str], dict[str, Any]] | None:
        """Names of the files and the fields of the point."""
        self._recover()
        if not self.folder.exists():
            return None
        with _damage_named(self.folder):
            state: dict[str, Any] = json.loads((self.folder / _STATE).read_bytes())
            fingerprint, files = state["fingerprint"], list(state["files"])
            log = (self.folder / "metrics.jsonl").read_text(encoding="utf-8")
            point = ResumePoint(step=int(state["step"]), seconds=float(state["seconds"]), log=log)
        if fingerprint != self._fingerprint:
            raise CheckpointError(
                "an interrupted stage is here, begun with another configuration or other data",
                path=self.folder,
                remedy="Give the same configuration and data, choose another --out, or remove that folder",
            )
        return files, asdict(point)

    def load_optimizer(self, optimizer: Optimizers) -> None:
        """Restores the optimizer that belongs to what :meth:`load` found, each process its share."""
        with _damage_named(self.folder):
            optimizer.restore(Pieces(self._files), f"{_MOMENTS}/")

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
        self._writing = None
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


@contextlib.contextmanager
def _room_named(path: Path) -> Iterator[None]:
    """Turns what writing raises into a sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        codes = [code for code in NO_ROOM if f"os error {code})" in str(error)]
        if codes or (isinstance(error, OSError) and is_no_room(error)):
            raise no_room(path, OSError(codes[0], str(error)) if codes else cast(OSError, error)) from error
        raise DataFolderError(f"the checkpoint cannot be written ({error})", path=path) from error


def _state(module: HasState) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.state_dict().items()


@torch.no_grad()
def _fill(module: nn.Module, pieces: Pieces, prefix: str) -> None:
    """Copies weights into a module, which must be exactly those that were saved."""
    held = module.state_dict()
    saved = {name.removeprefix(prefix) for name in pieces.shapes if name.startswith(prefix)}
    if held.keys() != saved:
        raise ValueError(f"other weights than the model's: {sorted(held.keys() ^ saved)[:3]}")
    for name, tensor in held.items():
        read = pieces.read(prefix + name)
        if read.shape != tensor.shape:
            raise ValueError(f"{name} is of shape {tuple(read.shape)}, the model's of {tuple(tensor.shape)}")
        tensor.copy_(read)


def _sync(path: Path) -> None:
    """Has the disk itself hold a file, so that a power cut leaves no empty one."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
