"""Prepares what a step needs while the steps before it run, in a thread of its own.

    thread   | make s+1 | make s+2 |
    training |   step s   |  step s+1  |

What is made must be a pure function of the step: it is then the same whether or not it was made ahead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

import torch

MadeT = TypeVar("MadeT")


class Ahead(Generic[MadeT]):
    """Steps' inputs, made in order in another thread.

    Args:
        make: What makes the inputs of a step.
        steps: Which steps, in order.
        device: Of the training; a thread that pins memory must know its GPU.
        depth: How many steps ahead.
    """

    def __init__(self, make: Callable[[int], MadeT], steps: range, device: torch.device, depth: int = 2) -> None:
        self._make, self._steps = make, iter(steps)
        self._pool = ThreadPoolExecutor(1, "ahead", initializer=_enter, initargs=(device,))
        self._waiting: deque[tuple[int, Future[MadeT]]] = deque()
        self._waited_s = 0.0
        for _ in range(depth):
            self._begin_next()

    def _begin_next(self) -> None:
        if (step := next(self._steps, None)) is not None:
            self._waiting.append((step, self._pool.submit(self._make, step)))

    def take(self, step: int) -> MadeT:
        """The inputs of the next step; what went wrong in making them is raised here."""
        expected, future = self._waiting.popleft()
        assert step == expected, (step, expected)
        self._begin_next()
        began_s = time.monotonic()
        made = future.result()
        self._waited_s += time.monotonic() - began_s
        return made

    def wait_s(self) -> float:
        """How long training has waited for inputs since this was last asked, seconds."""
        waited_s, self._waited_s = self._waited_s, 0.0
        return waited_s

    def __enter__(self) -> Ahead[MadeT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def _enter(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(device)  # or pinning would open a context on the first GPU


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor in memory from which a GPU copies while the program goes on; as it is where there is no GPU."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


def gathered(tables: Sequence[torch.Tensor], rows_N: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Rows of tables, each NX and numbered behind the one before, copied once, straight into pinned memory where there
    is a GPU.

    Raises:
        IndexError: A row that no table has.
    """
    first, *others = tables
    out_NX = torch.empty((len(rows_N), *first.shape[1:]), dtype=first.dtype, pin_memory=device.type == "cuda")
    if not others:
        return torch.index_select(first, 0, rows_N, out=out_NX)
    size, begin = sum(map(len, tables)), 0
    if len(rows_N) and not 0 <= int(rows_N.min()) <= int(rows_N.max()) < size:
        raise IndexError(f"rows {rows_N.min()} to {rows_N.max()} of {size}")
    for table in tables:
        here_N = (rows_N >= begin) & (rows_N < begin + len(table))
        out_NX[here_N] = table[rows_N[here_N] - begin]
        begin += len(table)
    return out_NX
