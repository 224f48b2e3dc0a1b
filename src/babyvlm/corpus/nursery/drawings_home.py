"""Drawings of furniture and of things about the house."""

from __future__ import annotations

import math

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


def chair(pen: Pen, look: Look) -> None:
    wood = look.colour(BROWN, TAN, RED, GREEN)
    back = look.between(-0.98, -0.8)
    pen.line([(-0.32, 0.0), (-0.32, 0.78)], 0.12, darker(wood, 0.3))
    pen.line([(0.72, 0.0), (0.72, 0.78)], 0.12, darker(wood, 0.3))
    pen.line([(-0.6, 0.95), (-0.6, back)], 0.15, wood)
    pen.line([(-0.3, 0.0), (-0.3, back - 0.02)], 0.12, wood)
    for k in range(look.pick((2, 3))):
        pen.line([(-0.6, back + 0.12 + 0.26 * k), (-0.3, back + 0.1 + 0.26 * k)], 0.14, wood)
    pen.line([(0.5, 0.1), (0.5, 0.95)], 0.15, wood)
    pen.shape([(-0.66, 0.16), (-0.38, -0.06), (0.8, -0.06), (0.58, 0.16)], look.colour(RED, BLUE, YELLOW, TAN, TEAL))
    pen.box(-0.68, 0.14, 0.6, 0.27, wood)


def table(pen: Pen, look: Look) -> None:
    wood = look.colour(BROWN, TAN, (170, 110, 60), WHITE)
    for x in (-0.45, 0.78):
        pen.line([(x, -0.1), (x, 0.55)], 0.11, darker(wood, 0.35))
    pen.shape([(-0.98, 0.02), (-0.55, -0.4), (0.98, -0.4), (0.72, 0.02)], lighter(wood, 0.2))
    pen.box(-0.98, 0.0, 0.73, 0.14, wood)
    for x in (-0.86, 0.62):
        pen.line([(x, 0.14), (x, 0.8)], 0.14, wood)
    if look.chance(0.5):
        cloth = look.colour(RED, BLUE, GREEN, WHITE)
        pen.shape(
            [(-0.5, 0.02), (-0.2, -0.4), (0.4, -0.4), (0.2, 0.02), (0.2, 0.3), (-0.5, 0.3)],
            cloth,
            pattern=look.pattern(cloth, 0.5),
        )


def bed(pen: Pen, look: Look) -> None:
    wood = look.colour(BROWN, TAN, WHITE, BROWN)
    blanket = look.colour(*BRIGHT)
    head = look.between(-0.68, -0.45)
    pen.box(-0.99, head, -0.85, 0.65, wood, corner=0.05)
    pen.box(0.85, -0.1, 0.99, 0.65, wood, corner=0.05)
    pen.box(-0.86, 0.28, 0.86, 0.48, wood)
    pen.box(-0.86, 0.02, 0.86, 0.3, WHITE, corner=0.06)
    pen.blob([(-0.8, 0.05), (-0.78, -0.2), (-0.42, -0.22), (-0.4, 0.05)], lighter(look.colour(SKY, PINK, CREAM), 0.4))
    pen.blob(
        [(-0.36, 0.0), (0.1, -0.14), (0.8, -0.1), (0.86, 0.34), (0.2, 0.4), (-0.32, 0.34)],
        blanket,
        pattern=look.pattern(blanket, 0.6),
    )


def lamp(pen: Pen, look: Look) -> None:
    shade = look.colour(YELLOW, CREAM, ORANGE, TEAL, ROSE)
    foot = look.colour(BROWN, CHARCOAL, GREY)
    pen.oval(0.0, 0.86, 0.42, 0.12, foot)
    if look.chance(0.5):
        pen.line([(0.0, 0.82), (0.0, -0.1)], 0.12, foot)
    else:
        pen.blob([(-0.08, -0.1), (0.08, -0.1), (0.28, 0.45), (0.1, 0.84), (-0.1, 0.84), (-0.28, 0.45)], foot)
    top = look.between(0.28, 0.42)
    pen.shape([(-top, -0.92), (top, -0.92), (0.74, -0.08), (-0.74, -0.08)], shade, pattern=look.pattern(shade, 0.3))
    pen.line([(0.3, -0.08), (0.34, 0.26)], 0.04, foot)
    pen.spot(0.34, 0.28, 0.07, darker(foot, 0.3))


