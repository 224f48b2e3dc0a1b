"""Proves that a benchmark is disjoint from training: no shared recording, and near-duplicate images counted.

    training images ─┬-> 64-bit difference hashes ─┐
    item images     ─┘                             ├-> candidates, a few bits apart
                     └-> 16 x 16 colour thumbnails ┴-> near duplicates: no place where the colours are irreconcilable

The hash is of a picture's gradients (9 x 8 grey cells, each compared with its right neighbour), so it survives scaling,
recompression and changes of brightness; but one thing on a plain mat leaves it little to compare. The thumbnails then
decide: after evening out brightness, every cell of one must lie within what the other shows at that place or beside it,
and the other way about. A copy shifted or encoded again passes; another thing on the same mat does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from babyvlm.curation.frames import difference_hash
from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import InputError
from babyvlm.images import decode_image
from babyvlm.records import Format, Item
from babyvlm.regular_files import read_regular

NEAR_BITS = 5
"""Hashes at most this many of 64 bits apart make a pair a candidate (ours)."""
MAX_EXCESS = 20.0
"""Largest excess of a thumbnail's cell over its counterpart's neighbourhood in a near duplicate, of 255 (ours:
copies encoded again, scaled or shifted stay below it, different exemplars on one mat do not)."""
_SIDE = 16
_DECODED = 3 * _SIDE
_ROWS = 256
_PAIRS = 4096
_FEW = slice(2, None, 4)  # every fourth row and column


@dataclass(frozen=True, kw_only=True)
class Fingerprints:
    """Fingerprints of some images, in one order."""

    hashes: NDArray[np.uint64]
    """Difference hashes, (N,)."""
    thumbnails: NDArray[np.uint8]
    """(N, 16, 16, 3)."""

    @classmethod
    def of(cls, images: Iterable[Image.Image]) -> Fingerprints:
        """The fingerprints of some pictures."""
        return cls._of([_print(image) for image in images])

    @classmethod
    def read(cls, names: Sequence[str], read_jpeg: Callable[[str], bytes]) -> Fingerprints:
        """The fingerprints of some pictures, each decoded, no larger than they need, by one of several threads.

        Args:
            names: Names of the pictures.
            read_jpeg: Gives the bytes of one.
        """
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return cls._of(
                list(pool.map(lambda name: _print(decode_image(read_jpeg(name), name, at_least=_DECODED)), names))
            )

    @classmethod
    def _of(cls, prints: Sequence[tuple[int, NDArray[np.uint8]]]) -> Fingerprints:
        thumbnails = [thumbnail for _, thumbnail in prints]
        stacked = np.stack(thumbnails) if thumbnails else np.empty((0, _SIDE, _SIDE, 3), np.uint8)
        return cls(hashes=np.array([bits for bits, _ in prints], np.uint64), thumbnails=stacked)

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def joined(cls, parts: Sequence[Fingerprints]) -> Fingerprints:
        """Several together, in order."""
        if not parts:
            return cls.of(())
        return cls(
            hashes=np.concatenate([part.hashes for part in parts]),
            thumbnails=np.concatenate([part.thumbnails for part in parts]),
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The training data, as far as the proof needs it."""

    recordings: frozenset[str]
    """Ids of recordings, or file names of photographs."""
    prints: Fingerprints
    """Fingerprints of images, in any order."""

    @classmethod
    def of(cls, data: PretrainingSet) -> TrainingSet:
        """The training split of a curated set: its recordings, its frames, and its instruction pictures."""
        formats: list[Format] = ["image", "video", "interleaved"]
        formats += ["instruction"] if data.has_instruction else []
        rows = [row for name in formats for row in data.conversations(name, "train")]
        images = dict.fromkeys(image for row in rows for image in row.images)
        return cls(
            recordings=frozenset(recording.id for recording in data.recordings if recording.split == "train"),
            prints=Fingerprints.read(list(images), data.jpeg),
        )


@dataclass(frozen=True, kw_only=True)
class Disjointness:
    """Result of the proof."""

    recordings: int
    """Recordings or photographs that items are drawn from; none of them in training."""
    images: int
    training_images: int
    near_duplicates: int
    """Item images of which some training image is a near duplicate."""

    @property
    def sentence(self) -> str:
        return (
            f"none of the {self.recordings} recordings of the items is in training; {self.near_duplicates} of "
            f"{self.images} item images are near duplicates of a training image ({self.training_images} compared)"
        )


