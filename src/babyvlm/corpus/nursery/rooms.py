"""Backgrounds: rooms, gardens, and table tops, rugs and plain mats from above. Nothing in them is of any category."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

import skia

from babyvlm.corpus.nursery.pen import (
    BLUE,
    BROWN,
    CREAM,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    PURPLE,
    SKY,
    TAN,
    TEAL,
    WHITE,
    YELLOW,
    Colour,
    Look,
    argb,
    darker,
    lighter,
    mixed,
)

RoomKind = Literal["room", "surface", "mat", "garden"]
MARGIN = 0.45
"""How far the picture of a room extends beyond the resting frame, in frame heights."""

_WALLS = (CREAM, SKY, PINK, (206, 226, 196), (224, 214, 236), WHITE, (240, 214, 160), (180, 208, 214))
_FLOORS = (TAN, BROWN, (186, 150, 110), GREY, (196, 188, 172), (150, 110, 78))
_FABRICS = (BLUE, TEAL, PURPLE, (180, 80, 80), GREEN, ORANGE, GREY, (90, 110, 150), YELLOW)


@dataclass(frozen=True, kw_only=True)
class Room:
    """A background, given by its kind and seed."""

    kind: RoomKind
    seed: str
    horizon: float
    """Where the floor begins, in frame heights from the top; 0 for a surface or mat."""


def choose_room(draw: random.Random, *kinds: RoomKind) -> Room:
    kind = draw.choice(kinds)
    horizon = 0.0 if kind in ("surface", "mat") else draw.uniform(0.28, 0.5)
    return Room(kind=kind, seed=str(draw.random()), horizon=horizon)


def draw_room(room: Room, aspect: float, height_px: int) -> skia.Image:
    """Paints a background.

    Args:
        room: What to paint.
        aspect: Frame width over height.
        height_px: Height of the frame, in pixels.

    Returns:
        A picture of the frame and ``MARGIN`` on every side, ``height_px`` pixels to the frame height.
    """
    info = skia.ImageInfo.Make(
        round((aspect + 2 * MARGIN) * height_px),
        round((1 + 2 * MARGIN) * height_px),
        skia.ColorType.kBGRA_8888_ColorType,
        skia.AlphaType.kOpaque_AlphaType,
    )
    surface = skia.Surface.MakeRaster(info)
    canvas = surface.getCanvas()
    canvas.scale(height_px, height_px)
    canvas.translate(MARGIN, MARGIN)
    look = Look(room.seed)
    paint = {"room": _room, "surface": _surface, "mat": _mat, "garden": _garden}[room.kind]
    paint(canvas, look, room.horizon, aspect)
    return surface.makeImageSnapshot()


def _paint(colour: Colour, alpha: float = 1.0) -> skia.Paint:
    return skia.Paint(Color=argb(colour, alpha), AntiAlias=True)


def _rect(canvas: skia.Canvas, left: float, top: float, right: float, bottom: float, paint: skia.Paint) -> None:
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), paint)


def _polygon(canvas: skia.Canvas, points: list[tuple[float, float]], paint: skia.Paint) -> None:
    path = skia.Path()
    path.addPoly([skia.Point(*point) for point in points], True)
    canvas.drawPath(path, paint)


def _faded(start: Colour, end: Colour, top: float, bottom: float) -> skia.Paint:
    points = [skia.Point(0, top), skia.Point(0, bottom)]
    return skia.Paint(Shader=skia.GradientShader.MakeLinear(points, [argb(start), argb(end)]))


def _room(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    left, right, top, bottom = -MARGIN, aspect + MARGIN, -MARGIN, 1 + MARGIN
    wall = mixed(look.colour(*_WALLS), GREY, look.between(0.0, 0.25))
    _rect(canvas, left, top, right, horizon, _faded(lighter(wall, 0.15), darker(wall, 0.1), top, horizon))
    paper = look.pick(("plain", "plain", "stripes", "dots"))
    ink = _paint(darker(wall, 0.12) if look.chance(0.5) else lighter(wall, 0.5))
    if paper == "stripes":
        step = look.between(0.08, 0.2)
        for k in range(int((right - left) / step) + 1):
            _rect(canvas, left + k * step, top, left + (k + 0.5) * step, horizon, ink)
    elif paper == "dots":
        step = look.between(0.1, 0.16)
        for k in range(int((right - left) / step) + 1):
            for row in range(int((horizon - top) / step) + 1):
                canvas.drawCircle(left + (k + row % 2 / 2) * step, top + row * step, step * 0.12, ink)
    floor = look.colour(*_FLOORS)
    _rect(canvas, left, horizon, right, bottom, _faded(darker(floor, 0.18), lighter(floor, 0.12), horizon, bottom))
    board = skia.Paint(Color=argb(darker(floor, 0.3), 0.7), AntiAlias=True, StrokeWidth=0.005)
    vanishing = look.between(0.3, 0.7) * aspect
    for k in range(-12, 13):
        x = vanishing + k * 0.12
        canvas.drawLine(x, horizon, vanishing + (x - vanishing) * 3.5, bottom, board)
    _rect(canvas, left, horizon - 0.025, right, horizon + 0.01, _paint(lighter(wall, 0.6)))
    for _ in range(look.pick((1, 2, 2, 3))):
        look.pick((_window, _picture, _cupboard, _sofa, _curtain))(canvas, look, horizon, aspect)
    if look.chance(0.6):
        _rug(canvas, look, horizon, aspect)


def _window(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    x, wide, tall = look.between(-0.2, aspect - 0.2), look.between(0.25, 0.45), look.between(0.25, 0.4)
    y = horizon - look.between(0.16, 0.22) - tall
    _rect(canvas, x - 0.02, y - 0.02, x + wide + 0.02, y + tall + 0.02, _paint(WHITE))
    _rect(canvas, x, y, x + wide, y + tall, _faded(SKY, lighter(SKY, 0.6), y, y + tall))
    _rect(canvas, x + wide / 2 - 0.01, y, x + wide / 2 + 0.01, y + tall, _paint(WHITE))
    _rect(canvas, x, y + tall / 2 - 0.01, x + wide, y + tall / 2 + 0.01, _paint(WHITE))


def _picture(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    x, wide, tall = look.between(-0.2, aspect), look.between(0.14, 0.26), look.between(0.12, 0.22)
    y = horizon - look.between(0.12, 0.3) - tall
    _rect(canvas, x, y, x + wide, y + tall, _paint(look.colour(BROWN, TAN, WHITE, GREY)))
    _rect(canvas, x + 0.02, y + 0.02, x + wide - 0.02, y + tall - 0.02, _paint(look.colour(*_FABRICS, CREAM)))
    _rect(canvas, x + 0.02, y + tall * 0.6, x + wide - 0.02, y + tall - 0.02, _paint(look.colour(*_FABRICS)))


def _cupboard(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    x, wide, tall = look.between(-0.3, aspect - 0.1), look.between(0.3, 0.5), look.between(0.3, 0.55)
    wood = look.colour(BROWN, TAN, WHITE, GREY, (200, 170, 130))
    foot = horizon + 0.04
    _rect(canvas, x, foot - tall, x + wide, foot, _paint(wood))
    for k in range(2):
        middle = x + wide * (0.27 + 0.46 * k)
        _rect(
            canvas,
            middle - wide * 0.2,
            foot - tall + 0.03,
            middle + wide * 0.2,
            foot - 0.03,
            _paint(darker(wood, 0.15)),
        )
        canvas.drawCircle(x + wide * (0.45 + 0.1 * k), foot - tall / 2, 0.012, _paint(darker(wood, 0.6)))


def _sofa(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    x, wide = look.between(-0.3, aspect - 0.4), look.between(0.5, 0.75)
    fabric = mixed(look.colour(*_FABRICS), GREY, 0.3)
    foot = horizon + 0.07
    canvas.drawRoundRect(skia.Rect.MakeLTRB(x, foot - 0.3, x + wide, foot), 0.05, 0.05, _paint(fabric))
    canvas.drawRoundRect(
        skia.Rect.MakeLTRB(x + 0.07, foot - 0.13, x + wide - 0.07, foot), 0.03, 0.03, _paint(lighter(fabric, 0.15))
    )
    for side in (x, x + wide - 0.1):
        arm = skia.Rect.MakeLTRB(side, foot - 0.2, side + 0.1, foot)
        canvas.drawRoundRect(arm, 0.04, 0.04, _paint(darker(fabric, 0.15)))


def _curtain(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    x, wide = look.pick((-0.3, aspect - 0.05, look.between(0.0, aspect - 0.3))), look.between(0.2, 0.35)
    fabric = lighter(look.colour(*_FABRICS), 0.25)
    for k in range(6):
        fold = _paint(darker(fabric, 0.14 * (k % 2)))
        _rect(canvas, x + wide * k / 6, -MARGIN, x + wide * (k + 1) / 6, horizon + 0.02, fold)


def _rug(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    fabric = mixed(look.colour(*_FABRICS), GREY, look.between(0.2, 0.5))
    x, y = look.between(0.3, aspect - 0.3), look.between(horizon + 0.25, 0.95)
    wide, tall = look.between(0.45, 0.8), look.between(0.14, 0.24)
    if look.chance(0.5):
        for share, colour in ((1.0, fabric), (0.85, lighter(fabric, 0.4)), (0.75, fabric)):
            rect = skia.Rect.MakeLTRB(x - wide * share, y - tall * share, x + wide * share, y + tall * share)
            canvas.drawOval(rect, _paint(colour))
        return
    corners = [(x - wide * 0.8, y - tall), (x + wide * 0.8, y - tall), (x + wide, y + tall), (x - wide, y + tall)]
    _polygon(canvas, corners, _paint(fabric))
    for k in (-0.7, 0.7):
        stripe = [(x - wide * 0.9, y + tall * (k - 0.1)), (x + wide * 0.9, y + tall * (k - 0.1))]
        stripe += [(x + wide * 0.92, y + tall * (k + 0.1)), (x - wide * 0.92, y + tall * (k + 0.1))]
        _polygon(canvas, stripe, _paint(lighter(fabric, 0.45)))


def _surface(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    """A table top, rug or blanket, seen from above."""
    left, right, top, bottom = -MARGIN, aspect + MARGIN, -MARGIN, 1 + MARGIN
    base = mixed(look.colour(*_FLOORS, *_WALLS, *_FABRICS), GREY, look.between(0.1, 0.45))
    _rect(canvas, left, top, right, bottom, _faded(lighter(base, 0.12), darker(base, 0.12), top, bottom))
    canvas.save()
    canvas.rotate(look.between(-20, 20))
    kind = look.pick(("plain", "boards", "checks", "bands", "dots"))
    ink = _paint(darker(base, 0.14) if look.chance(0.5) else lighter(base, 0.25))
    step = look.between(0.1, 0.22)
    ticks = [k * step for k in range(-math.ceil(2 / step), math.ceil(2.5 / step))]
    for row, y in enumerate(ticks):
        if kind == "boards":
            _rect(canvas, -2, y, 3, y + 0.008, ink)
        elif kind == "bands" and row % 2:
            _rect(canvas, -2, y, 3, y + step * 0.6, ink)
        elif kind in ("checks", "dots"):
            for column, x in enumerate(ticks):
                if kind == "dots":
                    canvas.drawCircle(x + row % 2 * step / 2, y, step * 0.08, ink)
                elif (row + column) % 2:
                    _rect(canvas, x, y, x + step, y + step, ink)
    canvas.restore()
    if look.chance(0.4):  # the edge of the table, or the floor beyond the rug
        edge = look.between(-0.12, 0.04)
        tilt = look.between(-0.05, 0.05)
        corners = [(left, top), (right, top), (right, edge + tilt), (left, edge - tilt)]
        _polygon(canvas, corners, _paint(look.colour(*_FLOORS)))


def _mat(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    """A plain pale mat, seen from above."""
    base = mixed(look.colour(*_WALLS), WHITE, look.between(0.2, 0.6))
    left, right, top, bottom = -MARGIN, aspect + MARGIN, -MARGIN, 1 + MARGIN
    _rect(canvas, left, top, right, bottom, _faded(lighter(base, 0.1), darker(base, 0.06), top, bottom))


def _garden(canvas: skia.Canvas, look: Look, horizon: float, aspect: float) -> None:
    left, right, top, bottom = -MARGIN, aspect + MARGIN, -MARGIN, 1 + MARGIN
    _rect(canvas, left, top, right, horizon, _faded(look.colour(SKY), lighter(SKY, 0.7), top, horizon))
    for _ in range(look.pick((1, 2, 3))):
        x, y = look.between(0, aspect), look.between(-0.1, horizon - 0.12)
        for k in range(3):
            canvas.drawCircle(x + 0.08 * k, y - 0.02 * (k % 2), look.between(0.05, 0.08), _paint(WHITE, 0.85))
    hedge = _paint(darker(look.colour(GREEN), 0.2))
    for k in range(14):
        canvas.drawCircle(left + k * (right - left) / 13, horizon, look.between(0.08, 0.13), hedge)
    lawn = look.colour((120, 170, 80), (140, 180, 96), (104, 150, 78))
    _rect(canvas, left, horizon, right, bottom, _faded(darker(lawn, 0.15), lighter(lawn, 0.1), horizon, bottom))
    blade = skia.Paint(Color=argb(darker(lawn, 0.25)), AntiAlias=True, StrokeWidth=0.005)
    for _ in range(90):
        x, y = look.between(left, right), look.between(horizon + 0.05, bottom)
        canvas.drawLine(x, y, x + look.between(-0.01, 0.01), y - 0.03, blade)
