"""Who Has More (naturalistic) as published: two whole frames of two recordings, with different numbers of a kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.published.composed import proportionally, ratio_difficulty
from babyvlm.toolbox.builders.published.material import part_of
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, spread
from babyvlm.toolbox.survey import CountedFrame
from babyvlm.toolbox.tasks import LETTERS, who_has_more_naturalistic_prompt

_TASK = "who_has_more_naturalistic"
_DIFFERENCES = {1: 4.0, 2: 4.0, 3: 4.0, 4: 4.0, 5: 1.0, 6: 1.0}
"""How often two numbers are so far apart (published, 18 pairs)."""

_Place = tuple[str, int, int]
"""A category, the larger number, the smaller."""


def who_has_more_naturalistic(bench: Bench, count: int) -> Built:
    """Pairs drawn by category and number over recordings; within one only where the source has no other."""
    rng = bench.rng(_TASK)
    groups: dict[tuple[str, int], list[CountedFrame]] = defaultdict(list)
    for counted in bench.found.counted:
        groups[counted.label, counted.count].append(counted)
    across = len(bench.found.by_source) > 1
    queues = {
        group: spread(frames, lambda counted: counted.frame.source, rng) for group, frames in sorted(groups.items())
    }
    places = [
        (label, more, fewer)
        for label, more in queues
        for fewer in range(1, more)
        if (label, fewer) in queues
        and not (across and len({one.frame.source for g in (more, fewer) for one in queues[label, g]}) < 2)
    ]
    drafts: list[Draft] = []
    used: Counter[tuple[str, float | None]] = Counter()
    made: set[object] = set()
    golds = balanced(LETTERS[:2], count, rng)
    for label, more, fewer in _wanted(places, count, rng):
        if len(drafts) == count:
            break
        pair = _pair(queues[label, more], queues[label, fewer], across, used, made, bench.max_reuse)
        if pair is not None:
            drafts.append(_draft(pair, golds[len(drafts)]))
    recordings = "recordings" if across else "frames of the one recording"
    limit = f"{len(bench.found.counted)} frames to count in, {len(places)} pairs of numbers over {recordings}"
    return Built(drafts, limit)


def _wanted(places: list[_Place], count: int, rng: Random) -> list[_Place]:
    """Categories and pairs of numbers in the order in which they are tried, differences as often as published."""
    by_step: dict[int, list[_Place]] = defaultdict(list)
    for place in places:
        by_step[place[1] - place[2]].append(place)
    if not by_step:
        return []
    steps = {step: _DIFFERENCES.get(step, 0.0) for step in sorted(by_step)}
    steps = {step: weight for step, weight in steps.items() if weight}
    queues = {step: spread(by_step[step], lambda place: place[0], rng) for step in steps}
    turns: Counter[int] = Counter()
    order = []
    for step in proportionally(steps, 3 * count, rng):  # spare ones: not every place has frames left
        order.append(queues[step][turns[step] % len(queues[step])])
        turns[step] += 1
    return order


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
            part_of(counted.frame, (0, 0, counted.frame.width, counted.frame.height), "jpeg-95") for counted in shown
        ),
        options=LETTERS[:2],
        gold=gold,
        labels=tuple(f"{counted.count} {counted.label}" for counted in shown),
    )
    more, fewer = pair[0].count, pair[1].count
    return Draft(task=_TASK, turns=(turn,), category=f"{more}:{fewer}", difficulty=ratio_difficulty(more, fewer))
