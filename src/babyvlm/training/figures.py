"""Figures that a GPU has computed, read without making the program wait for it.

    step s      | launch ... | copy its figures | read those of s - 1 |
    step s + 1  | launch ... | copy its figures | read those of s     |

A host that asked for a step's loss at once would wait until the GPU has done all of the step, and the GPU would then
wait for the next one to be launched. On a CPU there is nothing to wait for, and figures are read at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

NoteT = TypeVar("NoteT")


@dataclass(frozen=True, kw_only=True)
class Figures(Generic[NoteT]):
    """What has arrived of a step."""

    step: int
    values: list[float]
    """As they were handed in."""
    note: NoteT
    """What the program knew of the step itself."""


class LateFigures(Generic[NoteT]):
    """Keeps steps' figures until they can be read for nothing.

    Args:
        device: Where they are computed.
        behind: How many steps later they are read; by default 1 on a GPU and 0 elsewhere.
    """

    def __init__(self, device: torch.device, behind: int | None = None) -> None:
        self._cuda = device.type == "cuda"
        self._behind = int(self._cuda) if behind is None else behind
        self._waiting: deque[tuple[int, torch.Tensor, torch.cuda.Event | None, NoteT]] = deque()

    def put(self, step: int, figures: torch.Tensor, note: NoteT) -> list[Figures[NoteT]]:
        """Hands in a step's figures, 1-D; returns those that are due."""
        figures = figures.detach()
        event = None
        if self._cuda:
            host = torch.empty(figures.shape, dtype=figures.dtype, pin_memory=True)
            figures = host.copy_(figures, non_blocking=True)
            event = torch.cuda.Event(blocking=True)  # waiting takes no processor time
            event.record()
        self._waiting.append((step, figures, event, note))
        return self._read(self._behind)

    def rest(self) -> list[Figures[NoteT]]:
        """Waits for all that are not read yet."""
        return self._read(0)

    def _read(self, keep: int) -> list[Figures[NoteT]]:
        arrived = []
        while len(self._waiting) > keep:
            step, figures, event, note = self._waiting.popleft()
            if event is not None:
                event.synchronize()
            arrived.append(Figures(step=step, values=figures.tolist(), note=note))
        return arrived