def clock(pen: Pen, look: Look) -> None:
    case = look.colour(RED, BLUE, BROWN, GREEN, BLACK)
    for x in (-0.5, 0.5):
        pen.line([(x * 0.8, 0.6), (x * 1.3, 0.94)], 0.14, case)
    if look.chance(0.6):
        for x in (-0.45, 0.45):
            pen.oval(x, -0.74, 0.26, 0.18, SILVER, turn=40 * x)
    pen.oval(0.0, 0.05, 0.84, 0.8, case)
    pen.oval(0.0, 0.05, 0.65, 0.62, WHITE)
    for k in range(12):
        turn = k * math.pi / 6
        pen.spot(0.53 * math.sin(turn), 0.05 - 0.5 * math.cos(turn), 0.045 if k % 3 else 0.07, BLACK)
    hour, minute = look.between(0.6, 1.3), look.between(2.8, 5.6)
    pen.line([(0, 0.05), (0.3 * math.sin(hour), 0.05 - 0.3 * math.cos(hour))], 0.1, BLACK)
    pen.line([(0, 0.05), (0.45 * math.sin(minute), 0.05 - 0.45 * math.cos(minute))], 0.06, RED)
    pen.spot(0, 0.05, 0.07, BLACK)


def book(pen: Pen, look: Look) -> None:
    cover = look.colour(RED, BLUE, GREEN, PURPLE, ORANGE)
    if look.chance(0.5):  # open, a picture on one page
        pen.shape([(-0.98, -0.5), (0.0, -0.4), (0.98, -0.5), (0.98, 0.6), (0.0, 0.72), (-0.98, 0.6)], cover)
        pen.blob([(-0.88, -0.5), (-0.4, -0.58), (0.0, -0.38), (0.0, 0.62), (-0.4, 0.48), (-0.88, 0.54)], CREAM)
        pen.blob([(0.88, -0.5), (0.4, -0.58), (0.0, -0.38), (0.0, 0.62), (0.4, 0.48), (0.88, 0.54)], WHITE)
        for k in range(5):
            pen.line([(-0.74, -0.3 + 0.16 * k), (-0.18, -0.26 + 0.16 * k)], 0.045, GREY)
        pen.oval(0.44, 0.0, 0.24, 0.24, look.colour(ORANGE, SKY, PINK, LEAF))
    else:
        pen.shape([(-0.66, 0.75), (0.6, 0.75), (0.78, 0.92), (-0.5, 0.92)], CREAM)
        pen.shape([(0.6, -0.9), (0.78, -0.76), (0.78, 0.92), (0.6, 0.76)], CREAM)
        pen.box(-0.72, -0.92, 0.62, 0.78, cover, corner=0.04)
        pen.box(-0.72, -0.92, -0.5, 0.78, darker(cover, 0.3))
        pen.box(-0.32, -0.7, 0.45, -0.4, CREAM)
        pen.oval(0.1, 0.1, 0.28, 0.28, look.colour(YELLOW, WHITE, SKY))


LEAF = (120, 180, 90)


def key(pen: Pen, look: Look) -> None:
    metal = look.colour(YELLOW, (214, 170, 60), SILVER)
    pen.ring(-0.58, 0.0, 0.3, look.between(0.28, 0.36), 0.19, metal)
    pen.line([(-0.28, 0.0), (0.9, 0.0)], 0.19, metal)
    pen.line([(0.85, 0.02), (0.85, look.between(0.3, 0.42))], 0.16, metal)
    pen.line([(0.56, 0.02), (0.56, look.between(0.22, 0.36))], 0.16, metal)
    if look.chance(0.5):
        pen.line([(0.3, 0.02), (0.3, 0.22)], 0.14, metal)
    pen.spot(-0.2, 0.0, 0.05, darker(metal, 0.4))


