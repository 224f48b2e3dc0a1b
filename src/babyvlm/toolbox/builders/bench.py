"""What every builder works from: the sightings, the pool of crops, and chance that depends on seed and task alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from babyvlm.toolbox.cropping import CropConfig
from babyvlm.toolbox.drafts import Draft, spread_out
from babyvlm.toolbox.pictures import Picture
from babyvlm.toolbox.sightings import Sighting, Sightings
from babyvlm.toolbox.sources import FrameSource
from babyvlm.toolbox.views import View
from babyvlm.toolbox.vocabulary import WordConfig

MemoryTests = Literal["random", "rotated"]
"""``random``, or ``rotated``: in the order of learning, begun one object later from item to item, so that over five
items every serial position is tested after every lag equally often."""
EASY_OPTIONS = (3, 2)
"""Pictures to choose from in easy items of Left/Right, one item after another. With three alone, a model would be asked
which of two it has seen in Memory only, where that one is wrong."""


class Built(NamedTuple):
    """What a builder made, and what kept it from making more; ``limit`` is empty when nothing did."""

    drafts: list[Draft]
    limit: str = ""
    refused: Mapping[str, int] = MappingProxyType({})
    """Candidates left out, by reason."""
    notes: tuple[str, ...] = ()
    """What a user should know of the items, such as a bound that was relaxed."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The material of all builders."""

    found: Sightings
    cropping: CropConfig = field(default_factory=CropConfig)
    """How pictures of the published construction are cut, and which objects they show."""
    seed: int
    max_reuse: int
    """How many items of one task may turn on the same object in the same frame."""
    augment: bool = False
    """Whether samples may be mirrored, and exits shown from different moments on: for training, not for a benchmark."""
    words: WordConfig = field(default_factory=WordConfig)
    memory_tests: MemoryTests = "random"
    """In which order a Memory item tests what it taught."""
    workers: int = 0
    """Processes that may look at pictures; what is built does not depend on it."""
    withheld: frozenset[str] = frozenset()
    """Categories that no item may ask for; they are not among the sightings."""
    pool: tuple[Sighting, ...] = ()
    """The crops to draw from, categories and objects alternating."""
    crops: Mapping[View, Picture] = field(default_factory=dict)
    """Pictures of the views that a builder looks at."""

    def rng(self, task: str) -> Random:
        return Random(f"{self.seed}/{task}")

    def mirrored(self, view: View, rng: Random) -> View:
        """The view, or, for training, half of the time its mirror image."""
        return replace(view, variant="mirror") if self.augment and rng.random() < 0.5 else view

    @property
    def by_label(self) -> dict[str, list[Sighting]]:
        """The pool by category, categories in alphabetical order."""
        groups: dict[str, list[Sighting]] = defaultdict(list)
        for sighting in self.pool:
            groups[sighting.label].append(sighting)
        return dict(sorted(groups.items()))

    def spoken_from(self, label: str) -> float:
        """The age at which the label's word is commonly said, months; 0 where the vocabulary does not know it."""
        word = self.words.vocabulary.find(label)
        return (word.acquired_months or 0.0) if word else 0.0

    def targets(self, sightings: Iterable[Sighting], count: int, rng: Random) -> list[Sighting]:
        """At most ``count`` sightings to turn items on: categories alternate, none more than `max_reuse` times."""
        order = spread_out(sightings, lambda sighting: sighting.label, rng)
        return (order * min(self.max_reuse, -(-count // max(1, len(order)))))[:count]


class LooksAt(Protocol):
    """Which pictures a builder has to see before it can build so many items."""

    def __call__(self, bench: Bench, count: int) -> Iterable[View]: ...


@dataclass(frozen=True, kw_only=True)
class Builder:
    """How the items of a row are built."""

    build: Callable[[Bench, int], Built]
    looks_at: LooksAt | None = None
    """None where boxes alone decide; otherwise `Bench.crops` holds these pictures when ``build`` is called."""


@dataclass(frozen=True, kw_only=True)
class Construction:
    """A way to build the items of all sub-tasks."""

    name: str
    find: Callable[[FrameSource, CropConfig], Sightings]
    """Reads a source's boxes once."""
    builders: Mapping[str, Builder]
    """By row: the sub-tasks, their hard variants if they are of this construction, and their easy ones."""
    variant: Literal["published", "balanced"]
    """What its items say of themselves, hard and easy ones aside."""


def choose_pool(sightings: Sequence[Sighting], limit: int, rng: Random) -> tuple[Sighting, ...]:
    """At most ``limit`` sightings, categories alternating, and within each the objects alternating."""
    by_label: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        by_label[sighting.label].append(sighting)
    queues = [spread_out(by_label[label], lambda sighting: sighting.exemplar, rng) for label in sorted(by_label)]
    chosen: list[Sighting] = []
    depth = 0
    while len(chosen) < limit and any(depth < len(queue) for queue in queues):
        chosen += [queue[depth] for queue in queues if depth < len(queue)]
        depth += 1
    return tuple(chosen[:limit])
