"""The eight ways out of a frame, as Visual Delayed Response names them."""

from __future__ import annotations

# Clockwise, so that neighbours differ by one step and opposites by four.
_CLOCKWISE = ("top", "top right", "right", "bottom right", "bottom", "bottom left", "left", "top left")

DIRECTIONS = ("top", "bottom", "left", "right", "top right", "top left", "bottom right", "bottom left")
"""All eight, in the order of the published prompt."""


def opposite(direction: str) -> str:
    """The direction across.

    >>> opposite("top left")
    'bottom right'
    """
    return _CLOCKWISE[(_CLOCKWISE.index(direction) + 4) % 8]


def neighbours(direction: str) -> tuple[str, str]:
    """The two directions that ``acc_adjacent`` accepts besides the right one.

    >>> neighbours("top")
    ('top left', 'top right')
    """
    index = _CLOCKWISE.index(direction)
    return _CLOCKWISE[index - 1], _CLOCKWISE[(index + 1) % 8]


def is_corner(direction: str) -> bool:
    return " " in direction


def mirror_image(direction: str) -> str:
    """The direction with left and right exchanged.

    >>> mirror_image("top left")
    'top right'
    """
    exchanged = {"left": "right", "right": "left"}
    return " ".join(exchanged.get(word, word) for word in direction.split())
