"""Directions of exits from boxes alone: all eight, and what is refused."""

import itertools

import pytest

from babyvlm.records import Box
from babyvlm.toolbox.directions import DIRECTIONS, neighbours, opposite
from babyvlm.toolbox.exits import ExitConfig, exit_direction

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
    assert exit_direction(boxes, WIDTH, HEIGHT, step_s, ExitConfig()) == direction


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
    found = exit_direction(boxes, WIDTH, HEIGHT, 0.2, ExitConfig())
    assert found.startswith("exit:") and reason in found


def test_directions_stand_in_a_circle():
    assert all(opposite(opposite(direction)) == direction for direction in DIRECTIONS)
    assert all(
        one in neighbours(other) for one, other in itertools.permutations(DIRECTIONS, 2) if other in neighbours(one)
    )
    assert neighbours("bottom left") == ("bottom", "left")
