"""The number tasks: Who Has More in composed and in real pictures, Subitizing, Object Counting."""

from __future__ import annotations

from collections import defaultdict

from babyvlm.records import Difficulty
from babyvlm.toolbox.builders.balanced.windows import CountedView, counted_views
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.compose import plan_composition
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, even_quotas, spread_out
from babyvlm.toolbox.sightings import MAX_COUNT
from babyvlm.toolbox.tasks import (
    LETTERS,
    TASKS,
    count_prompt,
    who_has_more_naturalistic_prompt,
    who_has_more_synthetic_prompt,
)
from babyvlm.toolbox.views import View

_PAIR = LETTERS[:2]
EXEMPLARS_IN_A_PICTURE = 4
_PAIR_TRIES = 20


def count_difficulty(number: int) -> Difficulty:
    """By what is seen at a glance (three) and what most have learned to count before school (six)."""
    return "easy" if number <= 3 else "medium" if number <= 6 else "hard"


def ratio_difficulty(more: int, fewer: int) -> Difficulty:
    """By ratio, which is what comparisons of number turn on: infants tell 2:1 apart, and later 3:2."""
    return "easy" if more >= 2 * fewer else "medium" if 2 * more >= 3 * fewer else "hard"


def subitizing(bench: Bench, count: int) -> Built:
    """How many, one to four, in a composed picture of several exemplars, whose area or size is drawn apart from number.

    In published composed pictures size falls with number, so that size tells it.
    """
    rng, by_label = bench.rng("subitizing"), cut_outs(bench)
    if not by_label:
        return Built([], "no object in the open to compose pictures of")
    options = TASKS["subitizing"].options
    labels = balanced(list(by_label), count, rng)
    areas = balanced((True, False), count, rng)
    drafts = []
    for label, gold, fix_area in zip(labels, balanced(options, count, rng), areas, strict=True):
        views = rng.sample(by_label[label], min(EXEMPLARS_IN_A_PICTURE, len(by_label[label])))
        picture = plan_composition(views, int(gold), rng, fix_total_area=fix_area)
        turn = DraftTurn(prompt=count_prompt(label), images=(picture,), options=options, gold=gold, labels=(label,))
        drafts.append(Draft(task="subitizing", turns=(turn,), category=gold, difficulty=count_difficulty(int(gold))))
    return Built(drafts)


def who_has_more_synthetic(bench: Bench, count: int) -> Built:
    """Two composed pictures of a category, one to twelve objects in each, every pair of numbers as often.

    Published pairs show one layout with copies taken away: the picture with more black has fewer.
    """
    rng, by_label = bench.rng("who_has_more_synthetic"), cut_outs(bench)
    if not by_label:
        return Built([], "no object in the open to compose pictures of")
    numbers = range(1, MAX_COUNT + 1)
    pairs = balanced([(more, fewer) for more in numbers for fewer in numbers if more > fewer], count, rng)
    labels, areas = balanced(list(by_label), count, rng), balanced((True, False), count, rng)
    drafts = []
    for (more, fewer), label, fix_area, gold in zip(pairs, labels, areas, balanced(_PAIR, count, rng), strict=True):
        views = rng.sample(by_label[label], min(EXEMPLARS_IN_A_PICTURE, len(by_label[label])))
        counts = (more, fewer) if gold == "A" else (fewer, more)
        images = tuple(plan_composition(views, number, rng, fix_total_area=fix_area) for number in counts)
        turn = DraftTurn(
            prompt=who_has_more_synthetic_prompt(label),
            images=images,
            options=_PAIR,
            gold=gold,
            labels=tuple(f"{number} {label}" for number in counts),
        )
        drafts.append(
            Draft(
                task="who_has_more_synthetic",
                turns=(turn,),
                category=f"{more}:{fewer}",
                difficulty=ratio_difficulty(more, fewer),
            )
        )
    return Built(drafts)


