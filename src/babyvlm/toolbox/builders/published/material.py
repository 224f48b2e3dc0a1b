"""What a source's boxes make possible in the published construction, before any pixel is decoded.

    boxed frames -> crops with their surroundings      (words, matching, memory, composed pictures)
                 -> objects alone of their kind        (localization)
                 -> frames to count in                 (who has more, naturalistic)

Crops are rectangles at native size. Whatever is passed over is counted by reason.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.builders.bench import Bench, choose_pool
from babyvlm.toolbox.cropping import CropConfig
from babyvlm.toolbox.pictures import Encoding
from babyvlm.toolbox.sightings import (
    CountedFrame,
    Sighting,
    Sightings,
    Singleton,
    covered,
    longest_side,
    overlap,
    touches_edge,
)
from babyvlm.toolbox.sources import FrameSource
from babyvlm.toolbox.views import View

# DEVIATION: published items that cannot be answered (a box that fills its frame, a hidden object) are left out here.
_IN_VIEW = 0.05  # of a box, or of the crop, from which on it shows another object
_FILLS = 0.98  # of the frame

Window = tuple[int, int, int, int]


def published_sightings(source: FrameSource, config: CropConfig) -> Sightings:
    """Reads all boxes once."""
    found = Sightings()
    for name, frames in groupby(source.frames, key=lambda frame: frame.source):
        found.by_source[name] = found.by_source.get(name, ()) + tuple(frames)
    for frame in source.frames:
        kinds: dict[str, list[Box]] = defaultdict(list)
        for index, box in enumerate(frame.boxes):
            kinds[box.label].append(box)
            window = window_around(frame, box, config.margin)
            reason = _why_not_shown(frame, box, window, config)
            if reason:
                found.skipped[reason] += 1
            else:
                found.sightings.append(_sighting(frame, index, box, window))
        for label, boxes in kinds.items():
            reason = _why_not_found(frame, boxes, config)
            if reason:
                found.skipped[reason] += 1
            elif len(boxes) == 1:
                found.singletons.append(Singleton(frame=frame, box=boxes[0]))
            reason = _why_not_counted(frame, boxes, config)
            if reason:
                found.skipped[reason] += 1
            else:
                found.counted.append(CountedFrame(frame=frame, label=label, count=len(boxes)))
    return found


def window_around(frame: BoxedFrame, box: Box, margin: float) -> Window:
    """A box with its surroundings, clipped at the frame's border, in whole pixels.

    Args:
        frame: Where the box is.
        box: The object.
        margin: Surroundings on every side, as a fraction of the frame's width.

    >>> frame = BoxedFrame(source="a", width=640, height=480)
    >>> window_around(frame, Box(label="cup", x=10, y=100, width=200, height=150), 30 / 640)
    (0, 70, 240, 280)
    """
    room = margin * frame.width
    left, top = math.floor(box.x - room + 0.5), math.floor(box.y - room + 0.5)
    right, bottom = math.floor(box.x + box.width + room + 0.5), math.floor(box.y + box.height + room + 0.5)
    return max(0, left), max(0, top), min(frame.width, right), min(frame.height, bottom)


def shorter_side(window: Window) -> int:
    """The shorter side of a window, pixels."""
    left, top, right, bottom = window
    return min(right - left, bottom - top)


def area_share(window: Window, frame: tuple[int, int]) -> float:
    """The part of a frame that a window takes up."""
    left, top, right, bottom = window
    return (right - left) * (bottom - top) / (frame[0] * frame[1])


def off_midlines(window: Window, frame: tuple[int, int]) -> float:
    """The distance of a window's centre from the nearer midline of its frame, as a fraction of that side.

    >>> off_midlines((0, 0, 64, 240), (640, 480))
    0.25
    """
    left, top, right, bottom = window
    return min(abs((left + right) / 2 / frame[0] - 0.5), abs((top + bottom) / 2 / frame[1] - 0.5))


def part_view(frame: BoxedFrame, window: Window, encoding: Encoding, box: Box | None = None) -> View:
    """The view of a window at native size, which tells where in its frame it is."""
    left, top, right, bottom = window
    return View(
        source=frame.source,
        time_s=frame.time_s or 0.0,
        window=window,
        size=(right - left, bottom - top),
        is_photo=frame.time_s is None,
        track=None if box is None else box.track,
        encoding=encoding,
        frame=(frame.width, frame.height),
    )


def whole_frame_of(view: View, encoding: Encoding = "jpeg-95") -> View:
    """The whole frame that a crop was cut from, unscaled."""
    width, height = frame_size_of(view)
    return replace(view, window=(0, 0, width, height), size=(width, height), encoding=encoding, box=None)


def letterboxed_view(view: View, *, mirror: bool = False) -> View:
    """A crop scaled, up or down, until it touches two borders of a canvas of its frame's size."""
    canvas = frame_size_of(view)
    scale = min(canvas[0] / view.size[0], canvas[1] / view.size[1])
    size = min(canvas[0], round(view.size[0] * scale)), min(canvas[1], round(view.size[1] * scale))
    return replace(view, size=size, canvas=canvas, variant="mirror" if mirror else "plain")


