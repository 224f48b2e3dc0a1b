"""What the pictures of a contrast show, as descriptions; ``stock.py`` knows the words, ``build.py`` has them drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.nursery.placed import PlacedThing


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture to be drawn."""

    things: tuple[PlacedThing, ...]
    """From back to front."""
    ground: str
    """The seed of the mat behind them: the same for both pictures of a contrast."""


Shown = Scene | Path
"""A picture: to be drawn, or in a file."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two captions that differ in one thing, and the picture that each is true of."""

    kind: str
    words: tuple[str, str]
    """What each caption turns on; the words whose frequency bins it."""
    captions: tuple[str, str]
    pictures: tuple[Shown, Shown]


@dataclass(frozen=True, kw_only=True)
class UnmadeContrast:
    """What no contrast can be made of, and why."""

    kind: str
    what: str
    """The word, or the kind as a whole."""
    reason: str


def pair_of_scenes(
    draw: random.Random, first: tuple[PlacedThing, ...], second: tuple[PlacedThing, ...]
) -> tuple[Scene, Scene]:
    """Two pictures on one ground."""
    ground = str(draw.random())
    return Scene(things=first, ground=ground), Scene(things=second, ground=ground)
