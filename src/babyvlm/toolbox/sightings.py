"""Sightings: what a source's boxes can be used for, found before any pixel is decoded.

    boxed frames -> objects to show alone      (crops: picture vocabulary, matching, memory, composed pictures)
                 -> objects alone of their kind (localization)
                 -> frames to count in          (counting, who has more)

Whatever is passed over is counted by reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.balanced_cropping import (
    CROP_MARGIN,
    CROP_PX,
    FRAME_PX,
    MAX_COUNT_OVERLAP,
    MAX_COVERED,
    MIN_BOX_PX,
    MIN_COUNT_BOX_PX,
)
from babyvlm.toolbox.sources import FrameSource
from babyvlm.toolbox.views import CropVariant, View

MAX_COUNT = 12
# A much larger box is taken for what the object stands on or in front of, not for something that hides it.
_SUPPORT_AREA_RATIO = 3.0
_EDGE_PX = 1.5
_PART_IN_VIEW = 0.2
_HINT_IN_VIEW = 0.05


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One object, whole and in the open, in one frame."""

    label: str
    exemplar: str
    """The same for the same physical object as far as the source tells; never the same for two."""
    view: View
    """Its crop."""
    side_px: float
    """Longer side of its box."""
    labels_in_view: frozenset[str]
    """Categories of all objects of which the crop shows a good part."""
    is_alone: bool
    """Whether the crop shows no good part of any other object."""

    def variant(self, variant: CropVariant) -> View:
        """The crop in another variant."""
        return View(**{**self.view.__dict__, "variant": variant})


@dataclass(frozen=True, kw_only=True)
class Singleton:
    """An object that is the only boxed one of its category in its frame."""

    frame: BoxedFrame
    box: Box


@dataclass(frozen=True, kw_only=True)
class CountedFrame:
    """A frame in which all objects of a category are in full view."""

    frame: BoxedFrame
    label: str
    count: int


