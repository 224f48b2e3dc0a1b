"""Drawings of animals, all facing right."""

from __future__ import annotations

import math

from babyvlm.corpus.nursery.pen import (
    BLACK,
    BLUE,
    BROWN,
    CHARCOAL,
    CREAM,
    GREEN,
    GREY,
    LIME,
    NAVY,
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
    Colour,
    Look,
    Pen,
    darker,
    lighter,
)


def _legs(pen: Pen, xs: tuple[float, ...], top: float, bottom: float, width: float, colour: Colour) -> None:
    for x in xs:
        pen.box(x - width / 2, top, x + width / 2, bottom, colour, corner=width * 0.35)


def dog(pen: Pen, look: Look) -> None:
    coat = look.colour(BROWN, TAN, BROWN, CREAM, CHARCOAL)
    patch = look.colour(BROWN, CREAM, CHARCOAL) if look.chance(0.6) else darker(coat, 0.3)
    legs = look.between(0.75, 0.92)
    pen.line([(-0.72, 0.0), (-0.95, -0.3), (-0.9, -0.55)], 0.15, coat, curved=True)
    _legs(pen, (-0.5, 0.2), 0.2, legs, 0.17, darker(coat, 0.25))
    pen.blob([(-0.82, 0.0), (-0.5, -0.22), (0.2, -0.2), (0.42, 0.05), (0.3, 0.36), (-0.6, 0.4)], coat)
    _legs(pen, (-0.66, 0.34), 0.2, legs, 0.18, coat)
    if look.chance(0.6):
        pen.oval(look.between(-0.5, -0.1), 0.02, 0.2, 0.15, patch, outlined=False)
    pen.oval(0.42, -0.4, 0.34, 0.32, coat)
    pen.oval(0.74, -0.3, 0.24, look.between(0.15, 0.19), lighter(coat, 0.25))
    pen.oval(0.94, -0.38, 0.09, 0.08, BLACK)
    pen.oval(0.22, -0.32, 0.14, look.between(0.28, 0.4), patch, turn=12)
    pen.eye(0.55, -0.5)
    if look.chance(0.6):
        pen.line([(0.2, -0.1), (0.45, 0.0)], 0.1, look.colour(RED, BLUE, GREEN))


def cat(pen: Pen, look: Look) -> None:
    coat = look.colour(ORANGE, GREY, CHARCOAL, WHITE, ORANGE)
    stripe = darker(coat, 0.4)
    pen.line([(-0.5, 0.7), (-0.95, 0.5), (-0.8, 0.0), (-0.95, look.between(-0.5, -0.2))], 0.15, coat, curved=True)
    pen.blob([(-0.55, 0.75), (-0.5, 0.2), (-0.1, -0.15), (0.35, 0.0), (0.5, 0.8), (0.0, 0.9)], coat)
    if look.chance(0.6):
        for k in range(3):
            pen.line([(-0.46, 0.2 + k * 0.2), (-0.2, 0.24 + k * 0.2)], 0.07, stripe)
    pen.oval(0.4, 0.84, 0.2, 0.1, lighter(coat, 0.2))
    pen.oval(0.02, 0.86, 0.2, 0.1, lighter(coat, 0.2))
    ear = look.between(-0.98, -0.85)
    pen.shape([(-0.2, -0.42), (-0.16, ear), (0.16, -0.68)], coat)
    pen.shape([(0.3, -0.68), (0.6, ear), (0.62, -0.42)], coat)
    pen.oval(0.21, -0.38, 0.46, 0.38, coat)
    for x in (0.08, 0.42):
        pen.oval(x, -0.44, 0.09, 0.11, look.pick((LIME, YELLOW, SKY)))
        pen.oval(x + 0.01, -0.44, 0.03, 0.09, BLACK, outlined=False)
    pen.shape([(0.19, -0.27), (0.33, -0.27), (0.26, -0.2)], PINK)
    for side in (-1, 1):
        for rise in (-0.05, 0.06):
            pen.line([(0.26 + side * 0.14, -0.22), (0.26 + side * 0.56, -0.22 + rise)], 0.025, darker(coat, 0.6))