def phone(pen: Pen, look: Look) -> None:
    case = look.colour(CHARCOAL, BLACK, PINK, SILVER, BLUE)
    pen.box(-0.5, -0.95, 0.5, 0.95, case, corner=0.16)
    screen = look.colour(SKY, TEAL, (150, 190, 240))
    pen.box(-0.4, -0.72, 0.4, 0.62, screen)
    icons = (RED, YELLOW, GREEN, ORANGE, PURPLE, WHITE)
    for row in range(3):
        for column in range(3 - row):
            x, y = -0.26 + 0.26 * column, -0.54 + 0.3 * row
            pen.box(x - 0.09, y - 0.1, x + 0.09, y + 0.1, look.pick(icons), corner=0.04)
    pen.oval(0.0, 0.78, 0.1, 0.1, lighter(case, 0.4))
    pen.line([(-0.12, -0.84), (0.12, -0.84)], 0.05, lighter(case, 0.4))
    pen.box(0.48, -0.5, 0.57, -0.2, darker(case, 0.3))


def brush(pen: Pen, look: Look) -> None:
    handle = look.colour(ROSE, PURPLE, BROWN, TEAL)
    bristle = look.colour(BLACK, CREAM, CHARCOAL, WHITE)
    length = look.between(0.32, 0.46)
    pen.box(-0.06, -0.1 - length, 0.92, 0.0, lighter(bristle, 0.25), corner=0.06)
    for k in range(7):
        x = 0.03 + 0.13 * k
        pen.line([(x, -0.05), (x, -0.1 - length)], 0.05, darker(bristle, 0.25))
    pen.blob([(-0.16, 0.06), (0.0, -0.16), (0.85, -0.16), (0.99, 0.06), (0.85, 0.3), (0.0, 0.3)], handle)
    pen.line([(-0.05, 0.08), (-0.88, look.between(0.14, 0.3))], 0.27, handle)
    pen.spot(-0.82, 0.2, 0.06, darker(handle, 0.5))


def umbrella(pen: Pen, look: Look) -> None:
    first, second = look.colour(*BRIGHT), look.colour(WHITE, YELLOW, SKY, PINK)
    pen.line(
        [(0.0, -0.9), (0.0, 0.7), (0.08, 0.88), (0.24, 0.88), (0.32, 0.7)],
        0.09,
        look.colour(BROWN, CHARCOAL),
        curved=True,
    )
    edges = [-0.98, -0.5, 0.0, 0.5, 0.98]
    low = look.between(0.0, 0.15)
    for k in range(4):
        left, right = edges[k], edges[k + 1]
        rim = [(left + (right - left) * t / 4, low - 0.12 * math.sin(math.pi * t / 4)) for t in range(5)]
        arch = [(right * math.cos(a), low - (low + 0.8) * math.sin(a)) for a in (0.4, 0.8, 1.2, 1.57)]
        arch += [(left * math.cos(a), low - (low + 0.8) * math.sin(a)) for a in (1.57, 1.2, 0.8, 0.4)]
        pen.shape([*rim, *arch], first if k % 2 else second)


def scissors(pen: Pen, look: Look) -> None:
    grip = look.colour(RED, ORANGE, BLUE, GREEN, PURPLE)
    spread = look.between(0.32, 0.52)
    for side in (-1, 1):
        pen.shape(
            [
                (-0.25, side * 0.2),
                (0.98, -side * spread),
                (0.5, -side * spread - side * 0.05),
                (-0.05, -side * 0.14),
                (-0.3, side * 0.04),
            ],
            SILVER,
        )
    pen.ring(-0.62, 0.46, 0.3, 0.25, 0.19, grip)
    pen.ring(-0.62, -0.42, 0.25, 0.22, 0.19, grip)
    pen.line([(-0.36, 0.3), (-0.1, 0.06)], 0.18, grip)
    pen.line([(-0.4, -0.28), (-0.1, -0.06)], 0.18, grip)
    pen.spot(0.02, 0.0, 0.07, NAVY)


FURNITURE = {drawing.__name__: drawing for drawing in (chair, table, bed, lamp, clock)}
HOUSEHOLD = {drawing.__name__: drawing for drawing in (book, key, phone, brush, umbrella, scissors)}
DRAWINGS = {**FURNITURE, **HOUSEHOLD}
