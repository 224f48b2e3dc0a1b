"""Visual Delayed Response as published: the object in full view, then a burst of frames around its exit.

    |first|      gap of up to 2 s      |burst, 5 frames per second ...|gone|        5 to 9 frames in all

Directions come as the recordings have them, corners up to a cap; the binary form asks of sides alone. Where several of
a category leave the same way, one after another, they are asked about together.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.published.material import part_view
from babyvlm.toolbox.departures import (
    FIRST_GAP_S,
    FPS,
    MAX_CORNER_SHARE,
    MAX_FRAMES,
    MIN_FRAMES,
    Departure,
    TrackRun,
    find_departures,
)
from babyvlm.toolbox.directions import DIRECTIONS, is_corner, mirror_image, opposite
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, spread_out
from babyvlm.toolbox.sightings import touches_edge
from babyvlm.toolbox.tasks import delayed_response_binary_prompt, delayed_response_open_prompt
from babyvlm.toolbox.views import View

_NUM_FRAMES = {5: 8, 6: 8, 7: 3, 8: 1, 9: 4}
"""How often items have so many frames (published, 24 items)."""
_EXACT_S = 1e-6
_AUGMENTED = 3  # for training, times that an exit is shown from another moment on, as it is and mirrored


@dataclass(frozen=True, kw_only=True)
class _Showing:
    """An exit as an item shows it."""

    exit: Departure
    direction: str
    mirror: bool = False


def delayed_response_binary(bench: Bench, count: int) -> Built:
    """The side or the one across."""
    return _delayed_response(bench, count, "visual_delayed_response_binary")


def delayed_response_open(bench: Bench, count: int) -> Built:
    """One of the eight directions."""
    return _delayed_response(bench, count, "visual_delayed_response_open")


def _delayed_response(bench: Bench, count: int, task: str) -> Built:
    # Both forms draw alike, so that one set of frames serves them.
    rng = bench.rng("visual_delayed_response")
    refused: Counter[str] = Counter()
    showings = _showings(bench, rng, refused)
    if not showings:
        return Built([], "no object with a track plainly leaves a frame after it was in full view", refused)
    supply = Counter(showing.direction for showing in showings)
    binary = task.endswith("binary")
    # DEVIATION: directions come as they are, but corners, which published items hardly have, are capped.
    corners = 0 if binary else int(MAX_CORNER_SHARE * min(count, len(showings)))
    chosen: list[_Showing] = []
    left_out = 0
    for showing in spread_out(showings, lambda showing: showing.exit.label, rng):
        if is_corner(showing.direction):
            if corners == 0:
                left_out += 1
                continue
            corners -= 1
        chosen.append(showing)
    chosen = chosen[:count]
    if left_out:
        refused[f"{task}: leaves through a corner" + ("" if binary else ", beyond max_corner_share")] = left_out
    drafts = []
    for showing, first in zip(chosen, balanced((True, False), len(chosen), rng), strict=True):
        drafts.append(_draft(showing, task, bench, first))
    ways = ", ".join(f"{supply[way]} {way}" for way in DIRECTIONS if supply[way])
    return Built(drafts, f"exits by direction: {ways}", refused)


def _draft(showing: _Showing, task: str, bench: Bench, first: bool) -> Draft:
    found, direction = showing.exit, showing.direction
    views = _views(showing)
    if task.endswith("open"):
        options: tuple[str, ...] = DIRECTIONS
        prompt = delayed_response_open_prompt(found.label, len(views), several=found.several)
    else:
        options = (direction, opposite(direction)) if first else (opposite(direction), direction)
        prompt = delayed_response_binary_prompt(found.label, options, len(views), several=found.several)
    turn = DraftTurn(prompt=prompt, images=views, options=options, gold=direction, labels=(found.label,) * len(views))
    return Draft(
        task=task,
        turns=(turn,),
        category=found.label,
        difficulty="easy" if len(options) == 2 else "hard" if is_corner(direction) else "medium",
    )


def _showings(bench: Bench, rng: Random, refused: Counter[str]) -> list[_Showing]:
    """Every exit once; for training several times, from different moments on, as it is and mirrored."""
    # DEVIATION: how published training items are augmented is not known; here, by mirror images and other moments.
    showings = []
    for frames in bench.found.by_source.values():
        widths = {frame.time_s: frame for frame in frames}
        schedule = functools.partial(burst_moments, frames=widths, bench=bench, rng=rng)
        for found in find_departures(frames, refused, schedule, together=True):
            if found.label in bench.withheld:
                continue
            showings.append(_Showing(exit=found, direction=found.direction))
            if not bench.augment:
                continue
            others = {found.times_s: found}
            for _ in range(_AUGMENTED):
                times_s = schedule(found.run, found.times_s[-1], found.frame)
                if not isinstance(times_s, str):
                    others[times_s] = replace(found, times_s=times_s)
            showings += [
                _Showing(exit=one, direction=mirror_image(one.direction) if mirror else one.direction, mirror=mirror)
                for one in others.values()
                for mirror in (False, True)
                if mirror or one is not found
            ]
    return showings


def burst_moments(
    run: TrackRun,
    gone_s: float,
    frame: BoxedFrame,
    *,
    frames: dict[float | None, BoxedFrame],
    bench: Bench,
    rng: Random,
) -> tuple[float, ...] | str:
    """A moment at which the object is in full view, then a burst that ends once it is gone; or why there is none.

    Args:
        run: The object's boxes up to its exit.
        gone_s: When it is gone.
        frame: The last frame with it.
        frames: The recording's boxed frames, by moment.
        bench: Settings of crops.
        rng: Source of chance.
    """
    for num_frames in _lengths(rng):
        burst = [gone_s - step / FPS for step in range(num_frames - 2, -1, -1)]
        if burst[0] < run[0][0] - _EXACT_S:
            continue
        earliest, latest = burst[0] - FIRST_GAP_S[1], burst[0] - FIRST_GAP_S[0]
        open_s = [
            at_s
            for at_s, box in run
            if earliest - _EXACT_S <= at_s <= latest + _EXACT_S and _in_full_view(frames[at_s], box, bench)
        ]
        if open_s:
            return tuple(round(at_s, 3) for at_s in (rng.choice(open_s), *burst))
    return "exit: not in full view long enough before it"


def _lengths(rng: Random) -> Sequence[int]:
    """Numbers of frames in the order in which they are tried: one as often as published, then smaller ones."""
    within = {number: often for number, often in _NUM_FRAMES.items() if MIN_FRAMES <= number <= MAX_FRAMES}
    if not within:
        within = dict.fromkeys(range(MIN_FRAMES, MAX_FRAMES + 1), 1)
    (first,) = rng.choices(list(within), list(within.values()))
    return range(first, MIN_FRAMES - 1, -1)


def _in_full_view(frame: BoxedFrame, box: Box, bench: Bench) -> bool:
    return not touches_edge(frame, box) and box.visibility >= bench.cropping.min_visibility


def _views(showing: _Showing) -> tuple[View, ...]:
    found = showing.exit
    views = []
    for time_s in found.times_s:
        frame = found.frame.model_copy(update={"time_s": time_s})
        view = part_view(frame, (0, 0, frame.width, frame.height), "jpeg-90")
        views.append(replace(view, track=found.track, variant="mirror" if showing.mirror else "plain"))
    return tuple(views)
