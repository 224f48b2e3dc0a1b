"""What the drawings are made with: a pen over a Skia canvas, and the look that tells one exemplar from the next.

Drawings use a square from (-1, -1), top left, to (1, 1), bottom right. An object that faces somewhere faces right.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import skia

Point = tuple[float, float]
Colour = tuple[int, int, int]
ChoiceT = TypeVar("ChoiceT")

RED: Colour = (212, 48, 44)
ORANGE: Colour = (240, 138, 36)
YELLOW: Colour = (248, 206, 52)
LIME: Colour = (150, 200, 60)
GREEN: Colour = (60, 152, 66)
TEAL: Colour = (38, 160, 158)
SKY: Colour = (112, 188, 238)
BLUE: Colour = (48, 98, 206)
NAVY: Colour = (38, 54, 116)
PURPLE: Colour = (136, 76, 186)
PINK: Colour = (242, 140, 178)
ROSE: Colour = (226, 78, 128)
BROWN: Colour = (134, 84, 46)
TAN: Colour = (206, 162, 106)
CREAM: Colour = (248, 234, 204)
WHITE: Colour = (250, 250, 248)
SILVER: Colour = (188, 194, 202)
GREY: Colour = (128, 132, 138)
CHARCOAL: Colour = (62, 62, 68)
BLACK: Colour = (28, 28, 32)
SKIN: Colour = (238, 192, 156)
BRIGHT: tuple[Colour, ...] = (RED, ORANGE, YELLOW, GREEN, TEAL, BLUE, PURPLE, ROSE)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """``colour`` with a share (0 to 1) of ``other`` in it."""
    r, g, b = (round(a + (o - a) * share) for a, o in zip(colour, other, strict=True))
    return r, g, b


def darker(colour: Colour, share: float = 0.3) -> Colour:
    return mixed(colour, BLACK, share)


def lighter(colour: Colour, share: float = 0.4) -> Colour:
    return mixed(colour, WHITE, share)


def argb(colour: Colour, alpha: float = 1.0) -> int:
    """Skia's colour number."""
    return skia.Color(*colour, round(255 * alpha))


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What is printed over a shape's colour."""

    kind: str
    """``stripes``, ``bands``, ``dots`` or ``checks``."""
    colour: Colour
    spacing: float
    """Distance from one mark to the next, in drawing units."""
    angle: float
    """Degrees."""


class Look:
    """The choices that make one exemplar: every draw follows from the seed, in the order the drawing asks."""

    def __init__(self, seed: str, paint: Colour | None = None) -> None:
        """Args:
        seed: What every draw follows from.
        paint: What the first colour that the drawing asks for is, in most drawings that of the body; drawn when None.
        """
        self._random, self._paint = random.Random(seed), paint

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def pick(self, choices: Sequence[ChoiceT]) -> ChoiceT:
        return self._random.choice(choices)

    def colour(self, *palette: Colour) -> Colour:
        """One of the palette, its hue, saturation and value shaken a little."""
        picked = self.pick(palette)
        if self._paint is not None:
            picked, self._paint = self._paint, None
        hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in picked))
        hue = (hue + self.between(-0.02, 0.02)) % 1
        saturation = min(1.0, saturation * self.between(0.82, 1.12))
        value = min(1.0, value * self.between(0.84, 1.08))
        r, g, b = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        return r, g, b

    def pattern(self, base: Colour, probability: float = 0.5) -> Pattern | None:
        """A pattern that stands out on ``base``, or none."""
        if not self.chance(probability):
            return None
        colour = self.colour(*(c for c in (*BRIGHT, WHITE, CREAM, NAVY) if _distance(c, base) > 130))
        kind = self.pick(("stripes", "bands", "dots", "checks"))
        return Pattern(kind=kind, colour=colour, spacing=self.between(0.24, 0.4), angle=self.between(-25, 25))


def _distance(one: Colour, other: Colour) -> float:
    return math.dist(one, other)