def cut_outs(bench: Bench) -> dict[str, list[View]]:
    """Crops to compose pictures of, by category: of objects on their own, where a category has any such."""
    cut_outs = {}
    for label, sightings in bench.by_label.items():
        alone = [sighting.view for sighting in sightings if sighting.is_alone]
        cut_outs[label] = alone or [sighting.view for sighting in sightings]
    return cut_outs


def object_counting(bench: Bench, count: int) -> Built:
    """How many, one to twelve, in a frame or a window of one; every number as often as the frames allow.

    Published pictures to count in are composed of copies of one crop on black.
    """
    rng = bench.rng("object_counting")
    by_number: dict[int, list[CountedView]] = {number: [] for number in range(1, MAX_COUNT + 1)}
    for counted in counted_views(bench, rng):
        by_number[counted.count].append(counted)
    quotas = even_quotas({number: len(frames) for number, frames in by_number.items()}, count)
    drafts = []
    for number, quota in quotas.items():
        frames = spread_out(by_number[number], lambda counted: (counted.frame.source, counted.label), rng)
        for counted in frames[:quota]:
            turn = DraftTurn(
                prompt=count_prompt(counted.label),
                images=(counted.view,),
                options=TASKS["object_counting"].options,
                gold=str(number),
                labels=(counted.label,),
            )
            drafts.append(
                Draft(task="object_counting", turns=(turn,), category=str(number), difficulty=count_difficulty(number))
            )
    supply = ", ".join(f"{len(frames)} of {number}" for number, frames in by_number.items())
    return Built(drafts, f"frames by number of objects: {supply}")


def who_has_more_naturalistic(bench: Bench, count: int) -> Built:
    """Two frames of one shape with different numbers of a category; pairs of numbers as even as the frames allow."""
    task = "who_has_more_naturalistic"
    rng = bench.rng(task)
    # (label, shape of the frame) -> number -> frames: pictures of an item must not differ in size.
    groups: dict[tuple[str, int, int], dict[int, list[CountedView]]] = defaultdict(lambda: defaultdict(list))
    for counted in counted_views(bench, rng):
        groups[counted.label, counted.frame.width, counted.frame.height][counted.count].append(counted)
    supply: dict[tuple[int, int], int] = defaultdict(int)
    places: dict[tuple[int, int], list[tuple[str, int, int]]] = defaultdict(list)
    for group in sorted(groups):
        numbers = sorted(groups[group])
        for number, frames in groups[group].items():
            groups[group][number] = spread_out(frames, lambda counted: counted.frame.source, rng)
        for more in numbers:
            for fewer in (number for number in numbers if number < more):
                # No more items than the rarer side has frames, `max_reuse` times over.
                supply[more, fewer] += bench.max_reuse * min(len(groups[group][more]), len(groups[group][fewer]))
                places[more, fewer].append(group)
    wanted = [pair for pair, quota in even_quotas(dict(sorted(supply.items())), count).items() for _ in range(quota)]
    rng.shuffle(wanted)
    drafts, made = [], set()
    for (more, fewer), gold in zip(wanted, balanced(_PAIR, len(wanted), rng), strict=True):
        for _ in range(_PAIR_TRIES):
            group = rng.choice(places[more, fewer])
            pair = tuple(
                rng.choice(groups[group][number]) for number in ((more, fewer) if gold == "A" else (fewer, more))
            )
            images = tuple(counted.view for counted in pair)
            of_two = len({(counted.frame.source, counted.frame.time_s) for counted in pair}) == 2
            if of_two and (group[0], frozenset(images)) not in made:
                break
        else:
            continue
        made.add((group[0], frozenset(images)))
        turn = DraftTurn(
            prompt=who_has_more_naturalistic_prompt(group[0]),
            images=images,
            options=_PAIR,
            gold=gold,
            labels=tuple(f"{counted.count} {counted.label}" for counted in pair),
        )
        drafts.append(
            Draft(task=task, turns=(turn,), category=f"{more}:{fewer}", difficulty=ratio_difficulty(more, fewer))
        )
    return Built(drafts, f"{len(bench.found.counted)} frames to count in, {len(supply)} pairs of different numbers")