def frame_size_of(view: View) -> tuple[int, int]:
    """Width and height of the frame of a view of this construction."""
    assert view.frame is not None
    return view.frame


def usual_crops(bench: Bench) -> tuple[Sighting, ...]:
    """The crops of the pool whose shorter side is not below the published bound."""
    least = bench.cropping.min_side
    return tuple(one for one in bench.pool if shorter_side(one.view.window) >= least * frame_size_of(one.view)[0])


def by_label(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    """Sightings by category, categories in alphabetical order."""
    groups: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        groups[sighting.label].append(sighting)
    return dict(sorted(groups.items()))


def cast(bench: Bench, sightings: Sequence[Sighting], count: int, rng: Random) -> list[Sighting]:
    """At most ``count`` sightings to turn items on: categories and objects alternate, none more than `max_reuse` times.

    The first round through a category shows every object of it once before any comes again.
    """
    order = list(choose_pool(sightings, count, rng))
    return (order * min(bench.max_reuse, -(-count // max(1, len(order)))))[:count]


def _sighting(frame: BoxedFrame, index: int, box: Box, window: Window) -> Sighting:
    # Without tracks, every box is its own object.
    thing = f"track {box.track}" if box.track is not None else f"{frame.time_s} box {index}"
    seen = _as_box(window)
    shown = [box, *(other for other in frame.boxes if other is not box and _is_in_view(other, seen))]
    return Sighting(
        label=box.label,
        exemplar=f"{frame.source} {thing}",
        view=part_view(frame, window, "jpeg-75", box),
        side_px=longest_side(box),
        labels_in_view=frozenset(one.label for one in shown),
        is_alone=sum(one.label == box.label for one in shown) == 1,
    )


def _as_box(window: Window) -> Box:
    left, top, right, bottom = window
    return Box(label="", x=left, y=top, width=right - left, height=bottom - top)


def _is_in_view(box: Box, seen: Box) -> bool:
    return overlap(box, seen) > _IN_VIEW * min(box.area, seen.area)


def _why_not_shown(frame: BoxedFrame, box: Box, window: Window, config: CropConfig) -> str:
    left, top, right, bottom = window
    least, composed = config.min_side * frame.width, config.min_composed_side * frame.width
    if shorter_side(window) < least and (
        shorter_side(window) < composed or (right - left) * (bottom - top) < least * least
    ):
        return "box: its crop is below min_side"
    return "box: hidden by another object" if _is_hidden(frame, box, config.max_covered, config) else ""


def _is_hidden(frame: BoxedFrame, box: Box, most: float, config: CropConfig) -> bool:
    return box.visibility < config.min_visibility or covered(box, frame.boxes) > most


def _why_not_found(frame: BoxedFrame, boxes: Sequence[Box], config: CropConfig) -> str:
    """Why an object cannot be asked for in Localization."""
    window = window_around(frame, boxes[0], config.margin)
    if shorter_side(window) < config.min_side * frame.width:
        return "localization: its crop is below min_side"
    if len(boxes) > 1:
        return "localization: several of the category in the frame"
    share = area_share(window, (frame.width, frame.height))
    if share >= _FILLS:
        return "localization: the box fills its frame"
    if share > config.max_target_share:
        return "localization: its crop is above max_target_share"
    if off_midlines(window, (frame.width, frame.height)) < config.least_quadrant_margin:
        return "localization: its centre is nearer to a midline than least_quadrant_margin"
    return (
        "localization: hidden by another object"
        if _is_hidden(frame, boxes[0], config.max_target_covered, config)
        else ""
    )


def _why_not_counted(frame: BoxedFrame, boxes: Sequence[Box], config: CropConfig) -> str:
    """Why a frame cannot be compared with another by the number of a category."""
    if len(boxes) > config.max_number:
        return "count: more than max_number of a category"
    if any(longest_side(box) < config.min_counted_side * frame.width for box in boxes):
        return "count: an object is smaller than min_counted_side"
    if any(_is_hidden(frame, box, config.max_counted_covered, config) for box in boxes):
        return "count: an object is hidden by another"
    return ""


def is_counted_exactly(counted: CountedFrame, config: CropConfig) -> bool:
    """Whether every object of the category is whole and in the open, so that none can be missed or half counted."""
    frame = counted.frame
    boxes = [box for box in frame.boxes if box.label == counted.label]
    return not any(touches_edge(frame, box) or _is_hidden(frame, box, config.max_covered, config) for box in boxes)


def missing_categories(bench: Bench, needed: int) -> str:
    """What is said where a source shows crops of too few categories."""
    labels = sorted({sighting.label for sighting in usual_crops(bench)})
    side = bench.cropping.min_side
    return (
        f"{needed} categories with crops of at least {side:.2f} of the frame's width are needed, the source shows "
        f"{len(labels)}: {', '.join(labels) or 'none'}"
    )
