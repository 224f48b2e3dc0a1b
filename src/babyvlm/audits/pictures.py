"""What can be measured of a picture's file and pixels without knowing what it shows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from babyvlm.errors import DataFolderError, MediaError
from babyvlm.progress import progress
from babyvlm.regular_files import read_regular
from babyvlm.shown_pictures import open_image, read_picture
from babyvlm.toolbox.disjoint import Fingerprints
from babyvlm.toolbox.image_features import MATCHERS, Features

_SIDE_PX = 96
_FOREGROUND = 36.0  # mean absolute distance from the median colour, of 255


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """One picture file."""

    name: str
    attributes: dict[str, str]
    """Attributes of the file that have nothing to do with what it shows: its extension, the letters its name begins
    with, its format, mode, size in pixels, metadata and compression tables."""
    sha256: str
    num_bytes: int
    brightness: float
    """Mean luminance, 0 to 255."""
    contour: float
    """Mean strength of contours."""
    foreground: float
    """Share of pixels far from the picture's median colour."""
    salient_quadrant: int
    """The quadrant with most foreground, counted by rows."""
    looks: tuple[Features, ...]
    """What each of the `MATCHERS` sees."""
    prints: Fingerprints
    """Its one fingerprint."""


def picture_facts(names: Iterable[str], path_of: Callable[[str], Path]) -> dict[str, PictureFacts]:
    """Measures pictures, each once.

    Raises:
        DataFolderError: A file is missing or damaged.
    """
    wanted = sorted(set(names))
    return {name: _measure(name, path_of(name)) for name in progress(wanted, description="measuring pictures")}


def _measure(name: str, path: Path) -> PictureFacts:
    try:
        data = read_regular(path)
        attributes = {
            "extension": path.suffix,
            "name": re.split(r"[^A-Za-z]", path.stem)[0][:12],
            "length of name": str(len(path.stem)),
            **read_picture(data, _header),
        }
        image = open_image(data)
    except (OSError, MediaError) as error:
        raise DataFolderError(f"does not open as an image ({error})", path=path) from error
    pixels = np.asarray(image.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX), np.float32)
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    away = np.abs(pixels - np.median(pixels.reshape(-1, 3), axis=0)).mean(axis=2) > _FOREGROUND
    half = _SIDE_PX // 2
    quadrants = [away[row : row + half, column : column + half].sum() for row in (0, half) for column in (0, half)]
    return PictureFacts(
        name=name,
        attributes=attributes,
        sha256=hashlib.sha256(data).hexdigest(),
        num_bytes=len(data),
        brightness=float(grey.mean()),
        contour=float(np.hypot(*np.gradient(grey)).mean()),
        foreground=float(away.mean()),
        salient_quadrant=int(np.argmax(quadrants)),
        looks=tuple(matcher.features(image) for matcher in MATCHERS),
        prints=Fingerprints.of([image]),
    )


def _header(opened: Image.Image) -> dict[str, str]:
    """The attributes that a picture's own header shows."""
    tables = getattr(opened, "quantization", None) or {}
    return {
        "format": str(opened.format),
        "mode": opened.mode,
        "pixels": f"{opened.width}x{opened.height}",
        "metadata": " ".join(sorted(set(map(str, opened.info)) - {"jfif", "jfif_version", "jfif_unit"})),
        "exif": hashlib.sha256(repr(sorted(opened.getexif().items())).encode()).hexdigest()[:8],
        "compression": hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:8],
    }
