"""Spatial Details as published: a crop, and three whole frames with an object of its category, one its source.

query   a window of the right frame, pixel for pixel
foils   frames of other recordings, with another object of the category
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

from babyvlm.records import Difficulty
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.published.material import (
    area_share,
    by_label,
    cast,
    frame_size_of,
    usual_crops,
    whole_frame_of,
)
from babyvlm.toolbox.builders.published.sizes import PublishedRange, SizedCrops
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.pictures import object_colour_difference
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, spatial_details_prompt
from babyvlm.toolbox.views import View

_TASK = "spatial_details"
_SPARE = 2.0  # sets of frames looked at for each that is wanted: some foils may show the query's object
_FOILS_TRIED = 40
_SIZES = PublishedRange(0.14, 0.30, 0.49)
"""Parts of the frame that queries take up (published, 15 items)."""


class _Set(NamedTuple):
    """A query, and objects of its category in the frames of the foils."""

    query: Sighting
    foils: tuple[Sighting, Sighting]


def spatial_details(bench: Bench, count: int) -> Built:
    """Items whose foils, as far as tracks and colours tell, do not show the query's object."""
    sets, alone = _sets(bench, count)
    sets = [one for one in sets if all(view in bench.crops for view in _views(one))]
    different = [one for one in sets if all(_differs(bench, one.query, foil) for foil in one.foils)]
    rng = bench.rng(_TASK)
    drafts = []
    for one, gold in zip(different, balanced(LETTERS[:3], min(count, len(different)), rng), strict=False):
        drafts.append(_draft(one.query, one.foils, gold, _difficulty(one)))
    refused = {
        "spatial_details: no two other recordings show the category": alone,
        "spatial_details: a foil may show the query's object": len(sets) - len(different),
    }
    queries = len({one.query.view for one in different})
    limit = f"{queries} crops with frames of other recordings to compare, each used at most {bench.max_reuse} times"
    return Built(drafts, limit, {reason: number for reason, number in refused.items() if number})


def spatial_details_frames(bench: Bench, count: int) -> Iterable[View]:
    """Queries, frames, and the objects in the foils, of the items that may be built."""
    for one in _sets(bench, count)[0]:
        yield from _views(one)


def spatial_details_easy(bench: Bench, count: int) -> Built:
    """Spatial Details as asked, with frames that show objects of other categories: for training, to lead up to it."""
    rng = bench.rng(f"{_TASK}.easy")
    queries = _queries(bench)
    groups = by_label(queries)
    if len(groups) < 3:
        return Built([], f"objects of {len(groups)} categories, of 3 that are needed")
    targets = cast(bench, queries, count, rng)
    drafts = []
    for target, gold in zip(targets, balanced(LETTERS[:3], len(targets), rng), strict=True):
        labels = rng.sample([label for label in groups if label != target.label], 2)
        foils = [_of_another_moment(groups[label], target, rng) for label in labels]
        if None not in foils and _moment(foils[0]) != _moment(foils[1]):
            draft = _draft(target, [foil for foil in foils if foil is not None], gold, "easy")
            drafts.append(replace(draft, variant="easy"))
    return Built(drafts, f"{len(queries)} objects in the open")


def _of_another_moment(sightings: Sequence[Sighting], target: Sighting, rng: Random) -> Sighting | None:
    """A sighting whose frame is another, which does not show the target's category close to."""
    tried = rng.sample(list(sightings), min(_FOILS_TRIED, len(sightings)))
    return next((one for one in tried if one.view.source != target.view.source), None) or next(
        (one for one in tried if _moment(one) != _moment(target)), None
    )


def _moment(sighting: Sighting | None) -> tuple[str, float] | None:
    return None if sighting is None else (sighting.view.source, sighting.view.time_s)


def _queries(bench: Bench) -> list[Sighting]:
    most = bench.cropping.max_query_share
    return [
        one
        for one in usual_crops(bench)
        if one.is_alone and area_share(one.view.window, frame_size_of(one.view)) <= most
    ]


