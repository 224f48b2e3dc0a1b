"""Images kept once, in Arrow files, and read by id without loading the rest.

    store/
    ├── images-00000.arrow      columns: id, jpeg (or PNG bytes); memory-mapped when read
    └── images-00001.arrow

A frame of a recording has its published stem as id (``A_20130531_0818_01_76680_77720_frame_1``), a composed picture the
hash of its content. Conversations refer to ids.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from PIL import Image

from babyvlm.errors import DataFolderError, MediaError
from babyvlm.regular_files import require_regular

_SCHEMA = pa.schema([("id", pa.string()), ("jpeg", pa.binary())])
_BATCH_IMAGES = 256
JPEG_QUALITY = 90
LINKED_BYTES = 4 * 2**20
"""Size from which a file of a store is taken over into another as it is (ours): the frames of some minutes."""


def encode_jpeg(image: Image.Image, *, quality: int = JPEG_QUALITY) -> bytes:
    """JPEG bytes, the same for the same pixels, without any metadata."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def image_suffix(data: bytes) -> str:
    r"""The file suffix of encoded bytes: stores hold JPEGs, and PNGs where pictures are published so.

    >>> image_suffix(b"\x89PNG\r\n"), image_suffix(b"\xff\xd8\xff")
    ('.png', '.jpg')
    """
    return ".png" if data.startswith(b"\x89PNG") else ".jpg"


