"""Windows of frames to count in: one arrangement of objects gives many pictures, of different numbers and sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.balanced_cropping import FRAME_PX, MIN_COUNT_BOX_PX
from babyvlm.toolbox.builders.bench import Bench
from babyvlm.toolbox.sightings import frame_size, longest_side, overlap, view_of, whole_frame
from babyvlm.toolbox.views import View

_SMALLEST_SCALE = 0.4  # of the frame's sides
_WINDOWS_PER_FRAME = 2
_TRIES = 6
_MARGIN_PX = 1.5


@dataclass(frozen=True, kw_only=True)
class CountedView:
    """A picture in which all objects of a category that are in view are wholly in view."""

    frame: BoxedFrame
    label: str
    count: int
    view: View


def counted_views(bench: Bench, rng: Random) -> list[CountedView]:
    """Every frame to count in, as a whole and, where it shows several objects, as windows of its shape."""
    views = []
    for counted in bench.found.counted:
        frame, label = counted.frame, counted.label
        boxes = [box for box in frame.boxes if box.label == label]
        smallest_px = MIN_COUNT_BOX_PX
        whole = bench.mirrored(whole_frame(frame), rng)
        if _smallest_shown(boxes, whole) >= smallest_px:
            views.append(CountedView(frame=frame, label=label, count=counted.count, view=whole))
        if counted.count == 1:
            continue
        for _ in range(_WINDOWS_PER_FRAME):
            found = _window(frame, boxes, rng)
            if found is not None:
                window, count = found
                size = frame_size(frame.width, frame.height, FRAME_PX)
                view = bench.mirrored(view_of(frame, window, size), rng)
                inside = [box for box in boxes if overlap(box, _as_box(window)) > 0]
                if _smallest_shown(inside, view) >= smallest_px:
                    views.append(CountedView(frame=frame, label=label, count=count, view=view))
    return views


def _smallest_shown(boxes: Iterable[Box], view: View) -> float:
    """Longer side of the smallest box, in pixels of the picture as it is shown."""
    left, _, right, _ = view.window
    return min(map(longest_side, boxes)) * view.size[0] / (right - left)


def _as_box(window: tuple[int, int, int, int]) -> Box:
    left, top, right, bottom = window
    return Box(label="", x=left, y=top, width=right - left, height=bottom - top)


def _window(frame: BoxedFrame, boxes: list[Box], rng: Random) -> tuple[tuple[int, int, int, int], int] | None:
    """A window that cuts none of the boxes and holds at least one, and how many it holds; None where none was found."""
    for _ in range(_TRIES):
        scale = rng.uniform(_SMALLEST_SCALE, 1.0)
        width, height = round(frame.width * scale), round(frame.height * scale)
        left, top = rng.randint(0, frame.width - width), rng.randint(0, frame.height - height)
        seen = _as_box((left, top, left + width, top + height))
        inside = [
            box.x >= left + _MARGIN_PX
            and box.y >= top + _MARGIN_PX
            and box.x + box.width <= left + width - _MARGIN_PX
            and box.y + box.height <= top + height - _MARGIN_PX
            for box in boxes
        ]
        touched = [overlap(box, seen) > 0 for box in boxes]
        if any(inside) and inside == touched:
            return (left, top, left + width, top + height), sum(inside)
    return None
