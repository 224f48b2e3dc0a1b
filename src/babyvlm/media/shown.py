"""From stored pixels to the picture as a player shows it: pixel aspect, then mirroring and rotation.

    stored 1440x1080 --sample aspect ratio 4:3--> 1920x1080 --display matrix--> upright

The container's pixel aspect goes before the coded one, as in FFmpeg, unless both agree at the start: then changes of
the coded one within the stream are followed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.video.reformatter import VideoReformatter
from PIL import Image

_WIDEST_PIXEL = 10
"""Pixel aspects above this, or below its inverse, are faults of muxers and count as square."""

_TURNS: dict[tuple[int, int, int, int], tuple[Image.Transpose | None, int, bool]] = {
    (1, 0, 0, 1): (None, 0, False),
    (0, -1, 1, 0): (Image.Transpose.ROTATE_90, 90, False),
    (-1, 0, 0, -1): (Image.Transpose.ROTATE_180, 180, False),
    (0, 1, -1, 0): (Image.Transpose.ROTATE_270, 270, False),
    (-1, 0, 0, 1): (Image.Transpose.FLIP_LEFT_RIGHT, 0, True),
    (1, 0, 0, -1): (Image.Transpose.FLIP_TOP_BOTTOM, 180, True),
    (0, 1, 1, 0): (Image.Transpose.TRANSPOSE, 90, True),
    (0, -1, -1, 0): (Image.Transpose.TRANSVERSE, 270, True),
}
"""By the signs of a display matrix (x to x, x to y, y to x, y to y): what to do, the rotation in degrees
counter-clockwise that follows a mirroring from left to right, and whether there is one."""


@dataclass(frozen=True)
class Orientation:
    """How the stored picture is turned and mirrored: the signs of its display matrix."""

    signs: tuple[int, int, int, int] = (1, 0, 0, 1)

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise: 0, 90, 180 or 270."""
        return _TURNS[self.signs][1]

    @property
    def mirrored(self) -> bool:
        """Whether the picture is mirrored from left to right, before it is rotated."""
        return _TURNS[self.signs][2]

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.signs[0] == 0

    def turn(self, image: Image.Image) -> Image.Image:
        """The stored picture, upright."""
        transpose = _TURNS[self.signs][0]
        return image if transpose is None else image.transpose(transpose)

    def turn_box(
        self, box: tuple[float, float, float, float], size: tuple[float, float]
    ) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a box in the upright picture.

        Args:
            box: The same of the stored picture.
            size: Width and height of the stored picture.

        >>> Orientation((0, -1, 1, 0)).turn_box((0, 0, 10, 20), (100, 50))
        (0, 90, 20, 100)
        """
        a, b, c, d = self.signs
        width, height = size
        right, down = width * (a < 0) + height * (c < 0), width * (b < 0) + height * (d < 0)
        xs = sorted(a * x + c * y + right for x, y in (box[:2], box[2:]))
        ys = sorted(b * x + d * y + down for x, y in (box[:2], box[2:]))
        return xs[0], ys[0], xs[1], ys[1]


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """How a frame says that it is to be turned; a slanted matrix counts as the nearest right angle."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    raw = bytes(data)
    if len(raw) < 36:
        return Orientation()
    a, b, _, c, d = struct.unpack("<5i", raw[:20])
    swapped = abs(b) + abs(c) > abs(a) + abs(d)
    signs = (0, _sign(b), _sign(c), 0) if swapped else (_sign(a), 0, 0, _sign(d))
    return Orientation(signs) if signs in _TURNS else Orientation()


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


class PixelAspect:
    """The pixel aspect of a stream, followed while it is decoded.

    Args:
        stream: The stream, before anything of it is decoded.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self._codec = stream.codec_context
        self._container, self._coded = _sane(stream.sample_aspect_ratio), _sane(self._codec.sample_aspect_ratio)
        self._follows = self._container is None or self._coded is None or self._container == self._coded
        self._changes: list[tuple[int, Fraction | None]] = []

    def update(self, from_pts: int | None) -> None:
        """Notes a change of the coded aspect.

        Args:
            from_pts: Time stamp of the last key frame given to the decoder: frames shown from then on have it.
        """
        now = _sane(self._codec.sample_aspect_ratio)
        if self._follows and now != (self._changes[-1][1] if self._changes else self._coded):
            self._changes.append((from_pts or 0, now))

    def of(self, pts: int | None) -> Fraction:
        """The pixel aspect, width by height, of the frame with this time stamp."""
        coded = self._coded
        for from_pts, changed in self._changes:
            if pts is None or pts >= from_pts:
                coded = changed
        if self._changes:
            return coded or Fraction(1)
        return self._container or coded or Fraction(1)


def _sane(aspect: Fraction | None) -> Fraction | None:
    if aspect is None or aspect <= 0:
        return None
    return aspect if Fraction(1, _WIDEST_PIXEL) <= aspect <= _WIDEST_PIXEL else None


def shown_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Width and height of a stored picture in square pixels, before it is turned.

    >>> shown_size(1440, 1080, Fraction(4, 3)), shown_size(720, 480, Fraction(8, 9))
    ((1920, 1080), (640, 480))
    """
    return max(1, round(width * aspect)), height


def scaled_size(width: int, height: int, shorter_side: int) -> tuple[int, int]:
    """Width and height scaled to this shorter side in their own proportions; as they are where they are smaller.

    >>> scaled_size(640, 480, 224), scaled_size(160, 120, 224)
    ((299, 224), (160, 120))
    """
    scale = shorter_side / min(width, height)
    if scale >= 1:
        return width, height
    return max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale))


def as_shown(
    frame: av.VideoFrame, aspect: Fraction, converter: VideoReformatter, shorter_side: int | None
) -> Image.Image:
    """A frame as RGB in square pixels, scaled, upright."""
    width, height = shown_size(frame.width, frame.height, aspect)
    if shorter_side is not None:
        width, height = scaled_size(width, height, shorter_side)
    image: Image.Image = converter.reformat(frame, width=width, height=height, format="rgb24").to_image()
    return orientation_of(frame).turn(image)
