"""Where a process stands among those of a run, what all of them agree on, and each machine's own folder.

    node 0            node 1
    rank 0, 1, ...    rank 8, 9, ...        (``torchrun`` says which in its environment)
    cache/            cache/                no file of one is written by another

Nodes may see a shared disk at different times, so that one process looks whether something is there and the others
take its word. What one process does may take hours, of a large set, and the others wait for it in a group of their own
(gloo) without the time limit of those that exchange gradients; a process that is gone is told at once nevertheless, for
its connections close.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import distributed

from babyvlm.errors import BabyVLMError, ConfigError, TrainingError

ValueT = TypeVar("ValueT")
WHOLE = "whole.json"
"""The last file to be written into a folder of a cache."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which process of which machine this one is."""

    node: int
    nodes: int
    local_rank: int
    local_processes: int

    @property
    def leads(self) -> bool:
        """Whether this process does what a node does once."""
        return self.local_rank == 0


def place_of(accelerator: Accelerator) -> Place:
    """The place of this process; all of them are on one machine where ``torchrun`` says nothing else."""
    processes = accelerator.num_processes
    local = min(processes, int(os.environ.get("LOCAL_WORLD_SIZE", processes)))
    return Place(
        node=int(os.environ.get("GROUP_RANK", accelerator.process_index // local)),
        nodes=max(1, processes // local),
        local_rank=accelerator.process_index % local,
        local_processes=local,
    )


@dataclass(frozen=True)
class _Answer:
    """What a process found, or why it could not look."""

    node: int
    value: Any = None
    error: str | None = None


def decided(accelerator: Accelerator, look: Callable[[], ValueT]) -> ValueT:
    """What the main process finds; it alone looks, and every process must call.

    Raises:
        BabyVLMError: It could not look; every process raises.
    """
    if accelerator.num_processes == 1:
        return look()
    answer, failed = _answer(look, 0) if accelerator.is_main_process else (None, None)
    shared: list[Any] = [answer]
    if distributed.is_initialized():
        distributed.broadcast_object_list(shared, group=_patient_group())
    else:
        broadcast_object_list(shared)
    return _agreed(shared[0], [shared[0]], failed)


def decided_by_node(accelerator: Accelerator, look: Callable[[], ValueT]) -> ValueT:
    """What the first process of this node finds; every process of all nodes must call.

    Raises:
        BabyVLMError: One of those could not look; every process raises.
    """
    if accelerator.num_processes == 1:
        return look()
    place = place_of(accelerator)
    answer, failed = _answer(look, place.node) if place.leads else (None, None)
    answers = [each for each in _gathered(accelerator, answer) if each is not None]
    return _agreed(next(each for each in answers if each.node == place.node), answers, failed)


def everywhere(accelerator: Accelerator, act: Callable[[], object]) -> None:
    """Does something in every process.

    Raises:
        BabyVLMError: One of them could not; every process raises.
    """
    if accelerator.num_processes == 1:
        act()
        return
    answer, failed = _answer(act, 0)
    _agreed(answer, _gathered(accelerator, _Answer(0, error=answer.error)), failed)


def wait_for_all(accelerator: Accelerator) -> None:
    """Waits, for however long, until every process has come here."""
    if accelerator.num_processes > 1:
        _gathered(accelerator, None)


def _gathered(accelerator: Accelerator, answer: Any) -> list[Any]:
    if not distributed.is_initialized():  # processes that are not torch's
        return list(gather_object([answer]))
    answers: list[Any] = [None] * accelerator.num_processes
    distributed.all_gather_object(answers, answer, group=_patient_group())
    return answers


_LONGEST_WAIT = datetime.timedelta(days=30)
_patient: dict[distributed.ProcessGroup | None, distributed.ProcessGroup] = {}
"""The group that waits, by the one of all processes that it goes with."""


def _patient_group() -> distributed.ProcessGroup:
    default = distributed.group.WORLD
    if default not in _patient:
        _patient.clear()
        _patient[default] = distributed.new_group(backend="gloo", timeout=_LONGEST_WAIT)
    return _patient[default]


def _answer(look: Callable[[], Any], node: int) -> tuple[_Answer, BabyVLMError | None]:
    try:
        return _Answer(node, look()), None
    except BabyVLMError as error:
        return _Answer(node, error=str(error)), error


def _agreed(mine: _Answer, answers: Sequence[_Answer], failed: BabyVLMError | None) -> Any:
    error = failed or next((TrainingError(each.error) for each in answers if each.error is not None), None)
    if error is not None:
        error.everywhere = True
        raise error
    return mine.value


_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL", "Timed out waiting")


def is_of_a_lost_process(error: RuntimeError) -> bool:
    """Whether an error is what a process meets that waits for another one that is gone."""
    return any(word in str(error) for word in _LOST)


class _Begun(NamedTuple):
    """What a node's first process has found or begun."""

    folder: Path
    partial: Path | None
    """Where the folder is made; None where it is there already."""


class NodeCache:
    """Folders of a node that all its processes make together and then read; each is whole or absent.

    Args:
        folder: The node's own; nodes that are given the same one by mistake make each folder under names of their own,
            and the first that is whole stays.
        accelerator: The processes of all nodes.
        kept: Whether it outlives the stages that use it.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, *, kept: bool) -> None:
        self.folder, self.kept, self._accelerator = folder, kept, accelerator
        self.place = place_of(accelerator)

    def made(
        self,
        begin: Callable[[], tuple[str, Callable[[Path], None]]],
        share: Callable[[Path], None] | None = None,
        join: Callable[[Path], None] | None = None,
    ) -> Path:
        """The folder of some content; every process of all nodes must call.

        Args:
            begin: Called by a node's first process; returns the folder's name, which stands for its content, and what
                begins to fill it where there is none yet.
            share: Called by every process of the node after that: does its share of the rest.
            join: Called by the node's first process once all have done theirs.
        """
        with contextlib.ExitStack() as held:
            begun = decided_by_node(self._accelerator, lambda: self._begin(held, *begin()))
            partial = begun.partial
            if share is not None:
                everywhere(self._accelerator, lambda: share(partial) if partial is not None else None)

            def end() -> None:
                if partial is not None:
                    if join is not None:
                        join(partial)
                    _finish(partial, begun.folder)

            decided_by_node(self._accelerator, end)
        return begun.folder

    def _begin(self, held: contextlib.ExitStack, name: str, fill: Callable[[Path], None]) -> _Begun:
        folder = self.folder / name
        if _is_whole(folder):
            return _Begun(folder, None)
        if not self.kept:
            private_folder(self.folder)
        partial = self.folder / f".{name}.{socket.gethostname()}-{self.place.node}.partial"
        held.enter_context(_filling(partial))
        if _is_whole(folder):  # another run of this machine has just made it
            return _Begun(folder, None)
        fill(partial)
        return _Begun(folder, partial)

    def holds(self, name: str) -> bool:
        """Whether a folder is there and whole; asks this machine alone."""
        return _is_whole(self.folder / name)

    def clear(self) -> None:
        """Removes the cache, unless it is to be kept."""
        if not self.kept and self.place.leads:
            shutil.rmtree(self.folder, ignore_errors=True)


def node_cache(folder: Path | None, out: Path, accelerator: Accelerator) -> NodeCache:
    """The cache of this node.

    Args:
        folder: One that is kept, of this machine; None for one that lives as long as the run.
        out: The run's folder: beside what it holds where there is one node; where there are several, the folder for
            temporary files of each (``TMPDIR``).
        accelerator: The processes.
    """
    if folder is not None:
        return NodeCache(folder, accelerator, kept=True)
    return NodeCache(default_folder(out, place_of(accelerator).nodes), accelerator, kept=False)


def default_folder(out: Path, nodes: int) -> Path:
    """Where a node's cache is by default."""
    if nodes == 1:
        return out / ".cache"
    run = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"babyvlm-{os.getuid()}-{run}"


def private_folder(folder: Path) -> None:
    """Makes a folder under a name that anyone can guess, and makes sure that it is nobody else's.

    Raises:
        ConfigError: It is somebody else's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ConfigError(f"{folder}: another user's folder. Set TMPDIR, or give --cache a folder of this machine")


def _is_whole(folder: Path) -> bool:
    return (folder / WHOLE).is_file()


@contextlib.contextmanager
def _filling(partial: Path) -> Iterator[None]:
    """An empty folder, locked while the block runs; what a killed run left is removed, a live one is waited for."""
    while True:
        partial.mkdir(parents=True, exist_ok=True)
        opened = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        if partial.is_dir() and os.path.samestat(os.fstat(opened), partial.stat()):
            break
        os.close(opened)  # it has become another run's folder
    try:
        _empty(partial)
        yield
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if partial.is_dir() and os.path.samestat(os.fstat(opened), partial.stat()):
            shutil.rmtree(partial, ignore_errors=True)  # not needed after all
        os.close(opened)


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _finish(partial: Path, folder: Path) -> None:
    """Puts a filled folder in its place once the disk itself holds it."""
    for path in partial.iterdir():
        _sync(path)
    (partial / WHOLE).write_text("{}\n", encoding="utf-8")
    _sync(partial / WHOLE)
    try:
        partial.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(partial)  # another node of the same folder was sooner


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