def duck(pen: Pen, look: Look) -> None:
    coat = look.colour(YELLOW, YELLOW, YELLOW, WHITE)
    bill = look.colour(ORANGE, RED)
    pen.blob([(-0.95, -0.12), (-0.55, 0.1), (0.2, 0.0), (0.62, 0.3), (0.3, 0.75), (-0.45, 0.75), (-0.85, 0.35)], coat)
    neck = look.between(-0.5, -0.35)
    pen.shape([(0.78, neck - 0.05), (1.0, neck + 0.04), (0.98, neck + 0.16), (0.72, neck + 0.2)], bill)
    pen.oval(0.44, neck, 0.37, 0.36, coat)
    pen.box(0.2, neck + 0.2, 0.58, 0.3, coat, corner=0.15, outlined=False)
    pen.blob([(-0.55, 0.25), (0.0, 0.15), (0.2, 0.35), (-0.15, 0.55)], darker(coat, look.between(0.1, 0.25)))
    pen.eye(0.56, neck - 0.08, 0.08)


def fish(pen: Pen, look: Look) -> None:
    body = look.colour(ORANGE, BLUE, TEAL, RED, PURPLE)
    fin = look.colour(YELLOW, ORANGE, SKY, ROSE)
    tall = look.between(0.42, 0.58)
    pen.shape([(-0.45, 0.0), (-0.98, -0.5), (-0.82, 0.0), (-0.98, 0.5)], fin)
    pen.shape([(-0.3, -tall + 0.08), (-0.1, -tall - 0.24), (0.35, -tall + 0.1)], fin)
    pen.blob(
        [(-0.6, 0.0), (-0.1, -tall), (0.5, -tall * 0.75), (0.95, 0.0), (0.5, tall * 0.75), (-0.1, tall)],
        body,
        pattern=look.pattern(body, 0.7),
    )
    pen.shape([(-0.05, 0.1), (-0.35, 0.4), (0.2, 0.3)], fin)
    pen.spot(0.6, -0.12, 0.13, WHITE)
    pen.eye(0.62, -0.12, 0.08)
    pen.arc(0.86, 0.1, 0.14, 0.1, 90, 190, 0.04, darker(body, 0.6))


def bird(pen: Pen, look: Look) -> None:
    coat = look.colour(BLUE, RED, SKY, BLUE, TEAL)
    belly = look.colour(CREAM, WHITE, ORANGE)
    pen.line([(-0.05, 0.5), (-0.1, 0.92), (0.08, 0.92)], 0.07, ORANGE)
    pen.line([(0.15, 0.5), (0.15, 0.92), (0.32, 0.92)], 0.07, ORANGE)
    pen.shape([(-0.5, 0.05), (-1.0, look.between(-0.3, 0.1)), (-0.95, 0.35), (-0.45, 0.4)], darker(coat, 0.25))
    pen.blob([(-0.6, 0.15), (-0.2, -0.2), (0.3, -0.3), (0.55, 0.15), (0.2, 0.62), (-0.35, 0.5)], coat)
    pen.oval(0.24, 0.3, 0.26, 0.27, belly, outlined=False)
    pen.shape([(0.66, -0.52), (0.99, -0.38), (0.66, -0.28)], YELLOW)
    pen.oval(0.4, -0.42, 0.34, 0.33, coat)
    if look.chance(0.5):
        pen.shape([(0.2, -0.65), (0.1, -0.98), (0.45, -0.74)], darker(coat, 0.2))
    pen.blob([(-0.5, 0.05), (0.0, -0.08), (0.12, 0.15), (-0.3, 0.42)], darker(coat, 0.35))
    pen.eye(0.5, -0.46, 0.08)


