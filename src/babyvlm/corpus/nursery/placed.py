"""A thing at its place in a picture that is yet to be drawn (``stills.py``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PlacedThing:
    """One thing of a picture; lengths in heights of the picture, which is square, from its top left corner."""

    category: str
    number: int
    """Which exemplar of the category."""
    x: float = 0.5
    """Centre."""
    y: float = 0.5
    size: float = 0.6
    """Length of the longer side."""
    colour: str = ""
    """A name of `stills.PAINTS`; the exemplar's own when empty."""
    floor_y: float | None = None
    """Where its shadow lies, for a thing in the air; under the thing when None."""