@dataclass(kw_only=True)
class Sightings:
    """Everything found, in the order of the source."""

    sightings: list[Sighting] = field(default_factory=list)
    singletons: list[Singleton] = field(default_factory=list)
    counted: list[CountedFrame] = field(default_factory=list)
    by_source: dict[str, tuple[BoxedFrame, ...]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    """Boxes, or frames of a category, passed over, by reason."""

    def withhold(self, labels: Collection[str]) -> None:
        """Removes and counts what shows these categories as the object that an item could turn on or show as a foil."""
        for name, label_of in _LABELS.items():
            found: list = getattr(self, name)
            kept = [one for one in found if label_of(one) not in labels]
            if len(kept) < len(found):
                self.skipped[WITHHELD] += len(found) - len(kept)
            setattr(self, name, kept)


_LABELS: dict[str, Callable[..., str]] = {
    "sightings": lambda one: one.label,
    "singletons": lambda one: one.box.label,
    "counted": lambda one: one.label,
}
WITHHELD = "withheld: of a category whose word is to be heard only"


def find_sightings(source: FrameSource) -> Sightings:
    """Finds everything usable in one pass over the boxes."""
    found = Sightings()
    for name, frames in groupby(source.frames, key=lambda frame: frame.source):
        found.by_source[name] = found.by_source.get(name, ()) + tuple(frames)
    for frame in source.frames:
        kinds: dict[str, list[Box]] = defaultdict(list)
        for index, box in enumerate(frame.boxes):
            kinds[box.label].append(box)
            reason = _why_not_shown(frame, box)
            window = square_window(frame, box, CROP_MARGIN)
            if reason is None and window is None:
                reason = "box: larger than any square of its frame"
            if reason is not None or window is None:
                found.skipped[reason or ""] += 1
                continue
            # Without tracks, every box is its own object.
            thing = f"track {box.track}" if box.track is not None else f"{frame.time_s} box {index}"
            size = (CROP_PX, CROP_PX)
            in_view = _in_view(frame, window)
            found.sightings.append(
                Sighting(
                    label=box.label,
                    exemplar=f"{frame.source} {thing}",
                    view=view_of(frame, window, size, track=box.track),
                    side_px=max(box.width, box.height),
                    labels_in_view=frozenset(seen.label for seen in in_view),
                    is_alone=len(in_view) == 1 and _is_single(frame, box, window),
                )
            )
        for label, boxes in kinds.items():
            shown = min(1.0, FRAME_PX / max(frame.width, frame.height))
            if len(boxes) == 1 and longest_side(boxes[0]) >= MIN_BOX_PX:
                if longest_side(boxes[0]) * shown < MIN_COUNT_BOX_PX:
                    found.skipped["localization: smaller than min_count_box_px in the picture as shown"] += 1
                elif touches_edge(frame, boxes[0]):
                    found.skipped["localization: cut off by the frame"] += 1
                elif covered(boxes[0], frame.boxes) <= MAX_COVERED:
                    found.singletons.append(Singleton(frame=frame, box=boxes[0]))
                else:
                    found.skipped["localization: covered by another box"] += 1
            reason = _why_not_counted(frame, boxes)
            if reason is None:
                found.counted.append(CountedFrame(frame=frame, label=label, count=len(boxes)))
                if any(longest_side(box) * shown < MIN_COUNT_BOX_PX for box in boxes):
                    found.skipped["count: whole frame in which an object is smaller than min_count_box_px"] += 1
            else:
                found.skipped[reason] += 1
    return found


def view_of(
    frame: BoxedFrame, window: tuple[int, int, int, int], size: tuple[int, int], *, track: int | None = None
) -> View:
    """The view of a window of a boxed frame."""
    return View(
        source=frame.source,
        time_s=frame.time_s or 0.0,
        window=window,
        size=size,
        is_photo=frame.time_s is None,
        track=track,
    )


def frame_size(width: int, height: int, longest_px: int) -> tuple[int, int]:
    """The size scaled so that its longer side is at most ``longest_px``.

    >>> frame_size(640, 480, 320)
    (320, 240)
    """
    scale = min(1.0, longest_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def whole_frame(frame: BoxedFrame) -> View:
    """The view of all of a frame."""
    return view_of(frame, (0, 0, frame.width, frame.height), frame_size(frame.width, frame.height, FRAME_PX))


def square_window(frame: BoxedFrame, box: Box, margin: float) -> tuple[int, int, int, int] | None:
    """A square around a box, moved inside the frame where it sticks out; None where no square holds the box."""
    longer = max(box.width, box.height)
    side = min(round(longer * (1 + 2 * margin)), frame.width, frame.height)
    if side < longer:
        return None
    left = min(max(round(box.centre[0] - side / 2), 0), frame.width - side)
    top = min(max(round(box.centre[1] - side / 2), 0), frame.height - side)
    return left, top, left + side, top + side


def longest_side(box: Box) -> float:
    """The longer side of a box, in its own pixels."""
    return max(box.width, box.height)


def overlap(first: Box, second: Box) -> float:
    """The area that two boxes share, in square pixels."""
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    return max(0.0, width) * max(0.0, height)


def covered(box: Box, others: Sequence[Box]) -> float:
    """The largest part of a box that one other box shares, much larger ones aside."""
    shares = (
        overlap(box, other) / box.area
        for other in others
        if other is not box and other.area < _SUPPORT_AREA_RATIO * box.area
    )
    return max(shares, default=0.0)


def touches_edge(frame: BoxedFrame, box: Box) -> bool:
    """Whether a box reaches its frame's border, so that the object may be cut off."""
    return (
        box.x < _EDGE_PX
        or box.y < _EDGE_PX
        or box.x + box.width > frame.width - _EDGE_PX
        or box.y + box.height > frame.height - _EDGE_PX
    )


def _in_view(frame: BoxedFrame, window: tuple[int, int, int, int]) -> list[Box]:
    left, top, right, bottom = window
    seen = Box(label="", x=left, y=top, width=right - left, height=bottom - top)
    part = _PART_IN_VIEW
    return [box for box in frame.boxes if overlap(box, seen) > part * min(box.area, seen.area)]


def _is_single(frame: BoxedFrame, box: Box, window: tuple[int, int, int, int]) -> bool:
    """Whether a window shows one object of the box's category, and nothing that can be seen of another."""
    left, top, right, bottom = window
    seen = Box(label="", x=left, y=top, width=right - left, height=bottom - top)
    alike = (other for other in frame.boxes if other is not box and other.label == box.label)
    return all(overlap(other, seen) <= _HINT_IN_VIEW * min(other.area, seen.area) for other in alike)


def _why_not_shown(frame: BoxedFrame, box: Box) -> str | None:
    if longest_side(box) < MIN_BOX_PX or min(box.width, box.height) < MIN_BOX_PX / 3:
        return "box: smaller than min_box_px"
    if touches_edge(frame, box):
        return "box: cut off by the frame"
    if covered(box, frame.boxes) > MAX_COVERED:
        return "box: covered by another box"
    return None


def _why_not_counted(frame: BoxedFrame, boxes: Sequence[Box]) -> str | None:
    if len(boxes) > MAX_COUNT:
        return f"count: more than {MAX_COUNT} of a category"
    if any(touches_edge(frame, box) for box in boxes):
        return "count: an object cut off by the frame"
    for index, box in enumerate(boxes):
        for other in boxes[index + 1 :]:
            if overlap(box, other) > MAX_COUNT_OVERLAP * min(box.area, other.area):
                return "count: objects of the category overlap"
        if covered(box, frame.boxes) > 2 * MAX_COVERED:
            return "count: an object is hidden by another box"
    return None
