"""Lines that survive a kill: whole or absent, never torn within a file, and never written by two processes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from babyvlm.errors import DataFolderError
from babyvlm.folders import is_no_room, no_room
from babyvlm.regular_files import is_special

LOCK = ".lock"


class DurableLines:
    """A file that lines are added to.

    A line is with the operating system when ``write`` returns, so a killed process loses none; it is on the disk
    itself, safe from a power cut, ``sync_every_s`` later at most.

    Args:
        path: The file, begun when absent.
        sync_every_s: Seconds between syncs; 0 syncs every line.
    """

    def __init__(self, path: Path, *, sync_every_s: float = 1.0) -> None:
        self._path, self._sync_every_s = path, sync_every_s
        _refuse_special(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._synced_s = time.monotonic()

    def write(self, line: str) -> None:
        """Adds a line.

        Raises:
            DataFolderError: There is no room; what was written of the line is taken back.
        """
        before = os.fstat(self._file).st_size
        left = memoryview((line + "\n").encode())
        try:
            while left:
                left = left[os.write(self._file, left) :]
            if time.monotonic() - self._synced_s >= self._sync_every_s:
                self._sync()
        except OSError as error:
            if not is_no_room(error):
                raise
            os.ftruncate(self._file, before)
            raise no_room(self._path, error) from error

    def _sync(self) -> None:
        os.fsync(self._file)
        self._synced_s = time.monotonic()

    def close(self) -> None:
        """Syncs and closes; a second time does nothing."""
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.fsync(file)
            finally:
                os.close(file)


def cut_torn_line(path: Path) -> None:
    """Cuts off a last line that a kill left without its end."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 2**16)
            file.seek(start)
            if (newline := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _refuse_special(path: Path) -> None:
    if is_special(path):
        raise DataFolderError("a pipe or a device, where a file belongs", path=path, remedy="Remove it")


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Keeps a second process out of a folder while the block runs; a killed process keeps nobody out.

    Raises:
        DataFolderError: Another process is in it.
    """
    _refuse_special(folder / LOCK)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DataFolderError(
                f"another process is answering into this run ({file.read().strip() or 'unnamed'})",
                path=folder,
                remedy="Wait for it to end, or choose another --out",
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
