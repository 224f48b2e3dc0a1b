"""Pictures composed of cut-outs, for the balanced Who Has More (synthetic) and Subitizing.

Number is told by nothing else: in half of the pictures the total area is drawn independently of the number, in the
other half the size of each object is; how closely they stand is drawn independently of both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from babyvlm.records import Origin
from babyvlm.toolbox.pictures import Picture, open_picture
from babyvlm.toolbox.views import View

CANVAS_PX = 224
_TOTAL_AREA = (0.12, 0.30)  # of the canvas, where the total is drawn
_OBJECT_PX = (26, 44)  # where each object's side is drawn
_GAP = 1.12  # least distance of centres, in sides
_TEXTURE_CELLS = 7


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One cut-out on the canvas."""

    view: View
    left: int
    top: int
    side_px: int


@dataclass(frozen=True, kw_only=True)
class Composed:
    """How to make one composed picture; equal recipes make equal bytes."""

    placements: tuple[Placement, ...]
    background: tuple[int, int, int]
    texture: float
    """Contrast of the background's soft texture, of 255; 0 for plain."""
    seed: int

    @property
    def views(self) -> Iterable[View]:
        return (placement.view for placement in self.placements)

    @property
    def origin(self) -> Origin:
        return Origin(source="synthetic")

    @property
    def order(self) -> tuple[object, ...]:
        """What recipes are sorted by."""
        return self.seed, len(self.placements)


def plan_composition(views: Sequence[View], count: int, rng: Random, *, fix_total_area: bool) -> Composed:
    """Places ``count`` cut-outs, drawn from ``views``, without overlap.

    Args:
        views: Crops of objects of one category.
        count: How many to show, 1 to 12.
        rng: Source of chance.
        fix_total_area: Draw the total area, and let each object's size follow; else the other way about.
    """
    if fix_total_area:
        side_px = round(CANVAS_PX * math.sqrt(rng.uniform(*_TOTAL_AREA) / count))
    else:
        side_px = round(rng.uniform(*_OBJECT_PX))
    least_cells = math.ceil(math.sqrt(count))
    # From huddled together to spread over the whole canvas; one object may stand anywhere.
    closest_px = min(CANVAS_PX, math.ceil(least_cells * side_px * _GAP))
    extent_px = rng.randint(closest_px, CANVAS_PX)
    cells = rng.randint(least_cells, max(least_cells, int(extent_px / (side_px * _GAP))))
    cell_px = extent_px / cells
    side_px = min(side_px, int(cell_px / _GAP))
    corner = rng.randint(0, CANVAS_PX - extent_px), rng.randint(0, CANVAS_PX - extent_px)
    placements = []
    for cell in rng.sample(range(cells * cells), count):
        row, column = divmod(cell, cells)
        left, top = (
            corner[axis] + round(place * cell_px + rng.uniform(0.02, 0.98) * (cell_px - side_px))
            for axis, place in enumerate((column, row))
        )
        placements.append(
            Placement(
                view=rng.choice(views),
                left=min(left, CANVAS_PX - side_px),
                top=min(top, CANVAS_PX - side_px),
                side_px=side_px,
            )
        )
    return plan_background(tuple(placements), rng)


def plan_background(placements: tuple[Placement, ...], rng: Random) -> Composed:
    """What is placed, on a surface of some colour and texture."""
    level = rng.randint(150, 235)
    background = tuple(min(255, max(0, level + rng.randint(-22, 22))) for _ in range(3))
    return Composed(
        placements=placements,
        background=(background[0], background[1], background[2]),
        texture=rng.choice((0.0, 8.0, 16.0)),
        seed=rng.getrandbits(32),
    )


def render_composition(recipe: Composed, pictures: Mapping[View, Picture]) -> Picture:
    """Makes the picture; ``pictures`` must hold the recipe's views."""
    canvas = np.empty((CANVAS_PX, CANVAS_PX, 3), np.float32)
    canvas[:] = recipe.background
    if recipe.texture:
        noise = np.random.default_rng(recipe.seed).uniform(
            -recipe.texture, recipe.texture, (_TEXTURE_CELLS, _TEXTURE_CELLS)
        )
        soft = Image.fromarray(noise.astype(np.float32)).resize((CANVAS_PX, CANVAS_PX), Image.Resampling.BICUBIC)
        canvas += np.asarray(soft)[..., None]
    for placement in recipe.placements:
        side = placement.side_px
        cut = open_picture(pictures[placement.view].data).resize(
            (side, side), Image.Resampling.BOX if side < 64 else Image.Resampling.BILINEAR
        )
        opacity = soft_disc(side)[..., None]
        area = canvas[placement.top : placement.top + side, placement.left : placement.left + side]
        area += opacity * (np.asarray(cut, np.float32) - area)
    return Picture.of(Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)))


@functools.cache
def soft_disc(side_px: int) -> NDArray[np.float32]:
    """Opacity of a cut-out: 1 in a rounded square, fading to 0 at its rim, so that no hard square betrays the paste."""
    along = np.abs((np.arange(side_px) + 0.5) / side_px * 2 - 1)
    radius = (along[:, None] ** 4 + along[None, :] ** 4) ** 0.25
    return np.clip((1.0 - radius) / 0.12, 0, 1).astype(np.float32)
