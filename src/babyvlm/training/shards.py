"""Tensors on disk in pieces: each process writes its own share into one file, any number of processes reads them.

    process 0   rank-0.safetensors   rows 0 to 511 of one tensor, all of another
    process 1   rank-1.safetensors   rows 512 to 1023, ...

A piece is some rows of a tensor, all of it where every process holds a copy: copies are shared out by size. A file says
in its header which rows of what its pieces are.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

_PIECES = "pieces"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some rows of a tensor."""

    rows: torch.Tensor
    start: int
    shape: tuple[int, ...]
    """Of the whole tensor."""


def rows_of(tensor: torch.Tensor) -> tuple[int, int]:
    """First row that this process holds of a tensor, and the row after its last; all of one that is not in shards."""
    count = tensor.shape[0] if tensor.ndim else 1
    if isinstance(tensor, DTensor):
        for dimension, placement in enumerate(tensor.placements):
            if placement.is_shard(0):
                size = -(-count // tensor.device_mesh.size(dimension))
                start = min(count, tensor.device_mesh.get_local_rank(dimension) * size)
                return start, min(count, start + size)
    return 0, count


def own_pieces(tensors: Mapping[str, torch.Tensor], process: int, processes: int) -> dict[str, Piece]:
    """What one process is to write, copied to the CPU, so that the tensors may change meanwhile.

    Args:
        tensors: All of them by name; every process gives the same names in the same order.
        process: Which process this is.
        processes: How many there are.
    """
    copies = {name: tensor.numel() for name, tensor in tensors.items() if not isinstance(tensor, DTensor)}
    mine = {name: tensors[name] for name in _shared_out(copies, processes)[process]}
    shards = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, DTensor) and _first_copy(tensor)}
    held: dict[str, Piece] = {}
    for name, tensor in [*mine.items(), *shards.items()]:
        start, stop = rows_of(tensor)
        local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
        if stop > start:
            rows = local.detach().to("cpu", copy=True).contiguous()
            held[name] = Piece(rows=rows, start=start, shape=tuple(tensor.shape))
    return held


def _first_copy(tensor: DTensor) -> bool:
    """Whether no other process that holds the same rows comes before this one."""
    mesh = tensor.device_mesh
    return all(
        placement.is_shard() or mesh.get_local_rank(dimension) == 0
        for dimension, placement in enumerate(tensor.placements)
    )


def _shared_out(sizes: Mapping[str, int], processes: int) -> list[list[str]]:
    laden = [(0, process) for process in range(processes)]
    taken: list[list[str]] = [[] for _ in range(processes)]
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        load, process = laden[0]
        heapq.heapreplace(laden, (load + sizes[name], process))
        taken[process].append(name)
    return taken


def write_pieces(path: Path, pieces: Mapping[str, Piece]) -> None:
    """Writes pieces into one file, which the disk itself holds afterwards."""
    places = {name: [piece.start, list(piece.shape)] for name, piece in pieces.items()}
    save_file({name: piece.rows for name, piece in pieces.items()}, path, {_PIECES: json.dumps(places)})
    with path.open("rb") as file:
        os.fsync(file.fileno())


class Pieces:
    """Reads tensors that lie in pieces.

    Args:
        paths: All files that were written together.

    Raises:
        ValueError: A row is missing.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files: list[Any] = [safe_open(path, "pt") for path in paths]
        self._places: dict[str, list[tuple[int, int, int]]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Of each whole tensor."""
        for number, file in enumerate(self._files):
            for name, (start, shape) in json.loads(file.metadata()[_PIECES]).items():
                rows = file.get_slice(name).get_shape()
                self._places.setdefault(name, []).append((start, start + (rows[0] if rows else 1), number))
                self.shapes[name] = tuple(shape)
        for name, places in self._places.items():
            places.sort()
            ends = [0, *(stop for _, stop, _ in places)]
            if [start for start, _, _ in places] != ends[:-1] or ends[-1] != (*self.shapes[name], 1)[0]:
                raise ValueError(f"{name}: rows are missing")

    def read(self, name: str, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Some rows of a tensor, or all of it; of the files nothing else is read."""
        shape = self.shapes[name]
        if not shape:
            ((_, _, number),) = self._places[name]
            tensor: torch.Tensor = self._files[number].get_tensor(name)
            return tensor
        stop = shape[0] if stop is None else stop
        parts = [
            self._files[number].get_slice(name)[max(start, first) - first : min(stop, last) - first]
            for first, last, number in self._places[name]
            if first < stop and start < last
        ]
        if not parts:
            return self._files[self._places[name][0][2]].get_slice(name)[0:0]
        return parts[0] if len(parts) == 1 else torch.cat(parts)
