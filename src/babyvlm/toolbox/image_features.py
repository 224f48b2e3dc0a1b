"""Low-level image features, and matchers that compare pictures by them: brightness by place, colours, contours.

    picture ──> appearance   luminance by place and colours together: what blind matching compares
            ──> colours      which colours there are, wherever they are
            ──> contours     how strong contours of each direction are, in each part of the picture
            ──> grey         luminance by place, for matching over small shifts

Hard variants are built so that none of these tells the right option; the audit measures whether they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Features = NDArray[np.float32]
"""The features by which one matcher compares a picture."""

_THUMBNAIL = 32
_BINS = 8
_DIRECTIONS = 8
_PARTS = 4
_SHIFT = 4  # cells of the thumbnail, either way


def appearance(image: Image.Image) -> Features:
    """What blind matching sees of a picture: 32x32 luminance and an 8-bin histogram of each colour, weighed alike.

    Returns:
        float32 vector, (32 * 32 + 3 * 8,).
    """
    small = image.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BILINEAR)
    luminance = np.asarray(small.convert("L"), dtype=np.float32).ravel() / 255
    colours = np.asarray(small, dtype=np.uint8).reshape(-1, 3)
    histogram = np.concatenate([np.bincount(channel // (256 // _BINS), minlength=_BINS) for channel in colours.T])
    weighed = histogram.astype(np.float32) / _THUMBNAIL**2 * (luminance.size / histogram.size)
    return np.concatenate([luminance, weighed])


def colours(image: Image.Image) -> Features:
    """Shares of 4 x 4 x 4 colours, (64,); they add up to 1."""
    small = np.asarray(image.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)) >> 6
    joined = (small[..., 0].astype(np.int64) * 4 + small[..., 1]) * 4 + small[..., 2]
    return np.bincount(joined.ravel(), minlength=64).astype(np.float32) / joined.size


def contours(image: Image.Image) -> Features:
    """Histograms of contour directions in 4 x 4 parts of the picture, of length 1 together, (128,)."""
    grey = _thumbnail(image, 2 * _THUMBNAIL)
    down, across = np.gradient(grey)
    direction = np.floor((np.arctan2(down, across) % np.pi) / np.pi * _DIRECTIONS).astype(int) % _DIRECTIONS
    part = np.arange(grey.shape[0]) * _PARTS // grey.shape[0]
    place = (part[:, None] * _PARTS + part[None, :]) * _DIRECTIONS + direction
    strength = np.bincount(place.ravel(), np.hypot(down, across).ravel(), minlength=_PARTS * _PARTS * _DIRECTIONS)
    return (strength / max(1e-6, float(np.linalg.norm(strength)))).astype(np.float32)


def grey(image: Image.Image) -> Features:
    """Luminance by place, (32, 32), 0 to 1."""
    return _thumbnail(image, _THUMBNAIL) / np.float32(255)


def _thumbnail(image: Image.Image, side_px: int) -> Features:
    return np.asarray(image.convert("L").resize((side_px, side_px), Image.Resampling.BOX), np.float32)


def mean_difference(first: Features, second: Features) -> float:
    """Mean absolute difference of two pictures' features."""
    return float(np.abs(first - second).mean())


def shifted_difference(first: Features, second: Features) -> float:
    """1 less the best correlation of two thumbnails over small shifts: blind to brightness and contrast."""
    middle = first[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    windows = np.lib.stride_tricks.sliding_window_view(second, middle.shape)[::2, ::2]
    windows = windows.reshape(-1, middle.size)
    centred = windows - windows.mean(axis=1, keepdims=True)
    pattern = (middle - middle.mean()).ravel()
    scale = np.linalg.norm(centred, axis=1) * np.linalg.norm(pattern)
    return 1 - float((centred @ pattern / np.maximum(scale, 1e-6)).max())


@dataclass(frozen=True)
class Matcher:
    """A measure of how different two pictures are."""

    name: str
    features: Callable[[Image.Image], Features]
    difference: Callable[[Features, Features], float]

    def order(self, target: Features, options: Sequence[Features]) -> list[int]:
        """Indices of the options, most similar to the target first."""
        return sorted(range(len(options)), key=lambda place: self.difference(target, options[place]))


MATCHERS = (
    Matcher("blind-match", appearance, mean_difference),
    Matcher("colour histogram", colours, mean_difference),
    Matcher("contour histogram", contours, mean_difference),
    Matcher("correlation over shifts", grey, shifted_difference),
)
"""From the one that published items fall to, to stronger ones."""
