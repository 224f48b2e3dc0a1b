"""Drawings of vehicles, all going to the right."""

from __future__ import annotations

from babyvlm.corpus.nursery.pen import (
    BLACK,
    BLUE,
    BRIGHT,
    BROWN,
    CHARCOAL,
    CREAM,
    GREEN,
    GREY,
    NAVY,
    ORANGE,
    PURPLE,
    RED,
    SILVER,
    SKY,
    TEAL,
    WHITE,
    YELLOW,
    Look,
    Pen,
    darker,
    lighter,
)


def car(pen: Pen, look: Look) -> None:
    paint = look.colour(*BRIGHT)
    roof = look.between(-0.5, -0.36)
    pen.blob([(-0.62, -0.02), (-0.45, roof), (0.1, roof), (0.42, -0.02), (0.0, 0.1)], paint)
    pen.shape([(-0.46, -0.04), (-0.36, roof + 0.1), (-0.12, roof + 0.1), (-0.12, -0.04)], SKY)
    pen.shape([(-0.02, -0.04), (-0.02, roof + 0.1), (0.1, roof + 0.1), (0.28, -0.04)], SKY)
    pen.blob([(-0.95, 0.3), (-0.9, -0.02), (0.4, -0.06), (0.92, 0.08), (0.97, 0.34), (0.0, 0.38)], paint)
    pen.oval(0.9, 0.13, 0.07, 0.08, YELLOW)
    pen.box(-0.98, 0.05, -0.88, 0.2, RED)
    if look.chance(0.4):
        pen.line([(-0.85, 0.14), (0.75, 0.16)], 0.07, look.colour(WHITE, YELLOW, BLACK))
    radius = look.between(0.19, 0.25)
    pen.wheel(-0.5, 0.36, radius)
    pen.wheel(0.5, 0.36, radius)


def truck(pen: Pen, look: Look) -> None:
    paint = look.colour(RED, BLUE, GREEN, ORANGE)
    load = look.colour(YELLOW, SILVER, WHITE, TEAL, ORANGE)
    pen.box(-0.98, 0.28, 0.9, 0.42, CHARCOAL)
    top = look.between(-0.55, -0.4)
    if look.chance(0.5):
        pen.box(-0.98, top, 0.3, 0.3, load, pattern=look.pattern(load, 0.3))
    else:
        pen.blob([(-0.9, 0.1), (-0.7, -0.4), (-0.2, -0.42), (0.1, 0.0)], BROWN)
        pen.shape([(-1.0, -0.15), (0.28, -0.15), (0.28, 0.3), (-0.88, 0.3)], load)
    pen.shape([(0.38, 0.32), (0.38, -0.42), (0.7, -0.42), (0.86, 0.0), (0.98, 0.04), (0.98, 0.32)], paint)
    pen.shape([(0.48, -0.02), (0.48, -0.32), (0.65, -0.32), (0.76, -0.02)], SKY)
    pen.oval(0.94, 0.18, 0.05, 0.07, YELLOW)
    for x in (-0.7, -0.24, 0.64):
        pen.wheel(x, 0.44, 0.2)


def train(pen: Pen, look: Look) -> None:
    paint = look.colour(RED, GREEN, BLUE, NAVY, PURPLE)
    trim = look.colour(YELLOW, ORANGE, CREAM)
    pen.box(-0.95, -0.62, -0.28, 0.4, paint)
    pen.box(-1.0, -0.76, -0.22, -0.6, trim, corner=0.05)
    pen.box(-0.8, -0.46, -0.44, -0.08, SKY)
    pen.box(-0.28, -0.22, 0.72, 0.4, paint, corner=0.1)
    for x in (0.0, 0.32):
        pen.line([(x, -0.2), (x, 0.38)], 0.07, trim)
    stack = look.between(0.1, 0.16)
    pen.shape(
        [(0.5 - stack, -0.22), (0.5 - stack - 0.08, -0.62), (0.5 + stack + 0.08, -0.62), (0.5 + stack, -0.22)], CHARCOAL
    )
    if look.chance(0.6):
        pen.oval(0.4, -0.8, 0.16, 0.13, SILVER)
        pen.oval(0.2, -0.9, 0.12, 0.09, SILVER)
    pen.oval(0.72, 0.05, 0.1, 0.2, trim)
    pen.shape([(0.68, 0.4), (1.0, 0.66), (0.68, 0.66)], trim)
    pen.wheel(-0.66, 0.5, 0.26, RED)
    for x in (0.02, 0.44):
        pen.wheel(x, 0.56, 0.19, RED)


