"""Memory Task Learning and Test: fifteen rounds, in each of which the new picture is to be touched.

round  1        one picture: the first object to learn
rounds 2-5      a new object to learn beside any one learned before; in published items, always the one just learned
rounds 6-15     a learned object, each of them twice, beside one never seen
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.memory_rounds import memory_turns, num_objects
from babyvlm.toolbox.drafts import Draft
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import MEMORY_BASE

_EASY_BASES = (1, 2)
"""Objects to learn in easy items, which are for training alone."""


def memory(bench: Bench, count: int) -> Built:
    """Items of fifteen rounds; the answer is always the new picture."""
    return Built(*memory_drafts(bench, count, bench.rng("memory")))


def memory_easy(bench: Bench, count: int) -> Built:
    """Memory with one or two objects to learn, in three or six rounds."""
    rng = bench.rng("memory.easy")
    if len({sighting.exemplar for sighting in bench.pool}) < num_objects(max(_EASY_BASES)):
        return Built([], f"{num_objects(max(_EASY_BASES))} different objects are needed")
    drafts = []
    for number in range(count):
        base = _EASY_BASES[number % len(_EASY_BASES)]
        objects = _draw_objects(bench.by_label, num_objects(base), rng)
        drafts.append(replace(_memory_draft(objects, rng, base=base), variant="easy", difficulty="easy"))
    return Built(drafts, f"{len(bench.pool)} objects in the open")


def memory_drafts(bench: Bench, count: int, rng: Random) -> tuple[list[Draft], str]:
    """Drafts of Memory, and what kept them from being more."""
    by_label, size = bench.by_label, num_objects(MEMORY_BASE)
    if len({sighting.exemplar for sighting in bench.pool}) < size:
        return [], (f"{size} different objects are needed, the source shows {len(bench.pool)}")
    # Every item takes fifteen objects; reuse is counted over those.
    possible = max(1, len(bench.pool) * bench.max_reuse // size)
    drafts = [
        _memory_draft(
            _draw_objects(by_label, size, rng), rng, rotation=number if bench.memory_tests == "rotated" else None
        )
        for number in range(min(count, possible))
    ]
    return drafts, f"{len(bench.pool)} objects in the open, {size} to an item"


def _draw_objects(by_label: dict[str, list[Sighting]], count: int, rng: Random) -> list[Sighting]:
    """So many different objects, of as many categories as there are."""
    chosen: list[Sighting] = []
    taken: set[str] = set()
    while len(chosen) < count:
        for label in rng.sample(list(by_label), len(by_label)):
            free = [sighting for sighting in by_label[label] if sighting.exemplar not in taken]
            if free and len(chosen) < count:
                chosen.append(rng.choice(free))
                taken.add(chosen[-1].exemplar)
    rng.shuffle(chosen)
    return chosen


def _memory_draft(
    objects: list[Sighting], rng: Random, *, base: int = MEMORY_BASE, rotation: int | None = None
) -> Draft:
    beside = [rng.randrange(new) for new in range(1, base)]
    turns = memory_turns([one.view for one in objects], _distinct_names(objects), beside, rng, rotation=rotation)
    kinds = len({sighting.label for sighting in objects})
    return Draft(
        task="memory",
        turns=turns,
        category="",
        difficulty="easy" if kinds == len(objects) else "medium" if 3 * kinds >= 2 * len(objects) else "hard",
    )


def _distinct_names(objects: list[Sighting]) -> list[str]:
    """Labels, numbered where an item shows several objects of a category: scoring tells objects apart by name."""
    names: list[str] = []
    for index, sighting in enumerate(objects):
        before = sum(other.label == sighting.label for other in objects[:index])
        names.append(f"{sighting.label} ({before + 1})" if before else sighting.label)
    return names
