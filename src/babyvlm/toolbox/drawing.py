"""From a source to drafts with their pictures: what the benchmark and the instruction set have in common.

boxes -> survey -> drafts that need boxes alone ─┐
                -> pool of crops ────────────────┴-> pictures, every recording decoded once
                                 pool + pictures -> drafts that draw on crops -> composed pictures
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from babyvlm.progress import progress
from babyvlm.toolbox.builders import CROP_BUILDERS, FRAME_BUILDERS, Bench, MemoryTests, choose_pool
from babyvlm.toolbox.builders.matching import MIN_EXEMPLARS, NEAR_MISSES
from babyvlm.toolbox.compose import Composed, render_composition
from babyvlm.toolbox.drafts import Draft, Shown
from babyvlm.toolbox.exits import ExitConfig
from babyvlm.toolbox.retakes import Retake, RetakeConfig, render_retake
from babyvlm.toolbox.sources import FrameSource
from babyvlm.toolbox.survey import Sighting, survey
from babyvlm.toolbox.tasks import EASY_ROWS, ROWS
from babyvlm.toolbox.views import Picture, PictureConfig, View, load_pictures, parallel_map
from babyvlm.toolbox.vocabulary import WordConfig

_MIRRORS_PER_ITEM = 2.0  # crops mirrored for each Left/Right item wanted: some turn out symmetric
_RECIPES_PER_JOB = 64
_JOBS_WORTH_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Drafts in the order of tasks, the pictures they show, and what could not be had."""

    drafts: tuple[Draft, ...]
    pictures: dict[Shown, Picture]
    skipped: dict[str, int]
    notes: tuple[str, ...]
    """One line for each task that came out short."""


def draw(
    source: FrameSource,
    wanted: Mapping[str, int],
    *,
    pictures: PictureConfig,
    exits: ExitConfig,
    seed: int,
    max_crops: int,
    max_reuse: int,
    workers: int,
    words: WordConfig | None = None,
    memory_tests: MemoryTests = "random",
    retakes: RetakeConfig | None = None,
    augment: bool = False,
) -> Drawing:
    """Builds drafts of every wanted task, and their pictures.

    Args:
        source: Boxed frames of one split.
        wanted: Items to build, by task; ``left_right.hard`` names a hard variant, ``left_right.easy`` an easy one.
        pictures: How pictures are cut.
        exits: When an object has plainly left the frame.
        seed: Everything random follows from it.
        max_crops: Size of the pool of crops that items share.
        max_reuse: How many items of a task may turn on the same object in the same frame.
        workers: Processes besides this one; the result does not depend on it.
        words: What the word tasks know of words, and which foils they get.
        memory_tests: In which order Memory tests what it taught.
        retakes: How pictures of hard items are re-photographed.
        augment: Mirror some samples and show exits from different moments on: for training, never for a benchmark.

    Raises:
        MediaError: A recording or photograph is missing or does not decode.
    """
    found = survey(source, pictures)
    bench = Bench(
        found=found,
        pictures=pictures,
        exits=exits,
        seed=seed,
        max_reuse=max_reuse,
        words=words or WordConfig(),
        memory_tests=memory_tests,
        retakes=retakes or RetakeConfig(),
        workers=workers,
        augment=augment,
    )
    built = {task: build(bench, wanted[task]) for task, build in FRAME_BUILDERS.items() if wanted.get(task)}
    views = {view for made in built.values() for draft in made.drafts for view in draft.views}
    pool: tuple[Sighting, ...] = ()
    if any(wanted.get(task) for task in CROP_BUILDERS):
        pool = choose_pool(found.sightings, max_crops, Random(f"{seed}/pool"))
        views |= {sighting.view for sighting in pool}
        views |= _variants(pool, wanted)
    loaded = load_pictures(source, views, workers=workers)
    skipped = {**source.skipped, **found.skipped}
    if missing := len(views - loaded.keys()):
        skipped["picture: past the last frame, or in a damaged part of its video"] = missing
    bench = replace(bench, pool=tuple(sighting for sighting in pool if sighting.view in loaded), crops=loaded)
    built |= {task: build(bench, wanted[task]) for task, build in CROP_BUILDERS.items() if wanted.get(task)}

    whole = {
        task: [draft for draft in made.drafts if all(view in loaded for view in draft.views)]
        for task, made in built.items()
    }
    shown: dict[Shown, Picture] = {}
    shown.update(loaded.items())
    made_up = {image for drafts in whole.values() for draft in drafts for image in draft.images}
    composed = sorted((image for image in made_up if isinstance(image, Composed)), key=_recipe_order)
    retaken = sorted((image for image in made_up if isinstance(image, Retake)), key=_retake_order)
    shown.update(_make([*composed, *retaken], loaded, workers))
    drafts: list[Draft] = []
    notes: list[str] = []
    for task in (row for row in (*ROWS, *EASY_ROWS) if row in whole):
        distinct = {draft.content_id(shown): draft for draft in whole[task]}
        drafts += distinct.values()
        if repeats := len(whole[task]) - len(distinct):
            skipped["item: repeats another"] = skipped.get("item: repeats another", 0) + repeats
        if len(distinct) < wanted[task]:
            notes.append(f"{task}: {len(distinct)} of {wanted[task]} items possible; {built[task].limit}")
    boxed = Counter(box.label for frame in source.frames for box in frame.boxes)
    cut = Counter(sighting.label for sighting in found.sightings)
    if pool and (without := [f"{label} ({boxed[label]})" for label in sorted(boxed) if not cut[label]]):
        notes.append(
            f"{len(without)} of {len(boxed)} categories have no box that can be shown alone, with their boxes: "
            + ", ".join(without)
        )
    for note in notes:
        print(note, file=sys.stderr)
    return Drawing(drafts=tuple(drafts), pictures=shown, skipped=skipped, notes=tuple(notes))


