"""The language tasks: Looking While Listening, Picture Vocabulary, Localization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.balanced_cropping import FRAME_PX, QUADRANT_MARGIN
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, even_quotas, spread_out
from babyvlm.toolbox.sightings import Sighting, Singleton, frame_size, view_of
from babyvlm.toolbox.tasks import (
    LETTERS,
    QUADRANTS,
    localization_prompt,
    looking_while_listening_prompt,
    picture_vocabulary_prompt,
)
from babyvlm.toolbox.views import View

_WORD_EXPONENTS = (3.0, 1.5)
_WINDOW_SCALES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def looking_while_listening(bench: Bench, count: int) -> Built:
    """Two pictures and the word for one of them."""
    return _word_to_picture(bench, count, "looking_while_listening", 2)


def picture_vocabulary(bench: Bench, count: int) -> Built:
    """Four pictures and the word for one of them."""
    return _word_to_picture(bench, count, "picture_vocabulary", 4)


def picture_vocabulary_easy(bench: Bench, count: int) -> Built:
    """Picture Vocabulary as asked, of few words very often and of many hardly ever, as children meet things.

    The category whose word is r-th in the order in which children say words comes with a weight of r ** -3, as target
    and as foil, in every other item, four in five of which are of eight words alone, and of r ** -1.5 in the rest, from
    which more words are learned once a few are. That a few things make up most of what infants see is told by Clerkin
    et al. (2017).
    """
    rng, by_label = bench.rng("picture_vocabulary.easy"), bench.by_label
    if len(by_label) < 4:
        return Built([], f"4 categories are needed, the source shows {len(by_label)}")
    ranked = sorted(by_label, key=lambda label: (bench.spoken_from(label) or math.inf, label))
    weights = [{label: rank**-power for rank, label in enumerate(ranked, start=1)} for power in _WORD_EXPONENTS]
    drafts = []
    for number, gold in enumerate(balanced(LETTERS, count, rng)):
        labels = _drawn(weights[number % len(weights)], 4, rng)
        rng.shuffle(labels)  # the first drawn are met most, and would give the target away
        target = rng.choice(by_label[labels[0]])
        fitting = [_foils(by_label[label], target) for label in labels[1:]]
        if all(fitting):
            drafts.append(
                _word_draft("picture_vocabulary", target, [rng.choice(foils) for foils in fitting], gold, bench)
            )
    return Built(
        [replace(draft, variant="easy", difficulty="easy") for draft in drafts],
        f"{len(bench.pool)} objects in the open",
    )


def _drawn(weights: Mapping[str, float], count: int, rng: Random) -> list[str]:
    """So many labels, none twice, each by its weight among those that are left."""
    left, drawn = dict(weights), []
    for _ in range(count):
        (label,) = rng.choices(list(left), list(left.values()))
        del left[label]
        drawn.append(label)
    return drawn


def _word_to_picture(bench: Bench, count: int, task: str, num_options: int) -> Built:
    rng, by_label = bench.rng(task), bench.by_label
    if len(by_label) < num_options:
        return Built([], f"{num_options} categories are needed, the source shows {len(by_label)}")
    targets = bench.targets(bench.pool, count, rng)
    options = LETTERS[:num_options]
    drafts = []
    for target, gold in zip(targets, balanced(options, len(targets), rng), strict=True):
        foils = []
        order = rng.sample(sorted(by_label), len(by_label))
        order.sort(key=lambda label: bench.words.distance(target.label, label))
        for label in order:
            if fitting := _foils(by_label[label], target):
                foils.append(rng.choice(fitting))
            if len(foils) == num_options - 1:
                break
        if len(foils) == num_options - 1:
            drafts.append(_word_draft(task, target, foils, gold, bench))
    return Built(drafts, f"{len(bench.pool)} objects in the open, each asked for at most {bench.max_reuse} times")


def _foils(sightings: list[Sighting], target: Sighting) -> list[Sighting]:
    """Those whose crop does not also show the target's category, which would be right as well."""
    return [foil for foil in sightings if target.label not in foil.labels_in_view]


