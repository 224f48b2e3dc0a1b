"""Memory as published: fifteen rounds over crops of fifteen categories; the new picture is to be touched.

round  1        one picture: the first object to learn
rounds 2-5      a new object to learn beside that of the round before
rounds 6-15     a learned object beside one never seen; all five in random order, twice
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.memory_rounds import memory_turns, num_objects
from babyvlm.toolbox.builders.published.material import by_label, missing_categories, usual_crops
from babyvlm.toolbox.builders.published.sizes import PublishedRange, SizedCrops
from babyvlm.toolbox.drafts import Draft
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import MEMORY_BASE

_EASY_BASES = (1, 2)
"""Objects to learn in easy items, which are for training alone."""
_SIZES = PublishedRange(0.08, 0.31, 1.0)
"""Parts of the frame that crops take up (published, 270 pictures)."""


def memory(bench: Bench, count: int) -> Built:
    """Items of fifteen rounds over one crop each of fifteen categories; none where the source shows fewer."""
    rng, groups = bench.rng("memory"), by_label(usual_crops(bench))
    needed = num_objects(MEMORY_BASE)
    if len(groups) < needed:
        return Built([], missing_categories(bench, needed))
    crops = sum(map(len, groups.values()))
    # Every item takes fifteen crops; reuse is counted over those.
    possible = max(1, crops * bench.max_reuse // needed)
    drawn = SizedCrops(usual_crops(bench), _SIZES, rng)
    rotated = bench.memory_tests == "rotated"
    drafts = [
        _draft(_objects(drawn, needed, rng), MEMORY_BASE, rng, rotation=number if rotated else None)
        for number in range(min(count, possible))
    ]
    return Built(drafts, f"{crops} crops of {len(groups)} categories, {needed} to an item")


def memory_easy(bench: Bench, count: int) -> Built:
    """Memory with one or two objects to learn, in three or six rounds: for training, to lead up to it."""
    rng, groups = bench.rng("memory.easy"), by_label(usual_crops(bench))
    needed = num_objects(max(_EASY_BASES))
    if len(groups) < needed:
        return Built([], missing_categories(bench, needed))
    drawn = SizedCrops(usual_crops(bench), _SIZES, rng)
    drafts = []
    for number in range(count):
        base = _EASY_BASES[number % len(_EASY_BASES)]
        draft = _draft(_objects(drawn, num_objects(base), rng), base, rng)
        drafts.append(replace(draft, variant="easy", difficulty="easy"))
    return Built(drafts, f"{len(groups)} categories")


def _objects(drawn: SizedCrops, count: int, rng: Random) -> list[Sighting]:
    """One crop each of so many categories."""
    found = [drawn.draw(label) for label in rng.sample(drawn.labels, count)]
    return [one for one in found if one is not None]


def _draft(objects: Sequence[Sighting], base: int, rng: Random, *, rotation: int | None = None) -> Draft:
    views, names = [one.view for one in objects], [one.label for one in objects]
    turns = memory_turns(views, names, range(base - 1), rng, rotation=rotation)
    return Draft(task="memory", turns=turns, category="", difficulty="medium")
