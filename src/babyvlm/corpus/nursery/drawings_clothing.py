"""Drawings of clothes."""

from __future__ import annotations

from babyvlm.corpus.nursery.pen import (
    BLACK,
    BLUE,
    BRIGHT,
    BROWN,
    CHARCOAL,
    GREEN,
    GREY,
    NAVY,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    ROSE,
    TAN,
    TEAL,
    WHITE,
    YELLOW,
    Look,
    Pen,
    darker,
    lighter,
)


def shoe(pen: Pen, look: Look) -> None:
    upper = look.colour(RED, BLUE, BROWN, CHARCOAL, PINK, GREEN)
    sole = look.colour(WHITE, WHITE, BLACK)
    tall = look.between(-0.6, -0.35)
    pen.blob(
        [(-0.9, 0.4), (-0.9, tall), (-0.3, tall - 0.02), (0.0, -0.1), (0.7, 0.02), (0.97, 0.4), (0.0, 0.48)], upper
    )
    pen.oval(-0.6, tall, 0.32, 0.1, darker(upper, 0.6))
    pen.blob([(0.5, 0.0), (0.8, 0.08), (0.96, 0.4), (0.45, 0.4)], lighter(upper, 0.5))
    pen.box(-0.95, 0.34, 0.99, 0.56, sole, corner=0.08)
    for k in range(3):
        pen.line([(-0.28 + 0.2 * k, tall + 0.2 + 0.1 * k), (-0.06 + 0.2 * k, tall + 0.12 + 0.1 * k)], 0.07, WHITE)
    if look.chance(0.5):
        pen.line([(-0.75, 0.2), (-0.3, 0.0), (-0.15, 0.22)], 0.08, look.colour(YELLOW, WHITE, ORANGE))


def sock(pen: Pen, look: Look) -> None:
    wool = look.colour(WHITE, RED, (160, 178, 200), GREEN, PURPLE, YELLOW)
    trim = look.colour(RED, BLUE, NAVY, ORANGE)
    pen.blob(
        [(-0.45, -0.7), (0.15, -0.7), (0.15, 0.1), (0.65, 0.38), (0.7, 0.78), (0.2, 0.9), (-0.4, 0.7), (-0.48, 0.2)],
        wool,
        pattern=look.pattern(wool, 0.8),
    )
    pen.blob([(0.4, 0.3), (0.7, 0.38), (0.74, 0.76), (0.42, 0.86)], trim)
    pen.box(-0.52, -0.95, 0.22, look.between(-0.66, -0.5), trim, corner=0.06)


def hat(pen: Pen, look: Look) -> None:
    felt = look.colour(RED, BLUE, GREEN, TAN, PURPLE)
    band = look.colour(YELLOW, WHITE, BLACK, ORANGE)
    if look.chance(0.6):  # a cap, its peak to the right
        pen.blob(
            [(-0.8, 0.3), (-0.72, -0.3), (-0.2, -0.68), (0.4, -0.5), (0.62, 0.0), (0.6, 0.3)],
            felt,
            pattern=look.pattern(felt, 0.3),
        )
        pen.blob([(0.3, 0.2), (0.7, 0.1), (0.99, 0.32), (0.9, 0.46), (0.4, 0.42)], darker(felt, 0.25))
        pen.line([(-0.78, 0.28), (0.5, 0.28)], 0.14, band)
        pen.oval(-0.12, -0.66, 0.1, 0.07, band)
    else:  # a sun hat with a bow on one side
        pen.oval(0.0, 0.35, 0.97, 0.28, felt)
        pen.blob([(-0.55, 0.3), (-0.5, -0.4), (0.0, -0.62), (0.5, -0.4), (0.55, 0.3), (0.0, 0.42)], lighter(felt, 0.15))
        pen.line([(-0.54, 0.16), (0.0, 0.26), (0.54, 0.16)], 0.17, band, curved=True)
        pen.shape([(0.45, 0.18), (0.72, -0.06), (0.8, 0.34)], band)


def shirt(pen: Pen, look: Look) -> None:
    cloth = look.colour(*BRIGHT, WHITE)
    trim = darker(cloth, 0.35)
    pen.shape([(-0.45, -0.72), (-0.98, -0.3), (-0.75, 0.05), (-0.45, -0.18)], cloth)
    pen.shape([(0.45, -0.72), (0.98, -0.3), (0.75, 0.05), (0.45, -0.18)], cloth)
    pen.shape(
        [(-0.5, -0.74), (-0.2, -0.8), (0.0, -0.66), (0.2, -0.8), (0.5, -0.74), (0.5, 0.82), (-0.5, 0.82)],
        cloth,
        pattern=look.pattern(cloth, 0.55),
    )
    pen.arc(0.0, -0.8, 0.22, 0.16, 0, 180, 0.08, trim)
    pen.box(0.1, -0.35, 0.38, -0.06, look.colour(WHITE, YELLOW, TEAL, NAVY))
    if look.chance(0.4):
        for k in range(3):
            pen.spot(-0.08, -0.4 + 0.3 * k, 0.05, BLACK)


def pants(pen: Pen, look: Look) -> None:
    cloth = look.colour(BLUE, NAVY, (86, 112, 168), TAN, GREY)
    spread = look.between(0.1, 0.22)
    pen.shape(
        [(-0.5, -0.85), (0.5, -0.85), (0.62, 0.9), (spread, 0.9), (0.02, -0.1), (-spread, 0.9), (-0.62, 0.9)],
        cloth,
        pattern=look.pattern(cloth, 0.15),
    )
    pen.box(-0.54, -0.96, 0.54, -0.74, darker(cloth, 0.3))
    pen.line([(0.0, -0.74), (0.02, -0.12)], 0.04, darker(cloth, 0.5))
    pen.shape([(0.15, -0.6), (0.44, -0.6), (0.42, -0.3), (0.17, -0.3)], lighter(cloth, 0.25))
    knee = look.colour(RED, YELLOW, ORANGE)
    if look.chance(0.6):
        pen.box(-0.5, 0.15, -0.22, 0.42, knee)


def mitten(pen: Pen, look: Look) -> None:
    wool = look.colour(RED, ROSE, TEAL, BLUE, ORANGE)
    cuff = look.colour(WHITE, GREY, YELLOW)
    pen.blob([(0.3, 0.25), (0.6, -0.25), (0.92, -0.22), (0.86, 0.1), (0.42, 0.55)], wool)
    pen.blob(
        [(-0.5, 0.5), (-0.6, -0.3), (-0.4, -0.85), (0.1, -0.97), (0.42, -0.6), (0.46, 0.1), (0.4, 0.55)],
        wool,
        pattern=look.pattern(wool, 0.6),
    )
    pen.box(-0.56, 0.48, 0.48, look.between(0.86, 0.98), cuff, corner=0.1)


DRAWINGS = {drawing.__name__: drawing for drawing in (shoe, sock, hat, shirt, pants, mitten)}
