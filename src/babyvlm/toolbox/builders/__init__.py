"""From a bench full of boxes and crops to drafts of items: constructions, and a builder for each of their rows.

    CONSTRUCTIONS ─┬─ published   as the published items are built; shortcuts and all
                   └─ balanced    nothing but what is asked tells the answer; also the hard variants

A third construction is a `Construction` in a file of its own, listed here.
"""

from __future__ import annotations

from typing import Literal, get_args

from babyvlm.errors import ConfigError
from babyvlm.toolbox.builders.balanced import BALANCED
from babyvlm.toolbox.builders.bench import Bench, Builder, Built, Construction, MemoryTests, choose_pool
from babyvlm.toolbox.builders.published import PUBLISHED

ConstructionName = Literal["published", "balanced"]

CONSTRUCTIONS: dict[str, Construction] = {made.name: made for made in (PUBLISHED, BALANCED)}
"""By name."""
assert tuple(CONSTRUCTIONS) == get_args(ConstructionName)


def construction_named(name: str) -> Construction:
    """The construction of this name.

    Raises:
        ConfigError: There is none.
    """
    if name not in CONSTRUCTIONS:
        raise ConfigError(f"there is no construction {name!r}; choose one of {', '.join(CONSTRUCTIONS)}")
    return CONSTRUCTIONS[name]


def construction_of(row: str, name: str) -> Construction:
    """The construction that builds a row where this one is asked for: rows that it lacks are built by the balanced."""
    made = construction_named(name)
    return made if row in made.builders else BALANCED


__all__ = [
    "CONSTRUCTIONS",
    "Bench",
    "Builder",
    "Built",
    "Construction",
    "ConstructionName",
    "MemoryTests",
    "choose_pool",
    "construction_named",
    "construction_of",
]
