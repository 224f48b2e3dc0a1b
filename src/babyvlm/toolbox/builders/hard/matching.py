"""Hard variants of the tasks that published items let matching of pixels solve: every picture is a new re-photograph.

    target, foils ──> which options are to look nearest, evenly over all items ──> re-photographs chosen accordingly

The question, the options' kinds and chance are those of the published style. Which of the options looks most like the
target, to each of several matchers, is spread evenly by construction; what remains is to see the object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from babyvlm.executors import parallel_map
from babyvlm.toolbox.balanced_cropping import MIN_MIRROR_DIFFERENCE
from babyvlm.toolbox.builders.balanced.matching import (
    is_lopsided,
    matching_difficulty,
    matching_draft,
    spatial_detail_drafts,
)
from babyvlm.toolbox.builders.balanced.memory import memory_drafts
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.image_features import MATCHERS
from babyvlm.toolbox.pictures import Picture, colour_difference
from babyvlm.toolbox.rephotographs import (
    MEMORY_MATCHERS,
    MatchPlan,
    MemoryPlan,
    Rephotograph,
    choose_match,
    choose_memory,
)
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, MEMORY_BASE, left_right_prompt
from babyvlm.toolbox.views import View

_OTHERS_LOOKED_AT = 16
_ITEMS_PER_JOB = 8
_JOBS_WORTH_WORKERS = 4


def left_right_hard(bench: Bench, count: int) -> Built:
    """Another re-photograph of the same object, its mirror image, and another object of the nearest colours."""
    rng = bench.rng("left_right.hard")
    lopsided = [sighting for sighting in bench.pool if is_lopsided(bench, sighting)]
    by_label = bench.by_label
    if not lopsided or len(by_label) < 2:
        return Built(
            [], f"{len(lopsided)} objects differ enough from their mirror image, in {len(by_label)} categories"
        )
    targets = bench.targets(lopsided, count, rng)
    drafts = []
    for target, gold in zip(targets, balanced(LETTERS[:3], len(targets), rng), strict=True):
        other = _nearest_other(bench, target, by_label, rng)
        foils, labels = [target.variant("mirror"), other.view], ["mirrored", other.label]
        draft = matching_draft("left_right", left_right_prompt(), target, foils, labels, gold, rng)
        least = MIN_MIRROR_DIFFERENCE
        drafts.append(replace(draft, difficulty=matching_difficulty(bench, target, foils[:1], least)))
    limit = f"{len(lopsided)} of {len(bench.pool)} objects differ enough from their mirror image"
    return Built(_taken_anew(bench, drafts, rng), limit)


def _nearest_other(bench: Bench, target: Sighting, by_label: dict[str, list[Sighting]], rng: Random) -> Sighting:
    """The object of another category, out of some, whose colours are nearest to the target's."""
    labels = [label for label in by_label if label != target.label]
    others = [rng.choice(by_label[rng.choice(labels)]) for _ in range(_OTHERS_LOOKED_AT)]
    return min(others, key=lambda other: colour_difference(bench.crops[other.view], bench.crops[target.view]))


def spatial_details_hard(bench: Bench, count: int) -> Built:
    """Another re-photograph of the same object, and re-photographs of two that differ in detail."""
    rng = bench.rng("spatial_details.hard")
    drafts = spatial_detail_drafts(bench, count, rng)
    return Built(
        _taken_anew(bench, drafts, rng), f"{len(bench.pool)} objects in the open, not all with two others to compare"
    )


def _taken_anew(bench: Bench, drafts: Sequence[Draft], rng: Random) -> list[Draft]:
    """Matching drafts with every picture re-photographed."""
    ranks = [balanced(range(3), len(drafts), rng) for _ in range(len(MATCHERS) + 1)]
    jobs = []
    for number, draft in enumerate(drafts):
        (turn,) = draft.turns
        plan = MatchPlan(
            views=tuple(_view(image) for image in turn.images),
            gold=turn.options.index(turn.gold),
            ranks=tuple(rank[number] for rank in ranks),
            seed=rng.getrandbits(32),
        )
        jobs.append((plan, tuple(bench.crops[view] for view in plan.views)))
    chosen = _in_parallel(_choose_matches, jobs, bench.workers)
    return [
        replace(draft, variant="hard", turns=(replace(draft.turns[0], images=images),))
        for draft, images in zip(drafts, chosen, strict=True)
    ]


def _choose_matches(jobs: list[tuple[MatchPlan, tuple[Picture, ...]]]) -> list[tuple[Rephotograph, ...]]:
    return [choose_match(plan, crops) for plan, crops in jobs]


def memory_hard(bench: Bench, count: int) -> Built:
    """Fifteen rounds, the answer always the new object; old ones are photographed again each time they are shown."""
    rng = bench.rng("memory.hard")
    drafts, limit = memory_drafts(bench, count, rng)
    # An object passes if both of its tests do: how often both, either or none fall to a matcher is planned together.
    both = [
        iter(balanced([(True, True), (True, False), (False, True), (False, False)], MEMORY_BASE * len(drafts), rng))
        for _ in range(MEMORY_MATCHERS)
    ]
    jobs = []
    for draft in drafts:
        rounds = [_new_first(turn) for turn in draft.turns]
        tests = [{view: iter(next(pairs)) for (view, *_) in rounds[:MEMORY_BASE]} for pairs in both]
        learning = [balanced((True, False), MEMORY_BASE, rng) for _ in range(MEMORY_MATCHERS)]
        newer = [
            tuple(
                learning[matcher][number] if number < MEMORY_BASE else next(tests[matcher][views[1]])
                for matcher in range(MEMORY_MATCHERS)
            )
            for number, views in enumerate(rounds)
        ]
        plan = MemoryPlan(rounds=tuple(rounds), new_looks_newer=tuple(newer), seed=rng.getrandbits(32))
        jobs.append((plan, tuple(tuple(bench.crops[view] for view in views) for views in rounds)))
    chosen = _in_parallel(_choose_memories, jobs, bench.workers)
    hard = [
        replace(
            draft,
            variant="hard",
            turns=tuple(
                replace(turn, images=images if turn.gold == "A" else images[::-1])
                for turn, images in zip(draft.turns, item, strict=True)
            ),
        )
        for draft, item in zip(drafts, chosen, strict=True)
    ]
    return Built(hard, limit)


def _choose_memories(
    jobs: list[tuple[MemoryPlan, tuple[tuple[Picture, ...], ...]]],
) -> list[tuple[tuple[Rephotograph, ...], ...]]:
    return [choose_memory(plan, crops) for plan, crops in jobs]


def _new_first(turn: DraftTurn) -> tuple[View, ...]:
    views = tuple(_view(image) for image in turn.images)
    return views if turn.gold == "A" else views[::-1]


def _view(image: object) -> View:
    assert isinstance(image, View)
    return image


JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


def _in_parallel(work: Callable[[list[JobT]], list[ResultT]], jobs: list[JobT], workers: int) -> list[ResultT]:
    chunks = [jobs[start : start + _ITEMS_PER_JOB] for start in range(0, len(jobs), _ITEMS_PER_JOB)]
    done = parallel_map(work, chunks, workers=workers if len(chunks) > _JOBS_WORTH_WORKERS else 0)
    return [result for chunk in done for result in chunk]
