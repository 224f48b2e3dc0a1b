"""A single picture of the nursery, of which everything is known: which things it shows, where, how large, what colour.

    PlacedThing, PlacedThing, ... + room ── draw_still ── RGB picture

Lengths are in heights of the picture, which is square; (0, 0) is its top left corner.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import skia
from PIL import Image

from babyvlm.corpus.nursery import pen
from babyvlm.corpus.nursery.exemplars import exemplar
from babyvlm.corpus.nursery.pen import Colour
from babyvlm.corpus.nursery.placed import PlacedThing
from babyvlm.corpus.nursery.rooms import MARGIN, Room, draw_room

PAINTS: dict[str, Colour] = {
    "red": pen.RED,
    "orange": pen.ORANGE,
    "yellow": pen.YELLOW,
    "green": pen.GREEN,
    "blue": pen.BLUE,
    "purple": pen.PURPLE,
    "pink": pen.PINK,
    "brown": pen.BROWN,
    "white": pen.WHITE,
    "black": pen.BLACK,
    "gray": pen.GREY,
    "grey": pen.GREY,
}
"""Colours by name."""
_SAMPLING = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kNearest)
_SHADE = skia.Color(0, 0, 0, 60)


def draw_still(things: Sequence[PlacedThing], room: Room, *, seed: int, side_px: int) -> Image.Image:
    """Paints a picture.

    Args:
        things: From back to front.
        room: What is behind them.
        seed: Of the nursery whose exemplars they are.
        side_px: Width and height.
    """
    info = skia.ImageInfo.Make(side_px, side_px, skia.ColorType.kRGBA_8888_ColorType, skia.AlphaType.kOpaque_AlphaType)
    surface = skia.Surface.MakeRaster(info)
    canvas = surface.getCanvas()
    canvas.drawImage(draw_room(room, 1.0, side_px), -MARGIN * side_px, -MARGIN * side_px)
    for thing in things:
        _draw(canvas, thing, seed, side_px)
    return Image.fromarray(surface.makeImageSnapshot().toarray(colorType=skia.ColorType.kRGBA_8888_ColorType)).convert(
        "RGB"
    )


def _draw(canvas: skia.Canvas, thing: PlacedThing, seed: int, side_px: int) -> None:
    drawn = exemplar(seed, thing.category, thing.number, PAINTS[thing.colour] if thing.colour else None)
    half_width, half_height = drawn.width * thing.size / 2, drawn.height * thing.size / 2
    floor_y = thing.y + half_height if thing.floor_y is None else thing.floor_y
    canvas.save()
    canvas.scale(side_px, side_px)
    shadow = skia.Rect.MakeLTRB(thing.x - half_width, floor_y - 0.03, thing.x + half_width, floor_y + 0.03)
    canvas.drawOval(shadow, skia.Paint(Color=_SHADE, AntiAlias=True))
    rect = skia.Rect.MakeLTRB(thing.x - half_width, thing.y - half_height, thing.x + half_width, thing.y + half_height)
    canvas.drawImageRect(drawn.picture, rect, _SAMPLING)
    canvas.restore()


@functools.lru_cache(maxsize=4096)
def shows_colour(seed: int, category: str, number: int, colour: str) -> bool:
    """Whether a painted exemplar is mostly of its colour: half of its pixels lie nearer to it than to any other.

    Args:
        seed: The nursery's.
        category: What it is.
        number: Which individual.
        colour: A name of `PAINTS`.
    """
    pixels_HWC = exemplar(seed, category, number, PAINTS[colour]).picture.toarray(
        colorType=skia.ColorType.kRGBA_8888_ColorType
    )
    solid_NC = pixels_HWC[pixels_HWC[..., 3] > 250][:, :3].astype(np.float64)
    paints = sorted(set(PAINTS.values()))
    distances_NP = np.stack([np.linalg.norm(solid_NC - paint, axis=1) for paint in paints], axis=1)
    return bool((distances_NP.argmin(1) == paints.index(PAINTS[colour])).mean() >= 0.5)
