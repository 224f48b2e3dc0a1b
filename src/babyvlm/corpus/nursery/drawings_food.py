"""Drawings of food."""

from __future__ import annotations

from babyvlm.corpus.nursery.pen import (
    BROWN,
    CREAM,
    GREEN,
    LIME,
    ORANGE,
    PINK,
    RED,
    ROSE,
    TAN,
    WHITE,
    YELLOW,
    Look,
    Pen,
    darker,
    lighter,
)


def apple(pen: Pen, look: Look) -> None:
    skin = look.colour(RED, RED, (190, 30, 40), LIME)
    wide = look.between(0.78, 0.9)
    pen.line([(0.0, -0.42), (0.06, -0.8), (0.16, -0.92)], 0.1, BROWN, curved=True)
    pen.blob(
        [
            (0.0, -0.42),
            (-0.45, -0.6),
            (-wide, -0.2),
            (-0.65, 0.6),
            (-0.2, 0.88),
            (0.0, 0.8),
            (0.25, 0.88),
            (0.68, 0.55),
            (wide, -0.2),
            (0.45, -0.6),
        ],
        skin,
    )
    pen.blob([(0.12, -0.62), (0.4, -0.95), (0.75, -0.85), (0.5, -0.6)], look.colour(GREEN, LIME))
    pen.oval(-0.48, -0.22, 0.12, 0.22, lighter(skin, 0.6), turn=25, outlined=False)


def banana(pen: Pen, look: Look) -> None:
    skin = look.colour(YELLOW, YELLOW, (236, 214, 80))
    bend = look.between(0.55, 0.8)
    pen.blob(
        [
            (-0.9, -0.45),
            (-0.78, -0.5),
            (-0.5, 0.0),
            (0.1, bend - 0.4),
            (0.7, -0.05),
            (0.92, -0.15),
            (0.95, 0.05),
            (0.6, 0.45),
            (0.0, bend),
            (-0.6, 0.4),
            (-0.88, -0.1),
        ],
        skin,
    )
    pen.line([(-0.72, -0.15), (-0.4, 0.28), (0.1, bend - 0.2), (0.7, 0.15)], 0.045, darker(skin, 0.25), curved=True)
    pen.line([(-0.86, -0.46), (-0.95, -0.72)], 0.14, darker(skin, 0.45))
    pen.spot(0.93, -0.06, 0.08, darker(skin, 0.65))


def carrot(pen: Pen, look: Look) -> None:
    root = look.colour(ORANGE, ORANGE, (236, 116, 30))
    leaf = look.colour(GREEN, LIME)
    for tip in ((-0.98, -0.45), (-0.8, -0.85), (-0.45, -0.98)):
        pen.line([(-0.42, -0.42), tip], 0.17, leaf)
    thick = look.between(0.24, 0.34)
    pen.blob(
        [
            (-0.5, -0.5 + thick),
            (-0.5 + thick, -0.55),
            (-0.15 + thick, -0.25),
            (0.55, 0.5),
            (0.95, 0.95),
            (0.4, 0.62),
            (-0.25, -0.15 + thick),
        ],
        root,
    )
    for k in range(3):
        x = -0.25 + 0.28 * k
        pen.line([(x, x + 0.14), (x + 0.15, x + 0.04)], 0.045, darker(root, 0.35))


def cookie(pen: Pen, look: Look) -> None:
    dough = look.colour(TAN, (196, 146, 86), (222, 178, 112))
    bite = look.pick((True, False))
    edge = [
        (0.0, -0.9),
        (0.62, -0.64),
        (0.9, 0.0),
        (0.64, 0.64),
        (0.0, 0.9),
        (-0.64, 0.64),
        (-0.9, 0.0),
        (-0.64, -0.64),
    ]
    if bite:
        edge[1:3] = [(0.3, -0.86), (0.28, -0.5), (0.5, -0.36), (0.6, -0.1), (0.88, -0.08)]
    pen.blob(edge, dough)
    chip = look.colour((72, 42, 26), (90, 54, 34))
    for x, y in ((-0.5, -0.3), (-0.1, -0.5), (0.0, 0.05), (-0.45, 0.35), (0.35, 0.4), (0.02, 0.62), (0.55, 0.12)):
        pen.oval(x + look.between(-0.08, 0.08), y + look.between(-0.08, 0.08), 0.11, 0.09, chip)