def _word_draft(task: str, target: Sighting, foils: list[Sighting], gold: str, bench: Bench) -> Draft:
    """The target at its letter's place, its foils around it in the order given."""
    options = LETTERS[: len(foils) + 1]
    shown = [*foils[: options.index(gold)], target, *foils[options.index(gold) :]]
    ask = picture_vocabulary_prompt if task == "picture_vocabulary" else looking_while_listening_prompt
    turn = DraftTurn(
        prompt=ask(target.label),
        images=tuple(sighting.view for sighting in shown),
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


def localization(bench: Bench, count: int) -> Built:
    """One picture and an object to point at; its quadrant is balanced by moving the window that is shown.

    Published pictures are cut so that the object lies in the corner: their size and shape follow from the answer.
    """
    rng = bench.rng("localization")
    singles = spread_out(bench.found.singletons, lambda single: single.box.label, rng)
    windows: dict[str, list[tuple[Singleton, View]]] = {letter: [] for letter in LETTERS}
    order = balanced(LETTERS, len(singles), rng)
    for single, first in zip(singles, order, strict=True):
        start = LETTERS.index(first)
        for letter in LETTERS[start:] + LETTERS[:start]:
            view = _window_with(single.frame, single.box, QUADRANTS[LETTERS.index(letter)], rng, bench)
            if view is not None:
                shown = bench.mirrored(view, rng)
                answer = LETTERS[LETTERS.index(letter) ^ 1] if shown.variant == "mirror" else letter
                windows[answer].append((single, shown))
                break
        if min(map(len, windows.values())) >= count:
            break
    quotas = even_quotas({letter: len(found) for letter, found in windows.items()}, count)
    drafts = []
    for letter, quota in quotas.items():
        for single, view in windows[letter][:quota]:
            turn = DraftTurn(
                prompt=localization_prompt(single.box.label),
                images=(view,),
                options=LETTERS,
                gold=letter,
                labels=(single.box.label,),
            )
            others = len(single.frame.boxes) - 1
            drafts.append(
                Draft(
                    task="localization",
                    turns=(turn,),
                    category=single.box.label,
                    difficulty="easy" if others <= 1 else "medium" if others <= 3 else "hard",
                    from_months=bench.spoken_from(single.box.label),
                )
            )
    return Built(drafts, f"{len(singles)} objects are the only one of their category in their frame and in the open")


def _window_with(frame: BoxedFrame, box: Box, quadrant: str, rng: Random, bench: Bench) -> View | None:
    """A window of the frame's shape that holds the box, its centre plainly in the quadrant; None if there is none."""
    margin = QUADRANT_MARGIN
    ranges = [(0.08, 0.5 - margin), (0.5 + margin, 0.92)]
    wanted_x, wanted_y = ranges["right" in quadrant], ranges["bottom" in quadrant]
    first = rng.randrange(3)  # not the whole frame wherever it would do
    for scale in _WINDOW_SCALES[first:] + _WINDOW_SCALES[:first]:
        width, height = round(frame.width * scale), round(frame.height * scale)
        left = _slide(box.x, box.width, frame.width, width, wanted_x, rng)
        top = _slide(box.y, box.height, frame.height, height, wanted_y, rng)
        if left is not None and top is not None:
            size = frame_size(frame.width, frame.height, FRAME_PX)
            return view_of(frame, (left, top, left + width, top + height), size, track=box.track)
    return None


def _slide(
    start: float, length: float, extent: int, window: int, wanted: tuple[float, float], rng: Random
) -> int | None:
    """Where the window may begin along one axis, so that the box is inside and its centre in the wanted range."""
    centre = start + length / 2
    lowest = max(0.0, centre - wanted[1] * window, start + length - window)
    highest = min(float(extent - window), centre - wanted[0] * window, start)
    first, last = int(-(-lowest // 1)), int(highest)
    return rng.randint(first, last) if first <= last else None
