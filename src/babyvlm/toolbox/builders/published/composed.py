"""Object Counting, Subitizing and Who Has More (synthetic) as published: one crop of one object, pasted on black.

    crop ──> n copies, at random places, shrunk until they fit       counting: 1 to 12, subitizing: 1 to 4
         ──> the same layout with copies taken away                  pairs: 1 to 10, mostly differences of 1 to 3

The published pictures of Subitizing are not public; they are taken to be as those of Object Counting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

import numpy as np

from babyvlm.records import Difficulty
from babyvlm.toolbox.builders.bench import Bench, Built, choose_pool
from babyvlm.toolbox.builders.published.material import by_label, cast, frame_size_of
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.paste import Pasted
from babyvlm.toolbox.pictures import Picture, open_picture
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, TASKS, count_prompt, who_has_more_synthetic_prompt
from babyvlm.toolbox.views import View

_SPARE = 1.3  # crops looked at for each that is wanted: some are too dark
_DARK = 40  # of 255: what is darker is hardly told from the black canvas
_LIT = 0.5  # least part of every row and column of a crop that is not dark
_LARGEST_NUMBER = 10
_ZERO = 1 / 9  # of pairs have an empty picture (published: 3 of 27)
_ONE_AGAINST_NONE = 2 / 3  # of those (published: 2 of 3)
_DIFFERENCES = {1: 8.0, 2: 6.0, 3: 4.0, 4: 2.0, 5: 2.0, 6: 1.0}
"""How often two numbers, neither of them 0, are so far apart (published, 27 pairs: 1 x12, 2 x6, 3 x4, 4 x1, 5 x3,
6 x1, of which at least 2 of those of 1 are against 0)."""


def object_counting(bench: Bench, count: int) -> Built:
    """How many, one to twelve."""
    return _counts(bench, "object_counting", count)


# DEVIATION: no published item is public; a list of files names them by category and number, as those of counting.
def subitizing(bench: Bench, count: int) -> Built:
    """How many, one to four."""
    return _counts(bench, "subitizing", count)


def who_has_more_synthetic(bench: Bench, count: int) -> Built:
    """Two pictures of one crop and one layout, of which the smaller has copies taken away; in a ninth it is empty."""
    task = "who_has_more_synthetic"
    crops, dark = _lit_crops(bench, task, count)
    if not crops:
        return Built([], _NOTHING, dark)
    rng = bench.rng(task)
    pairs, shown = proportionally(pair_weights(), count, rng), cast(bench, crops, count, rng)
    letters = balanced(LETTERS[:2], len(shown), rng)
    drafts = []
    for sighting, (more, fewer), gold in zip(shown, pairs[: len(shown)], letters, strict=True):
        seed = rng.getrandbits(32)
        kept = tuple(sorted(rng.sample(range(more), fewer)))
        pictures = [_pasted(sighting, more, tuple(range(more)), seed), _pasted(sighting, more, kept, seed)]
        named = [f"{more} {sighting.label}", f"{fewer} {sighting.label}"]
        turn = DraftTurn(
            prompt=who_has_more_synthetic_prompt(sighting.label),
            images=tuple(pictures if gold == "A" else pictures[::-1]),
            options=LETTERS[:2],
            gold=gold,
            labels=tuple(named if gold == "A" else named[::-1]),
        )
        difficulty = ratio_difficulty(more, fewer)
        drafts.append(Draft(task=task, turns=(turn,), category=f"{more}:{fewer}", difficulty=difficulty))
    return Built(drafts, _limit(bench, crops), dark)


def crops_to_compose(task: str, bench: Bench, count: int) -> Iterable[View]:
    """Lossless crops that pictures of a task may be composed of."""
    return (lossless(sighting.view) for sighting in _candidates(bench, task, count))


def lossless(view: View) -> View:
    """A crop to be pasted: compressed once, in the composed picture."""
    return replace(view, encoding="png")


def count_difficulty(number: int) -> Difficulty:
    """By what is seen at a glance (three) and what most have learned to count before school (six)."""
    return "easy" if number <= 3 else "medium" if number <= 6 else "hard"


def ratio_difficulty(more: int, fewer: int) -> Difficulty:
    """By ratio, which is what comparisons of number turn on: infants tell 2:1 apart, and later 3:2."""
    return "easy" if more >= 2 * fewer else "medium" if 2 * more >= 3 * fewer else "hard"


def pair_weights() -> dict[tuple[int, int], float]:
    """How often two numbers, the larger first, are to be compared; the weights add up to 1."""
    weights = {(1, 0): _ZERO * _ONE_AGAINST_NONE}
    for more in range(2, _LARGEST_NUMBER + 1):
        possible = {step: weight for step, weight in _DIFFERENCES.items() if step < more}
        for step, weight in possible.items():
            share = (1 - _ZERO) / (_LARGEST_NUMBER - 1) * weight / sum(possible.values())
            weights[more, more - step] = share
    against_none = [more for more in _DIFFERENCES if more > 1]
    for more in against_none:
        weights[more, 0] = _ZERO * (1 - _ONE_AGAINST_NONE) / len(against_none)
    return weights


ThingT = TypeVar("ThingT")


def proportionally(weights: Mapping[ThingT, float], count: int, rng: Random) -> list[ThingT]:
    """``count`` things in random order, each as often as its weight says, give or take one.

    >>> sorted(proportionally({"a": 3.0, "b": 1.0}, 8, Random(0)))
    ['a', 'a', 'a', 'a', 'a', 'a', 'b', 'b']
    """
    things, ends = list(weights), np.cumsum(list(weights.values()))
    points = (np.arange(count) + rng.random()) / count * ends[-1]
    dealt = [things[min(place, len(things) - 1)] for place in np.searchsorted(ends, points, side="right")]
    rng.shuffle(dealt)
    return dealt


_NOTHING = "no object in the open that is large and bright enough to compose pictures of"


def _counts(bench: Bench, task: str, count: int) -> Built:
    crops, dark = _lit_crops(bench, task, count)
    if not crops:
        return Built([], _NOTHING, dark)
    rng, options = bench.rng(task), TASKS[task].options
    shown = cast(bench, crops, count, rng)
    drafts = []
    for sighting, gold in zip(shown, balanced(options, len(shown), rng), strict=True):
        number = int(gold)
        turn = DraftTurn(
            prompt=count_prompt(sighting.label),
            images=(_pasted(sighting, number, tuple(range(number)), rng.getrandbits(32)),),
            options=options,
            gold=gold,
            labels=(sighting.label,),
        )
        drafts.append(Draft(task=task, turns=(turn,), category=gold, difficulty=count_difficulty(number)))
    return Built(drafts, _limit(bench, crops), dark)


def _limit(bench: Bench, crops: Sequence[Sighting]) -> str:
    return f"{len(crops)} crops of {len(by_label(crops))} categories, each used at most {bench.max_reuse} times"


def _pasted(sighting: Sighting, laid_out: int, shown: tuple[int, ...], seed: int) -> Pasted:
    canvas = frame_size_of(sighting.view)
    return Pasted(view=lossless(sighting.view), canvas=canvas, laid_out=laid_out, shown=shown, seed=seed)


def _candidates(bench: Bench, task: str, count: int) -> tuple[Sighting, ...]:
    alone = [sighting for sighting in bench.pool if sighting.is_alone]
    return choose_pool(alone, round(_SPARE * count) + 1, bench.rng(f"{task}/crops"))


def _lit_crops(bench: Bench, task: str, count: int) -> tuple[list[Sighting], Mapping[str, int]]:
    """Crops of one object of its category that black does not swallow, and how many it does."""
    crops = [one for one in _candidates(bench, task, count) if lossless(one.view) in bench.crops]
    lit = [sighting for sighting in crops if is_lit(bench.crops[lossless(sighting.view)])]
    dark = len(crops) - len(lit)
    return lit, {f"{task}: a crop too dark to be told from black": dark} if dark else {}


def is_lit(crop: Picture) -> bool:
    """Whether a crop stands out from black in every row and every column."""
    bright = np.asarray(open_picture(crop.data).convert("L")) >= _DARK
    return bool(min(bright.mean(axis=0).min(), bright.mean(axis=1).min()) >= _LIT)