def cow(pen: Pen, look: Look) -> None:
    coat = look.colour(WHITE, WHITE, CREAM)
    patch = look.colour(BLACK, BLACK, BROWN)
    pen.line([(-0.85, -0.3), (-0.98, 0.1), (-0.92, 0.35)], 0.07, coat, curved=True)
    _legs(pen, (-0.5, 0.2), 0.2, 0.9, 0.18, darker(coat, 0.2))
    pen.box(-0.88, -0.42, 0.5, 0.4, coat, corner=0.25)
    for _ in range(look.pick((2, 3))):
        pen.oval(
            look.between(-0.65, 0.2),
            look.between(-0.22, 0.2),
            look.between(0.14, 0.25),
            look.between(0.12, 0.2),
            patch,
            turn=look.between(0, 90),
            outlined=False,
        )
    pen.oval(-0.2, 0.42, 0.2, 0.11, PINK)
    _legs(pen, (-0.72, 0.36), 0.25, 0.9, 0.19, coat)
    for x, tip in ((0.45, 0.32), (0.8, 0.93)):
        pen.shape([(x, -0.66), (tip, -0.98), (x + 0.12, -0.72)], TAN)
    pen.oval(0.33, -0.52, 0.17, 0.1, patch, turn=20)
    pen.box(0.4, -0.72, 0.9, 0.08, patch if look.chance(0.4) else coat, corner=0.2)
    pen.oval(0.72, -0.02, 0.28, 0.19, PINK)
    pen.spot(0.66, -0.02, 0.04, darker(PINK, 0.5))
    pen.spot(0.82, -0.02, 0.04, darker(PINK, 0.5))
    pen.spot(0.7, -0.42, 0.1, WHITE)
    pen.eye(0.71, -0.42, 0.07)


def pig(pen: Pen, look: Look) -> None:
    coat = look.colour(PINK, PINK, (246, 170, 170))
    pen.ring(-0.88, -0.05, 0.1, 0.12, 0.06, coat)
    _legs(pen, (-0.42, 0.2), 0.3, 0.8, 0.2, darker(coat, 0.25))
    fat = look.between(0.44, 0.54)
    pen.oval(-0.15, 0.1, 0.68, fat, coat)
    _legs(pen, (-0.6, 0.36), 0.35, 0.8, 0.2, coat)
    if look.chance(0.4):
        pen.oval(-0.3, 0.0, 0.18, 0.14, darker(coat, 0.3), outlined=False)
    pen.oval(0.52, -0.15, 0.4, 0.37, coat)
    pen.shape([(0.2, -0.38), (0.22, -0.75), (0.5, -0.5)], darker(coat, 0.15))
    pen.shape([(0.55, -0.5), (0.78, -0.75), (0.8, -0.38)], darker(coat, 0.15))
    pen.oval(0.82, -0.08, 0.16, 0.18, darker(coat, 0.15))
    pen.spot(0.78, -0.08, 0.04, darker(coat, 0.65))
    pen.spot(0.88, -0.08, 0.04, darker(coat, 0.65))
    pen.eye(0.58, -0.26)


def rabbit(pen: Pen, look: Look) -> None:
    coat = look.colour(WHITE, GREY, TAN, SILVER)
    inner = lighter(PINK, 0.2)
    lean = look.between(-12, 12)
    for x, turn in ((0.2, -14 + lean), (0.5, 10 + lean)):
        pen.oval(x, -0.68, 0.12, 0.36, coat, turn=turn)
        pen.oval(x, -0.66, 0.06, 0.25, inner, turn=turn, outlined=False)
    pen.oval(-0.62, 0.5, 0.17, 0.17, lighter(coat, 0.6))
    pen.blob([(-0.6, 0.5), (-0.35, 0.1), (0.1, 0.0), (0.42, 0.3), (0.4, 0.85), (-0.4, 0.85)], coat)
    pen.oval(-0.2, 0.82, 0.32, 0.12, lighter(coat, 0.3))
    pen.oval(0.38, 0.84, 0.18, 0.1, lighter(coat, 0.3))
    pen.oval(0.36, -0.14, 0.36, 0.32, coat)
    pen.eye(0.48, -0.2, 0.08)
    pen.oval(0.68, -0.08, 0.06, 0.05, PINK)
    for rise in (-0.05, 0.07):
        pen.line([(0.6, 0.02), (0.9, 0.02 + rise)], 0.025, darker(coat, 0.5))


