"""Draws items from a source: the part that the benchmark and the instruction set share.

boxes -> sightings of each construction -> drafts of builders that need boxes alone ─┐
                                     -> pictures that other builders look at ─────┴-> pictures, every recording decoded
                                                                                      once
                        these pictures -> drafts of the other builders -> composed pictures
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from babyvlm.executors import parallel_map
from babyvlm.progress import progress
from babyvlm.toolbox.builders import Bench, Builder, Built, Construction, MemoryTests, builder_of, choose_pool
from babyvlm.toolbox.compose import Composed, render_composition
from babyvlm.toolbox.cropping import CropConfig
from babyvlm.toolbox.drafts import Draft, Made, Shown
from babyvlm.toolbox.paste import Pasted, render_pasted
from babyvlm.toolbox.pictures import Picture
from babyvlm.toolbox.rephotographs import Rephotograph, render_rephotograph
from babyvlm.toolbox.sources import FrameSource
from babyvlm.toolbox.tasks import in_table_order
from babyvlm.toolbox.views import View, load_pictures
from babyvlm.toolbox.vocabulary import WordConfig

_RECIPES_PER_JOB = 64
_JOBS_WORTH_WORKERS = 8
_HARD_CROPS = "hard variants: "  # before reasons that concern the crops of hard variants alone


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Drafts in the order of tasks, the pictures they show, and what was left out."""

    drafts: tuple[Draft, ...]
    pictures: dict[Shown, Picture]
    skipped: dict[str, int]
    notes: tuple[str, ...]
    """One line for each task that came out short, or for which a bound was relaxed."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row to build."""

    construction: Construction
    builder: Builder
    count: int


def draw(
    source: FrameSource,
    wanted: Mapping[str, int],
    *,
    construction: str,
    crops: CropConfig,
    seed: int,
    max_crops: int,
    max_reuse: int,
    workers: int,
    words: WordConfig | None = None,
    memory_tests: MemoryTests = "random",
    augment: bool = False,
    withheld: Collection[str] = (),
) -> Drawing:
    """Builds drafts of every wanted task, and their pictures.

    Args:
        source: Boxed frames of one split.
        wanted: Items to build, by task; ``left_right.hard`` names a hard variant, ``left_right.easy`` an easy one.
        construction: One of `babyvlm.toolbox.builders.CONSTRUCTIONS`.
        crops: How pictures of the published construction are cut.
        seed: Everything random follows from it.
        max_crops: Size of the pool of crops that items share.
        max_reuse: How many items of a task may turn on the same object in the same frame.
        workers: Processes besides this one; the result does not depend on it.
        words: What the word tasks know of words, and which foils they get.
        memory_tests: In which order Memory tests what it taught.
        augment: Show exits from different moments on and mirrored, and in the balanced construction mirror some
            frames: for training, never for a benchmark.
        withheld: Categories of which no item asks and that no item shows as a foil; they may stand in a whole frame.

    Raises:
        ConfigError: There is no such construction.
        MediaError: A recording or photograph is missing or does not decode.
    """
    rows = _rows(wanted, construction)
    made_by = {row.construction.name: row.construction for row in rows.values()}
    benches: dict[str, Bench] = {}
    for name, made in made_by.items():
        found = made.find(source, crops)
        found.withhold(withheld)
        benches[name] = Bench(
            found=found,
            cropping=crops,
            seed=seed,
            max_reuse=max_reuse,
            words=words or WordConfig(),
            memory_tests=memory_tests,
            workers=workers,
            augment=augment,
            withheld=frozenset(withheld),
            pool=choose_pool(found.sightings, max_crops, Random(f"{seed}/pool")),
        )
    built, loaded, missing = _build(source, rows, benches, workers)
    skipped = _skipped(source, benches, built, construction)
    if missing:
        skipped["picture: past the last frame, or in a damaged part of its video"] = missing

    whole = {
        row: [_named(draft, rows[row]) for draft in one.drafts if all(view in loaded for view in draft.views)]
        for row, one in built.items()
    }
    images = {image for drafts in whole.values() for draft in drafts for image in draft.images}
    shown = _shown(images, loaded, workers)
    drafts: list[Draft] = []
    notes: list[str] = []
    for row in in_table_order(whole):
        distinct = {draft.content_id(shown): draft for draft in whole[row]}
        drafts += distinct.values()
        if repeats := len(whole[row]) - len(distinct):
            skipped["item: repeats another"] += repeats
        if len(distinct) < wanted[row]:
            notes.append(f"{row}: {len(distinct)} of {wanted[row]} items possible; {built[row].limit}")
    notes += [note for one in built.values() for note in one.notes]
    notes += _without_crops(source, benches[construction]) if construction in benches else []
    for note in notes:
        print(note, file=sys.stderr)
    return Drawing(drafts=tuple(drafts), pictures=shown, skipped=dict(skipped), notes=tuple(notes))


