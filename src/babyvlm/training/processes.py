"""Several processes on one machine without a GPU: each takes its share of every batch, gradients are averaged (gloo).

    babyvlm train ── starts ── rank 0 (bar, log, checkpoints) ─┐
                           └── rank 1, ... ────────────────────┴─ all-reduce

On GPUs, and on several machines, ``torchrun`` does the starting.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import multiprocessing
import multiprocessing.connection
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import torch
from torch import distributed

from babyvlm.errors import BabyVLMError
from babyvlm.executors import end_with_parent

_KEEP_FREED = ((-1, 2**30), (-4, 0), (-8, 1))
"""glibc's M_TRIM_THRESHOLD, M_MMAP_MAX and M_ARENA_MAX (malloc.h): never trim, never map, one arena for all threads."""


def worth_starting(cpu_processes: int) -> int:
    """How many processes to start here: 1 where there is a GPU, or where ``torchrun`` has started this one."""
    if torch.cuda.is_available() or "WORLD_SIZE" in os.environ:
        return 1
    return min(cpu_processes, len(os.sched_getaffinity(0)))


def processes_started() -> int:
    """How many processes ``torchrun`` has started, on all machines; 0 where it has started none."""
    return int(os.environ.get("WORLD_SIZE", "0"))


def unused_gpus() -> str:
    """What to say where a machine has several GPUs and this command uses one; empty elsewhere."""
    count = torch.cuda.device_count()
    if count < 2 or processes_started():
        return ""
    return (
        f"this machine has {count} GPUs and this command uses one of them. For all: "
        f"torchrun --nproc-per-node {count} -m babyvlm train ..."
    )


def run_in_processes(target: Callable[..., None], arguments: tuple[Any, ...], processes: int) -> None:
    """Runs ``target(*arguments)`` in several processes that know of each other as torch.distributed expects.

    Args:
        target: A function of a module, so that a fresh process can import it.
        arguments: Its arguments; they must pickle.
        processes: How many.

    Raises:
        SystemExit: A process ended with an error, which it has printed; the others are stopped.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=_as_rank, args=(rank, processes, port, target, arguments)) for rank in range(processes)
    ]
    for process in started:
        process.start()
    running = list(started)
    try:
        while running and not any(process.exitcode for process in started):
            multiprocessing.connection.wait([process.sentinel for process in running])
            running = [process for process in running if process.exitcode is None]
    finally:
        for process in running:  # another one failed, or this one was interrupted
            process.terminate()
        for process in started:
            process.join()
    if failed := [process.exitcode for process in started if process.exitcode]:
        raise SystemExit(max(failed) if max(failed) > 0 else 1)


def part_from_others() -> None:
    """Ends what connects this process with the others, when all is done.

    Its threads would else still run while the interpreter ends, which has ended finished runs with an abort. One may
    run on all the same: a process that has nothing else to do calls :func:`end_at_once` then.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()


def keep_freed_memory() -> None:
    """Asks glibc to keep freed blocks for the next step, and not to hand them back to the kernel and zero new ones.

    A profile of the nursery's training showed page faults. Elsewhere than on glibc it does nothing.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for parameter, value in _KEEP_FREED:
            libc.mallopt(parameter, value)


def give_back_memory() -> None:
    """Gives the system what was needed for a while and is free again; elsewhere than on glibc, Arrow's part of it."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def end_at_once() -> None:
    """Ends a process of several that has done its work, with status 0, without taking the interpreter apart.

    A thread of a library that still ran then has aborted finished runs. What is to happen at the end happens before.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _as_rank(rank: int, processes: int, port: int, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true",
    }
    end_with_parent()
    keep_freed_memory()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))
    try:
        target(*arguments)
        part_from_others()
        end_at_once()
    except BabyVLMError as error:
        if rank == 0 or not error.everywhere:
            print(f"babyvlm: {f'process {rank}: ' if rank else ''}error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
