"""Pictures at the model's size, each decoded once by every node and mapped by all its processes.

    CACHE/pictures-DIGEST/pixels       records of 3 x side x side bytes, each at the start of a page
                          aspects.npy  width over height of each before it became square
                          whole.json   written last

The digest is of the pictures' ids and of how they are made, so that stages and resumes that want the same find it.
Records are written with plain writes into room taken beforehand: a full disk is an error with a sentence, where a
write through a mapping would end the process without a word.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import DataFolderError
from babyvlm.folders import is_no_room
from babyvlm.model.llava_config import Fit
from babyvlm.model.processing import square_pixels
from babyvlm.progress import progress
from babyvlm.training.nodes import NodeCache

_PAGE = 4096
_PIXELS, _ASPECTS, _IDS = "pixels", "aspects.npy", "ids.txt"
_VERSION = 1
"""To be raised when the same pictures are laid out or decoded in another way."""


class PixelTable:
    """Pictures at the model's size, in a folder of the node's cache.

    Args:
        data: Where the pictures are.
        image_ids: Gives the pictures to hold, repeats included; asked in one process of each node.
        size: Side, pixels.
        fit: How a picture becomes square.
        cache: Of this node.
        accelerator: The processes that share the work.
        content: Digest of the set's content.
        first: How many of the pictures, from the front, this table shows; None for all.
    """

    def __init__(
        self,
        data: PretrainingSet,
        image_ids: Callable[[], Iterable[str]],
        *,
        size: int,
        fit: Fit,
        cache: NodeCache,
        accelerator: Accelerator,
        content: str = "",
        first: int | None = None,
    ) -> None:
        self._data, self._size, self._fit, self._cache, self._accelerator = data, size, fit, cache, accelerator

        def begin() -> tuple[str, Callable[[Path], None]]:
            distinct = list(dict.fromkeys(image_ids()))
            return table_name(distinct, size, fit, content), lambda folder: self._take_room(folder, distinct)

        folder = cache.made(begin, self._decode)
        stride = record_bytes(size)
        count = (folder / _PIXELS).stat().st_size // stride
        none = np.zeros((0, stride), np.uint8)
        mapped = np.memmap(folder / _PIXELS, np.uint8, "r", shape=(count, stride))[:first] if count else none
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nobody writes into it
            self.pixels_NCHW = torch.from_numpy(mapped)[:, : 3 * size * size].unflatten(1, (3, size, size))
        self.aspects_N = torch.from_numpy(np.load(folder / _ASPECTS)[:first])
        """Width over height of each picture before it became square."""

    def __len__(self) -> int:
        return len(self.pixels_NCHW)

    def _take_room(self, folder: Path, image_ids: list[str]) -> None:
        """Has the disk hold all of the table before the first picture is decoded."""
        size = len(image_ids) * record_bytes(self._size)
        with (folder / _PIXELS).open("wb") as file, room_named(folder, size):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
                file.truncate(size)  # a file system that cannot: writing will tell
        np.save(folder / _ASPECTS, np.zeros(len(image_ids), np.float32))
        (folder / _IDS).write_text("\n".join(image_ids), encoding="utf-8")

    def _decode(self, folder: Path) -> None:
        """Decodes this process's share of the pictures."""
        place, stride = self._cache.place, record_bytes(self._size)
        image_ids = (folder / _IDS).read_text(encoding="utf-8").splitlines()
        mine = range(place.local_rank, len(image_ids), place.local_processes)
        header = (folder / _ASPECTS).stat().st_size - 4 * len(image_ids)
        with (folder / _PIXELS).open("r+b") as pixels, (folder / _ASPECTS).open("r+b") as aspects:

            def load(number: int) -> None:
                image = self._data.read_image(image_ids[number])
                record = np.zeros(stride, np.uint8)
                record[: 3 * self._size**2] = square_pixels(image, self._size, self._fit).reshape(-1)
                if os.pwrite(pixels.fileno(), record.data, number * stride) < stride:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.pwrite(aspects.fileno(), np.float32(image.width / image.height).tobytes(), header + 4 * number)

            threads = max(1, len(os.sched_getaffinity(0)) // place.local_processes)
            silent = not self._accelerator.is_main_process
            size = len(image_ids) * stride
            with ThreadPoolExecutor(threads) as pool, room_named(folder, size):
                for _ in progress(
                    pool.map(load, mine), description="pictures", total=len(mine), unit="img", silent=silent
                ):
                    pass


def record_bytes(size: int) -> int:
    """Bytes that a picture of this side takes, whole pages."""
    return -(-3 * size * size // _PAGE) * _PAGE


def table_name(image_ids: Iterable[str], size: int, fit: Fit, content: str) -> str:
    """Name of the folder that holds these pictures."""
    made = hashlib.sha256(f"{_VERSION} {size} {fit} {content}\n".encode())
    made.update("\n".join(image_ids).encode())
    return f"pictures-{made.hexdigest()[:16]}"


@contextlib.contextmanager
def room_named(folder: Path, size: int) -> Iterator[None]:
    """Turns a full disk, quota or limit into a sentence with the sizes and what to do."""
    try:
        yield
    except OSError as error:
        if not is_no_room(error):
            raise
        raise no_room_for(folder.parent, size, os.strerror(error.errno or errno.ENOSPC)) from error


def no_room_for(folder: Path, size: int, reason: str) -> DataFolderError:
    """What to say where decoded pictures do not fit."""
    return DataFolderError(
        f"no room for {size / 1e9:.2f} GB of decoded pictures ({reason}; {free_bytes(folder) / 1e9:.2f} GB free there)",
        path=folder,
        remedy="Give --cache a folder on a disk of this machine with that much room",
    )


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder, which need not be there yet."""
    there = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
    return shutil.disk_usage(there).free