def elephant(pen: Pen, look: Look) -> None:
    coat = look.colour(GREY, SILVER, (140, 150, 178))
    pen.line([(-0.85, 0.0), (-0.97, 0.35)], 0.06, darker(coat, 0.3))
    _legs(pen, (-0.42, 0.1), 0.3, 0.88, 0.26, darker(coat, 0.25))
    pen.oval(-0.28, 0.0, 0.62, 0.54, coat)
    _legs(pen, (-0.68, 0.22), 0.25, 0.88, 0.27, coat)
    lift = look.between(-0.1, 0.7)
    pen.line([(0.6, -0.2), (0.8, 0.15), (0.8, 0.4), (0.95, lift)], 0.22, coat, curved=True)
    pen.oval(0.45, -0.3, 0.38, 0.38, coat)
    pen.shape([(0.55, 0.0), (0.72, 0.28), (0.78, 0.08)], WHITE)
    pen.blob([(0.3, -0.6), (-0.1, -0.66), (-0.22, -0.2), (0.0, 0.18), (0.26, 0.0)], darker(coat, 0.18))
    pen.eye(0.58, -0.4)


def turtle(pen: Pen, look: Look) -> None:
    shell = look.colour(GREEN, BROWN, TEAL)
    skin = look.colour(LIME, (160, 200, 110))
    pen.shape([(-0.75, 0.35), (-1.0, 0.5), (-0.7, 0.5)], skin)
    for x in (-0.5, 0.35):
        pen.blob([(x - 0.18, 0.35), (x + 0.18, 0.35), (x + 0.2, 0.72), (x - 0.14, 0.72)], skin)
    pen.line([(0.5, 0.3), (0.75, look.between(-0.05, 0.15))], 0.26, skin)
    pen.oval(0.8, -0.02, 0.2, 0.18, skin)
    tall = look.between(-0.65, -0.45)
    pen.blob([(-0.85, 0.38), (-0.62, -0.2), (-0.1, tall), (0.4, -0.2), (0.62, 0.38), (-0.1, 0.46)], shell)
    for x, y in ((-0.4, 0.12), (-0.08, -0.18), (0.24, 0.12)):
        pen.oval(x, y, 0.16, 0.14, lighter(shell, 0.35))
    pen.line([(-0.84, 0.38), (0.6, 0.38)], 0.1, darker(shell, 0.25))
    pen.eye(0.86, -0.06, 0.06)


def butterfly(pen: Pen, look: Look) -> None:
    wing = look.colour(ORANGE, PURPLE, SKY, ROSE, YELLOW)
    lower = look.colour(ORANGE, ROSE, YELLOW, BLUE)
    mark = look.colour(WHITE, NAVY, YELLOW)
    # Seen from the side and a little from above: the far wings are smaller, so that it has a direction.
    pen.blob([(0.0, 0.0), (0.2, -0.75), (0.62, -0.85), (0.66, -0.3)], darker(wing, 0.2))
    pen.blob([(0.05, 0.1), (0.55, 0.1), (0.6, 0.55), (0.2, 0.5)], darker(lower, 0.2))
    pen.blob([(-0.02, 0.0), (-0.3, -0.8), (-0.92, -0.88), (-0.98, -0.3), (-0.55, 0.02)], wing)
    pen.blob([(-0.02, 0.1), (-0.6, 0.08), (-0.85, 0.5), (-0.5, 0.9), (-0.15, 0.6)], lower)
    size = look.between(0.1, 0.17)
    pen.spot(-0.62, -0.5, size, mark)
    pen.spot(-0.5, 0.45, size * 0.9, mark)
    pen.spot(0.4, -0.5, size * 0.8, mark)
    pen.line([(-0.02, 0.65), (0.06, -0.35)], 0.15, CHARCOAL)
    pen.oval(0.08, -0.42, 0.11, 0.11, CHARCOAL)
    for tip in (0.12, 0.42):
        turn = math.copysign(0.05, tip - 0.2)
        pen.line([(0.1, -0.5), (tip + turn, -0.75), (tip + 0.1, -0.97)], 0.035, CHARCOAL, curved=True)


DRAWINGS = {
    drawing.__name__: drawing for drawing in (dog, cat, duck, fish, bird, cow, pig, rabbit, elephant, turtle, butterfly)
}
