"""COCO files, and the one rule for boxes: ``fit_box`` alone decides whether a box lies in its image.

    images        id, width, height, file_name (photographs.py) or time_s (recording_boxes.py)
    annotations   image_id, category_id, bbox [x, y, width, height] in pixels; optional track_id, visibility
    categories    id, name

Everything else that COCO may hold is passed by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from babyvlm.errors import AnnotationError
from babyvlm.records import Box
from babyvlm.regular_files import parse_json, read_regular
from babyvlm.shown_pictures import Corners

PartT = TypeVar("PartT", bound=BaseModel)

OUTSIDE_TOLERANCE_PX = 2.0
"""A box may leave its image by so much and is then clipped: some formats count pixels from one, or round outwards."""


class CocoImage(BaseModel):
    """An image of a COCO file."""

    id: int
    width: int = 0
    height: int = 0
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


@dataclass(frozen=True, kw_only=True)
class DrawnBox:
    """A box as a file has it, not yet laid on its picture."""

    label: str
    corners: Corners
    place: str
    track: int | None = None
    visibility: float = 1.0

    def fitted(self, corners: Corners, image_size: tuple[int, int], path: Path) -> Box:
        """As `fit_box`, at these corners."""
        return fit_box(
            self.label,
            corners,
            image_size,
            path=path,
            place=self.place,
            track=self.track,
            visibility=self.visibility,
        )


def read_lists(path: Path) -> Mapping[str, Any]:
    """The object of a COCO file, whose three lists are there; their entries are not looked at.

    Raises:
        AnnotationError: It is no COCO file.
    """
    try:
        value = parse_json(read_regular(path))
    except OSError as error:
        raise AnnotationError(f"the annotations do not open ({error})", path=path) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise AnnotationError(f"not COCO: {error}", path=path, remedy="Was the file written whole?") from error
    if not isinstance(value, dict) or not all(isinstance(value.get(name), list) for name in _LISTS):
        raise AnnotationError(
            f"not COCO: expected an object with the lists {', '.join(_LISTS)}{_other_format(value)}",
            path=path,
            remedy="Export as COCO instances or as Pascal VOC",
        )
    return value


_LISTS = ("images", "annotations", "categories")


def _other_format(value: object) -> str:
    first = value[0] if isinstance(value, list) and value else value
    keys = set(first) if isinstance(first, dict) else set()
    for name, telling in (
        ("LabelMe", {"shapes", "imagePath"}),
        ("VIA", {"_via_img_metadata"}),
        ("CreateML", {"image", "annotations"}),
        ("Label Studio", {"data", "annotations"}),
        ("COCO results", {"image_id", "bbox", "score"}),
    ):
        if telling <= keys:
            return f", found a file of {name}"
    entries = [each for each in first.values() if isinstance(each, dict)] if isinstance(first, dict) else []
    return ", found a file of VIA" if any({"filename", "regions"} <= set(each) for each in entries) else ""


def valid_parts(
    value: Mapping[str, Any], name: str, kind: type[PartT], path: Path, problems: list[AnnotationError]
) -> list[tuple[str, PartT]]:
    """The entries of a list that validate, with their places; what is wrong with the others goes to ``problems``."""
    found: list[tuple[str, PartT]] = []
    for number, entry in enumerate(value[name]):
        place = f"{name}[{number}]"
        try:
            found.append((place, kind.model_validate(entry)))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            problems.append(AnnotationError(f"not COCO: {where}: {fault['msg']}", path=path, place=place))
    return found


@dataclass(frozen=True, kw_only=True)
class Coco:
    """The usable part of a COCO file."""

    images: tuple[tuple[str, CocoImage], ...]
    """With their places in the file."""
    boxes: Mapping[int, tuple[DrawnBox, ...]]
    """By image id, without those of crowd regions."""
    image_problems: tuple[AnnotationError, ...]
    box_problems: tuple[AnnotationError, ...]


def read_coco(path: Path) -> Coco:
    """Reads a COCO file.

    A crowd region stands for an unknown number of a kind, so all boxes of that kind are left out of its image: what
    remains may be counted.

    Raises:
        AnnotationError: It is no COCO file.
    """
    value = read_lists(path)
    bad_images: list[AnnotationError] = []
    bad_boxes: list[AnnotationError] = []
    images: dict[int, tuple[str, CocoImage]] = {}
    for place, image in valid_parts(value, "images", CocoImage, path, bad_images):
        if image.id in images:
            fault = f"two images have the same id, {image.id}; the first is used"
            bad_images.append(AnnotationError(fault, path=path, place=place))
        else:
            images[image.id] = (place, image)
    labels = {each.id: each.name for _, each in valid_parts(value, "categories", CocoCategory, path, bad_boxes)}
    annotations = valid_parts(value, "annotations", CocoAnnotation, path, bad_boxes)
    crowded = {(each.image_id, each.category_id) for _, each in annotations if each.iscrowd}
    boxes: dict[int, list[DrawnBox]] = {number: [] for number in images}
    for place, each in annotations:
        if each.image_id not in images:
            bad_boxes.append(AnnotationError(f"there is no image {each.image_id}", path=path, place=place))
        elif each.category_id not in labels:
            bad_boxes.append(AnnotationError(f"there is no category {each.category_id}", path=path, place=place))
        elif (each.image_id, each.category_id) not in crowded:
            x, y, width, height = each.bbox
            boxes[each.image_id].append(
                DrawnBox(
                    label=labels[each.category_id],
                    corners=(x, y, x + width, y + height),
                    place=place,
                    track=each.track_id,
                    visibility=each.visibility,
                )
            )
    return Coco(
        images=tuple(images.values()),
        boxes={number: tuple(found) for number, found in boxes.items()},
        image_problems=tuple(bad_images),
        box_problems=tuple(bad_boxes),
    )


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
    if not label.strip() or _is_number(label):
        raise AnnotationError(f"the class {label!r} is not a name", path=path, place=place, remedy="Give classes names")
    if re.fullmatch(r"n\d{8}", label.strip()):
        raise AnnotationError(
            f"the class {label!r} is a number of WordNet", path=path, place=place, remedy="Replace it by its word"
        )
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
        raise AnnotationError(f"the visibility {visibility:g} is not between 0 and 1", path=path, place=place)
    return Box(
        label=normal_label(label),
        x=clipped[0],
        y=clipped[1],
        width=clipped[2] - clipped[0],
        height=clipped[3] - clipped[1],
        track=track,
        visibility=visibility,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def normal_label(label: str) -> str:
    """A label as words in lower case, whatever its source joined them with.

    >>> normal_label("Potted_Plant "), normal_label("TrafficLight"), normal_label("person.n.01")
    ('potted plant', 'traffic light', 'person')
    """
    label = re.sub(r"\.[nvasr]\.\d+$", "", label.strip())
    label = re.sub(r"(?<=[a-z]{2})(?=[A-Z][a-z])", " ", label)
    label = re.sub(r"(?<=\w\w)-(?=\w\w)", " ", label)
    words = " ".join(label.replace("_", " ").lower().split())
    return _JOINED.get(words, words)


_JOINED = {
    "pottedplant": "potted plant",
    "tvmonitor": "tv monitor",
    "diningtable": "dining table",
    "trafficlight": "traffic light",
    "firehydrant": "fire hydrant",
    "stopsign": "stop sign",
    "parkingmeter": "parking meter",
    "sportsball": "sports ball",
    "baseballbat": "baseball bat",
    "baseballglove": "baseball glove",
    "tennisracket": "tennis racket",
    "wineglass": "wine glass",
    "hotdog": "hot dog",
    "cellphone": "cell phone",
    "mobilephone": "mobile phone",
    "teddybear": "teddy bear",
    "hairdrier": "hair drier",
    "hairdryer": "hair dryer",
    "computermouse": "computer mouse",
    "remotecontrol": "remote control",
}
"""Names that VOC, COCO and their relatives write as one word."""
