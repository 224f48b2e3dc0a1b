"""Drawings of toys."""

from __future__ import annotations

import math

from babyvlm.corpus.nursery.pen import (
    BLACK,
    BLUE,
    BRIGHT,
    BROWN,
    CREAM,
    GREEN,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    ROSE,
    SKIN,
    TAN,
    TEAL,
    WHITE,
    YELLOW,
    Look,
    Pen,
    darker,
    lighter,
)


def ball(pen: Pen, look: Look) -> None:
    first = look.colour(*BRIGHT)
    kind = look.pick(("beach", "band", "dots"))
    if kind == "dots":
        pen.oval(0, 0, 0.92, 0.92, first, pattern=look.pattern(first, 1.0))
    else:
        second = look.colour(WHITE, YELLOW, CREAM, ROSE) if kind == "beach" else look.colour(WHITE, YELLOW, BLUE)
        pen.oval(0, 0, 0.92, 0.92, first)
        if kind == "beach":
            hub = (look.between(0.1, 0.3), look.between(-0.35, -0.15))
            for k in range(0, 6, 2):
                a, b = (math.pi * (k + d) / 3 for d in (0.0, 1.0))
                tips = [(0.9 * math.cos(a + (b - a) * t / 4), 0.9 * math.sin(a + (b - a) * t / 4)) for t in range(5)]
                pen.shape([hub, *tips], second if k else look.colour(GREEN, ORANGE, BLUE))
            pen.spot(*hub, 0.12, WHITE)
        else:
            pen.shape([(-0.86, -0.3), (0.7, -0.58), (0.86, -0.28), (-0.9, 0.05)], second)
            pen.oval(0.1, 0.42, 0.2, 0.2, second)
    pen.oval(-0.4, -0.5, 0.2, 0.12, lighter(first, 0.6), turn=-35, outlined=False)


def teddy_bear(pen: Pen, look: Look) -> None:
    fur = look.colour(BROWN, TAN, (164, 108, 60), PINK)
    pale = lighter(fur, 0.45)
    for x in (-0.4, 0.4):
        pen.oval(x, -0.82, 0.18, 0.17, fur)
        pen.spot(x, -0.8, 0.09, pale)
    pen.oval(-0.56, 0.14, 0.16, 0.34, fur, turn=30)
    wave = look.between(-60, -20)
    pen.oval(0.62, 0.0, 0.16, 0.36, fur, turn=wave + 70 if look.chance(0.5) else wave)
    pen.oval(-0.36, 0.8, 0.24, 0.18, fur)
    pen.oval(0.4, 0.8, 0.24, 0.18, fur)
    pen.spot(-0.38, 0.81, 0.1, pale)
    pen.spot(0.42, 0.81, 0.1, pale)
    pen.oval(0, 0.38, 0.5, 0.5, fur)
    pen.oval(0, 0.42, 0.3, 0.32, pale, outlined=False)
    pen.oval(0, -0.48, 0.5, 0.42, fur)
    pen.oval(0.02, -0.34, 0.22, 0.17, pale)
    pen.oval(0.02, -0.42, 0.08, 0.06, BLACK)
    pen.eye(-0.18, -0.56)
    pen.eye(0.22, -0.56)
    if look.chance(0.7):
        bow = look.colour(RED, BLUE, PURPLE)
        x = look.pick((0.0, -0.3))
        pen.shape([(x, -0.06), (x - 0.24, -0.18), (x - 0.24, 0.08)], bow)
        pen.shape([(x, -0.06), (x + 0.24, -0.18), (x + 0.24, 0.08)], bow)


def doll(pen: Pen, look: Look) -> None:
    dress = look.colour(ROSE, PURPLE, RED, TEAL, YELLOW)
    hair = look.colour(YELLOW, BROWN, BLACK, ORANGE)
    skin = look.colour(SKIN, (190, 132, 92), (134, 88, 60), (248, 214, 184))
    pen.oval(0.0, -0.55, 0.42, 0.42, hair)
    for side in (-1, 1) if look.chance(0.5) else (-1,):
        pen.oval(side * 0.42, -0.4, 0.15, 0.28, hair, turn=-side * 25)
    for x in (-0.16, 0.16):
        pen.line([(x, 0.55), (x, 0.9)], 0.13, skin)
        pen.oval(x + 0.05, 0.93, 0.13, 0.06, darker(dress, 0.4))
    pen.line([(-0.2, 0.0), (-0.55, 0.25)], 0.13, skin)
    pen.line([(0.2, 0.0), (0.58, look.between(-0.35, 0.2))], 0.13, skin)
    pen.shape([(-0.2, -0.18), (0.2, -0.18), (0.52, 0.66), (-0.52, 0.66)], dress, pattern=look.pattern(dress, 0.6))
    pen.oval(0.02, -0.48, 0.3, 0.32, skin)
    pen.blob([(-0.34, -0.5), (-0.2, -0.88), (0.3, -0.85), (0.36, -0.55), (0.1, -0.7)], hair)
    pen.eye(-0.08, -0.48, 0.05)
    pen.eye(0.14, -0.48, 0.05)
    pen.arc(0.03, -0.36, 0.1, 0.08, 10, 170, 0.035, RED)