def airplane(pen: Pen, look: Look) -> None:
    body = look.colour(WHITE, SILVER, SKY, WHITE)
    trim = look.colour(RED, BLUE, ORANGE, GREEN)
    pen.shape([(-0.1, -0.12), (-0.32, -0.62), (-0.14, -0.62), (0.26, -0.12)], darker(trim, 0.25))
    pen.shape([(-0.92, -0.1), (-0.98, -0.6), (-0.76, -0.6), (-0.48, -0.1)], trim)
    pen.blob([(-0.96, -0.1), (-0.5, -0.2), (0.55, -0.2), (0.98, 0.0), (0.6, 0.18), (-0.5, 0.12)], body)
    for k in range(look.pick((4, 5, 6))):
        pen.spot(-0.42 + k * 0.17, -0.06, 0.05, NAVY)
    pen.shape([(0.7, -0.12), (0.9, -0.06), (0.68, -0.02)], SKY)
    sweep = look.between(-0.6, -0.4)
    pen.shape([(-0.06, 0.04), (sweep, 0.66), (sweep + 0.22, 0.66), (0.34, 0.06)], trim)
    pen.shape([(-0.84, -0.02), (-1.0, 0.2), (-0.86, 0.2), (-0.58, 0.0)], trim)


def boat(pen: Pen, look: Look) -> None:
    hull = look.colour(RED, BROWN, BLUE, GREEN)
    sail = look.colour(WHITE, CREAM, YELLOW, ORANGE)
    mast = look.between(-0.15, 0.05)
    pen.line([(mast, 0.4), (mast, -0.95)], 0.07, BROWN)
    pen.shape([(mast + 0.05, -0.88), (mast + 0.05, 0.22), (0.85, 0.22)], sail, pattern=look.pattern(sail, 0.4))
    pen.shape([(mast - 0.06, -0.6), (mast - 0.06, 0.22), (-0.7, 0.22)], lighter(sail, 0.4))
    pen.shape([(mast, -0.97), (mast - 0.28, -0.88), (mast, -0.8)], look.colour(RED, BLUE))
    pen.blob([(-0.85, 0.4), (0.98, 0.3), (0.72, 0.78), (0.2, 0.86), (-0.6, 0.82)], hull)
    pen.line([(-0.75, 0.52), (0.8, 0.48)], 0.08, WHITE)


def bus(pen: Pen, look: Look) -> None:
    paint = look.colour(YELLOW, YELLOW, ORANGE, RED)
    pen.box(-0.98, -0.55, 0.82, 0.4, paint, corner=0.12)
    pen.box(0.7, -0.02, 0.99, 0.4, paint, corner=0.08)
    count = look.pick((3, 4))
    for k in range(count):
        left = -0.86 + k * 1.2 / count
        pen.box(left, -0.38, left + 0.9 / count, -0.06, SKY)
    pen.box(0.42, -0.38, 0.68, 0.36, SKY)
    pen.line([(-0.94, 0.12), (0.36, 0.12)], 0.08, look.colour(BLACK, WHITE, RED))
    pen.oval(0.94, 0.16, 0.05, 0.07, WHITE)
    pen.wheel(-0.55, 0.42, 0.21)
    pen.wheel(0.5, 0.42, 0.21)


def bicycle(pen: Pen, look: Look) -> None:
    paint = look.colour(RED, BLUE, GREEN, PURPLE, TEAL)
    radius = look.between(0.36, 0.43)
    for x in (-0.55, 0.55):
        pen.ring(x, 0.4, radius, radius, 0.1, CHARCOAL)
        for end in ((x - radius, 0.4), (x, 0.4 - radius), (x + radius, 0.4), (x, 0.4 + radius)):
            pen.line([(x, 0.4), end], 0.03, GREY)
        pen.spot(x, 0.4, 0.07, SILVER)
    for points in (
        [(-0.55, 0.4), (-0.25, -0.25), (0.35, -0.25), (0.0, 0.42), (-0.55, 0.4)],
        [(-0.33, -0.42), (0.0, 0.42)],
        [(0.3, -0.6), (0.55, 0.4)],
    ):
        pen.line(points, 0.1, paint)
    pen.line([(-0.52, -0.46), (-0.18, -0.44)], 0.15, BLACK)
    pen.line([(0.18, -0.66), (0.32, -0.62), (0.58, -0.72)], 0.09, BLACK, curved=True)
    if look.chance(0.5):
        pen.box(0.45, -0.5, 0.85, -0.2, look.colour(BROWN, ORANGE), corner=0.05)


DRAWINGS = {drawing.__name__: drawing for drawing in (car, truck, train, airplane, boat, bus, bicycle)}
