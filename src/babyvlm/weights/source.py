"""What a published checkpoint holds, read without running anything that is in it.

FILE.pth, FILE.bin, FILE.safetensors     one file: a vision backbone, possibly in the middle of its training state
FOLDER or owner/name                     a whole model: config.json, tokenizer.json, weights in one file or several

Pickles are read by torch's restricted reader, which knows tensors and plain containers. DINO's training script puts its
command line into the file as an ``argparse.Namespace``: that one harmless class is allowed besides.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from babyvlm.errors import CheckpointError
from babyvlm.folders import MANIFEST
from babyvlm.hub import download_snapshot, is_hub_name
from babyvlm.regular_files import parse_json, read_regular

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
TEACHER = "teacher"
_TRAINING_STATE = frozenset(
    {"student", "optimizer", "epoch", "it", "iteration", "args", "dino_loss", "ibot_loss", "fp16_scaler"}
)
"""What DINO's training scripts keep beside the teacher; whatever else is there is ignored by name."""
_INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_ONE_FILE = ("model.safetensors", "pytorch_model.bin")
_WANTED_OF_HUB = ["*.json", "*.safetensors", "*.bin", "*.pth"]


@dataclass(frozen=True, kw_only=True)
class PublishedCheckpoint:
    """A published checkpoint, read."""

    path: Path
    """The file or folder."""
    tensors: dict[str, torch.Tensor]
    """By their published names."""
    beside: dict[str, str]
    """Entries of the file that are no weights of the model, and why they are left out."""
    digests: dict[str, str]
    """SHA-256 of every file read, by name."""

    @property
    def tokenizer(self) -> Path:
        """Where a whole model's tokenizer is."""
        return self.path / TOKENIZER

    def config(self) -> dict[str, Any]:
        """A whole model's configuration, as published.

        Raises:
            CheckpointError: It is missing, or no JSON object.
        """
        path = self.path / CONFIG
        if not path.is_file():
            raise CheckpointError(
                f"these are weights of a whole model, and their {CONFIG} is missing",
                path=self.path,
                remedy="Give the folder as published, with its configuration and tokenizer",
            )
        return _json(path)


def read_source(source: str) -> PublishedCheckpoint:
    """Reads a published checkpoint.

    Args:
        source: A file, a folder, or ``owner/name`` on the hub. What exists on disk is a path.

    Raises:
        CheckpointError: There is none, it is damaged, or reading it would run code.
    """
    path = _downloaded(source)
    if (path / MANIFEST).is_file():
        raise CheckpointError("written by babyvlm; there is nothing to convert", path=path)
    files = _weight_files(path)
    tensors: dict[str, torch.Tensor] = {}
    beside: dict[str, str] = {}
    for file in files:
        loaded = _safetensors(file) if file.suffix == ".safetensors" else _pickle(file)
        weights, others = _teacher(loaded, file)
        if twice := sorted(weights.keys() & tensors.keys()):
            raise CheckpointError(f"{twice[0]} is in another file of the checkpoint too", path=file)
        tensors |= weights
        beside |= others
    if not tensors:
        raise CheckpointError("there is no tensor in it", path=path)
    read = [*files, *(path / name for name in (CONFIG, TOKENIZER) if (path / name).is_file())]
    return PublishedCheckpoint(
        path=path, tensors=tensors, beside=beside, digests={file.name: _digest(file) for file in read}
    )


def _downloaded(source: str) -> Path:
    path = Path(source)
    if path.exists():
        return path
    if not is_hub_name(source):
        raise CheckpointError(
            "no such file or folder", path=path, remedy="Give a file, a folder, or owner/name of a model on the hub"
        )
    problem = "there is no such file or folder, and the hub's model could not be downloaded"
    return download_snapshot(source, kind="model", error=CheckpointError, problem=problem, patterns=_WANTED_OF_HUB)


def _weight_files(path: Path) -> list[Path]:
    """The files of weights of a checkpoint, in the order of their names."""
    if path.is_file():
        return [path]
    for index in _INDICES:
        if (path / index).is_file():
            named = _json(path / index).get("weight_map", {})
            files = [path / name for name in sorted(set(named.values()))]
            if absent := [file.name for file in files if not file.is_file()]:
                raise CheckpointError(
                    f"its index names {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} missing",
                    path=path / index,
                    remedy="Fetch the whole checkpoint again",
                )
            return files
    for name in _ONE_FILE:
        if (path / name).is_file():
            return [path / name]
    if len(found := [file for file in sorted(path.iterdir()) if file.suffix in (".pth", ".pt")]) == 1:
        return found
    holds = ", ".join(sorted(file.name for file in path.iterdir())[:5]) or "nothing"
    raise CheckpointError(
        f"no weights here; it holds {holds}",
        path=path,
        remedy="Expected model.safetensors or pytorch_model.bin, whole or in parts with their index, or one .pth file",
    )


def _safetensors(file: Path) -> dict[str, Any]:
    try:
        return dict(load_file(file))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"no safetensors file, or a damaged one ({error})", path=file) from error


def _pickle(file: Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        if named is None and "Unsupported operand" not in str(error):
            raise _damaged(file, error) from error
        asks = f"it asks for {named[1]}" if named else "it is beyond torch's restricted reader"
        raise CheckpointError(
            f"a pickle that may run code when it is read: {asks}; it was not read",
            path=file,
            remedy="Ask its makers for safetensors",
        ) from error
    except Exception as error:  # torch's reader meets a damaged file with errors of any kind
        raise _damaged(file, error) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"holds a {type(loaded).__name__}, where tensors by name were expected", path=file)
    return loaded


def _damaged(file: Path, error: Exception) -> CheckpointError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return CheckpointError(f"no checkpoint of torch, or a damaged one ({first})", path=file)


def _teacher(loaded: dict[str, Any], file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The weights among what a file holds, and what is left out."""
    beside: dict[str, str] = {}
    weights = loaded
    if isinstance(loaded.get(TEACHER), dict):
        weights = loaded[TEACHER]
        others = [name for name in loaded if name != TEACHER]
        beside = {
            str(name): "state of the training, not of the teacher" if name in _TRAINING_STATE else "not the teacher's"
            for name in others
        }
    if odd := [str(name) for name, value in weights.items() if not isinstance(value, torch.Tensor)]:
        raise CheckpointError(f"{shown(odd)}: no tensor, where tensors by name were expected", path=file)
    return weights, beside


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(read_regular(path))
    except (ValueError, OSError, RecursionError) as error:
        raise CheckpointError(f"no JSON ({error})", path=path) from error
    if not isinstance(found, dict):
        raise CheckpointError("no JSON object", path=path)
    return found


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shown(names: Sequence[str], most: int = 5) -> str:
    """The first few of many names, for a message."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
