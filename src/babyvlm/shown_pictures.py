"""How a picture from outside is shown: the one place that opens what other people's programs and cameras wrote.

    orientation       the picture upright, as EXIF says (JPEG, PNG, TIFF, WebP)
    16 and 32 bits    scaled to 8
    transparency      laid on white
    several frames    the first
    ICC profiles      ignored in every format

What does not decode whole is refused by name. Boxes that were drawn on the stored picture turn with it (``turn_box``).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from babyvlm.errors import MediaError
from babyvlm.regular_files import read_regular, require_regular

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}
)
"""Files that are taken for pictures by name; what does not open is named with a remedy."""

MOST_PIXELS = 250_000_000
"""A larger picture is refused: no camera takes it, and a small file may claim it."""

Corners = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "TIFF"})
_UPRIGHT = 1

UseT = TypeVar("UseT")


@dataclass(frozen=True, kw_only=True)
class PictureSize:
    """How large a picture is shown, and how it is stored."""

    shown: tuple[int, int]
    stored: tuple[int, int]
    orientation: int
    """EXIF's number, 1 to 8; 1 where the file says none."""


@dataclass(frozen=True, kw_only=True)
class ShownPicture:
    """A picture as a viewer shows it."""

    image: Image.Image
    size: PictureSize
    notes: tuple[str, ...]
    """What was done to show it, in words, where a user might ask."""


def open_image(source: Path | bytes) -> Image.Image:
    """A picture from outside, as RGB and as a viewer shows it.

    Raises:
        MediaError: It is missing, no picture, damaged or too large.
    """
    return show_picture(source).image


def show_picture(source: Path | bytes) -> ShownPicture:
    """A picture from outside, as a viewer shows it, and how it is stored.

    Args:
        source: The file, or its bytes.

    Raises:
        MediaError: It is missing, no picture, damaged or too large.
    """

    return read_picture(source, _show)


def as_shown(image: Image.Image) -> Image.Image:
    """A picture that Pillow opened, as RGB and as a viewer shows it."""
    return _show(image).image


def picture_size(source: Path | bytes) -> PictureSize:
    """The sizes of a picture from outside, from its header alone.

    Raises:
        MediaError: It is missing, no picture or too large.
    """
    return read_picture(source, _size)


def picture_format(source: Path | bytes) -> str:
    """Pillow's name of the format of a picture from outside.

    Raises:
        MediaError: It is missing, no picture or too large.
    """
    return read_picture(source, lambda image: image.format or "")


def turn_box(corners: Corners, size: PictureSize) -> Corners:
    """A box of the stored picture, in pixels of the picture as shown.

    >>> turn_box((0, 0, 10, 20), PictureSize(shown=(50, 100), stored=(100, 50), orientation=6))
    (30, 0, 50, 10)
    """
    left, top, right, bottom = corners
    width, height = size.stored
    if size.orientation in (2, 3):
        left, right = width - right, width - left
    if size.orientation in (3, 4):
        top, bottom = height - bottom, height - top
    if size.orientation >= 5:
        if size.orientation in (6, 7):
            top, bottom = height - bottom, height - top
        if size.orientation in (7, 8):
            left, right = width - right, width - left
        return top, left, bottom, right
    return left, top, right, bottom


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _show(image: Image.Image) -> ShownPicture:
    size = _size(image)
    notes = [f"turned upright (orientation {size.orientation})"] if size.orientation != _UPRIGHT else []
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        notes.append("the first of several frames")
    image.load()
    # Pillow turns TIFF files on loading, and no others.
    turned = image.transpose(_TURNS[size.orientation]) if image.format != "TIFF" and size.orientation > 1 else image
    return ShownPicture(image=_as_rgb(turned), size=size, notes=tuple(notes))


