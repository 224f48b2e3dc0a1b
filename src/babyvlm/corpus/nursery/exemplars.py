"""One individual of a category: its picture, and the points that tell where it is and how much of it can be seen.

    (category, number) --Look--> drawing --> 256 x 256 picture, cut to the object

Exemplar numbers are split: no exemplar of one split is ever shown in another.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import skia

from babyvlm.corpus.nursery import (
    drawings_animals,
    drawings_clothing,
    drawings_food,
    drawings_home,
    drawings_kitchen,
    drawings_toys,
    drawings_vehicles,
)
from babyvlm.corpus.nursery.configuration import HOMES, NurseryConfig, RecordingPlan
from babyvlm.corpus.nursery.pen import Colour, Look, Pen
from babyvlm.records import Split

EXEMPLARS: dict[Split, range] = {"train": range(0, 60), "validation": range(60, 66), "test": range(66, 80)}
"""The exemplar numbers each split may show, of every category (ours)."""

_PICTURE_PX = 256
_MASK_CELLS = 32
DRAWINGS = {
    name.replace("_", " "): drawing
    for module in (
        drawings_animals,
        drawings_vehicles,
        drawings_toys,
        drawings_food,
        drawings_clothing,
        drawings_home,
        drawings_kitchen,
    )
    for name, drawing in module.DRAWINGS.items()
}


def exemplars_of(config: NurseryConfig, plan: RecordingPlan) -> range:
    """The exemplar numbers that a recording may show, of every category."""
    if plan.split != "train" or not config.individuals:
        return EXEMPLARS[plan.split]
    first = HOMES.index(plan.child) * config.individuals
    return EXEMPLARS["train"][first : first + config.individuals]


@dataclass(frozen=True, kw_only=True)
class Exemplar:
    """A drawn individual. Its own coordinates have the object's centre at 0 and its longer side from -0.5 to 0.5."""

    picture: skia.Image
    """Cut to the object."""
    width: float
    """Size of the object; the longer side is 1."""
    height: float
    edge_P2: np.ndarray
    """Points along the silhouette."""
    inside_P2: np.ndarray
    """Points spread evenly over the silhouette."""
    mask: np.ndarray
    """Silhouette on a square grid over the picture, rows from the top; True where the object is."""


@functools.lru_cache(maxsize=256)
def exemplar(seed: int, category: str, number: int, paint: Colour | None = None) -> Exemplar:
    """Draws one individual; the same for the same arguments.

    Args:
        seed: The nursery's.
        category: What it is.
        number: Which individual.
        paint: The colour of its body, in place of its own.
    """
    look = Look(f"{seed}/{category}/{number}", paint)
    surface = skia.Surface(_PICTURE_PX, _PICTURE_PX)
    canvas = surface.getCanvas()
    canvas.clear(skia.ColorTRANSPARENT)
    canvas.translate(_PICTURE_PX / 2, _PICTURE_PX / 2)
    canvas.scale(_PICTURE_PX / 2.75, _PICTURE_PX / 2.75)
    canvas.rotate(look.between(-9, 9))
    stretch = look.between(0.9, 1.12)
    canvas.scale(min(1.0, stretch), min(1.0, 1 / stretch))
    canvas.skew(look.between(-0.08, 0.08), 0)
    DRAWINGS[category](Pen(canvas, look.pick((0.03, 0.045, 0.06))), look)
    canvas.resetMatrix()
    _shade(canvas, look)
    return _measured(surface.makeImageSnapshot())


def _shade(canvas: skia.Canvas, look: Look) -> None:
    """Light from above, on the object alone."""
    start = skia.Point(_PICTURE_PX * look.between(0.1, 0.6), 0)
    colours = [skia.Color(255, 255, 255, 60), skia.Color(255, 255, 255, 0), skia.Color(0, 0, 30, 70)]
    shader = skia.GradientShader.MakeLinear([start, skia.Point(_PICTURE_PX * 0.6, _PICTURE_PX)], colours)
    canvas.drawPaint(skia.Paint(Shader=shader, BlendMode=skia.BlendMode.kSrcATop))


def _measured(picture: skia.Image) -> Exemplar:
    solid = picture.toarray()[..., 3] > 100
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    solid = solid[top:bottom, left:right]
    height_px, width_px = solid.shape
    side = max(height_px, width_px)
    interior = np.zeros_like(solid)
    interior[1:-1, 1:-1] = solid[:-2, 1:-1] & solid[2:, 1:-1] & solid[1:-1, :-2] & solid[1:-1, 2:]
    cells_y = np.minimum((np.arange(_MASK_CELLS) + 0.5) * height_px / _MASK_CELLS, height_px - 1).astype(int)
    cells_x = np.minimum((np.arange(_MASK_CELLS) + 0.5) * width_px / _MASK_CELLS, width_px - 1).astype(int)

    def points(where: np.ndarray, every: int) -> np.ndarray:
        y, x = np.nonzero(where)
        return (np.stack([x + 0.5 - width_px / 2, y + 0.5 - height_px / 2], axis=1) / side)[::every]

    edge, grid = solid & ~interior, np.zeros_like(solid)
    grid[::8, ::8] = solid[::8, ::8]
    cut = picture.makeSubset(skia.IRect.MakeLTRB(int(left), int(top), int(right), int(bottom)))
    return Exemplar(
        picture=cut.withDefaultMipmaps(),
        width=width_px / side,
        height=height_px / side,
        edge_P2=points(edge, 3),
        inside_P2=points(grid, 1),
        mask=solid[np.ix_(cells_y, cells_x)],
    )
