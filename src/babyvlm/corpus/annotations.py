"""COCO files, and the one rule for boxes: ``fit_box`` alone decides whether a box lies in its image.

    images        id, width, height, file_name (photographs.py) or time_s (recording_boxes.py)
    annotations   image_id, category_id, bbox [x, y, width, height] in pixels; optional track_id, visibility
    categories    id, name

Everything else that COCO may hold is passed by.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from babyvlm.errors import AnnotationError
from babyvlm.records import Box

OUTSIDE_TOLERANCE_PX = 2.0
"""A box may leave its image by so much and is then clipped: some formats count pixels from one, or round outwards."""


class CocoImage(BaseModel):
    """An image of a COCO file."""

    id: int
    width: int
    height: int
    file_name: str = ""
    time_s: float | None = None


class CocoAnnotation(BaseModel):
    """An annotation of a COCO file."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    track_id: int | None = None
    visibility: float = 1.0
    iscrowd: bool = False


class CocoCategory(BaseModel):
    """A category of a COCO file."""

    id: int
    name: str


class Coco(BaseModel):
    """What is read of a COCO file."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


def read_coco(path: Path) -> Coco:
    """Reads a COCO file.

    Raises:
        AnnotationError: Naming the entry that does not parse.
    """
    try:
        return Coco.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"the annotations do not open ({error})", path=path) from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
        raise AnnotationError(f"not COCO: {fault['msg']}", path=path, place=place or None) from error


def coco_boxes(coco: Coco, path: Path) -> dict[int, list[Box]]:
    """The boxes of a COCO file by image id, without those of crowd regions.

    A crowd region stands for an unknown number of a kind, so all boxes of that kind are left out of its image: what
    remains may be counted.

    Raises:
        AnnotationError: An annotation refers to nothing, or lies outside its image.
    """
    labels = {category.id: normal_label(category.name) for category in coco.categories}
    sizes = {image.id: (image.width, image.height) for image in coco.images}
    if len(sizes) != len(coco.images):
        raise AnnotationError("two images have the same id", path=path)
    crowded = {(each.image_id, each.category_id) for each in coco.annotations if each.iscrowd}
    boxes: dict[int, list[Box]] = {image.id: [] for image in coco.images}
    for index, annotation in enumerate(coco.annotations):
        place = f"annotations[{index}]"
        if annotation.image_id not in sizes:
            raise AnnotationError(f"there is no image {annotation.image_id}", path=path, place=place)
        if annotation.category_id not in labels:
            raise AnnotationError(f"there is no category {annotation.category_id}", path=path, place=place)
        if (annotation.image_id, annotation.category_id) in crowded:
            continue
        x, y, width, height = annotation.bbox
        boxes[annotation.image_id].append(
            fit_box(
                labels[annotation.category_id],
                (x, y, x + width, y + height),
                sizes[annotation.image_id],
                path=path,
                place=place,
                track=annotation.track_id,
                visibility=annotation.visibility,
            )
        )
    return boxes


def fit_box(
    label: str,
    corners: tuple[float, float, float, float],
    image_size: tuple[int, int],
    *,
    path: Path,
    place: str,
    track: int | None = None,
    visibility: float = 1.0,
) -> Box:
    """A box clipped to its image, where it leaves it by no more than the tolerance.

    Args:
        label: Name of what the box holds, in any spelling.
        corners: Left, top, right and bottom, in pixels.
        image_size: Width and height of the image, in pixels.
        path: The annotation file, for messages.
        place: The spot in it, for messages.
        track: Number of the physical object.
        visibility: Share of it that nothing hides.

    Raises:
        AnnotationError: The box lies outside its image, or holds nothing.
    """
    left, top, right, bottom = corners
    width, height = image_size
    inside = min(left, top) >= -OUTSIDE_TOLERANCE_PX
    inside &= right <= width + OUTSIDE_TOLERANCE_PX and bottom <= height + OUTSIDE_TOLERANCE_PX
    clipped = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    shown = f"the box of {label!r}, left {left:g} top {top:g} right {right:g} bottom {bottom:g},"
    if not inside:  # also where a corner is not a number
        raise AnnotationError(f"{shown} lies outside its image of {width}x{height} pixels", path=path, place=place)
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise AnnotationError(f"{shown} holds nothing of its image of {width}x{height} pixels", path=path, place=place)
    if not 0 <= visibility <= 1:
        raise AnnotationError(f"the visibility {visibility:g} is no share between 0 and 1", path=path, place=place)
    return Box(
        label=normal_label(label),
        x=clipped[0],
        y=clipped[1],
        width=clipped[2] - clipped[0],
        height=clipped[3] - clipped[1],
        track=track,
        visibility=visibility,
    )


def normal_label(label: str) -> str:
    """A label in lower case, with blanks between its words.

    >>> normal_label("Potted_Plant ")
    'potted plant'
    """
    return " ".join(label.replace("_", " ").lower().split())