def read_picture(source: Path | bytes, use: Callable[[Image.Image], UseT]) -> UseT:
    """What a function makes of a picture from outside, opened with its header read and its pixels not yet decoded.

    Raises:
        MediaError: It is missing, no picture, too large, or damaged where ``use`` decodes it.
    """
    path = None if isinstance(source, bytes) else source
    try:
        if path is not None:
            require_regular(path)
        content = io.BytesIO(source) if isinstance(source, bytes) else source
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow: metadata that does not matter, and sizes, checked below
            with Image.open(content) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise MediaError(
                        f"the picture claims {image.width}x{image.height} pixels, more than any camera's",
                        path=path,
                        remedy="Reduce it, or remove it",
                    )
                return use(image)
    except MediaError:
        raise
    except Image.DecompressionBombError as error:
        raise MediaError(
            "the picture claims more pixels than any camera's", path=path, remedy="Reduce it, or remove it"
        ) from error
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        problem, remedy = _what_it_is(source, error)
        raise MediaError(problem, path=path, remedy=remedy) from error


_SIGNATURES = (
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture, which is not read"),
    (0, b"\xff\x0a", "a JPEG XL picture, which is not read"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the picture itself; run git lfs pull"),
    (0, b"<svg", "a drawing (SVG), which is not read"),
    (0, b"<?xml", "an XML file or a drawing (SVG), which is not read"),
    (0, b"%PDF", "a PDF file, which is not read"),
    (0, b"<!DOCTYPE", "a web page: the download failed"),
    (0, b"<html", "a web page: the download failed"),
    (4, b"ftypavi", "an AVIF picture, which this installation of Pillow does not read"),
    (4, b"ftyphe", "a HEIC picture, which Pillow does not read"),
    (4, b"ftypmif1", "a HEIF picture, which Pillow does not read"),
    (4, b"ftypmsf1", "a HEIF picture, which Pillow does not read"),
    (4, b"ftyp", "a video"),
)


def _what_it_is(source: Path | bytes, error: Exception) -> tuple[str, str]:
    """What a file is that does not open, and the remedy."""
    try:
        start = (source if isinstance(source, bytes) else read_regular(source))[:64]
    except OSError as failed:
        return f"does not open as a picture ({failed.strerror})", "Is it the picture itself?"
    if not start:
        return "does not open as a picture: the file is empty", "Copy it again"
    for offset, signature, name in _SIGNATURES:
        if start[offset:].startswith(signature):
            return f"does not open as a picture: it is {name}", "Convert it to JPEG or PNG"
    said = "it is of no known kind" if isinstance(error, UnidentifiedImageError) else str(error)
    return f"does not open as a picture ({said or type(error).__name__})", "Was the file copied whole?"


def _size(image: Image.Image) -> PictureSize:
    try:
        said = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except Exception:  # damaged metadata says nothing; the picture itself may be whole
        said = _UPRIGHT
    orientation = said if isinstance(said, int) and said in _TURNS else _UPRIGHT
    width, height = image.size
    if image.format == "TIFF":  # newer versions of Pillow give the size as shown
        tags = getattr(image, "tag_v2", {})
        width, height = int(tags.get(256, width)), int(tags.get(257, height))
    shown = (height, width) if orientation >= 5 else (width, height)
    return PictureSize(shown=shown, stored=(width, height), orientation=orientation)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _from_deep_grey(image)
    if image.mode == "LAB":
        raise MediaError("the picture is in LAB colours, which are not read", remedy="Convert it to RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        if image.mode in ("La", "RGBa"):
            image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits in 8, by the number of bits that its values take."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    lowest, highest = float(values.min()), float(values.max())
    if image.mode == "F" and lowest >= 0 and highest <= 1:
        top = 1.0
    elif lowest < 0 or highest > 65535:  # no format's range: the picture's own
        values, top = values - lowest, highest - lowest
    else:
        top = next(float(bound) for bound in (255, 4095, 65535) if highest <= bound)
    grey = np.clip(values * (255 / top), 0, 255).round().astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[np.asarray(image) == transparent] = 255
    return Image.fromarray(grey).convert("RGB")
