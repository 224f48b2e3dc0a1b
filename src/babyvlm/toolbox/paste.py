"""Pictures composed as the published ones are: one crop of one object, pasted n times on black.

    crop, at native size ──> copy after copy at random places, at least a gap from those placed already
                         ──> after 500 refusals of one copy: all a tenth smaller, from the first copy on
                         ──> some copies taken away again (the smaller picture of a pair)

So size falls with number and the total area hardly changes, as in the published items.
`babyvlm.toolbox.magnitude_control` and `babyvlm.toolbox.compose` control for area.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from babyvlm.records import Origin
from babyvlm.toolbox.pictures import Picture, open_picture
from babyvlm.toolbox.views import View

GAP_PX = 4
"""Least distance of two copies, pixels: below it, they run together when the picture is compressed."""
REFUSALS = 500
"""Places tried for one copy before all are made smaller."""
SHRINK = 0.9
"""What sides are then multiplied by."""


class Spot(NamedTuple):
    """Where a copy goes, in pixels of the canvas."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """How to make one composed picture; equal recipes make equal bytes."""

    view: View
    """The crop."""
    canvas: tuple[int, int]
    laid_out: int
    """Copies that the layout has places for."""
    shown: tuple[int, ...]
    """Which of these places hold a copy; none in an empty picture."""
    seed: int
    """Seed of the layout."""

    @property
    def views(self) -> tuple[View, ...]:
        return (self.view,)

    @property
    def origin(self) -> Origin:
        return self.view.origin if self.shown else Origin(source="synthetic")

    @property
    def order(self) -> tuple[object, ...]:
        """What recipes are sorted by."""
        return self.seed, self.shown, self.view.source


def lay_out(size: tuple[int, int], canvas: tuple[int, int], number: int, seed: int) -> tuple[Spot, ...]:
    """Places for a number of copies, all of one size, on a canvas.

    Args:
        size: Width and height of the crop, at most the canvas's.
        canvas: Width and height, pixels.
        number: How many.
        seed: Source of chance.

    >>> spots = lay_out((300, 200), (640, 480), 4, seed=1)
    >>> len(spots), len({spot[2:] for spot in spots})
    (4, 1)
    """
    rng = np.random.default_rng(seed)
    scale = min(1.0, canvas[0] / size[0], canvas[1] / size[1])
    while True:
        sides = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        spots = _placed(sides, canvas, number, rng)
        if spots is not None:
            return spots
        scale *= SHRINK


def _placed(
    sides: tuple[int, int], canvas: tuple[int, int], number: int, rng: np.random.Generator
) -> tuple[Spot, ...] | None:
    """Copies of one size, placed one after another; None where one of them was refused everywhere."""
    width, height = sides
    placed = np.empty((0, 2), np.int64)
    for _ in range(number):
        tried = rng.integers((0, 0), (canvas[0] - width + 1, canvas[1] - height + 1), (REFUSALS, 2))
        apart = np.abs(tried[:, None, :] - placed[None, :, :]) - (width, height)
        free = np.flatnonzero((apart >= GAP_PX).any(axis=2).all(axis=1))
        if not len(free):
            return None
        placed = np.concatenate([placed, tried[free[:1]]])
    return tuple(Spot(int(left), int(top), width, height) for left, top in placed)


def render_pasted(recipe: Pasted, crops: Mapping[View, Picture]) -> Picture:
    """Makes the picture; ``crops`` must hold the recipe's view."""
    canvas = Image.new("RGB", recipe.canvas)
    if recipe.shown:
        crop = open_picture(crops[recipe.view].data)
        spots = lay_out(crop.size, recipe.canvas, recipe.laid_out, recipe.seed)
        copy = crop.resize((spots[0].width, spots[0].height), Image.Resampling.LANCZOS)
        for place in recipe.shown:
            canvas.paste(copy, (spots[place].left, spots[place].top))
    return Picture.of(canvas, "jpeg-75")
