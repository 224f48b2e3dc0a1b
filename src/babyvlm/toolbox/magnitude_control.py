"""Magnitude control: composed pictures in which number does not predict the magnitudes that usually go with it.

More things cover more area, fill a larger part of the picture and have more contour. As in developmental studies of
number, these magnitudes are set by plan and not left to go along:

    comparing   in half of the pairs the more numerous picture has larger things, more area, more contour and a larger
                convex hull; in the other half it has smaller things, less area, less contour and a smaller hull
    counting    in a fifth of the pictures each, things grow with number, have one size, one total area or one contour
                whatever the number, or total area falls with number; the hull is drawn independently

So none of the magnitudes, nor any sum of them, tells which of two pictures has more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from babyvlm.toolbox.compose import CANVAS_PX, Composed, Placement, plan_background
from babyvlm.toolbox.views import View

Goes = Literal["with", "against"]
"""Whether the magnitudes of a pair go with number or against it."""

MAX_RATIO = 4.0
"""Largest ratio of two numbers compared: beyond it, things would be too small or too large to see."""
SMALLEST_PX = 15
_GAP = 1.12  # least distance of centres, in sides
_LAYOUTS = 24
_HULL_RATIO = 1.15  # by how much the hulls of a pair differ at least, if they can
_HULL_PX2 = (4_000, 36_000)  # where the hull of a picture to count in is drawn
_GROWTH = {"things grow": 0.25, "one size": 0.0, "one area": -0.5, "area falls": -0.75, "one contour": -1.0}
COUNT_KINDS = tuple(_GROWTH)
"""What is held in a picture to count in; the side of a thing goes with its power of the number."""


@dataclass(frozen=True, kw_only=True)
class Magnitudes:
    """What number could be mistaken for, in a composed picture, in pixels."""

    number: int
    item_area: float
    total_area: float
    contour: float
    hull_area: float

    @classmethod
    def of(cls, composed: Composed) -> Magnitudes:
        """Measures the things placed, each taken as a square."""
        sides = [placement.side_px for placement in composed.placements]
        return cls(
            number=len(sides),
            item_area=sum(side * side for side in sides) / len(sides),
            total_area=float(sum(side * side for side in sides)),
            contour=4.0 * sum(sides),
            hull_area=hull_area([(spot.left, spot.top, spot.side_px) for spot in composed.placements]),
        )


Spot = tuple[int, int, int]
"""Left, top and side of a square."""


def hull_area(spots: Sequence[Spot]) -> float:
    """Area of the convex hull of some squares.

    >>> hull_area([(0, 0, 2), (4, 0, 2)])
    12.0
    """
    corners = sorted({(x + i * s, y + j * s) for x, y, s in spots for i in (0, 1) for j in (0, 1)})
    hull = _half_hull(corners) + _half_hull(corners[::-1])
    ends = hull[1:] + hull[:1]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(hull, ends, strict=True))) / 2


def _half_hull(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    half: list[tuple[int, int]] = []
    for x, y in points:
        while len(half) >= 2:
            (ax, ay), (bx, by) = half[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            half.pop()
        half.append((x, y))
    return half[:-1]


def largest_side(number: int) -> int:
    """The largest side at which so many things fit beside each other, pixels."""
    return int(CANVAS_PX / math.ceil(math.sqrt(number)) / _GAP)


def plan_pair(views: Sequence[View], more: int, fewer: int, goes: Goes, rng: Random) -> tuple[Composed, Composed]:
    """Two pictures whose magnitudes all go with number, or all against it.

    Args:
        views: Crops of one category, a sample of which is shown in both.
        more: How many the first picture shows.
        fewer: How many the second shows; at least 2, and at least a quarter of ``more``.
        goes: Which way the magnitudes go.
        rng: Source of chance.
    """
    if goes == "with":
        growth = math.sqrt(rng.uniform(1.1, 1.5))
        top = min(largest_side(fewer), largest_side(more) / growth)
        fewer_px = round(_log_uniform(SMALLEST_PX + 2, top, rng))
        more_px = max(fewer_px + 1, int(fewer_px * growth))
    else:
        # Contour is number times side: for it to fall, the side must shrink by more than the ratio of numbers.
        shrink = fewer / more / rng.uniform(1.06, 1.2)
        lowest = min(largest_side(fewer), math.ceil(SMALLEST_PX / shrink))
        fewer_px = round(_log_uniform(lowest, largest_side(fewer), rng))
        more_px = max(SMALLEST_PX - 2, int(fewer_px * shrink))
    layouts = [
        [_layout(number, side, rng) for _ in range(_LAYOUTS)] for number, side in ((more, more_px), (fewer, fewer_px))
    ]
    hulls = [[hull_area(layout) for layout in of_picture] for of_picture in layouts]
    pairs = [(first, second) for first in range(_LAYOUTS) for second in range(_LAYOUTS)]
    rng.shuffle(pairs)

    def lead(pair: tuple[int, int]) -> float:
        ratio = hulls[0][pair[0]] / hulls[1][pair[1]]
        return ratio if goes == "with" else 1 / ratio

    chosen = next((pair for pair in pairs if lead(pair) >= _HULL_RATIO), max(pairs, key=lead))
    first, second = (_composed(views, layouts[place][chosen[place]], rng) for place in (0, 1))
    return first, second


def pairs_to_compare(most: int) -> list[tuple[int, int]]:
    """Every (more, fewer) whose magnitudes can be controlled."""
    return [(more, fewer) for more in range(3, most + 1) for fewer in range(2, more) if more <= MAX_RATIO * fewer]


def plan_count(views: Sequence[View], number: int, most: int, kind: str, rng: Random) -> Composed:
    """A picture to count in, of 1 to ``most`` things.

    Args:
        views: Crops of one category.
        number: How many to show.
        most: The largest number of the task; sizes are drawn so that every number up to it could have them.
        kind: One of `COUNT_KINDS`.
        rng: Source of chance.
    """
    power = _GROWTH[kind]
    numbers = range(1, most + 1)
    low = max(SMALLEST_PX / n**power for n in numbers)
    high = min(largest_side(n) / n**power for n in numbers)
    side_px = min(largest_side(number), max(SMALLEST_PX, round(_log_uniform(low, max(low, high), rng) * number**power)))
    wanted = _log_uniform(*_HULL_PX2, rng)
    layouts = [_layout(number, side_px, rng) for _ in range(_LAYOUTS)]
    return _composed(views, min(layouts, key=lambda layout: abs(math.log(hull_area(layout) / wanted))), rng)


def _log_uniform(low: float, high: float, rng: Random) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(max(low, high))))


def _layout(number: int, side_px: int, rng: Random) -> list[Spot]:
    """Squares without overlap, from huddled together to spread over the canvas."""
    least = math.ceil(math.sqrt(number))
    closest_px = min(CANVAS_PX, math.ceil(least * side_px * _GAP))
    extent_px = rng.randint(closest_px, CANVAS_PX)
    cells = rng.randint(least, max(least, int(extent_px / (side_px * _GAP))))
    cell_px = extent_px / cells
    corner = rng.randint(0, CANVAS_PX - extent_px), rng.randint(0, CANVAS_PX - extent_px)
    spots = []
    for cell in rng.sample(range(cells * cells), number):
        row, column = divmod(cell, cells)
        left, top = (
            corner[axis] + int(place * cell_px + rng.uniform(0.02, 0.98) * (cell_px - side_px))
            for axis, place in enumerate((column, row))
        )
        spots.append((min(left, CANVAS_PX - side_px), min(top, CANVAS_PX - side_px), side_px))
    return spots


def _composed(views: Sequence[View], spots: Sequence[Spot], rng: Random) -> Composed:
    placements = tuple(
        Placement(view=rng.choice(views), left=left, top=top, side_px=side_px) for left, top, side_px in spots
    )
    return plan_background(placements, rng)
