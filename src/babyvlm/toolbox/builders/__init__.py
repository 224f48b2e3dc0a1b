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
from babyvlm.toolbox.tasks import task_named

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


def builder_of(row: str, name: str) -> tuple[Construction, Builder]:
    """The construction that builds a row where this one is asked for, and its builder.

    Rows that a construction lacks are built by the balanced one; a task of another package brings its own builder,
    which works from the material of whichever construction is asked for.
    """
    made = construction_named(name)
    for construction in (made, BALANCED):
        if row in construction.builders:
            return construction, construction.builders[row]
    builder = task_named(row).builder
    assert builder is not None  # of a task of another package, as the registry checks
    return made, builder


__all__ = [
    "CONSTRUCTIONS",
    "Bench",
    "Builder",
    "Built",
    "Construction",
    "ConstructionName",
    "MemoryTests",
    "builder_of",
    "choose_pool",
    "construction_named",
]
