"""Visual Delayed Response, balanced: frames evenly apart, and all eight directions as often as the exits allow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random

from babyvlm.toolbox.balanced_cropping import FRAME_PX
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.departures import MIN_FRAMES, Departure, find_departures
from babyvlm.toolbox.directions import DIRECTIONS, is_corner, mirror_image, opposite
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced, even_quotas, spread_out
from babyvlm.toolbox.sightings import frame_size, view_of
from babyvlm.toolbox.tasks import delayed_response_binary_prompt, delayed_response_open_prompt
from babyvlm.toolbox.views import View

_STARTS = 2  # for training, moments from which an exit is shown


@dataclass(frozen=True, kw_only=True)
class _Showing:
    """An exit as an item shows it."""

    exit: Departure
    direction: str
    mirror: bool


def delayed_response_binary(bench: Bench, count: int) -> Built:
    """The direction or its opposite."""
    return _delayed_response(bench, count, "visual_delayed_response_binary")


def delayed_response_open(bench: Bench, count: int) -> Built:
    """One of the eight directions."""
    return _delayed_response(bench, count, "visual_delayed_response_open")


def _delayed_response(bench: Bench, count: int, task: str) -> Built:
    # Both forms draw alike, so that one set of frames serves them.
    rng = bench.rng("visual_delayed_response")
    refused: Counter[str] = Counter()
    exits = [
        shown
        for frames in bench.found.by_source.values()
        for found in find_departures(frames, refused)
        if found.label not in bench.withheld
        for shown in _showings(found, bench, rng)
    ]
    if not exits:
        return Built([], "no object with a track plainly leaves a frame", refused)
    ways: dict[str, list[_Showing]] = {direction: [] for direction in DIRECTIONS}
    for found in spread_out(exits, lambda showing: (showing.direction, showing.exit.label), rng):
        ways[found.direction].append(found)
    quotas = even_quotas({direction: len(found) for direction, found in ways.items()}, count)
    drafts = []
    for direction in DIRECTIONS:
        chosen = ways[direction][: quotas[direction]]
        for found, first in zip(chosen, balanced((True, False), len(chosen), rng), strict=True):
            views, label = _frames(found, bench), found.exit.label
            if task.endswith("open"):
                options: tuple[str, ...] = DIRECTIONS
                prompt = delayed_response_open_prompt(label, len(views))
            else:
                options = (direction, opposite(direction)) if first else (opposite(direction), direction)
                prompt = delayed_response_binary_prompt(label, options, len(views))
            turn = DraftTurn(prompt=prompt, images=views, options=options, gold=direction, labels=(label,) * len(views))
            drafts.append(
                Draft(
                    task=task,
                    turns=(turn,),
                    category=label,
                    difficulty="easy" if len(options) == 2 else "hard" if is_corner(direction) else "medium",
                )
            )
    supply = ", ".join(f"{len(found)} {direction}" for direction, found in ways.items())
    return Built(drafts, f"exits by direction: {supply}", refused)


def _showings(found: Departure, bench: Bench, rng: Random) -> list[_Showing]:
    """An exit as it is; for training also mirrored, and from later moments on."""
    if not bench.augment:
        return [_Showing(exit=found, direction=found.direction, mirror=False)]
    showings = []
    for mirror in (False, True):
        longest = len(found.times_s)
        for frames in rng.sample(range(MIN_FRAMES, longest + 1), min(_STARTS, longest + 1 - MIN_FRAMES)):
            cut = replace(found, times_s=found.times_s[-frames:])
            direction = mirror_image(found.direction) if mirror else found.direction
            showings.append(_Showing(exit=cut, direction=direction, mirror=mirror))
    return showings


def _frames(showing: _Showing, bench: Bench) -> tuple[View, ...]:
    found = showing.exit
    frame = found.frame
    whole = (0, 0, frame.width, frame.height)
    size = frame_size(frame.width, frame.height, FRAME_PX)
    views = (
        view_of(frame.model_copy(update={"time_s": time_s}), whole, size, track=found.track) for time_s in found.times_s
    )
    return tuple(replace(view, variant="mirror") if showing.mirror else view for view in views)
