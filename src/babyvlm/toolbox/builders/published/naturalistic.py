"""Who Has More (naturalistic) as published: two whole frames of two recordings, with different numbers of a kind."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.published.composed import ratio_difficulty
from babyvlm.toolbox.builders.published.material import is_counted_exactly, part_view
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, spread_out
from babyvlm.toolbox.sightings import CountedFrame
from babyvlm.toolbox.tasks import LETTERS, who_has_more_naturalistic_prompt

_TASK = "who_has_more_naturalistic"
_DIFFERENCES = {1: 4.0, 2: 4.0, 3: 4.0, 4: 4.0, 5: 1.0, 6: 1.0}
"""How often two numbers are so far apart (published, 18 pairs)."""
_UNEVEN = 1.6
_LEAST = 12.0  # items below which their differences are taken as they come

_Place = tuple[str, int, int]
"""A category, the larger number, the smaller."""


def who_has_more_naturalistic(bench: Bench, count: int) -> Built:
    """Pairs drawn by category and number over recordings; within one only where the source has no other."""
    rng = bench.rng(_TASK)
    groups: dict[tuple[str, int], list[CountedFrame]] = defaultdict(list)
    exact: dict[tuple[str, int], list[CountedFrame]] = defaultdict(list)
    for counted in bench.found.counted:
        groups[counted.label, counted.count].append(counted)
        if is_counted_exactly(counted, bench.cropping):
            exact[counted.label, counted.count].append(counted)
    across = len(bench.found.by_source) > 1
    places: dict[int, dict[_Place, tuple[list[CountedFrame], list[CountedFrame]]]] = defaultdict(dict)
    for label, more in sorted(groups):
        for fewer in range(1, more):
            # One more or less must be sure; a larger difference shows all the same.
            of = exact if more - fewer == 1 else groups
            sides = tuple(spread_out(of[label, number], lambda one: one.frame.source, rng) for number in (more, fewer))
            sources = {counted.frame.source for side in sides for counted in side}
            if all(sides) and not (across and len(sources) < 2):
                places[more - fewer][label, more, fewer] = sides[0], sides[1]
    quotas = _quotas(places, count, bench.max_reuse)
    steps = [step for step, quota in quotas.items() for _ in range(quota)]
    rng.shuffle(steps)
    drafts: list[Draft] = []
    used: Counter[tuple[str, float | None]] = Counter()
    made: set[object] = set()
    golds = balanced(LETTERS[:2], len(steps), rng)
    turns = {step: itertools.cycle(spread_out(places[step], lambda place: place[0], rng)) for step in sorted(places)}
    for step in steps:
        for _ in places[step]:
            more_frames, fewer_frames = places[step][next(turns[step])]
            pair = _pair(more_frames, fewer_frames, across, used, made, bench.max_reuse)
            if pair is not None:
                drafts.append(_draft(pair, golds[len(drafts)]))
                break
    limit = f"{len(bench.found.counted)} frames to count in, over {'recordings' if across else 'the one recording'}"
    supply = ", ".join(f"{len(places[step])} pairs of numbers that differ by {step}" for step in sorted(places))
    return Built(drafts, f"{limit}: {supply or 'no two numbers of a category'}")


def _quotas(
    places: Mapping[int, Mapping[_Place, tuple[list[CountedFrame], list[CountedFrame]]]], count: int, max_reuse: int
) -> dict[int, int]:
    """Items by difference of numbers: as often as published where there are frames for it, and where there are few for
    one, others at most `_UNEVEN` times as often as published."""
    supply = {
        step: sum(min(max_reuse * min(len(more), len(fewer)), len(more) * len(fewer)) for more, fewer in of.values())
        for step, of in sorted(places.items())
        if step in _DIFFERENCES
    }
    if not supply:
        return {}
    whole = sum(_DIFFERENCES.values())
    total = float(count)
    while True:
        most = {step: min(have, _UNEVEN * _DIFFERENCES[step] / whole * total) for step, have in supply.items()}
        within = sum(most.values())
        if within >= total - 0.5 or total <= _LEAST:
            break
        total = max(_LEAST, within)
    room = {step: math.ceil(number) for step, number in most.items()}
    quotas = dict.fromkeys(room, 0)
    for _ in range(round(total)):
        free = [step for step in room if quotas[step] < room[step]]
        if not free:
            break
        quotas[min(free, key=lambda step: (quotas[step] + 0.5) / _DIFFERENCES[step])] += 1
    return quotas


def _pair(
    more: list[CountedFrame],
    fewer: list[CountedFrame],
    across: bool,
    used: Counter[tuple[str, float | None]],
    made: set[object],
    max_reuse: int,
) -> tuple[CountedFrame, CountedFrame] | None:
    """The two frames shown least often so far that make a new pair, of two recordings; None where there are none."""

    def key(counted: CountedFrame) -> tuple[str, float | None]:
        return counted.frame.source, counted.frame.time_s

    for first in sorted(more, key=lambda counted: used[key(counted)])[:_TRIED]:
        for second in sorted(fewer, key=lambda counted: used[key(counted)])[:_TRIED]:
            apart = key(first)[0] != key(second)[0] if across else key(first) != key(second)
            fresh = (first.label, key(first), key(second)) not in made
            if apart and fresh and max(used[key(first)], used[key(second)]) < max_reuse:
                made.add((first.label, key(first), key(second)))
                used.update((key(first), key(second)))
                return first, second
    return None


_TRIED = 60


def _draft(pair: tuple[CountedFrame, CountedFrame], gold: str) -> Draft:
    shown = pair if gold == "A" else pair[::-1]
    turn = DraftTurn(
        prompt=who_has_more_naturalistic_prompt(pair[0].label),
        images=tuple(
            part_view(counted.frame, (0, 0, counted.frame.width, counted.frame.height), "jpeg-95") for counted in shown
        ),
        options=LETTERS[:2],
        gold=gold,
        labels=tuple(f"{counted.count} {counted.label}" for counted in shown),
    )
    more, fewer = pair[0].count, pair[1].count
    return Draft(task=_TASK, turns=(turn,), category=f"{more}:{fewer}", difficulty=ratio_difficulty(more, fewer))