def _variants(pool: tuple[Sighting, ...], wanted: Mapping[str, int]) -> set[View]:
    """The crops that are needed mirrored, or as near misses, besides as they are."""
    most = max(wanted.get("left_right", 0), wanted.get("left_right.hard", 0))
    mirrored = pool[: int(most * _MIRRORS_PER_ITEM)]
    views = {sighting.variant("mirror") for sighting in mirrored}
    if wanted.get("spatial_details") or wanted.get("spatial_details.hard"):
        exemplars: dict[str, set[str]] = {}
        for sighting in pool:
            exemplars.setdefault(sighting.label, set()).add(sighting.exemplar)
        scarce = [sighting for sighting in pool if len(exemplars[sighting.label]) < MIN_EXEMPLARS]
        views |= {sighting.variant(variant) for sighting in scarce for variant in NEAR_MISSES}
    return views


def _recipe_order(composed: Composed) -> tuple[int, int]:
    return composed.seed, len(composed.placements)


def _retake_order(retake: Retake) -> tuple[object, ...]:
    return retake.seed, retake.view.source, retake.view.time_s, retake.view.window, retake.view.variant


def _make(
    recipes: Sequence[Composed | Retake], loaded: Mapping[View, Picture], workers: int
) -> Iterable[tuple[Composed | Retake, Picture]]:
    chunks = [recipes[start : start + _RECIPES_PER_JOB] for start in range(0, len(recipes), _RECIPES_PER_JOB)]
    jobs = [(chunk, {view: loaded[view] for recipe in chunk for view in recipe.views}) for chunk in chunks]
    # Few pictures are made sooner than processes start.
    done = parallel_map(_make_chunk, jobs, workers=workers if len(jobs) > _JOBS_WORTH_WORKERS else 0)
    for chunk, pictures in zip(chunks, progress(done, description="composing pictures", total=len(jobs)), strict=True):
        yield from zip(chunk, pictures, strict=True)


def _make_chunk(job: tuple[Sequence[Composed | Retake], dict[View, Picture]]) -> list[Picture]:
    recipes, crops = job
    return [
        render_composition(recipe, crops) if isinstance(recipe, Composed) else render_retake(recipe, crops[recipe.view])
        for recipe in recipes
    ]
