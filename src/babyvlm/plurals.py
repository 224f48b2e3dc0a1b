"""English plurals: number questions name the plural, as the published ones do."""

from __future__ import annotations

import re

_IRREGULAR = {
    "child": "children", "fish": "fish", "foot": "feet", "goose": "geese", "knife": "knives", "leaf": "leaves",
    "loaf": "loaves", "man": "men", "mouse": "mice", "person": "people", "scarf": "scarves", "sheep": "sheep",
    "shelf": "shelves", "tooth": "teeth", "wolf": "wolves", "woman": "women",
}  # fmt: skip


def plural(thing: str) -> str:
    """Several of a thing; words that look like a plural stay as they are.

    >>> [plural(thing) for thing in ("teddy bear", "bus", "strawberry", "toy", "leaf", "scissors", "glass")]
    ['teddy bears', 'buses', 'strawberries', 'toys', 'leaves', 'scissors', 'glasses']
    """
    before, _, last = thing.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"(ss|us|sh|ch|x|z)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = f"{last[:-1]}ies"
    elif not last.endswith("s") and last not in _IRREGULAR.values():
        last += "s"
    return f"{before} {last}".strip()
