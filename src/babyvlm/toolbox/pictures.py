"""Pictures as items show them: encoded bytes, named by their content, and measures of how two of them differ.

    crops and composed pictures      JPEG 75   .jpeg
    frames                           JPEG 95   .jpg      (of Visual Delayed Response JPEG 90)
    crops of Picture Vocabulary      PNG       .png

These are the published forms; the balanced construction has JPEG 90 throughout. Within an item all options have one
form, so that no file attribute tells them apart.
"""

from __future__ import annotations

import functools
import hashlib
import io
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from babyvlm.images import encode_jpeg

Encoding = Literal["jpeg-75", "jpeg-90", "jpeg-95", "png"]

_SUFFIXES: dict[Encoding, str] = {"jpeg-75": ".jpeg", "jpeg-90": ".jpg", "jpeg-95": ".jpg", "png": ".png"}
_PNG_LEVEL = 1  # of zlib: larger files by a tenth, in a third of the time
_SURROUNDINGS = 0.19  # of a crop on each side: its margin, and some of the box
_BORDER = 0.06  # of a crop's shorter side
_SURROUNDING_COLOUR = 0.08  # of the border that a colour makes up if it belongs to the surroundings
_LEAST_OBJECT = 0.1  # of a crop's middle that must be left without them


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as it is shown, named by its content so that the name tells nothing."""

    data: bytes = field(repr=False)
    id: str
    suffix: str = ".jpg"

    @classmethod
    def of(cls, image: Image.Image, encoding: Encoding = "jpeg-90") -> Picture:
        """The picture of an image, without any metadata; the same bytes for the same pixels."""
        data = encode(image, encoding)
        return cls(data=data, id=hashlib.sha256(data).hexdigest()[:20], suffix=_SUFFIXES[encoding])

    @property
    def name(self) -> str:
        """Its file name."""
        return self.id + self.suffix


def encode(image: Image.Image, encoding: Encoding) -> bytes:
    """The bytes of an image, without any metadata."""
    if encoding != "png":
        return encode_jpeg(image, quality=int(encoding.removeprefix("jpeg-")))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


@functools.lru_cache(maxsize=512)
def open_picture(data: bytes) -> Image.Image:
    """The RGB image of encoded bytes; not to be drawn on, as it is kept for the next caller."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def mean_difference(first: Picture, second: Picture) -> float:
    """Mean absolute difference of two pictures of one size, of 255."""
    one, two = (np.asarray(open_picture(picture.data), np.int16) for picture in (first, second))
    return float(np.abs(one - two).mean())


def middle_difference(first: Picture, second: Picture) -> float:
    """Mean absolute difference of the middles of two pictures of one size, of 255: the object, not its surroundings."""
    return float(np.abs(_middle(first).astype(np.int16) - _middle(second)).mean())


def colour_difference(first: Picture, second: Picture) -> float:
    """How far the colours in the middles of two pictures differ, wherever they are: 0 the same, 1 none in common."""
    return 0.5 * float(np.abs(_colours(first) - _colours(second)).sum())


def object_colour_difference(first: Picture, second: Picture) -> float:
    """How far the colours of the objects in two crops differ, those of their surroundings aside: 0 to 1.

    Colours that make up much of a crop's border are taken for the surroundings.
    """
    return 0.5 * float(np.abs(_object_colours(first) - _object_colours(second)).sum())


@functools.lru_cache(maxsize=8192)
def _object_colours(picture: Picture) -> NDArray[np.float64]:
    pixels = np.asarray(open_picture(picture.data))
    bins = _binned(pixels)
    edge = max(1, round(_BORDER * min(bins.shape)))
    border = np.concatenate(
        [part.ravel() for part in (bins[:edge], bins[-edge:], bins[edge:-edge, :edge], bins[edge:-edge, -edge:])]
    )
    around = np.bincount(border, minlength=64) / border.size
    inside = np.bincount(_binned(_middle(picture)).ravel(), minlength=64)
    alone = np.where(around < _SURROUNDING_COLOUR, inside, 0)
    if alone.sum() < _LEAST_OBJECT * inside.sum():
        alone = inside
    return alone / max(1, alone.sum())


def _binned(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Colours in 4 x 4 x 4 bins."""
    bins = (pixels >> 6).astype(np.int64)
    joined: NDArray[np.int64] = (bins[..., 0] * 4 + bins[..., 1]) * 4 + bins[..., 2]
    return joined


def _middle(picture: Picture) -> NDArray[np.uint8]:
    pixels = np.asarray(open_picture(picture.data))
    height, width = pixels.shape[:2]
    across, down = round(width * _SURROUNDINGS), round(height * _SURROUNDINGS)
    return pixels[down : height - down, across : width - across]


@functools.lru_cache(maxsize=8192)
def _colours(picture: Picture) -> NDArray[np.float64]:
    joined = _binned(_middle(picture))
    return np.bincount(joined.ravel(), minlength=64) / joined.size
