"""Drawings of kitchen things and of things outdoors."""

from __future__ import annotations

import math

from babyvlm.corpus.nursery.pen import (
    BLUE,
    BRIGHT,
    BROWN,
    CHARCOAL,
    CREAM,
    GREEN,
    GREY,
    LIME,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    ROSE,
    SILVER,
    SKY,
    TAN,
    TEAL,
    WHITE,
    YELLOW,
    Look,
    Pen,
    darker,
    lighter,
)


def cup(pen: Pen, look: Look) -> None:
    glaze = look.colour(*BRIGHT, WHITE)
    taper = look.between(0.0, 0.14)
    pen.ring(0.52, 0.1, 0.36, 0.32, 0.16, glaze)
    pen.blob(
        [(-0.78, -0.62), (0.5, -0.62), (0.5 - taper, 0.7), (0.2, 0.84), (-0.5, 0.84), (-0.78 + taper, 0.7)],
        glaze,
        pattern=look.pattern(glaze, 0.5),
    )
    pen.oval(-0.14, -0.64, 0.66, 0.17, lighter(glaze, 0.4))
    pen.oval(-0.14, -0.62, 0.54, 0.11, look.colour(BROWN, WHITE, ORANGE))


def bottle(pen: Pen, look: Look) -> None:
    glass = look.colour(SKY, (176, 220, 200), WHITE, PINK)
    lid = look.colour(BLUE, YELLOW, GREEN, ROSE)
    pen.oval(0.0, -0.84, 0.11, 0.14, look.colour(TAN, CREAM))
    pen.box(-0.27, -0.76, 0.27, -0.5, lid, corner=0.05)
    pen.blob(
        [(-0.28, -0.5), (0.28, -0.5), (0.4, -0.2), (0.38, 0.8), (0.2, 0.95), (-0.2, 0.95), (-0.38, 0.8), (-0.4, -0.2)],
        glass,
    )
    full = look.between(-0.1, 0.4)
    pen.box(-0.33, full, 0.33, 0.86, look.colour(WHITE, CREAM, ORANGE), corner=0.1)
    for k in range(4):
        pen.line([(0.1, 0.0 + 0.2 * k), (0.3, 0.0 + 0.2 * k)], 0.045, darker(lid, 0.2))
    if look.chance(0.5):
        pen.arc(0.38, 0.2, 0.3, 0.4, -90, 90, 0.12, lid)


def spoon(pen: Pen, look: Look) -> None:
    metal = look.colour(SILVER, SILVER, TAN, RED, BLUE)
    pen.line([(-0.9, 0.85), (-0.2, 0.12), (0.35, -0.35)], look.between(0.13, 0.2), metal, curved=True)
    pen.oval(0.55, -0.58, 0.27, 0.42, metal, turn=45)
    pen.oval(0.54, -0.57, 0.16, 0.29, darker(metal, 0.25), turn=45, outlined=False)
    pen.oval(-0.84, 0.8, 0.13, 0.13, metal)


def bowl(pen: Pen, look: Look) -> None:
    glaze = look.colour(BLUE, WHITE, GREEN, ORANGE, TEAL)
    deep = look.between(0.5, 0.75)
    pen.box(-0.35, deep - 0.12, 0.35, deep + 0.1, darker(glaze, 0.3), corner=0.05)
    pen.blob(
        [(-0.95, -0.2), (0.95, -0.2), (0.75, 0.3), (0.35, deep), (-0.35, deep), (-0.75, 0.3)],
        glaze,
        pattern=look.pattern(glaze, 0.5),
    )
    pen.oval(0.0, -0.2, 0.95, 0.24, lighter(glaze, 0.3))
    food = look.colour(CREAM, RED, ORANGE, YELLOW)
    pen.oval(0.0, -0.2, 0.8, 0.17, food)
    for k in range(3):
        pen.oval(-0.5 + 0.26 * k, -0.24, 0.12, 0.08, darker(food, 0.2))


def pot(pen: Pen, look: Look) -> None:
    metal = look.colour(GREY, CHARCOAL, RED, SILVER)
    pen.line([(0.45, -0.1), (0.98, look.between(-0.35, -0.15))], 0.16, CHARCOAL)
    pen.blob([(-0.85, -0.2), (0.5, -0.2), (0.52, 0.55), (0.3, 0.72), (-0.65, 0.72), (-0.87, 0.55)], metal)
    pen.oval(-0.17, -0.22, 0.7, 0.18, lighter(metal, 0.3))
    if look.chance(0.6):
        pen.blob([(-0.86, -0.24), (-0.5, -0.48), (0.15, -0.48), (0.5, -0.24), (-0.17, -0.12)], lighter(metal, 0.15))
        pen.oval(-0.17, -0.56, 0.1, 0.09, CHARCOAL)
    else:
        pen.oval(-0.17, -0.22, 0.58, 0.12, look.colour(ORANGE, GREEN, RED))
    pen.line([(-0.7, 0.1), (-0.7, 0.5)], 0.07, lighter(metal, 0.55))


def tree(pen: Pen, look: Look) -> None:
    leaf = look.colour(GREEN, (44, 120, 60), LIME, (90, 150, 50))
    pen.shape([(-0.14, 0.95), (-0.1, 0.0), (0.12, 0.0), (0.18, 0.95)], BROWN)
    pen.line([(0.05, 0.35), (0.4, 0.02)], 0.12, BROWN)
    if look.chance(0.65):
        for x, y, radius in (
            (-0.45, -0.1, 0.36),
            (0.42, -0.12, 0.4),
            (-0.3, -0.52, 0.36),
            (0.25, -0.55, 0.4),
            (0.0, -0.25, 0.42),
        ):
            pen.oval(x, y, radius, radius * look.between(0.85, 1.05), leaf, outlined=False)
        if look.chance(0.6):
            fruit = look.colour(RED, ORANGE, PINK)
            for x, y in ((-0.45, -0.15), (0.1, -0.55), (0.5, -0.2), (0.15, -0.1)):
                pen.spot(x, y, 0.085, fruit)
    else:
        for k, wide in enumerate((0.72, 0.58, 0.42)):
            y = 0.35 - 0.4 * k
            pen.shape([(-wide, y), (wide * 0.9, y - 0.04), (0.04, y - 0.6)], leaf)


