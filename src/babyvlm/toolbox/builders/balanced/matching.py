"""The matching tasks: Left/Right and Spatial Details, one picture to find again among three.

Each has an easy variant for training, in which the foils show other things altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random

from babyvlm.records import Difficulty
from babyvlm.toolbox.balanced_cropping import MIN_FOIL_COLOUR_DIFFERENCE, MIN_FOIL_DIFFERENCE, MIN_MIRROR_DIFFERENCE
from babyvlm.toolbox.builders.bench import EASY_OPTIONS, Bench, Built
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, options_in_turn
from babyvlm.toolbox.pictures import colour_difference, middle_difference
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, left_right_prompt, spatial_details_prompt
from babyvlm.toolbox.views import CropVariant, View

NEAR_MISSES: tuple[CropVariant, ...] = ("hue", "cover", "stretch")
"""Foils made from the target itself, where too few exemplars are at hand."""
MIN_EXEMPLARS = 3
"""Exemplars of a category from which on no near miss is needed."""
_SIMILAR_SIZE = 1.8  # largest ratio of the sides of two exemplars shown together
_FOIL_TRIES = 60
_SPARE_TARGETS = 3  # looked at for each item wanted: not every one has foils


_MIRRORS_PER_ITEM = 2.0  # crops mirrored for each Left/Right item wanted: some turn out symmetric


def mirrored_crops(bench: Bench, count: int) -> Iterable[View]:
    """The pool, and mirror images of as many crops as Left/Right may need."""
    mirrored = bench.pool[: int(count * _MIRRORS_PER_ITEM)]
    yield from (sighting.view for sighting in bench.pool)
    yield from (sighting.variant("mirror") for sighting in mirrored)


def near_misses(bench: Bench, count: int) -> Iterable[View]:
    """The pool, and near misses of objects whose category has few others."""
    yield from (sighting.view for sighting in bench.pool)
    exemplars: dict[str, set[str]] = {}
    for sighting in bench.pool:
        exemplars.setdefault(sighting.label, set()).add(sighting.exemplar)
    scarce = [sighting for sighting in bench.pool if len(exemplars[sighting.label]) < MIN_EXEMPLARS]
    yield from (sighting.variant(variant) for sighting in scarce for variant in NEAR_MISSES)


def left_right(bench: Bench, count: int) -> Built:
    """The same crop, its mirror image, and another object, so that no option is told by differing from the others.

    Published items show the mirror image twice: the option that differs is then the answer, whatever is asked.
    """
    rng = bench.rng("left_right")
    lopsided = [sighting for sighting in bench.pool if is_lopsided(bench, sighting)]
    others = bench.by_label
    if not lopsided or len(others) < 2:
        return Built([], f"{len(lopsided)} objects differ enough from their mirror image, in {len(others)} categories")
    targets = bench.targets(lopsided, count, rng)
    drafts = []
    for target, gold in zip(targets, balanced(LETTERS[:3], len(targets), rng), strict=True):
        label = rng.choice([label for label in others if label != target.label])
        foils = [target.variant("mirror"), rng.choice(others[label]).view]
        labels = ["mirrored", label]
        drafts.append(
            replace(
                matching_draft("left_right", left_right_prompt(), target, foils, labels, gold, rng),
                difficulty=matching_difficulty(bench, target, foils[:1], MIN_MIRROR_DIFFERENCE),
            )
        )
    return Built(drafts, f"{len(lopsided)} of {len(bench.pool)} objects differ enough from their mirror image")


def is_lopsided(bench: Bench, sighting: Sighting) -> bool:
    """Whether a crop differs enough from its mirror image; false where no mirror image was cut."""
    plain, mirrored = bench.crops.get(sighting.view), bench.crops.get(sighting.variant("mirror"))
    if plain is None or mirrored is None:
        return False
    return middle_difference(plain, mirrored) >= MIN_MIRROR_DIFFERENCE


def spatial_details(bench: Bench, count: int) -> Built:
    """The same crop and two that differ in detail: other exemplars of the category, or near misses of the target.

    Published options are whole frames, of which the answer is told by its background as well as by the object.
    """
    drafts = spatial_detail_drafts(bench, count, bench.rng("spatial_details"))
    return Built(drafts, f"{len(bench.pool)} objects in the open, not all with two others to compare")


def left_right_easy(bench: Bench, count: int) -> Built:
    """Left/Right as asked, with other objects in place of mirror image and object, one in every other item."""
    return _easy(bench, count, "left_right", left_right_prompt, EASY_OPTIONS)


def spatial_details_easy(bench: Bench, count: int) -> Built:
    """Spatial Details as asked, with objects of two other categories."""
    return _easy(bench, count, "spatial_details", lambda _: spatial_details_prompt(), (3,))


def _easy(bench: Bench, count: int, task: str, prompt: Callable[[int], str], options_of_items: Sequence[int]) -> Built:
    rng, by_label = bench.rng(f"{task}.easy"), bench.by_label
    if len(by_label) < 3:
        return Built([], f"objects of {len(by_label)} categories, of 3 that are needed")
    targets = bench.targets(bench.pool, count, rng)
    drafts = []
    for target, (options, gold) in zip(targets, options_in_turn(options_of_items, len(targets), rng), strict=True):
        labels = rng.sample([label for label in by_label if label != target.label], len(options) - 1)
        foils = [rng.choice(by_label[label]).view for label in labels]
        draft = matching_draft(task, prompt(len(options)), target, foils, labels, gold, rng)
        drafts.append(replace(draft, variant="easy", difficulty="easy"))
    return Built(drafts, f"{len(bench.pool)} objects in the open")


def spatial_detail_drafts(bench: Bench, count: int, rng: Random) -> list[Draft]:
    """Drafts of Spatial Details, as many of ``count`` as there are targets with two foils."""
    by_label = bench.by_label
    golds = balanced(LETTERS[:3], count, rng)
    drafts: list[Draft] = []
    for target in bench.targets(bench.pool, _SPARE_TARGETS * count, rng):
        if len(drafts) == count:
            break
        foils, labels = _other_exemplars(bench, target, by_label[target.label], rng)
        near_misses = [variant for variant in NEAR_MISSES if _is_told_apart(bench, target, target.variant(variant))]
        for variant in rng.sample(near_misses, min(2 - len(foils), len(near_misses))):
            foils.append(target.variant(variant))
            labels.append(f"{target.label}, {variant}")
        if len(foils) == 2:
            gold = golds[len(drafts)]
            drafts.append(
                replace(
                    matching_draft("spatial_details", spatial_details_prompt(), target, foils, labels, gold, rng),
                    difficulty=matching_difficulty(bench, target, foils, MIN_FOIL_DIFFERENCE),
                )
            )
    return drafts


def matching_difficulty(bench: Bench, target: Sighting, foils: Sequence[View], least: float) -> Difficulty:
    """By how far the nearest foil's pixels are from the target's, in multiples of what is required at least."""
    nearest = min(middle_difference(bench.crops[foil], bench.crops[target.view]) for foil in foils)
    return "easy" if nearest >= 2 * least else "medium" if nearest >= 1.4 * least else "hard"


def _is_told_apart(bench: Bench, target: Sighting, foil: View) -> bool:
    """Whether a foil was cut, and looks different enough."""
    if foil not in bench.crops:
        return False
    return middle_difference(bench.crops[foil], bench.crops[target.view]) >= MIN_FOIL_DIFFERENCE


def _other_exemplars(
    bench: Bench, target: Sighting, candidates: Sequence[Sighting], rng: Random
) -> tuple[list[View], list[str]]:
    """At most two views of different other objects of the category, at a similar size."""
    foils: list[View] = []
    exemplars = {target.exemplar}
    for foil in rng.sample(candidates, min(_FOIL_TRIES, len(candidates))):
        larger, smaller = max(foil.side_px, target.side_px), min(foil.side_px, target.side_px)
        if foil.exemplar in exemplars or larger > _SIMILAR_SIZE * smaller:
            continue
        different = colour_difference(bench.crops[foil.view], bench.crops[target.view])
        if different < MIN_FOIL_COLOUR_DIFFERENCE or not _is_told_apart(bench, target, foil.view):
            continue
        foils.append(foil.view)
        exemplars.add(foil.exemplar)
        if len(foils) == 2:
            break
    return foils, [f"{target.label}, another"] * len(foils)


def matching_draft(
    task: str, prompt: str, target: Sighting, foils: list[View], labels: list[str], gold: str, rng: Random
) -> Draft:
    """The draft of a matching item: the target, then it and its foils in random order around the right place."""
    options = LETTERS[: len(foils) + 1]
    order = rng.sample(range(len(foils)), len(foils))
    images = [foils[index] for index in order]
    named = [labels[index] for index in order]
    images.insert(options.index(gold), target.view)
    named.insert(options.index(gold), target.label)
    turn = DraftTurn(
        prompt=prompt, images=(target.view, *images), options=options, gold=gold, labels=(target.label, *named)
    )
    return Draft(task=task, turns=(turn,), category=target.label)