class ImageStoreWriter:
    """Writes an image store; use it as a context manager.

    Args:
        folder: Where the Arrow files go; made if absent.
        shard_bytes: Size at which a new file is begun.
    """

    def __init__(self, folder: Path, *, shard_bytes: int = 256 * 2**20) -> None:
        self._folder, self._shard_bytes = folder, shard_bytes
        self._ids: set[str] = set()
        self._count = 0
        self._pending: list[tuple[str, bytes]] = []
        self._shard = self._written_bytes = 0
        self._writer: pa.RecordBatchFileWriter | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return self._count

    def add(self, image_id: str, image: Image.Image | bytes) -> None:
        """Adds an image, or the bytes of a JPEG or PNG; an id that is there already is kept as it is."""
        if image_id in self._ids:
            return
        self._ids.add(image_id)
        self._append(image_id, image if isinstance(image, bytes) else encode_jpeg(image))

    def add_store(self, folder: Path) -> None:
        """Adds all images of another store, none of which is here yet. Their ids are not remembered, however many come.

        Files of some size are taken over as they are, by hard links where the disk has them, so that a large store is
        put together without its images being copied; small ones are copied into larger ones.

        Raises:
            DataFolderError: A file of that store does not read.
        """
        for path in sorted(folder.glob("images-*.arrow")):
            if path.stat().st_size < LINKED_BYTES:
                for image_id, jpeg in images_of_file(path):
                    self._append(image_id, jpeg)
            else:
                self._flush()
                self._close_shard()
                self._count += sum(map(len, image_batches(path)))
                link_or_copy(path, self._file())
                self._shard += 1

    def _file(self) -> Path:
        return self._folder / f"images-{self._shard:05d}.arrow"

    def _append(self, image_id: str, jpeg: bytes) -> None:
        self._count += 1
        self._pending.append((image_id, jpeg))
        if len(self._pending) >= _BATCH_IMAGES:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._file()), _SCHEMA)
        ids, jpegs = zip(*self._pending, strict=True)
        self._writer.write_batch(pa.record_batch([pa.array(ids), pa.array(jpegs, pa.binary())], schema=_SCHEMA))
        self._written_bytes += sum(map(len, jpegs))
        self._pending.clear()
        if self._written_bytes >= self._shard_bytes:
            self._close_shard()

    def _close_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._shard, self._written_bytes = self._shard + 1, 0

    def close(self) -> None:
        """Writes what is pending and closes the last file."""
        self._flush()
        self._close_shard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ImageStore:
    """Reads an image store; the images stay on disk until asked for.

    Raises:
        DataFolderError: The folder is missing or a file of it does not read.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataFolderError("no image store here", path=folder)
        self.folder = folder
        self._batches: list[pa.RecordBatch] = []
        hashes = [np.zeros(0, np.int64)]
        for path in sorted(folder.glob("images-*.arrow")):
            for batch in image_batches(path):
                ids = batch.column("id").to_pylist()
                hashes.append(np.fromiter(map(hash, ids), np.int64, len(ids)))
                self._batches.append(batch)
        # The ids themselves stay on disk: of a million, a dictionary would take 300 MB in every process.
        every = np.concatenate(hashes)
        self._starts = np.cumsum([0, *map(len, self._batches)])
        self._order = np.argsort(every, kind="stable").astype(np.int32)
        self._hashes = every[self._order]

    @property
    def ids(self) -> list[str]:
        return list(dict.fromkeys(each for batch in self._batches for each in batch.column("id").to_pylist()))

    def __len__(self) -> int:
        return len(self._hashes) - int((np.diff(self._hashes) == 0).sum())

    def __contains__(self, image_id: str) -> bool:
        return self._place(image_id) is not None

    def _place(self, image_id: str) -> tuple[int, int] | None:
        """Batch and row of an image, the last one of an id that is there twice; None where there is none."""
        first, end = np.searchsorted(self._hashes, hash(image_id), "left"), len(self._hashes)
        found = None
        while first < end and self._hashes[first] == hash(image_id):
            number = self._order[first]
            batch = int(np.searchsorted(self._starts, number, "right")) - 1
            row = int(number - self._starts[batch])
            if self._batches[batch].column("id")[row].as_py() == image_id:
                found = (batch, row)
            first += 1
        return found

    def jpeg(self, image_id: str) -> bytes:
        """The image's bytes: a JPEG, or a PNG where the picture is published so.

        Raises:
            DataFolderError: No image has this id.
        """
        place = self._place(image_id)
        if place is None:
            raise DataFolderError(f"no image {image_id!r} in this store", path=self.folder)
        batch, row = place
        jpeg: bytes = self._batches[batch].column("jpeg")[row].as_py()
        return jpeg

    def read(self, image_id: str) -> Image.Image:
        """The image, as RGB."""
        return decode_image(self.jpeg(image_id), image_id, self.folder)


def image_batches(path: Path, *, mapped: bool = True) -> Iterator[pa.RecordBatch]:
    """The batches of one file of an image store, each with the columns ``id`` and ``jpeg``.

    Args:
        path: The Arrow file.
        mapped: Whether the images stay on disk until they are read; otherwise a batch is read into memory.

    Raises:
        DataFolderError: The file, or a batch of it, does not read.
    """
    try:
        require_regular(path)
        with pa.memory_map(str(path)) if mapped else pa.OSFile(str(path)) as file:
            reader = pa.ipc.open_file(file)
            if not reader.schema.equals(_SCHEMA):
                raise DataFolderError(
                    f"not the columns of an image store, id and jpeg: {reader.schema.names}", path=path
                )
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                batch.validate(full=True)
                yield batch
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise DataFolderError(f"does not read as Arrow ({error})", path=path) from error


def stored_images(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Ids and JPEG bytes of an image store in the order in which they were added, a few at a time in memory.

    Raises:
        DataFolderError: A file of the store does not read.
    """
    for path in sorted(folder.glob("images-*.arrow")):
        yield from images_of_file(path)


def images_of_file(path: Path) -> Iterator[tuple[str, bytes]]:
    """As `stored_images`, of one file of a store."""
    for batch in image_batches(path, mapped=False):
        yield from zip(batch.column("id").to_pylist(), batch.column("jpeg").to_pylist(), strict=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a file a second name where the disk can do so, and else copies it.

    Raises:
        OSError: It is no file, or cannot be copied.
    """
    require_regular(source)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def decode_image(jpeg: bytes, name: str, folder: Path | None = None, *, at_least: int | None = None) -> Image.Image:
    """The picture in some JPEG bytes, as RGB.

    Args:
        jpeg: Its bytes.
        name: Of the picture, for an error.
        folder: Where it is stored, for an error.
        at_least: Pixels either side must keep; the picture may then come as a half, a quarter or an eighth of its size,
            which is read several times faster. None keeps it whole.

    Raises:
        MediaError: The bytes are no whole picture.
    """
    try:
        image = Image.open(io.BytesIO(jpeg))
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))
        return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        problem = f"the stored image does not decode ({error})"
        raise MediaError(problem, path=folder, place=f"image {name!r}") from error
