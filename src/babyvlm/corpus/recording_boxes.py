"""Boxes of a recording: ``<stem>.boxes.json``, a COCO file with times and tracks, in; ``BoxedFrame`` records out.

    images        id, width, height, time_s (from the start of the file)
    annotations   image_id, category_id, bbox [x, y, width, height] in pixels; optional track_id, visibility
    categories    id, name

A box that cannot be used is left out, with the others of its kind in its image: what remains there may be counted.
Boxes come out in pixels of the picture as it is shown; those drawn on a smaller copy, on stored pixels that are not
square, or on a picture that was not yet turned are moved there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.annotations import (
    CocoAnnotation,
    CocoCategory,
    CocoImage,
    fit_box,
    normal_label,
    read_lists,
    valid_parts,
)
from babyvlm.errors import AnnotationError
from babyvlm.media import MediaInfo
from babyvlm.records import Box, BoxedFrame, Recording

TIME_TOLERANCE_S = 1.0
"""A boxed frame may pass the end of its recording by so much: containers round their duration."""
_PROPORTIONS = 0.02
"""Relative difference of width by height up to which two pictures have the same proportions (ours)."""


@dataclass(frozen=True, kw_only=True)
class RecordingBoxes:
    """The boxes of one recording, and what of its file could not be used."""

    frames: tuple[BoxedFrame, ...]
    """By ascending time."""
    problems: tuple[AnnotationError, ...] = ()
    """One for each image, annotation or category left out."""


def read_boxes(path: Path, recording: Recording, info: MediaInfo | None = None) -> RecordingBoxes:
    """Reads the boxes of one recording.

    Args:
        path: The file of boxes.
        recording: The recording.
        info: How its picture is shown; None takes the boxes' own pictures as they are.

    Raises:
        AnnotationError: The file is missing or no COCO file.
    """
    value = read_lists(path)
    problems: list[AnnotationError] = []
    images = valid_parts(value, "images", CocoImage, path, problems)
    labels = {
        each.id: normal_label(each.name) for _, each in valid_parts(value, "categories", CocoCategory, path, problems)
    }
    boxes: dict[int, list[Box]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    times_s: dict[int, float] = {}
    for place, image in images:
        if (fault := _unusable(image, sizes, recording, info)) is not None:
            problems.append(AnnotationError(fault, path=path, place=place))
            continue
        sizes[image.id], boxes[image.id], times_s[image.id] = (image.width, image.height), [], image.time_s or 0.0
    uncountable: set[tuple[int, str]] = set()
    spoiled = {image.id for _, image in images} - boxes.keys()
    for place, annotation in valid_parts(value, "annotations", CocoAnnotation, path, problems):
        if annotation.image_id in spoiled:
            continue  # its image was reported
        if annotation.image_id not in boxes:
            problems.append(AnnotationError(f"there is no image {annotation.image_id}", path=path, place=place))
            continue
        label = labels.get(annotation.category_id)
        if label is None:
            problem = (
                f"there is no category {annotation.category_id}; its image is left out, whose things are not known"
            )
            problems.append(AnnotationError(problem, path=path, place=place))
            spoiled.add(annotation.image_id)
            continue
        if annotation.iscrowd:
            uncountable.add((annotation.image_id, label))
            continue
        try:
            boxes[annotation.image_id].append(_fitted(annotation, label, sizes[annotation.image_id], path, place))
        except AnnotationError as error:
            problems.append(error)
            uncountable.add((annotation.image_id, label))
    frames = [
        _as_shown(
            BoxedFrame(
                source=recording.id,
                time_s=times_s[number],
                width=sizes[number][0],
                height=sizes[number][1],
                boxes=tuple(box for box in found if (number, box.label) not in uncountable),
            ),
            info,
        )
        for number, found in boxes.items()
        if number not in spoiled
    ]
    return RecordingBoxes(frames=tuple(sorted(frames, key=lambda frame: frame.time_s or 0.0)), problems=tuple(problems))


def _unusable(
    image: CocoImage, known: Mapping[int, object], recording: Recording, info: MediaInfo | None
) -> str | None:
    if image.id in known:
        return f"two images have the id {image.id}; the first is used"
    if image.time_s is None:
        return "the image has no time_s, its moment in the recording"
    if not 0 <= image.time_s <= recording.duration_s + TIME_TOLERANCE_S:
        return f"time_s {image.time_s} is not within its recording of {recording.duration_s:.3f} s"
    if image.width <= 0 or image.height <= 0:
        return f"the image is of {image.width}x{image.height} pixels"
    if info is not None and _drawn_on(image.width, image.height, info) is None:
        return (
            f"the image is of {image.width}x{image.height} pixels, and the picture of {info.width}x{info.height} as "
            f"shown, {info.stored_width}x{info.stored_height} as stored: the proportions are others"
        )
    return None


def _fitted(annotation: CocoAnnotation, label: str, size: tuple[int, int], path: Path, place: str) -> Box:
    x, y, width, height = annotation.bbox
    return fit_box(
        label,
        (x, y, x + width, y + height),
        size,
        path=path,
        place=place,
        track=annotation.track_id,
        visibility=annotation.visibility,
    )


def _drawn_on(width: int, height: int, info: MediaInfo) -> str | None:
    """Whether boxes were drawn on the picture as shown, or before it was stretched or turned; None for neither."""
    squeezed = info.stored_height, info.stored_width
    for name, (wide, high) in (
        ("shown", (info.width, info.height)),
        ("stored", (info.stored_width, info.stored_height)),
        ("stored, upright", squeezed if info.orientation.swaps_sides else squeezed[::-1]),
        (
            "square, not turned",
            (info.height, info.width) if info.orientation.swaps_sides else (info.width, info.height),
        ),
    ):
        if abs(width * high - height * wide) <= _PROPORTIONS * width * high:
            return name
    return None


def _as_shown(frame: BoxedFrame, info: MediaInfo | None) -> BoxedFrame:
    """The boxes in pixels of the picture as shown."""
    if info is None or (frame.width, frame.height) == (info.width, info.height):
        return frame
    turned = _drawn_on(frame.width, frame.height, info) in ("stored", "square, not turned")
    orientation = info.orientation
    width, height = frame.width, frame.height
    if turned and orientation.swaps_sides:
        width, height = height, width
    boxes: list[Box] = []
    for box in frame.boxes:
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        if turned:
            corners = orientation.turn_box(corners, (frame.width, frame.height))
        left, top, right, bottom = corners
        across, down = info.width / width, info.height / height
        moved = {"x": left * across, "y": top * down, "width": (right - left) * across, "height": (bottom - top) * down}
        boxes.append(box.model_copy(update=moved))
    return frame.model_copy(update={"width": info.width, "height": info.height, "boxes": tuple(boxes)})
