"""Shares a step's samples out so that no process waits long for another: costliest first, each to the least laden."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from babyvlm.training.batches import Sample


@dataclass(frozen=True, kw_only=True)
class Shares:
    """A step's samples by process."""

    of: list[list[Sample]]
    """Of each process, in the order drawn."""
    idle: float
    """Part of the processes' time that is spent waiting for the most laden one, by the cost."""


def shared_out(samples: Sequence[Sample], processes: int, cost: Callable[[Sample], float]) -> Shares:
    """Longest-processing-time-first scheduling (Graham 1969).

    Args:
        samples: Of the step, in the order drawn; one process takes them as they are.
        processes: How many share them.
        cost: Of one sample, in operations.

    >>> import numpy as np
    >>> of_length = [Sample(ids=np.zeros(n), labels=np.zeros(n), images=()) for n in (5, 1, 4, 2)]
    >>> shares = shared_out(of_length, 2, len)
    >>> [[len(sample) for sample in share] for share in shares.of], shares.idle
    ([[5, 1], [4, 2]], 0.0)
    """
    if processes == 1:
        return Shares(of=[list(samples)], idle=0.0)
    costs = [cost(sample) for sample in samples]
    laden = [(0.0, process) for process in range(processes)]
    taken: list[list[int]] = [[] for _ in range(processes)]
    for place in sorted(range(len(samples)), key=lambda place: (-costs[place], place)):
        load, process = laden[0]
        heapq.heapreplace(laden, (load + costs[place], process))
        taken[process].append(place)
    loads = [load for load, _ in laden]
    most = max(loads)
    return Shares(
        of=[[samples[place] for place in sorted(places)] for places in taken],
        idle=1 - sum(loads) / len(loads) / most if most else 0.0,
    )
