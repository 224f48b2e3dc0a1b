"""Left/Right as published: a crop, and among the options the same picture once and its mirror image twice.

The option that differs from the other two is always right; the balanced construction has no such option.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from babyvlm.records import Difficulty
from babyvlm.toolbox.builders.bench import EASY_OPTIONS, Bench, Built, choose_pool
from babyvlm.toolbox.builders.published.material import by_label, cast, letterboxed_view, usual_crops
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, options_in_turn
from babyvlm.toolbox.pictures import mean_difference
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, left_right_prompt
from babyvlm.toolbox.views import View

_TASK = "left_right"
_SPARE = 1.5  # crops looked at for each that is wanted: some are symmetric


def left_right(bench: Bench, count: int) -> Built:
    """Letterboxed crops; those that cannot be told from their mirror image are left out."""
    candidates = [
        sighting
        for sighting in _candidates(bench, count, bench.rng(f"{_TASK}/crops"))
        if letterboxed_view(sighting.view) in bench.crops
        and letterboxed_view(sighting.view, mirror=True) in bench.crops
    ]
    differences = {sighting.view: _mirror_difference(bench, sighting) for sighting in candidates}
    least = bench.cropping.min_mirror_difference
    lopsided = [sighting for sighting in candidates if differences[sighting.view] >= least]
    rng = bench.rng(_TASK)
    targets = cast(bench, lopsided, count, rng)
    drafts = []
    for sighting, gold in zip(targets, balanced(LETTERS[:3], len(targets), rng), strict=True):
        shown, mirrored = letterboxed_view(sighting.view), letterboxed_view(sighting.view, mirror=True)
        times = differences[sighting.view] / max(1.0, least)
        difficulty: Difficulty = "easy" if times >= 4 else "medium" if times >= 2 else "hard"
        named = (sighting.label, "mirrored")
        drafts.append(_draft(shown, [mirrored, mirrored], named, gold, difficulty))
    symmetric = len(candidates) - len(lopsided)
    refused = {"left_right: cannot be told from its mirror image": symmetric} if symmetric else {}
    limit = f"{len(lopsided)} crops of {len(by_label(lopsided))} categories differ enough from their mirror image"
    return Built(drafts, f"{limit}, each used at most {bench.max_reuse} times", refused)


def left_right_crops(bench: Bench, count: int) -> Iterable[View]:
    """Crops that Left/Right may show, and their mirror images."""
    for sighting in _candidates(bench, count, bench.rng(f"{_TASK}/crops")):
        yield letterboxed_view(sighting.view)
        yield letterboxed_view(sighting.view, mirror=True)


def left_right_easy(bench: Bench, count: int) -> Built:
    """Left/Right as asked, with other objects in place of the mirror image: for training, to lead up to it.

    In every other item one such object, in the rest two: that a picture is the second of two is to be told as well.
    """
    rng = bench.rng(f"{_TASK}.easy")
    groups = by_label(usual_crops(bench))
    if len(groups) < 3:
        return Built([], f"objects of {len(groups)} categories, of 3 that are needed")
    drafts = []
    targets = cast(bench, usual_crops(bench), count, rng)
    for target, (options, gold) in zip(targets, options_in_turn(EASY_OPTIONS, len(targets), rng), strict=True):
        labels = rng.sample([label for label in groups if label != target.label], len(options) - 1)
        foils = [letterboxed_view(rng.choice(groups[label]).view) for label in labels]
        draft = _draft(letterboxed_view(target.view), foils, (target.label, *labels), gold, "easy")
        drafts.append(replace(draft, variant="easy"))
    return Built(drafts, f"{len(targets)} objects in the open")


def _candidates(bench: Bench, count: int, rng: Random) -> tuple[Sighting, ...]:
    return choose_pool(usual_crops(bench), round(_SPARE * count) + 1, rng)


def _mirror_difference(bench: Bench, sighting: Sighting) -> float:
    shown, mirrored = (letterboxed_view(sighting.view, mirror=mirror) for mirror in (False, True))
    return mean_difference(bench.crops[shown], bench.crops[mirrored])


def _draft(query: View, foils: list[View], named: tuple[str, ...], gold: str, difficulty: Difficulty) -> Draft:
    """The query, then it and its foils around its letter's place."""
    options, labels = list(foils), [*named[1:], *named[1:]][: len(foils)]
    options.insert(LETTERS.index(gold), query)
    labels.insert(LETTERS.index(gold), named[0])
    turn = DraftTurn(
        prompt=left_right_prompt(len(options)),
        images=(query, *options),
        options=LETTERS[: len(options)],
        gold=gold,
        labels=(named[0], *labels),
    )
    return Draft(task=_TASK, turns=(turn,), category=named[0], difficulty=difficulty)
