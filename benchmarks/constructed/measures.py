"""What can be measured on pictures: separate patches on black, bars, JPEG quality, likeness."""

from __future__ import annotations

import functools
import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from babyvlm.records import Item, ItemTurn
from babyvlm.toolbox import Toolbox

DARK = 24  # of 255: the ringing of JPEG around patches stays below it
SPECK_PX = 60


class Patch(NamedTuple):
    """The bounding box of something on black, in pixels; right and bottom are past the end."""

    left: int
    top: int
    right: int
    bottom: int


def pixels(toolbox: Toolbox, name: str) -> NDArray[np.uint8]:
    """A picture as RGB, (H, W, 3)."""
    return np.asarray(toolbox.image(name))


def luminance(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Grey levels, (H, W): colours bleed over the edges of patches, brightness does not."""
    return picture @ np.array([0.299, 0.587, 0.114])


def patches(picture: NDArray[np.uint8]) -> list[Patch]:
    """Separate things on black, by runs of rows joined where they touch; boxes that overlap are one thing."""
    lit = luminance(picture) > DARK
    found: list[list[int]] = []  # left, top, right, bottom, area
    parents: list[int] = []

    def root(place: int) -> int:
        while parents[place] != place:
            place = parents[place]
        return place

    above: list[tuple[int, int, int]] = []
    for y, row in enumerate(lit):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        runs = []
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            touching = {root(place) for left, right, place in above if left <= end and start <= right}
            place = min(touching, default=len(parents))
            if place == len(parents):
                parents.append(place)
                found.append([start, y, end, y + 1, 0])
            for other in touching:
                parents[other] = place
                found[place] = _joined(found[place], found[other]) if other != place else found[place]
            found[place] = _joined(found[place], [start, y, end, y + 1, end - start])
            runs.append((start, end, place))
        above = runs
    whole = [found[place] for place in range(len(parents)) if parents[place] == place and found[place][4] > SPECK_PX]
    return _merged([Patch(*one[:4]) for one in whole])


def _joined(one: list[int], other: list[int]) -> list[int]:
    low, high = zip(one[:2], other[:2], strict=True), zip(one[2:4], other[2:4], strict=True)
    return [*(min(pair) for pair in low), *(max(pair) for pair in high), one[4] + other[4]]


def _merged(boxes: list[Patch]) -> list[Patch]:
    """Boxes of which none overlaps another."""
    for first in range(len(boxes)):
        for second in range(first + 1, len(boxes)):
            one, other = boxes[first], boxes[second]
            if min(one.right, other.right) > max(one.left, other.left) and min(one.bottom, other.bottom) > max(
                one.top, other.top
            ):
                joined = Patch(*map(min, one[:2], other[:2]), *map(max, one[2:], other[2:]))
                rest = [box for place, box in enumerate(boxes) if place not in (first, second)]
                return _merged([*rest, joined])
    return sorted(boxes)


def least_gap(boxes: list[Patch]) -> int:
    """The least distance of two patches, along the axis on which they are apart, pixels."""
    gaps = []
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            across = max(one.left, other.left) - min(one.right, other.right)
            down = max(one.top, other.top) - min(one.bottom, other.bottom)
            gaps.append(max(across, down))
    return min(gaps)


def black_share(picture: NDArray[np.uint8]) -> float:
    """The part of a picture that is black."""
    return float((luminance(picture) <= DARK).mean())


def bars(picture: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Black rows and columns at the borders: left, right, top, bottom, pixels."""
    lit = luminance(picture) > DARK
    columns, rows = np.flatnonzero(lit.mean(axis=0) > 0.02), np.flatnonzero(lit.mean(axis=1) > 0.02)
    if not len(columns) or not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(lit.shape[1] - 1 - columns[-1]), int(rows[0]), int(lit.shape[0] - 1 - rows[-1])


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two pictures of one size, of 255."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def rms(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Root mean square of the difference of two pictures' grey levels, of 255."""
    return float(np.sqrt(((one.astype(float).mean(axis=2) - other.astype(float).mean(axis=2)) ** 2).mean()))


def form(data: bytes) -> str:
    """The format of a picture, and of a JPEG the quality that its quantisation tables are those of."""
    with Image.open(io.BytesIO(data)) as image:
        if image.format != "JPEG":
            return str(image.format)
        tables = {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
    return next((f"JPEG {quality}" for quality in range(1, 101) if _tables(quality) == tables), "JPEG, other tables")


@functools.cache
def _tables(quality: int) -> dict[int, list[int]]:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 10, 60)).save(buffer, format="JPEG", quality=quality)
    with Image.open(buffer) as image:
        return {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]


def forms(toolbox: Toolbox, names: tuple[str, ...] | list[str]) -> list[str]:
    """The formats of some of a toolbox's pictures."""
    return [form(toolbox.image_path(name).read_bytes()) for name in names]


def only_turn(item: Item) -> ItemTurn:
    """The turn of an item that has one."""
    (turn,) = item.turns
    return turn
