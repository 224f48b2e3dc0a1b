"""The word tasks as published: Picture Vocabulary with four bare crops at native size, and Looking While Listening.

No item of Looking While Listening is public but its list of phrases, whose wrong pictures are machine-made; it is built
as Picture Vocabulary with two pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.published.composed import lossless
from babyvlm.toolbox.builders.published.material import by_label, usual_crops
from babyvlm.toolbox.builders.published.sizes import PublishedRange, SizedCrops
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, looking_while_listening_prompt, picture_vocabulary_prompt

_NEAR = 5 / 6  # of items have a foil near in meaning (published: 15 of 18), where the source has one
_ALIKE = 1 / 4  # of items have a foil that begins like the word (published: 4 to 6 of 18)
_WORD_EXPONENTS = (3.0, 1.5)
_SIZES = PublishedRange(0.10, 0.51, 1.0)
"""Parts of the frame that crops take up (published, 60 pictures)."""


def picture_vocabulary(bench: Bench, count: int) -> Built:
    """Four crops and the word for one of them."""
    return _word_to_picture(bench, count, "picture_vocabulary", 4)


# DEVIATION: no item of this task is public but a list of phrases; it is built as Picture Vocabulary with two pictures.
def looking_while_listening(bench: Bench, count: int) -> Built:
    """Two crops and the word for one of them."""
    return _word_to_picture(bench, count, "looking_while_listening", 2)


def picture_vocabulary_easy(bench: Bench, count: int) -> Built:
    """Picture Vocabulary as asked, of few words very often and of many hardly ever, as children meet things.

    The category whose word is r-th in the order in which children say words comes with a weight of r ** -3, as target
    and as foil, in every other item, and of r ** -1.5 in the rest, from which more words are learned once a few are.
    That a few things make up most of what infants see is told by Clerkin et al. (2017).
    """
    rng, groups = bench.rng("picture_vocabulary.easy"), by_label(usual_crops(bench))
    if len(groups) < 4:
        return Built([], f"4 categories are needed, the source shows {len(groups)}")
    ranked = sorted(groups, key=lambda label: (bench.spoken_from(label) or math.inf, label))
    weights = [{label: rank**-power for rank, label in enumerate(ranked, start=1)} for power in _WORD_EXPONENTS]
    others = SizedCrops(usual_crops(bench), _SIZES, rng)
    drafts = []
    for number, gold in enumerate(balanced(LETTERS, count, rng)):
        labels = _drawn(weights[number % len(weights)], 4, rng)
        rng.shuffle(labels)  # the first drawn are met most, and would give the target away
        target = rng.choice(groups[labels[0]])
        foils = _of_labels(others, labels[1:], target, 3, rng)
        if foils is not None:
            draft = _draft("picture_vocabulary", target, foils, gold, bench)
            drafts.append(replace(draft, variant="easy", difficulty="easy"))
    return Built(drafts, f"{sum(map(len, groups.values()))} objects in the open")


def _drawn(weights: Mapping[str, float], count: int, rng: Random) -> list[str]:
    """So many labels, none twice, each by its weight among those that are left."""
    left, drawn = dict(weights), []
    for _ in range(count):
        (label,) = rng.choices(list(left), list(left.values()))
        del left[label]
        drawn.append(label)
    return drawn


def _word_to_picture(bench: Bench, count: int, task: str, num_options: int) -> Built:
    rng, crops = bench.rng(task), usual_crops(bench)
    groups = by_label(crops)
    if len(groups) < num_options:
        return Built([], f"{num_options} categories are needed, the source shows {len(groups)}")
    targets = SizedCrops(crops, _SIZES, rng, most=bench.max_reuse).draw_many(count)
    others = SizedCrops(crops, _SIZES, rng)
    drafts = []
    for target, gold in zip(targets, balanced(LETTERS[:num_options], len(targets), rng), strict=True):
        order = _foil_order(bench, target.label, list(groups), rng)
        foils = _of_labels(others, order, target, num_options - 1, rng)
        if foils is not None:
            drafts.append(_draft(task, target, foils, gold, bench))
    return Built(drafts, f"{len(crops)} crops, each asked for at most {bench.max_reuse} times")


def _foil_order(bench: Bench, target: str, labels: Sequence[str], rng: Random) -> list[str]:
    """Categories in the order in which they are taken as foils.

    As published: mostly one near in meaning, in some items one that begins like the word, the rest as it comes; unless
    the settings of words ask for foils of one kind.
    """
    order = [label for label in rng.sample(list(labels), len(labels)) if label != target]
    if bench.words.foils != "mixed":
        return sorted(order, key=lambda label: bench.words.distance(target, label))
    chosen = []
    if rng.random() < _ALIKE:
        chosen += [label for label in order if label[:1] == target[:1]][:1]
    if rng.random() < _NEAR:
        chosen += [label for label in order if bench.words.vocabulary.same_field(target, label)][:1]
    return list(dict.fromkeys([*chosen, *order]))


def _of_labels(
    crops: SizedCrops, labels: Sequence[str], target: Sighting, count: int, rng: Random
) -> list[Sighting] | None:
    """A crop each of the first so many categories that do not also show the target's; None where there are too few."""
    foils: list[Sighting] = []
    for label in labels:
        foil = crops.draw(label, lambda one: target.label not in one.labels_in_view)
        foils += [] if foil is None else [foil]
        if len(foils) == count:
            return rng.sample(foils, count)  # the first chosen must not stand first
    return None


def _draft(task: str, target: Sighting, foils: list[Sighting], gold: str, bench: Bench) -> Draft:
    """The target at its letter's place, its foils around it in the order given."""
    options = LETTERS[: len(foils) + 1]
    shown = [*foils[: options.index(gold)], target, *foils[options.index(gold) :]]
    ask = picture_vocabulary_prompt if task == "picture_vocabulary" else looking_while_listening_prompt
    turn = DraftTurn(
        prompt=ask(target.label),
        images=tuple(lossless(sighting.view) for sighting in shown),
        options=options,
        gold=gold,
        labels=tuple(sighting.label for sighting in shown),
    )
    near = sum(bench.words.is_near(target.label, foil.label) for foil in foils)
    return Draft(
        task=task,
        turns=(turn,),
        category=target.label,
        difficulty="easy" if near == 0 else "hard" if near == len(foils) else "medium",
        from_months=bench.spoken_from(target.label),
    )
