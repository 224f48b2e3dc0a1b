"""Localization as published: the frame is cut so that the object's box lies in the corner that the answer names.

left answers keep the columns from the box's left edge on, right ones those up to its right edge
top answers keep the rows from the box's upper edge on, bottom ones those up to its lower edge
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.builders.published.material import Window, off_midlines, part_view, window_around
from babyvlm.toolbox.drafts import Draft, DraftTurn, even_quotas, spread_out
from babyvlm.toolbox.sightings import Singleton
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS, localization_prompt

# DEVIATION: training items are built likewise; the published ones have boxes that fill the frame, and so no answer.
_UNEVEN = 2  # largest ratio of two letters' frequencies (published: 8, 7, 4 and 8)


def localization(bench: Bench, count: int) -> Built:
    """One picture and an object to point at, letters as even as the objects' places allow."""
    rng = bench.rng("localization")
    plain: dict[str, list[Singleton]] = {letter: [] for letter in LETTERS}
    nearer: dict[str, list[Singleton]] = {letter: [] for letter in LETTERS}
    for single in spread_out(bench.found.singletons, lambda one: (one.box.label, one.frame.source, one.box.track), rng):
        window, size = _window(single, bench), (single.frame.width, single.frame.height)
        found = plain if off_midlines(window, size) >= bench.cropping.quadrant_margin else nearer
        found[quadrant(window, size)].append(single)
    by_letter = plain
    quotas = _quotas(plain, count)
    if sum(quotas.values()) < count and any(nearer.values()):
        by_letter = {letter: plain[letter] + nearer[letter] for letter in LETTERS}
        quotas = _quotas(by_letter, count)
    drafts = [_draft(single, letter, bench) for letter in LETTERS for single in by_letter[letter][: quotas[letter]]]
    relaxed = sum(max(0, quotas[letter] - len(plain[letter])) for letter in LETTERS)
    notes = []
    if relaxed:
        least, published = bench.cropping.least_quadrant_margin, bench.cropping.quadrant_margin
        notes.append(
            f"localization: in {relaxed} of {len(drafts)} items the object's centre is as near as {least:g} of the "
            f"frame to a midline, where {published:g} is published: without them, letters would be too uneven or few"
        )
    supply = ", ".join(f"{len(found)} {QUADRANTS[LETTERS.index(letter)]}" for letter, found in by_letter.items())
    limit = f"objects alone of their kind, large enough and plainly in a quadrant: {supply}"
    return Built(
        drafts, f"{limit}; no letter is used more than {_UNEVEN} times as often as another", notes=tuple(notes)
    )


def _window(single: Singleton, bench: Bench) -> Window:
    return window_around(single.frame, single.box, bench.cropping.margin)


def _quotas(by_letter: Mapping[str, list[Singleton]], count: int) -> dict[str, int]:
    """Items by letter, as even as the supply allows; letters that occur, within a ratio."""
    supply = {letter: len(found) for letter, found in by_letter.items()}
    most = _UNEVEN * min((number for number in supply.values() if number), default=0)
    return even_quotas({letter: min(number, most) for letter, number in supply.items()}, count)


def quadrant(window: Window, frame: tuple[int, int]) -> str:
    """The letter of the quadrant of the frame that a window's centre is in; a midline counts as right, or bottom.

    >>> quadrant((0, 300, 100, 400), (640, 480))
    'C'
    """
    left, top, right, bottom = window
    return LETTERS[2 * (top + bottom >= frame[1]) + (left + right >= frame[0])]


def corner_cut(window: Window, letter: str, frame: tuple[int, int]) -> Window:
    """The part of the frame that is shown.

    >>> corner_cut((40, 60, 240, 230), "A", (640, 480)), corner_cut((400, 60, 600, 230), "B", (640, 480))
    ((40, 60, 640, 480), (0, 60, 600, 480))
    """
    left, top, right, bottom = window
    place = LETTERS.index(letter)
    across = (0, right) if place % 2 else (left, frame[0])
    down = (0, bottom) if place >= 2 else (top, frame[1])
    return across[0], down[0], across[1], down[1]


def _draft(single: Singleton, letter: str, bench: Bench) -> Draft:
    frame, box = single.frame, single.box
    window = _window(single, bench)
    left, top, right, bottom = window
    shown = part_view(frame, corner_cut(window, letter, (frame.width, frame.height)), "jpeg-75", box)
    view = replace(shown, box=(left, top, right - left, bottom - top))
    turn = DraftTurn(
        prompt=localization_prompt(box.label), images=(view,), options=LETTERS, gold=letter, labels=(box.label,)
    )
    others = _others(frame, box)
    return Draft(
        task="localization",
        turns=(turn,),
        category=box.label,
        difficulty="easy" if others <= 1 else "medium" if others <= 3 else "hard",
        from_months=bench.spoken_from(box.label),
    )


def _others(frame: BoxedFrame, box: Box) -> int:
    return sum(other is not box for other in frame.boxes)