def _sets(bench: Bench, count: int) -> tuple[list[_Set], int]:
    """Candidates for items, and how many queries have no two frames to stand beside."""
    rng = bench.rng(f"{_TASK}/frames")
    groups = by_label(usual_crops(bench))
    wanted = round(_SPARE * count) + 1
    candidates = _queries(bench)
    queries = SizedCrops(candidates, _SIZES, rng, most=bench.max_reuse).draw_many(
        min(4 * wanted, bench.max_reuse * len(candidates))
    )
    sets: list[_Set] = []
    alone: set[View] = set()
    seen: set[frozenset[View]] = set()
    for query in queries:
        if len(sets) == wanted:
            break
        if query.view in alone:
            continue
        foils = _foils(bench, query, groups[query.label], rng)
        if foils is None:
            alone.add(query.view)
        elif (shown := frozenset((query.view, *(foil.view for foil in foils)))) not in seen:
            seen.add(shown)
            sets.append(_Set(query, foils))
    return sets, len(alone)


def _foils(bench: Bench, query: Sighting, others: Sequence[Sighting], rng: Random) -> tuple[Sighting, Sighting] | None:
    """Objects of the category in two frames of other recordings, or of the only one when the query's is not in view."""
    single = len(bench.found.by_source) == 1
    many = len({other.view.source for other in others} - {query.view.source}) > 1
    chosen: list[Sighting] = []
    for other in rng.sample(list(others), min(_FOILS_TRIED, len(others))):
        elsewhere = other.view.source != query.view.source
        if not elsewhere and not (single and other.exemplar != query.exemplar and not _shows(bench, other, query)):
            continue
        if any(_moment(other) == _moment(one) or other.exemplar == one.exemplar for one in chosen):
            continue
        if many and any(other.view.source == one.view.source for one in chosen):
            continue
        chosen.append(other)
        if len(chosen) == 2:
            return chosen[0], chosen[1]
    return None


def _shows(bench: Bench, other: Sighting, query: Sighting) -> bool:
    """Whether the frame of a sighting shows the query's object, by its track; without tracks, it may."""
    frames = bench.found.by_source[query.view.source]
    tracks = {box.track for frame in frames if frame.time_s == other.view.time_s for box in frame.boxes}
    return query.view.track is None or query.view.track in tracks


def _views(one: _Set) -> Iterable[View]:
    yield one.query.view
    for sighting in (one.query, *one.foils):
        yield whole_frame_of(sighting.view)
    yield from (foil.view for foil in one.foils)


def _differs(bench: Bench, query: Sighting, foil: Sighting) -> bool:
    """Whether two objects are told apart by their colours; photographs are taken to show different objects."""
    if query.view.is_photo:
        return True
    different = object_colour_difference(bench.crops[query.view], bench.crops[foil.view])
    return different >= bench.cropping.min_other_colours


def _difficulty(one: _Set) -> Difficulty:
    """By how small a part of its frame the query is."""
    share = area_share(one.query.view.window, frame_size_of(one.query.view))
    return "easy" if share >= 0.35 else "medium" if share >= 0.2 else "hard"


def _draft(query: Sighting, foils: Sequence[Sighting], gold: str, difficulty: Difficulty) -> Draft:
    options = [whole_frame_of(foil.view) for foil in foils]
    labels = [f"{foil.label}, another" if foil.label == query.label else foil.label for foil in foils]
    options.insert(LETTERS.index(gold), whole_frame_of(query.view))
    labels.insert(LETTERS.index(gold), query.label)
    turn = DraftTurn(
        prompt=spatial_details_prompt(),
        images=(query.view, *options),
        options=LETTERS[:3],
        gold=gold,
        labels=(query.label, *labels),
    )
    return Draft(task=_TASK, turns=(turn,), category=query.label, difficulty=difficulty)
