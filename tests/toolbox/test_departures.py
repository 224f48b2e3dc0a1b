"""Exits from boxes alone: all eight directions, when they are over, and what is refused."""

import itertools
from collections import Counter

import pytest

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.departures import departure_direction, find_departures
from babyvlm.toolbox.directions import DIRECTIONS, neighbours, opposite

WIDTH, HEIGHT, SIDE = 320, 240, 40
STEP = {"top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}


def run(left, top, right_px_s, down_px_s, step_s=0.2):
    """Boxes of an object in even motion, cut at the frame, until it is gone."""
    found = []
    for index in range(100):
        at_s = index * step_s
        x, y = left + right_px_s * at_s, top + down_px_s * at_s
        x0, y0, x1, y1 = max(0, x), max(0, y), min(WIDTH, x + SIDE), min(HEIGHT, y + SIDE)
        if x1 - x0 < 1 or y1 - y0 < 1:
            break
        found.append((at_s, Box(label="cup", x=x0, y=y0, width=x1 - x0, height=y1 - y0, track=1)))
    return found


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("step_s", [0.1, 0.2, 0.5])
def test_every_direction_is_read_at_every_rate_of_boxes(direction, step_s):
    moves = [STEP[word] for word in direction.split()]
    right, down = (sum(move[axis] for move in moves) for axis in (0, 1))
    boxes = run(140, 100, right * 80, down * 58, step_s)
    assert departure_direction(boxes, WIDTH, HEIGHT, step_s) == direction


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        (run(140, 100, 60, 0)[:3], "vanishes inside"),
        ([(0.2 * index, Box(label="cup", x=0, y=100, width=30, height=30)) for index in range(6)], "without moving"),
        (run(140, 196, 60, 3), "side and a corner"),  # along the lower edge
        (run(100, 2, 80, -1), "side and a corner"),
        ([(0.0, Box(label="cup", x=0, y=0, width=320, height=100))] * 2, "spans"),
        (run(140, 100, 60, 0)[-1:], "too briefly"),
    ],
)
def test_exits_that_are_not_plain_are_refused(boxes, reason):
    boxes = [(0.2 * index, box) for index, (_, box) in enumerate(boxes)]
    found = departure_direction(boxes, WIDTH, HEIGHT, 0.2)
    assert found.startswith("exit:") and reason in found


def test_directions_stand_in_a_circle():
    assert all(opposite(opposite(direction)) == direction for direction in DIRECTIONS)
    assert all(
        one in neighbours(other) for one, other in itertools.permutations(DIRECTIONS, 2) if other in neighbours(one)
    )
    assert neighbours("bottom left") == ("bottom", "left")


def filmed(*tracks, moments=16, step_s=0.2):
    """Boxed frames of objects in even motion: (label, track, left, top, right px/s, down px/s), cut at the frame; boxes
    of less than a quarter of an object are left out, as annotators do."""
    frames = []
    for index in range(moments):
        boxes = []
        for label, track, left, top, right_px_s, down_px_s in tracks:
            x, y = left + right_px_s * index * step_s, top + down_px_s * index * step_s
            x0, y0, x1, y1 = max(0, x), max(0, y), min(WIDTH, x + SIDE), min(HEIGHT, y + SIDE)
            if x1 > x0 and y1 > y0 and (x1 - x0) * (y1 - y0) >= SIDE * SIDE / 4:
                boxes.append(Box(label=label, x=x0, y=y0, width=x1 - x0, height=y1 - y0, track=track))
        frames.append(
            BoxedFrame(source="r", time_s=round(index * step_s, 3), width=WIDTH, height=HEIGHT, boxes=tuple(boxes))
        )
    return frames


def found(frames, **how):
    skipped = Counter()
    return list(find_departures(frames, skipped, **how)), skipped


def test_an_exit_is_over_once_nothing_of_the_object_is_left():
    (one,), _ = found(filmed(("cup", 1, 140, 100, 40, 0), ("hat", 2, 40, 40, 0, 0), moments=28))
    # At 140 + 40 t px, 12 of its 40 px are in view at 4.2 s, 4 at 4.4 s, where it has no box any more, and none at 4.6.
    assert one.frame.time_s == 4.2 and one.times_s[-1] == 4.6 and one.direction == "right"


def test_a_cut_is_no_exit():
    frames = filmed(("cup", 1, 140, 100, 100, 0), ("hat", 2, 40, 40, 0, 0))
    gone = [frame.model_copy(update={"boxes": ()}) for frame in frames[8:]]
    exits, skipped = found([*frames[:8], *gone])
    assert not exits and skipped["exit: everything vanishes at once, as at a cut"] == 1


def test_several_leave_together_only_where_all_leave_the_same_way():
    cup, second = ("cup", 1, 150, 60, 100, 0), ("cup", 2, 190, 150, 100, 0)
    hat = ("hat", 9, 40, 10, 0, 0)
    (one,), skipped = found(filmed(cup, second, hat), together=True)
    assert one.track == 1 and one.several and one.direction == "right"
    assert not found(filmed(cup, second, hat))[0]
    stays, left = ("cup", 2, 60, 150, 0, 0), ("cup", 2, 110, 150, -100, 0)
    for other in (stays, left):
        exits, skipped = found(filmed(cup, other, hat), together=True)
        assert not exits and skipped["exit: another object of the category in view"] >= 1
