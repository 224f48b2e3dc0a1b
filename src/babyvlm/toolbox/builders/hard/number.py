"""Hard variants of the number tasks: composed pictures in which number is held apart from size, area and hull."""

from __future__ import annotations

import itertools
from random import Random

from babyvlm.toolbox.builders.balanced.number import (
    EXEMPLARS_IN_A_PICTURE,
    count_difficulty,
    cut_outs,
    ratio_difficulty,
)
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.magnitude_control import COUNT_KINDS, Goes, pairs_to_compare, plan_count, plan_pair
from babyvlm.toolbox.sightings import MAX_COUNT
from babyvlm.toolbox.tasks import LETTERS, TASKS, count_prompt, who_has_more_synthetic_prompt
from babyvlm.toolbox.views import View

_NOTHING = "no object in the open to compose pictures of"
_WAYS: tuple[Goes, ...] = ("with", "against")


def who_has_more_synthetic_hard(bench: Bench, count: int) -> Built:
    """Two composed pictures of a category, whose magnitudes go with number in half of the items, against it in half."""
    rng, by_label = bench.rng("who_has_more_synthetic.hard"), cut_outs(bench)
    if not by_label:
        return Built([], _NOTHING)
    # Letter and way are dealt together: neither tells the other.
    cases = balanced([(goes, gold) for goes in _WAYS for gold in LETTERS[:2]], count, rng)
    pairs, labels = balanced(pairs_to_compare(MAX_COUNT), count, rng), balanced(list(by_label), count, rng)
    drafts = []
    for (more, fewer), (goes, gold), label in zip(pairs, cases, labels, strict=True):
        pictures = plan_pair(_sample(by_label[label], rng), more, fewer, goes, rng)
        named = (f"{more} {label}", f"{fewer} {label}")
        turn = DraftTurn(
            prompt=who_has_more_synthetic_prompt(label),
            images=pictures if gold == "A" else pictures[::-1],
            options=LETTERS[:2],
            gold=gold,
            labels=named if gold == "A" else named[::-1],
        )
        drafts.append(
            Draft(
                task="who_has_more_synthetic",
                variant="hard",
                turns=(turn,),
                category=f"{more}:{fewer}",
                difficulty=ratio_difficulty(more, fewer),
            )
        )
    return Built(drafts)


def subitizing_hard(bench: Bench, count: int) -> Built:
    """How many, one to four, with size, area and hull set by plan."""
    return _counts(bench, "subitizing", count)


def object_counting_hard(bench: Bench, count: int) -> Built:
    """How many, one to twelve, with size, area and hull set by plan; in published pictures, size falls with number."""
    return _counts(bench, "object_counting", count)


def _counts(bench: Bench, task: str, count: int) -> Built:
    rng, by_label = bench.rng(f"{task}.hard"), cut_outs(bench)
    if not by_label:
        return Built([], _NOTHING)
    options = TASKS[task].options
    golds, labels = balanced(options, count, rng), balanced(list(by_label), count, rng)
    # Each number gets every kind equally often, begun anywhere.
    kinds = {gold: itertools.cycle(rng.sample(COUNT_KINDS, len(COUNT_KINDS))) for gold in options}
    drafts = []
    for gold, label in zip(golds, labels, strict=True):
        picture = plan_count(_sample(by_label[label], rng), int(gold), len(options), next(kinds[gold]), rng)
        turn = DraftTurn(prompt=count_prompt(label), images=(picture,), options=options, gold=gold, labels=(label,))
        drafts.append(
            Draft(task=task, variant="hard", turns=(turn,), category=gold, difficulty=count_difficulty(int(gold)))
        )
    return Built(drafts)


def _sample(views: list[View], rng: Random) -> list[View]:
    return rng.sample(views, min(EXEMPLARS_IN_A_PICTURE, len(views)))