class Pen:
    """Draws outlined, possibly patterned shapes.

    Args:
        canvas: A canvas whose coordinates are the drawing's.
        outline: Width of the outline in drawing units; 0 for none.
    """

    def __init__(self, canvas: skia.Canvas, outline: float) -> None:
        self._canvas, self._outline = canvas, outline

    def fill(self, path: skia.Path, colour: Colour, pattern: Pattern | None = None, outlined: bool = True) -> None:
        """Fills a path, prints the pattern inside it, then outlines it in a darker tone."""
        self._canvas.drawPath(path, skia.Paint(Color=argb(colour), AntiAlias=True))
        if pattern is not None:
            self._canvas.save()
            self._canvas.clipPath(path, skia.ClipOp.kIntersect, True)
            self._print(pattern)
            self._canvas.restore()
        if outlined and self._outline > 0:
            self._canvas.drawPath(path, self._stroke(darker(colour, 0.62), self._outline))

    def _stroke(self, colour: Colour, width: float) -> skia.Paint:
        return skia.Paint(
            Color=argb(colour),
            AntiAlias=True,
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=width,
            StrokeCap=skia.Paint.kRound_Cap,
            StrokeJoin=skia.Paint.kRound_Join,
        )

    def _print(self, pattern: Pattern) -> None:
        ink = skia.Paint(Color=argb(pattern.colour), AntiAlias=True)
        step = pattern.spacing
        self._canvas.rotate(pattern.angle + (90 if pattern.kind == "bands" else 0))
        ticks = [step * k for k in range(-math.ceil(1.6 / step), math.ceil(1.6 / step) + 1)]
        for row, x in enumerate(ticks):
            if pattern.kind in ("stripes", "bands"):
                self._canvas.drawRect(skia.Rect.MakeXYWH(x, -2, step * 0.45, 4), ink)
                continue
            for y in ticks:
                if pattern.kind == "dots":
                    self._canvas.drawCircle(x, y + (row % 2) * step / 2, step * 0.26, ink)
                elif (row + round(y / step)) % 2:
                    self._canvas.drawRect(skia.Rect.MakeXYWH(x, y, step, step), ink)

    def oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        *,
        turn: float = 0,
        pattern: Pattern | None = None,
        outlined: bool = True,
    ) -> None:
        """An ellipse about (x, y), turned by ``turn`` degrees."""
        path = skia.Path()
        path.addOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))
        if turn:
            path.transform(skia.Matrix().preRotate(turn, x, y))
        self.fill(path, colour, pattern, outlined)

    def spot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A dot without an outline."""
        self._canvas.drawCircle(x, y, radius, skia.Paint(Color=argb(colour), AntiAlias=True))

    def eye(self, x: float, y: float, radius: float = 0.07) -> None:
        self.spot(x, y, radius, BLACK)
        self.spot(x + radius * 0.3, y - radius * 0.35, radius * 0.35, WHITE)

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        colour: Colour,
        *,
        corner: float = 0.0,
        pattern: Pattern | None = None,
        outlined: bool = True,
    ) -> None:
        """A rectangle, its corners rounded by ``corner``."""
        path = skia.Path()
        path.addRoundRect(skia.Rect.MakeLTRB(left, top, right, bottom), corner, corner)
        self.fill(path, colour, pattern, outlined)

    def shape(self, points: Sequence[Point], colour: Colour, *, pattern: Pattern | None = None) -> None:
        """A polygon."""
        path = skia.Path()
        path.addPoly([skia.Point(*point) for point in points], True)
        self.fill(path, colour, pattern)

    def blob(self, points: Sequence[Point], colour: Colour, *, pattern: Pattern | None = None) -> None:
        """A smooth closed shape through the points."""
        self.fill(_smooth(points, closed=True), colour, pattern)

    def line(self, points: Sequence[Point], width: float, colour: Colour, *, curved: bool = False) -> None:
        """A line with round ends, outlined like the shapes."""
        path = _smooth(points, closed=False) if curved else skia.Path()
        if not curved:
            path.addPoly([skia.Point(*point) for point in points], False)
        if self._outline > 0 and width > 2 * self._outline:
            self._canvas.drawPath(path, self._stroke(darker(colour, 0.62), width + self._outline))
            width -= self._outline
        self._canvas.drawPath(path, self._stroke(colour, width))

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, colour: Colour) -> None:
        """The rim of an ellipse, open inside."""
        turns = [2 * math.pi * k / 24 for k in range(25)]
        self.line([(x + rx * math.cos(turn), y + ry * math.sin(turn)) for turn in turns], width, colour, curved=True)

    def arc(
        self, x: float, y: float, rx: float, ry: float, start: float, end: float, width: float, colour: Colour
    ) -> None:
        """A piece of such a rim, from ``start`` to ``end`` degrees, clockwise from the right."""
        turns = [math.radians(start + (end - start) * k / 16) for k in range(17)]
        self.line([(x + rx * math.cos(turn), y + ry * math.sin(turn)) for turn in turns], width, colour, curved=True)

    def wheel(self, x: float, y: float, radius: float, hub: Colour = SILVER) -> None:
        self.oval(x, y, radius, radius, CHARCOAL)
        self.spot(x, y, radius * 0.5, hub)


def _smooth(points: Sequence[Point], closed: bool) -> skia.Path:
    """A Catmull-Rom curve through the points."""
    path, count = skia.Path(), len(points)
    path.moveTo(*points[0])
    for k in range(count if closed else count - 1):
        before = points[(k - 1) % count] if closed or k > 0 else points[0]
        start, end = points[k], points[(k + 1) % count]
        after = points[(k + 2) % count] if closed or k + 2 < count else end
        path.cubicTo(
            start[0] + (end[0] - before[0]) / 6,
            start[1] + (end[1] - before[1]) / 6,
            end[0] - (after[0] - start[0]) / 6,
            end[1] - (after[1] - start[1]) / 6,
            *end,
        )
    if closed:
        path.close()
    return path
