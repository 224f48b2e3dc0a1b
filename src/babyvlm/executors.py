"""Where jobs run: in this process, a pool of processes, or a cluster. All three are ``concurrent.futures.Executor``."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import TypeVar

from babyvlm.errors import BabyVLMError, ConfigError, MissingExtraError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

_DIED = (
    "a worker process died, most likely for lack of memory, and the output was not written. Try again with fewer "
    "--workers; a command that can resume keeps what is finished"
)


@contextlib.contextmanager
def process_pool(workers: int, jobs: int, executor: Executor | None = None) -> Iterator[Executor | None]:
    """The executor given, or a pool of processes; None where one process is enough."""
    if executor is not None or min(workers, jobs) <= 1:
        yield executor
        return
    # Not forked: the parent may hold threads and locks (torch, the progress bar) that a fork would copy in mid-use.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, jobs), mp_context=context, initializer=end_with_parent) as pool:
        yield pool


def own_process() -> ProcessPoolExecutor:
    """A process for what is best kept in one, such as a model on a device of its own."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)


def end_with_parent() -> None:
    """Makes this process end when the one that started it is killed: a worker would wait for ever on a queue that it
    keeps open itself, and a killed run must not write on beside the next one."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def parallel_map(work: Callable[[JobT], ResultT], jobs: Sequence[JobT], *, workers: int) -> Iterator[ResultT]:
    """Yields the results in the order of the jobs, whatever the number of workers; short jobs are sent in chunks.

    Raises:
        BabyVLMError: A worker died.
    """
    with process_pool(workers, len(jobs)) as pool:
        if pool is None:
            yield from map(work, jobs)
            return
        try:
            yield from pool.map(work, jobs, chunksize=max(1, len(jobs) // (workers * 8)))
        except BrokenExecutor as error:
            raise BabyVLMError(_DIED) from error


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a running Dask cluster. They must see the corpus and the output under the same paths.

    Args:
        address: Of the scheduler, such as ``tcp://head:8786``, or the path of a scheduler file that ends in ``.json``.

    Raises:
        MissingExtraError: Dask is not installed.
        ConfigError: No scheduler answers there.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise MissingExtraError("Working on a Dask cluster", "cluster") from error
    try:
        by_file = address.endswith(".json")
        client = Client(scheduler_file=address) if by_file else Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at {address!r} ({error}); see docs/clusters.md") from error
    with client:
        if not client.scheduler_info()["workers"]:
            print(f"{address}: this Dask scheduler has no workers yet; waiting for the first", file=sys.stderr)
        yield client.get_executor(pure=False)


def in_order(
    function: Callable[[JobT], ResultT], jobs: Iterable[JobT], executor: Executor | None, *, ahead: int
) -> Generator[ResultT, None, None]:
    """Yields the results in the order of the jobs, with no more than ``ahead`` of them submitted or held in memory.

    Raises:
        BabyVLMError: A worker died.
    """
    if executor is None:
        yield from map(function, jobs)
        return
    pending: deque[Future[ResultT]] = deque()
    try:
        for job in jobs:
            if len(pending) >= ahead:
                yield pending.popleft().result()
            pending.append(executor.submit(function, job))
        while pending:
            yield pending.popleft().result()
    except BrokenExecutor as error:
        raise BabyVLMError(_DIED) from error
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # Dask's word for it, which need not be installed
            raise BabyVLMError(_DIED) from error
        raise
    finally:
        for future in pending:
            future.cancel()