def flower(pen: Pen, look: Look) -> None:
    petal = look.colour(ROSE, PURPLE, YELLOW, RED, WHITE, ORANGE)
    pen.line([(0.0, -0.3), (0.08, 0.3), (-0.02, 0.97)], 0.09, GREEN, curved=True)
    pen.blob([(0.05, 0.62), (0.3, 0.2), (0.62, 0.22), (0.4, 0.55)], look.colour(GREEN, LIME))
    count = look.pick((5, 6, 7, 8))
    for k in range(count):
        turn = 2 * math.pi * k / count + 0.2
        pen.oval(0.36 * math.cos(turn), -0.45 + 0.36 * math.sin(turn), 0.25, 0.17, petal, turn=math.degrees(turn))
    pen.oval(0.0, -0.45, 0.21, 0.21, look.colour(YELLOW, BROWN) if petal[2] > 90 else BROWN)


def star(pen: Pen, look: Look) -> None:
    paint = look.colour(YELLOW, YELLOW, (255, 224, 90), ORANGE)
    inner = look.between(0.38, 0.48)
    tips = []
    for k in range(10):
        radius, turn = (0.97 if k % 2 == 0 else inner), math.pi * k / 5 - math.pi / 2
        tips.append((radius * math.cos(turn), radius * math.sin(turn)))
    pen.shape(tips, paint)
    if look.chance(0.5):
        pen.eye(-0.14, -0.08, 0.07)
        pen.eye(0.2, -0.08, 0.07)
        pen.arc(0.05, 0.1, 0.18, 0.14, 10, 140, 0.06, darker(paint, 0.6))
    else:
        pen.shape([(0.0, 0.0), tips[0], tips[1], tips[2]], darker(paint, 0.18))


def moon(pen: Pen, look: Look) -> None:
    paint = look.colour((250, 240, 180), SILVER, (236, 222, 150))
    # Both edges of the crescent run between the same two horns.
    thick = look.between(0.22, 0.45)
    turns = [math.radians(degrees) for degrees in range(-90, 91, 15)]
    outer = [(0.4 - 0.95 * math.cos(turn), 0.95 * math.sin(turn)) for turn in turns]
    inner = [(0.4 - (0.95 - 2 * thick) * math.cos(turn), 0.95 * math.sin(turn)) for turn in reversed(turns)]
    pen.shape([*outer, *inner[1:-1]], paint)
    for x, y in ((-0.34, -0.25), (-0.38, 0.2), (-0.15, 0.52)):
        pen.oval(x, y, 0.06, 0.07, darker(paint, 0.2), outlined=False)
    if look.chance(0.5):
        pen.eye(-0.3, 0.0, 0.06)


def house(pen: Pen, look: Look) -> None:
    wall = look.colour(CREAM, WHITE, YELLOW, SKY, PINK)
    roof = look.colour(RED, BROWN, BLUE, CHARCOAL)
    pen.box(0.35, -0.92, 0.58, -0.3, darker(roof, 0.3))
    pen.box(-0.75, -0.15, 0.75, 0.9, wall)
    pen.shape([(-0.97, -0.1), (look.between(-0.1, 0.1), -0.95), (0.97, -0.1)], roof)
    pen.box(-0.58, 0.25, -0.18, 0.9, look.colour(BROWN, GREEN, RED, PURPLE))
    pen.spot(-0.26, 0.6, 0.05, YELLOW)
    pen.box(0.12, 0.12, 0.58, 0.52, SKY)
    pen.line([(0.35, 0.12), (0.35, 0.52)], 0.05, WHITE)
    pen.line([(0.12, 0.32), (0.58, 0.32)], 0.05, WHITE)


def leaf(pen: Pen, look: Look) -> None:
    green = look.colour(GREEN, LIME, ORANGE, (190, 90, 40))
    wide = look.between(0.34, 0.5)
    pen.line([(-0.98, 0.8), (-0.55, 0.45)], 0.1, darker(green, 0.35))
    pen.blob(
        [
            (-0.6, 0.5),
            (-0.5 - wide * 0.3, -0.1),
            (0.0 - wide * 0.4, -0.5),
            (0.5, -0.8),
            (0.95, -0.85),
            (0.85, -0.4),
            (0.45 + wide * 0.3, 0.2),
            (0.1, 0.55 + wide * 0.2),
        ],
        green,
    )
    pen.line([(-0.55, 0.45), (0.1, -0.1), (0.8, -0.72)], 0.06, darker(green, 0.35), curved=True)
    for k in range(3):
        x, y = -0.2 + 0.3 * k, 0.16 - 0.27 * k
        pen.line([(x, y), (x - 0.04, y - 0.3)], 0.04, darker(green, 0.35))
        pen.line([(x, y), (x + 0.3, y + 0.06)], 0.04, darker(green, 0.35))


KITCHEN = {drawing.__name__: drawing for drawing in (cup, bottle, spoon, bowl, pot)}
OUTDOOR = {drawing.__name__: drawing for drawing in (tree, flower, star, moon, house, leaf)}
DRAWINGS = {**KITCHEN, **OUTDOOR}
