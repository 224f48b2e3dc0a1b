"""Departures: objects leaving the frame, found in tracks; the material of Visual Delayed Response.

    boxes of one track -> runs without a gap -> the last boxes of each run -> edges met, motion outward -> direction

A departure counts only where it is plain: the object meets one edge away from its ends, or two adjacent edges at once,
and moves outward there. Everything else is refused with a reason.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from babyvlm.records import Box, BoxedFrame

FPS = 5.0
"""Frames shown per second (published items hold frames about 0.2 s apart)."""
MIN_FRAMES = 5
"""Fewest frames shown (paper)."""
MAX_FRAMES = 9
"""Most frames shown (published)."""
FIRST_GAP_S = (0.4, 2.0)
"""Published construction: least and most time between the first frame and the burst around the departure, seconds
(published: from under 1 to 2)."""
MAX_CORNER_SHARE = 1 / 12
"""Published construction: largest part of open items whose object leaves through a corner (published: 1 of 12);
directions are otherwise as they come."""
_MOTION_S = 0.8  # stretch before the departure over which motion is measured
_EDGE = 0.02  # distance from a border within which it counts as met, as a fraction of the frame
_MIN_SPEED = 0.04  # least speed outward, in frames per second
_CORNER_RATIO = 0.4  # corners: least ratio of the slower to the faster speed outward
_SIDE_BAND = 0.15  # sides: least distance of the object's centre from the ends of its edge, as a fraction of the frame
_MIN_BOX_PX = 16.0  # least longer side of the object's box at its largest during the frames shown
SETTINGS = {
    "fps": FPS,
    "min_frames": MIN_FRAMES,
    "max_frames": MAX_FRAMES,
    "first_gap_s": FIRST_GAP_S,
    "max_corner_share": MAX_CORNER_SHARE,
    "motion_s": _MOTION_S,
    "edge": _EDGE,
    "min_speed": _MIN_SPEED,
    "corner_ratio": _CORNER_RATIO,
    "side_band": _SIDE_BAND,
    "min_box_px": _MIN_BOX_PX,
}
"""When an object has plainly left the frame and which frames show it, as manifests record it."""

_SOON_S = 1e-6
_LONGEST_LEAVE_S = 1.5  # from the last box to the first moment without any of the object

TrackRun = Sequence[tuple[float, Box]]
"""One track without a gap: moments in seconds, ascending, and boxes."""
Schedule = Callable[[TrackRun, float, BoxedFrame], "tuple[float, ...] | str"]
"""From a run, the moment at which its object is gone, and the last frame with it, to the moments shown, ascending, of
which the last is that moment; or a reason against it."""


@dataclass(frozen=True, kw_only=True)
class Departure:
    """One object leaving the frame in one direction."""

    label: str
    track: int
    direction: str
    frame: BoxedFrame
    """The last frame with the object."""
    times_s: tuple[float, ...]
    """Moments shown, ascending; at the last one the object is gone."""
    run: TrackRun = ()
    """The object's boxes up to its departure."""
    several: bool = False
    """Whether others of its category left before it, the same way, during the moments shown."""


