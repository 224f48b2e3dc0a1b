"""Where the members of a group lie, so that nothing but counting them tells how many there are.

As in developmental studies of number, no single quantity goes along with it: in half of the groups the size of the
members is drawn apart from their number, in the others the area that they cover together is, both from wide ranges.
How far a group spreads is drawn apart from its number in all of them, as far as the frame has room.
"""

from __future__ import annotations

import random

import numpy as np

from babyvlm.corpus.nursery.motion import Stay

_SMALLEST, _LARGEST = 0.15, 0.7
_SIZES = (0.16, 0.295)
_TOTAL_AREAS = (0.1, 1.2)
_SIZE_APART_SHARE = 0.5
_SPREADS = (0.05, 0.42)
_MARGIN = 0.03
_TIGHTEST = 1.07
"""Of the cells of a loose grid, in sizes of a member."""
_TRIES = 24
"""Ways to lie from which the one that spreads most nearly as wanted is taken."""


def arrange(draw: random.Random, number: int, beside: int, lot: float, aspect: float) -> list[Stay]:
    """Places for a group and for what lies beside it.

    Args:
        draw: Source of chance.
        number: Members of the group.
        beside: How many other things should lie there; fewer do where the frame is full.
        lot: From 0 to 1, which of all possible sizes its members have.
        aspect: Frame width over height.

    Returns:
        The members, then the others.
    """
    size = member_size(number, lot, aspect)
    spread = draw.uniform(*_SPREADS)
    tries = [_clustered(draw, number + beside, size, aspect) for _ in range(_TRIES)]
    cell, chosen = min(tries, key=lambda tried: abs(hull_area(_corners(tried[1][:number], size)) - spread))
    slack = (cell - size) / 2
    return [
        Stay(x=x + draw.uniform(-slack, slack), y=y + draw.uniform(-slack, slack), size=size * draw.uniform(0.93, 1.0))
        for x, y in chosen
    ]


def member_size(number: int, lot: float, aspect: float) -> float:
    """The longer side of each member, in frame heights."""
    if lot < _SIZE_APART_SHARE:
        size = _between(_SIZES, lot / _SIZE_APART_SHARE)
    else:
        size = np.sqrt(_between(_TOTAL_AREAS, (lot - _SIZE_APART_SHARE) / (1 - _SIZE_APART_SHARE)) / number)
    room = max(
        min((aspect - 2 * _MARGIN) / np.ceil(number / rows), (1 - 2 * _MARGIN) / rows) for rows in range(1, number + 1)
    )
    return float(np.clip(size, _SMALLEST, min(_LARGEST, 0.999 * room / _TIGHTEST)))


def hull_area(points_P2: np.ndarray) -> float:
    """Area of the smallest convex outline around points.

    >>> hull_area(np.array([(0, 0), (2, 0), (2, 3), (0, 3), (1, 1)]))
    6.0
    """
    points = sorted(map(tuple, points_P2.tolist()))

    def half(ordered: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        outline: list[tuple[float, ...]] = []
        for x, y in ordered:
            while len(outline) > 1:
                (ax, ay), (bx, by) = outline[-2:]
                if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                    break
                outline.pop()
            outline.append((x, y))
        return outline[:-1]

    x_P, y_P = np.array(half(points) + half(points[::-1])).T
    return float(abs(x_P @ np.roll(y_P, -1) - y_P @ np.roll(x_P, -1)) / 2)


def _between(bounds: tuple[float, float], share: float) -> float:
    """So far from the lower to the upper, in equal ratios."""
    return bounds[0] * (bounds[1] / bounds[0]) ** share


def _clustered(draw: random.Random, wanted: int, size: float, aspect: float) -> tuple[float, list[tuple[float, float]]]:
    """A grid's cell and the middles of its cells, from the nearest to the farthest of one of them, more or less."""
    columns = rows = 0
    cell = size * draw.uniform(_TIGHTEST, 1.7) / 0.95
    while columns * rows < wanted and cell > size * _TIGHTEST:
        cell = max(cell * 0.95, size * _TIGHTEST)
        columns, rows = int((aspect - 2 * _MARGIN) / cell), int((1 - 2 * _MARGIN) / cell)
    left = draw.uniform(_MARGIN, aspect - _MARGIN - columns * cell)
    top = draw.uniform(_MARGIN, 1 - _MARGIN - rows * cell)
    cells = [(left + (i + 0.5) * cell, top + (j + 0.5) * cell) for i in range(columns) for j in range(rows)]
    around, loose = draw.choice(cells), cell * draw.choice((0.5, 2.0, 6.0, 100.0))
    cells.sort(key=lambda at: np.hypot(at[0] - around[0], at[1] - around[1]) + draw.uniform(0, loose))
    return cell, cells[:wanted]


def _corners(places: list[tuple[float, float]], size: float) -> np.ndarray:
    half = size / 2
    return np.array([(x + dx, y + dy) for x, y in places for dx in (-half, half) for dy in (-half, half)])