def block(pen: Pen, look: Look) -> None:
    paint = look.colour(*BRIGHT)
    deep = look.between(0.3, 0.45)
    pen.shape([(-0.85, -0.45), (-0.85 + deep, -0.9), (0.9, -0.9), (0.9 - deep, -0.45)], lighter(paint, 0.35))
    pen.shape([(0.9 - deep, -0.45), (0.9, -0.9), (0.9, 0.4), (0.9 - deep, 0.88)], darker(paint, 0.3))
    pen.box(-0.85, -0.45, 0.9 - deep, 0.88, paint)
    middle = (0.05 - deep) / 2
    face = look.pick(("A", "dot", "bar", "L"))
    ink = look.colour(WHITE, CREAM, YELLOW)
    if face == "A":
        pen.line([(middle - 0.3, 0.6), (middle, -0.18), (middle + 0.3, 0.6)], 0.13, ink)
        pen.line([(middle - 0.18, 0.33), (middle + 0.18, 0.33)], 0.11, ink)
    elif face == "dot":
        pen.oval(middle - 0.1, 0.12, 0.26, 0.26, ink)
    elif face == "bar":
        pen.line([(middle - 0.3, 0.5), (middle + 0.3, -0.1)], 0.16, ink)
    else:
        pen.line([(middle - 0.2, -0.15), (middle - 0.2, 0.58), (middle + 0.25, 0.58)], 0.15, ink)


def drum(pen: Pen, look: Look) -> None:
    side = look.colour(RED, BLUE, GREEN, PURPLE)
    trim = look.colour(YELLOW, WHITE)
    bottom = look.between(0.6, 0.85)
    pen.blob([(-0.75, -0.2), (0.75, -0.2), (0.75, bottom - 0.1), (0.0, bottom + 0.12), (-0.75, bottom - 0.1)], side)
    for k in range(4):
        x = -0.72 + 0.36 * k
        pen.line([(x, 0.0), (x + 0.18, bottom - 0.06), (x + 0.36, 0.0)], 0.06, trim)
    pen.oval(0.0, -0.2, 0.8, 0.27, trim)
    pen.oval(0.0, -0.22, 0.68, 0.2, CREAM)
    pen.line([(0.1, -0.25), (0.85, -0.85)], 0.1, TAN)
    pen.oval(0.08, -0.24, 0.11, 0.1, BROWN)
    if look.chance(0.6):
        pen.line([(-0.3, -0.25), (0.2, -0.92)], 0.1, TAN)
        pen.oval(-0.32, -0.24, 0.11, 0.1, BROWN)


def balloon(pen: Pen, look: Look) -> None:
    paint = look.colour(RED, BLUE, YELLOW, GREEN, PURPLE, ROSE)
    sway = look.between(0.2, 0.45)
    pen.line(
        [(0.0, 0.35), (sway, 0.55), (-sway * 0.6, 0.75), (sway * 0.5, 0.98)], 0.045, darker(paint, 0.5), curved=True
    )
    pen.shape([(-0.1, 0.42), (0.1, 0.42), (0.0, 0.26)], darker(paint, 0.2))
    pen.blob(
        [
            (0.0, 0.32),
            (-0.42, 0.0),
            (-0.54, -0.45),
            (-0.3, -0.88),
            (0.12, -0.98),
            (0.48, -0.7),
            (0.52, -0.3),
            (0.32, 0.08),
        ],
        paint,
    )
    mark = look.colour(WHITE, YELLOW, BLUE) if look.chance(0.6) else darker(paint, 0.3)
    pen.blob([(-0.4, 0.02), (-0.2, -0.16), (0.3, -0.55), (0.45, -0.72), (0.53, -0.5), (0.1, -0.02), (-0.2, 0.2)], mark)
    pen.oval(-0.28, -0.58, 0.12, 0.24, lighter(paint, 0.65), turn=20, outlined=False)


DRAWINGS = {drawing.__name__: drawing for drawing in (ball, teddy_bear, doll, block, drum, balloon)}