def cheese(pen: Pen, look: Look) -> None:
    paste = look.colour(YELLOW, (250, 190, 60))
    tip = look.between(-0.98, -0.8)
    pen.shape([(tip, 0.05), (0.5, -0.68), (0.95, -0.1)], lighter(paste, 0.35))
    pen.shape([(tip, 0.05), (0.95, -0.1), (0.95, 0.6), (tip, 0.7)], paste)
    for x, y, radius in (
        (-0.5, 0.38, 0.13),
        (0.05, 0.22, 0.15),
        (0.5, 0.38, 0.17),
        (0.75, 0.05, 0.1),
        (-0.1, 0.52, 0.08),
    ):
        pen.oval(x, y, radius * look.between(0.8, 1.2), radius, darker(paste, 0.25))


def strawberry(pen: Pen, look: Look) -> None:
    skin = look.colour(RED, ROSE, RED)
    tip = look.between(-0.15, 0.2)
    pen.blob([(-0.7, -0.4), (0.0, -0.55), (0.7, -0.4), (0.62, 0.15), (tip, 0.96), (-0.6, 0.2)], skin)
    for x, y in ((-0.4, -0.15), (0.0, -0.2), (0.4, -0.15), (-0.25, 0.2), (0.2, 0.2), (0.0, 0.55), (-0.05, 0.02)):
        pen.oval(x, y, 0.04, 0.06, YELLOW, outlined=False)
    leaf = look.colour(GREEN, (90, 170, 60))
    pen.shape(
        [
            (-0.75, -0.62),
            (-0.3, -0.66),
            (0.0, -0.8),
            (0.3, -0.66),
            (0.75, -0.6),
            (0.4, -0.45),
            (0.22, -0.22),
            (0.0, -0.42),
            (-0.25, -0.22),
            (-0.4, -0.45),
        ],
        leaf,
    )
    pen.line([(0.0, -0.66), (0.14, -0.95)], 0.1, leaf)


def bread(pen: Pen, look: Look) -> None:
    crust = look.colour(BROWN, (176, 112, 58))
    crumb = look.colour(CREAM, (244, 216, 166))
    pen.blob(
        [
            (-0.55, 0.72),
            (-0.6, 0.0),
            (-0.8, -0.4),
            (-0.4, -0.74),
            (0.45, -0.78),
            (0.9, -0.5),
            (0.82, 0.0),
            (0.85, 0.66),
            (0.1, 0.76),
        ],
        crust,
    )
    pen.blob(
        [
            (-0.7, 0.76),
            (-0.7, 0.05),
            (-0.92, -0.3),
            (-0.55, -0.62),
            (0.25, -0.64),
            (0.6, -0.35),
            (0.42, 0.05),
            (0.46, 0.74),
            (-0.1, 0.8),
        ],
        crust,
    )
    pen.blob(
        [
            (-0.58, 0.66),
            (-0.6, 0.05),
            (-0.78, -0.28),
            (-0.5, -0.5),
            (0.2, -0.52),
            (0.46, -0.3),
            (0.32, 0.05),
            (0.34, 0.62),
            (-0.1, 0.68),
        ],
        crumb,
    )
    if look.chance(0.5):
        jam = look.colour(RED, PINK, WHITE, YELLOW)
        pen.blob([(-0.45, 0.4), (-0.5, -0.1), (-0.1, -0.38), (0.2, -0.1), (0.1, 0.45)], jam)


DRAWINGS = {drawing.__name__: drawing for drawing in (apple, banana, carrot, cookie, cheese, strawberry, bread)}
