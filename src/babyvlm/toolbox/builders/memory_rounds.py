"""The rounds of a Memory item, which every construction has; what stands beside a new object to learn differs.

round  1        one picture: the first object to learn
next            a new object to learn beside one learned before, which the construction chooses
last            a learned object beside one never seen; all of them in random order, twice
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from babyvlm.toolbox.drafts import DraftTurn, balanced
from babyvlm.toolbox.tasks import LETTERS, memory_prompt
from babyvlm.toolbox.views import View


def num_objects(base: int) -> int:
    """Those learned, and a new one for each test round."""
    return 3 * base


def memory_turns(
    views: Sequence[View],
    names: Sequence[str],
    beside: Sequence[int],
    rng: Random,
    *,
    rotation: int | None = None,
) -> tuple[DraftTurn, ...]:
    """The rounds over some objects, in each of which the new one is right.

    Args:
        views: Crops of the objects: those to learn first, then one for each test round.
        names: Names of the objects, all different.
        beside: For each object to learn after the first, the one that stands beside it.
        rng: Source of chance.
        rotation: Tests the learned objects in a fixed order, begun at this one; None for a random order.
    """
    base = len(beside) + 1
    learned, novel = list(range(base)), range(base, len(views))
    # Each half of the test shows every learned object once, so that both tests of one are apart.
    if rotation is None:
        tested = rng.sample(learned, base) + rng.sample(learned, base)
    else:
        start = rotation % base
        tested = (learned[start:] + learned[:start]) * 2
    rounds = [*zip(learned[1:], beside, strict=True), *zip(novel, tested, strict=True)]
    golds = balanced(LETTERS[:2], base - 1, rng) + balanced(LETTERS[:2], 2 * base, rng)
    turns = [DraftTurn(prompt=memory_prompt(0), images=(views[0],), options=("A",), gold="A", labels=(names[0],))]
    for index, ((new, old), gold) in enumerate(zip(rounds, golds, strict=True), start=1):
        shown = (new, old) if gold == "A" else (old, new)
        turns.append(
            DraftTurn(
                prompt=memory_prompt(index),
                images=tuple(views[which] for which in shown),
                options=LETTERS[:2],
                gold=gold,
                labels=tuple(names[which] for which in shown),
            )
        )
    return tuple(turns)
