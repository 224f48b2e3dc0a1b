"""The proof that a benchmark keeps away from training: no recording in common, and near duplicates of images counted.

    training images -> 64-bit difference hashes ─┐
    item images     -> 64-bit difference hashes ─┴-> pairs at most a few bits apart are near duplicates

The hash is of a picture's gradients (9 x 8 grey cells, each compared with its right neighbour), so it survives scaling,
recompression and changes of brightness.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import InputError
from babyvlm.images import ImageStore
from babyvlm.records import Format, Item
from babyvlm.toolbox.views import open_jpeg

NEAR_BITS = 3
"""Hashes at most this many of 64 bits apart count as near duplicates (ours)."""
_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """What training saw, as far as the proof needs it."""

    recordings: frozenset[str]
    """Ids of recordings, or file names of photographs."""
    hashes: NDArray[np.uint64]
    """Difference hashes of images, in any order."""

    @classmethod
    def of(cls, data: PretrainingSet) -> TrainingSet:
        """The training split of a curated set: its recordings, its frames, and its instruction pictures."""
        formats: list[Format] = ["image", "video", "interleaved"]
        formats += ["instruction"] if data.has_instruction else []
        rows = [row for name in formats for row in data.conversations(name, "train")]
        images = dict.fromkeys(image for row in rows for image in row.images)
        return cls(
            recordings=frozenset(recording.id for recording in data.recordings if recording.split == "train"),
            hashes=np.array([difference_hash(data.read_image(image)) for image in images], np.uint64),
        )


@dataclass(frozen=True, kw_only=True)
class Disjointness:
    """What the proof found."""

    recordings: int
    """Recordings or photographs that items are drawn from; none of them in training."""
    images: int
    training_images: int
    near_duplicates: int
    """Item images within `NEAR_BITS` of some training image."""

    @property
    def sentence(self) -> str:
        return (
            f"none of the {self.recordings} recordings of the items is in training; {self.near_duplicates} of "
            f"{self.images} item images lie within {NEAR_BITS} of 64 bits of a training image "
            f"({self.training_images} compared)"
        )


def difference_hash(image: Image.Image) -> int:
    """The 64-bit difference hash of a picture."""
    cells = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def training_hashes(store: ImageStore, ids: Iterable[str] | None = None) -> NDArray[np.uint64]:
    """Hashes of a store's images, or of some of them."""
    return np.array([difference_hash(open_jpeg(store.jpeg(name))) for name in (ids or store.ids)], np.uint64)


def count_near(hashes: NDArray[np.uint64], others: NDArray[np.uint64], *, near_bits: int = NEAR_BITS) -> int:
    """How many hashes have one within ``near_bits`` among the others."""
    if not len(hashes) or not len(others):
        return 0
    rows = range(0, len(hashes), _ROWS)
    nearest = [np.bitwise_count(hashes[row : row + _ROWS, None] ^ others[None, :]).min(axis=1) for row in rows]
    return int((np.concatenate(nearest) <= near_bits).sum())


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
    hashes = []
    for name in names:
        with Image.open(images / name) as image:
            hashes.append(difference_hash(image))
    return Disjointness(
        recordings=len(sources),
        images=len(names),
        training_images=len(training.hashes),
        near_duplicates=count_near(np.array(hashes, np.uint64), training.hashes),
    )