def _rows(wanted: Mapping[str, int], construction: str) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for row, count in wanted.items():
        if count:
            made, builder = builder_of(row, construction)
            rows[row] = _Row(construction=made, builder=builder, count=count)
    return rows


def _build(
    source: FrameSource, rows: Mapping[str, _Row], benches: Mapping[str, Bench], workers: int
) -> tuple[dict[str, Built], dict[View, Picture], int]:
    """What every builder built, the pictures cut, and how many could not be cut."""
    built: dict[str, Built] = {}
    views: set[View] = set()
    for name, row in rows.items():
        bench = benches[row.construction.name]
        if row.builder.looks_at is None:
            built[name] = row.builder.build(bench, row.count)
            views |= {view for draft in built[name].drafts for view in draft.views}
        else:
            views |= set(row.builder.looks_at(bench, row.count))
    loaded = load_pictures(source, views, workers=workers)
    for name, row in rows.items():
        if row.builder.looks_at is not None:
            built[name] = row.builder.build(replace(benches[row.construction.name], crops=loaded), row.count)
    return built, loaded, len(views - loaded.keys())


def _skipped(
    source: FrameSource, benches: Mapping[str, Bench], built: Mapping[str, Built], construction: str
) -> Counter[str]:
    """What the source, the constructions and the builders left out, by reason."""
    skipped = Counter(source.skipped)
    for name, bench in benches.items():
        prefix = "" if name == construction else _HARD_CROPS
        skipped.update({prefix + reason: count for reason, count in bench.found.skipped.items()})
    refused: Counter[str] = Counter()
    for one in built.values():
        refused |= Counter(one.refused)  # what several tasks refuse alike counts once
    skipped.update(refused)
    return skipped


def _shown(images: Collection[Shown], loaded: Mapping[View, Picture], workers: int) -> dict[Shown, Picture]:
    """The pictures cut, and those made of them that some draft shows."""
    shown: dict[Shown, Picture] = {}
    shown.update(loaded.items())
    recipes: list[Made] = []
    for kind in (Composed, Pasted, Rephotograph):
        recipes += sorted((image for image in images if isinstance(image, kind)), key=lambda recipe: recipe.order)
    shown.update(_make(recipes, loaded, workers))
    return shown


def _named(draft: Draft, row: _Row) -> Draft:
    """A draft that says of which construction it is, hard and easy ones aside."""
    return replace(draft, variant=row.construction.variant) if draft.variant == "published" else draft


def _without_crops(source: FrameSource, bench: Bench) -> list[str]:
    """A note naming the categories that no crop shows."""
    boxed = Counter(box.label for frame in source.frames for box in frame.boxes)
    cut = {sighting.label for sighting in bench.found.sightings}
    without = [f"{label} ({boxed[label]})" for label in sorted(boxed) if label not in cut]
    if not without:
        return []
    return [
        f"{len(without)} of {len(boxed)} categories have no box that can be shown alone, with their boxes: "
        + ", ".join(without)
    ]


def _make(recipes: Sequence[Made], loaded: Mapping[View, Picture], workers: int) -> Iterable[tuple[Made, Picture]]:
    chunks = [recipes[start : start + _RECIPES_PER_JOB] for start in range(0, len(recipes), _RECIPES_PER_JOB)]
    jobs = [(chunk, {view: loaded[view] for recipe in chunk for view in recipe.views}) for chunk in chunks]
    # Few pictures are made sooner than processes start.
    done = parallel_map(_make_chunk, jobs, workers=workers if len(jobs) > _JOBS_WORTH_WORKERS else 0)
    for chunk, pictures in zip(chunks, progress(done, description="composing pictures", total=len(jobs)), strict=True):
        yield from zip(chunk, pictures, strict=True)


def _make_chunk(job: tuple[Sequence[Made], dict[View, Picture]]) -> list[Picture]:
    recipes, crops = job
    return [_make_one(recipe, crops) for recipe in recipes]


def _make_one(recipe: Made, crops: Mapping[View, Picture]) -> Picture:
    if isinstance(recipe, Composed):
        return render_composition(recipe, crops)
    return (
        render_pasted(recipe, crops) if isinstance(recipe, Pasted) else render_rephotograph(recipe, crops[recipe.view])
    )