def _print(image: Image.Image) -> tuple[int, NDArray[np.uint8]]:
    """The hash and the thumbnail of a picture."""
    small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return int(difference_hash(image), 16), np.asarray(small)


def near_duplicates(prints: Fingerprints, others: Fingerprints) -> NDArray[np.intp]:
    """For each image, the place of a near duplicate among the others; -1 where there is none."""
    found = np.full(len(prints), -1, np.intp)
    if not len(others):
        return found
    for start in range(0, len(prints), _ROWS):
        apart = np.bitwise_count(prints.hashes[start : start + _ROWS, None] ^ others.hashes[None, :])
        rows, columns = np.nonzero(apart <= NEAR_BITS)
        for first in range(0, len(rows), _PAIRS):
            row, column = rows[first : first + _PAIRS], columns[first : first + _PAIRS]
            pending = found[start + row] < 0
            row, column = row[pending], column[pending]
            near = _is_near(prints.thumbnails[start + row], others.thumbnails[column])
            found[start + row[near]] = column[near]
    return found


def _is_near(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pairs of thumbnails may be of one picture; most are ruled out by a few places alone."""
    near = _excess(first, second, _FEW) <= MAX_EXCESS
    near[near] = _excess(first[near], second[near], slice(None)) <= MAX_EXCESS
    return near


def _excess(first: NDArray[np.uint8], second: NDArray[np.uint8], places: slice) -> NDArray[np.float32]:
    """How far thumbnails are from being of one picture: the largest excess of a cell over the neighbourhood of its
    counterpart, of 255.

    Args:
        first: (N, 16, 16, 3).
        second: (N, 16, 16, 3), compared one to one.
        places: Which rows and columns are looked at; all others count as equal.
    """
    if not len(first):
        return np.empty(0, np.float32)
    ratio = _means(second) / np.maximum(_means(first), 1)
    gain: NDArray[np.float32] = np.clip(ratio, 0.6, 1.7).astype(np.float32)[:, None, None, None]
    (one, low_one, high_one), (two, low_two, high_two) = _ranges(first, places), _ranges(second, places)
    one, low_one, high_one = one * gain, low_one * gain, high_one * gain
    beyond = np.maximum.reduce([one - high_two, low_two - one, two - high_one, low_one - two])
    largest: NDArray[np.float32] = np.maximum(beyond, 0).max(axis=(1, 2, 3))
    return largest


def _means(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    means: NDArray[np.float32] = np.asarray(thumbnails.mean(axis=(1, 2, 3)), np.float32)
    return means


def _ranges(
    thumbnails: NDArray[np.uint8], places: slice
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """At some places: the cell, and the least and the most that it and the cells around it show."""
    padded = np.pad(thumbnails, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    around = [
        padded[:, down : down + _SIDE, across : across + _SIDE][:, places, places]
        for down in range(3)
        for across in range(3)
    ]
    cells = thumbnails[:, places, places]
    low, high = np.minimum.reduce(around), np.maximum.reduce(around)
    return cells.astype(np.float32), low.astype(np.float32), high.astype(np.float32)


def prove_disjoint(items: Sequence[Item], images: Path, training: TrainingSet) -> Disjointness:
    """Compares items with a training set.

    Args:
        items: The items.
        images: Folder of the items' images.
        training: What training saw.

    Raises:
        InputError: A recording is in both; its id is named.
    """
    sources = {origin.source for item in items for turn in item.turns for origin in turn.origins} - {"synthetic"}
    if shared := sorted(sources & training.recordings):
        raise InputError(
            f"{len(shared)} recordings are both in the items and in training, such as {shared[0]!r}",
            remedy="Build the items from another split",
        )
    names = sorted({name for item in items for turn in item.turns for name in turn.images})
    prints = Fingerprints.read(names, lambda name: read_regular(images / name))
    return Disjointness(
        recordings=len(sources),
        images=len(names),
        training_images=len(training.prints),
        near_duplicates=int((near_duplicates(prints, training.prints) >= 0).sum()),
    )