def find_departures(
    frames: Sequence[BoxedFrame],
    skipped: Counter[str],
    schedule: Schedule | None = None,
    *,
    together: bool = False,
) -> Iterator[Departure]:
    """Yields the plain departures of one recording; refusals are counted in ``skipped``.

    Args:
        frames: All boxed frames of one recording, ascending in time.
        skipped: Gets a count of refusals by reason.
        schedule: Which moments are shown; evenly spaced ones when None.
        together: Whether several of a category may leave together; else such departures are refused.
    """
    schedule = schedule or even_moments
    times_s = [frame.time_s for frame in frames if frame.time_s is not None]
    if len(times_s) < 3 or len(times_s) != len(frames):
        return
    gaps_s = sorted(later - earlier for earlier, later in itertools.pairwise(times_s))
    step_s = gaps_s[len(gaps_s) // 2]
    present = [{box.track: box for box in frame.boxes if box.track is not None} for frame in frames]
    for last in range(len(frames) - 1):
        for track in sorted(present[last].keys() - present[last + 1].keys()):
            if times_s[last + 1] - times_s[last] > 2 * step_s:
                skipped["exit: a gap in the boxes"] += 1
                continue
            first = last
            while first > 0 and track in present[first - 1] and times_s[first] - times_s[first - 1] <= 2 * step_s:
                first -= 1
            run = [(times_s[index], present[index][track]) for index in range(first, last + 1)]
            direction = departure_direction(run, frames[last].width, frames[last].height, step_s)
            if direction.startswith("exit:"):
                skipped[direction] += 1
                continue
            out_s = times_s[last] + time_to_leave(run, direction, frames[last].width, frames[last].height)
            gone = max(last + 1, bisect.bisect_left(times_s, out_s - _SOON_S))
            if gone >= len(times_s) or times_s[gone] - times_s[last] > _LONGEST_LEAVE_S:
                skipped["exit: not out of the frame soon enough to be seen gone"] += 1
                continue
            others = present[last].keys() - {track}
            if others and not others & present[gone].keys():
                skipped["exit: everything vanishes at once, as at a cut"] += 1
                continue
            moments = schedule(run, times_s[gone], frames[last])
            if isinstance(moments, str):
                skipped[moments] += 1
                continue
            window = range(bisect.bisect_left(times_s, moments[0] - step_s), gone + 1)
            label = run[-1][1].label
            alike = {
                box.track
                for index in window
                for box in frames[index].boxes
                if box.label == label and box.track != track
            }
            left = [_left_before(other, present, times_s, frames[last], last, gone) for other in alike]
            if alike and not (together and all(way == direction for way in left)):
                skipped["exit: another object of the category in view"] += 1
                continue
            if max(max(box.width, box.height) for at_s, box in run if at_s >= moments[0] - step_s) < _MIN_BOX_PX:
                skipped["exit: the object is too small"] += 1
                continue
            yield Departure(
                label=label,
                track=track,
                direction=direction,
                frame=frames[last],
                times_s=moments,
                run=tuple(run),
                several=bool(alike),
            )


def _left_before(
    track: int | None,
    present: Sequence[dict[int, Box]],
    times_s: Sequence[float],
    frame: BoxedFrame,
    last: int,
    gone: int,
) -> str:
    """The direction in which an object left no later than at ``last``, or why it did not plainly leave.

    Args:
        track: The object.
        present: Boxes by track, for every annotated moment.
        times_s: These moments.
        frame: The last frame with the object that left last.
        last: Its place.
        gone: The place of the moment at which none is to be left.
    """
    if track is None or any(track in boxes for boxes in present[last + 1 : gone + 1]):
        return "exit: stays"
    end = next(index for index in range(last, -1, -1) if track in present[index])
    start = end
    while start > 0 and track in present[start - 1]:
        start -= 1
    run = [(times_s[index], present[index][track]) for index in range(start, end + 1)]
    return departure_direction(run, frame.width, frame.height, times_s[last] - times_s[last - 1])


def time_to_leave(run: TrackRun, direction: str, width: int, height: int) -> float:
    """How long after its last box an object is wholly out of the frame, at the speed it had, seconds.

    Boxes end before objects are out where annotators pass over slivers, as the nursery does.

    Args:
        run: The object's boxes up to its departure.
        direction: In which it leaves.
        width: Width of the frame, pixels.
        height: Height of the frame, pixels.
    """
    end_s, last = run[-1]
    start_s, before = next((at_s, box) for at_s, box in run if at_s >= end_s - _MOTION_S - _SOON_S)
    elapsed_s = max(_SOON_S, end_s - start_s)
    left_over = {
        "left": (last.x + last.width, before.x + before.width - last.x - last.width),
        "right": (width - last.x, last.x - before.x),
        "top": (last.y + last.height, before.y + before.height - last.y - last.height),
        "bottom": (height - last.y, last.y - before.y),
    }
    ways = [left_over[word] for word in direction.split()]
    return min(part / max(1e-6, moved / elapsed_s) for part, moved in ways)


def even_moments(run: TrackRun, gone_s: float, frame: BoxedFrame) -> tuple[float, ...] | str:
    """As many moments as there may be, evenly spaced; the object is in view at every one but the last."""
    in_view = int((gone_s - run[0][0]) * FPS + 1e-6)
    shown = min(MAX_FRAMES, in_view + 1)
    if shown < MIN_FRAMES:
        return "exit: in view too briefly"
    return tuple(round(gone_s - (shown - 1 - index) / FPS, 3) for index in range(shown))


def departure_direction(run: Sequence[tuple[float, Box]], width: int, height: int, step_s: float) -> str:
    """The direction in which a track leaves, or ``"exit: ..."`` saying why that is not plain.

    Args:
        run: (moment in seconds, box) up to the last box before the object is gone.
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.
        step_s: Time between annotated frames.
    """
    end_s, last = run[-1]
    earlier = [(at_s, box) for at_s, box in run[:-1] if at_s >= end_s - _MOTION_S - 1e-6]
    if not earlier:
        return "exit: in view too briefly"
    start_s, before = earlier[0]
    elapsed_s = end_s - start_s
    horizontal = _outward(before.x, before.width, last.x, last.width, width, elapsed_s, step_s)
    vertical = _outward(before.y, before.height, last.y, last.height, height, elapsed_s, step_s)
    if isinstance(horizontal, str) or isinstance(vertical, str):
        return "exit: spans the frame"
    across, down = horizontal, vertical
    sides = ("left" if across < 0 else "right", "top" if down < 0 else "bottom")
    if across == 0 and down == 0:
        met_edge = _meets(last.x, last.width, width, _EDGE) or _meets(last.y, last.height, height, _EDGE)
        return "exit: at an edge without moving outward" if met_edge else "exit: vanishes inside the frame"
    if across and down:
        slower, faster = sorted((abs(across) * width, abs(down) * height))
        if slower < _CORNER_RATIO * faster:
            return "exit: between a side and a corner"
        return f"{sides[1]} {sides[0]}"
    centre = last.centre[1] / height if across else last.centre[0] / width
    also_met = _meets(last.y, last.height, height, _EDGE) if across else _meets(last.x, last.width, width, _EDGE)
    if also_met or not _SIDE_BAND <= centre <= 1 - _SIDE_BAND:
        return "exit: between a side and a corner"
    return sides[0] if across else sides[1]


def _meets(start: float, length: float, extent: int, edge: float) -> bool:
    return start <= edge * extent or start + length >= (1 - edge) * extent


def _outward(
    before: float,
    before_length: float,
    start: float,
    length: float,
    extent: int,
    elapsed_s: float,
    step_s: float,
) -> float | str:
    """Speed outward along one axis, in frames per second: negative towards 0, positive towards ``extent``, 0 where no
    border is met or left through; a reason when both borders are met."""
    tolerance = _EDGE * extent
    # Boxes end at the frame, so an object on its way out is tracked by its trailing edge.
    towards_low = (start + length - before - before_length) / elapsed_s
    towards_high = (start - before) / elapsed_s
    # Between two annotated frames a quick object may reach the border and be gone.
    low = start + min(0.0, towards_low) * step_s <= tolerance
    high = start + length + max(0.0, towards_high) * step_s >= extent - tolerance
    if start <= tolerance and start + length >= extent - tolerance:
        return "spans"
    if low and towards_low / extent <= -_MIN_SPEED:
        return towards_low / extent
    if high and towards_high / extent >= _MIN_SPEED:
        return towards_high / extent
    return 0.0
