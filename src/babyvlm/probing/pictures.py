"""Labelled pictures: a folder for each label, and what becomes of a picture whose silhouette, or a part, is shown.

SOURCE/LABEL/*.jpg            each picture is an object of its own
SOURCE/LABEL/GROUP/*.jpg      pictures of one object, which are never learned from and asked about in one fold
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from babyvlm.errors import InputError
from babyvlm.probing.configuration import Change
from babyvlm.shown_pictures import IMAGE_SUFFIXES, open_image

_PLAIN = 40.0
"""Distance in RGB, of 441, up to which a pixel is taken for the ground."""
_BLUR = 0.04
"""Standard deviation of the blur, as a share of the longer side."""
_CELLS = 4
"""Cells to a side, half of which are missing."""


@dataclass(frozen=True, kw_only=True)
class LabelledPicture:
    """One picture."""

    path: Path
    label: str
    group: str
    """What it shares with pictures of the same object: its folder, or else its own name."""


@dataclass(frozen=True, kw_only=True)
class LabelledFolder:
    """The pictures of a folder."""

    pictures: tuple[LabelledPicture, ...]
    left_out: tuple[str, ...]
    """Labels with a single picture or object: they can be learned or asked about, not both."""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted({picture.label for picture in self.pictures}))


def read_labelled(source: Path) -> LabelledFolder:
    """The labelled pictures of a folder, in the order of their names.

    Raises:
        InputError: There is no such folder, or fewer than two labels have two objects.
    """
    if not source.is_dir():
        raise InputError("is no folder", path=source, remedy="Give a folder of pictures, LABEL/*.jpg")
    by_label: dict[str, list[LabelledPicture]] = defaultdict(list)
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
                inside = path.relative_to(folder)
                group = inside.parts[0] if len(inside.parts) > 1 else str(inside)
                by_label[folder.name].append(LabelledPicture(path=path, label=folder.name, group=group))
    single = [label for label, found in by_label.items() if len({one.group for one in found}) < 2]
    kept = [picture for label, found in by_label.items() if label not in single for picture in found]
    if len({picture.label for picture in kept}) < 2:
        raise InputError(
            f"{len(by_label)} labels, of which {len(by_label) - len(single)} have two objects; two are needed",
            path=source,
            remedy="Give LABEL/*.jpg, or LABEL/OBJECT/*.jpg where an object has several pictures",
        )
    return LabelledFolder(pictures=tuple(kept), left_out=tuple(single))


def folds_of(pictures: Sequence[LabelledPicture], folds: int, seed: int) -> list[int]:
    """The fold of each picture: the objects of each label are dealt out, pictures of one object together."""
    dealt: dict[tuple[str, str], int] = {}
    for label in sorted({picture.label for picture in pictures}):
        groups = sorted({picture.group for picture in pictures if picture.label == label})
        Random(f"{seed}/{label}").shuffle(groups)
        dealt |= {(label, group): place % folds for place, group in enumerate(groups)}
    return [dealt[picture.label, picture.group] for picture in pictures]


def changed(image: Image.Image, change: Change, rng: Random) -> Image.Image:
    """A picture changed, in its own size.

    Args:
        image: RGB.
        change: How.
        rng: Draws the missing parts.
    """
    if change == "blur":
        return image.filter(ImageFilter.GaussianBlur(_BLUR * max(image.size)))
    pixels_HWC = np.asarray(image)
    if change == "silhouette":
        off_HW = np.linalg.norm(pixels_HWC.astype(np.float32) - ground_colour(pixels_HWC), axis=-1) > _PLAIN
        return Image.fromarray(np.where(off_HW[..., None], 0, 255).repeat(3, -1).astype(np.uint8))
    cut_HWC = pixels_HWC.copy()
    mean_C = pixels_HWC.mean((0, 1)).round().astype(np.uint8)
    rows, columns = (np.linspace(0, side, _CELLS + 1).round().astype(int) for side in pixels_HWC.shape[:2])
    for cell in rng.sample(range(_CELLS**2), _CELLS**2 // 2):
        row, column = divmod(cell, _CELLS)
        cut_HWC[rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = mean_C
    return Image.fromarray(cut_HWC)


def ground_colour(pixels_HWC: np.ndarray) -> np.ndarray:
    """The middle colour of a picture's border, C."""
    border_NC = np.concatenate([pixels_HWC[0], pixels_HWC[-1], pixels_HWC[:, 0], pixels_HWC[:, -1]])
    middle_C: np.ndarray = np.median(border_NC.astype(np.float32), axis=0)
    return middle_C


def has_plain_ground(image: Image.Image) -> bool:
    """Whether nine tenths of a picture's border have one colour, so that a silhouette can be told from it."""
    pixels_HWC = np.asarray(image).astype(np.float32)
    border_NC = np.concatenate([pixels_HWC[0], pixels_HWC[-1], pixels_HWC[:, 0], pixels_HWC[:, -1]])
    near_N = np.linalg.norm(border_NC - ground_colour(pixels_HWC), axis=-1) <= _PLAIN
    return bool(near_N.mean() >= 0.9)


def opened(picture: LabelledPicture) -> Image.Image:
    """The picture as a viewer shows it, RGB.

    Raises:
        MediaError: It does not decode.
    """
    return open_image(picture.path)
