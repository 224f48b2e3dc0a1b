"""Looking While Listening as the leaderboard scores it: Baby Winoground, two pictures and two phrases, by likelihood.

items -> winoground_pairs -> a model's loss of each phrase beside each picture -> winoground_scores

A model that never says a word can be scored so. Losses are mean negative log-likelihoods, as lmms-eval's models return
them: lower is likelier. A tie is no preference, and earns nothing. In the published list of pairs the first, positive
picture is a child's frame, and the second, negative one was generated for the other phrase; in pairs made of a
toolbox's own items both are frames, and the first is the one that the item shows first.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from babyvlm.errors import InputError
from babyvlm.records import Item, Record

TASK = "looking_while_listening"


class WinogroundPair(Record):
    """Two pictures and the phrase that belongs to each."""

    item: str
    """The item, or the first of the two items, it comes from."""
    images: tuple[str, str]
    phrases: tuple[str, str]


class PairLosses(Record):
    """Mean negative log-likelihood of each phrase beside each picture, in nats a token."""

    image0_phrase0: float
    image0_phrase1: float
    image1_phrase0: float
    image1_phrase1: float


class JudgedPair(Record):
    """A pair with a model's losses, as a run keeps it."""

    pair: WinogroundPair
    losses: PairLosses


class WinogroundScores(Record):
    """What one pair earned, or the means over several."""

    text_score: float
    """Each picture prefers its own phrase."""
    image_score: float
    """Each phrase prefers its own picture."""
    group_score: float
    """Both."""
    positive_context_group_score: float
    """The first picture prefers its phrase, and that phrase prefers the first picture."""
    negative_context_group_score: float
    """The same of the second picture and its phrase."""
    pairs: int = 1


WINOGROUND_CHANCE = {
    "text_score": 1 / 4,
    "image_score": 1 / 4,
    "group_score": 1 / 6,
    "positive_context_group_score": 1 / 3,
    "negative_context_group_score": 1 / 3,
}
"""What losses in any order earn on average."""
BOARD_METRICS = ("group_score", "image_score", "text_score")
"""Those that the leaderboard's scores file has; the published task reports the other two beside them."""


def winoground_pairs(items: Iterable[Item]) -> tuple[WinogroundPair, ...]:
    """The pairs that Looking While Listening items make.

    An item whose labels say what both pictures show is a pair by itself. Without labels, two items that ask for
    different words of the same two pictures, with different answers, are one. Items of other tasks are passed over.

    Args:
        items: Items of any tasks.

    Returns:
        Pairs in the order of the items, each pair of pictures with its phrases once.
    """
    pairs: dict[tuple[tuple[str, str], ...], WinogroundPair] = {}
    waiting: dict[frozenset[str], list[Item]] = defaultdict(list)
    for item in items:
        turn = item.turns[0]
        if item.task != TASK or len(turn.images) != 2:
            continue
        if len(turn.labels) == 2 and turn.labels[0] != turn.labels[1]:
            _add(pairs, item, (turn.images[0], turn.images[1]), (turn.labels[0], turn.labels[1]))
        elif item.category:
            waiting[frozenset(turn.images)].append(item)
    for twins in waiting.values():
        for first, second in itertools.combinations(twins, 2):
            shown = _asked_for(first), _asked_for(second)
            if shown[0] != shown[1] and first.category != second.category:
                _add(pairs, first, shown, (first.category, second.category))
    return tuple(pairs.values())


def _asked_for(item: Item) -> str:
    turn = item.turns[0]
    return turn.images[turn.options.index(turn.gold)]


def _add(
    pairs: dict[tuple[tuple[str, str], ...], WinogroundPair],
    item: Item,
    images: tuple[str, str],
    phrases: tuple[str, str],
) -> None:
    key = tuple(sorted(zip(images, phrases, strict=True)))
    pairs.setdefault(key, WinogroundPair(item=item.id, images=images, phrases=phrases))


def pair_scores(losses: PairLosses) -> WinogroundScores:
    """What one pair earns: three times 0 or 1.

    >>> right = PairLosses(image0_phrase0=1, image0_phrase1=2, image1_phrase0=2, image1_phrase1=1)
    >>> pair_scores(right).group_score
    1.0
    """
    own = losses.image0_phrase0, losses.image1_phrase1
    text = own[0] < losses.image0_phrase1, own[1] < losses.image1_phrase0
    image = own[0] < losses.image1_phrase0, own[1] < losses.image0_phrase1
    return WinogroundScores(
        text_score=float(all(text)),
        image_score=float(all(image)),
        group_score=float(all(text) and all(image)),
        positive_context_group_score=float(text[0] and image[0]),
        negative_context_group_score=float(text[1] and image[1]),
    )


def winoground_scores(losses: Sequence[PairLosses]) -> WinogroundScores:
    """Means over pairs.

    Raises:
        InputError: There is no pair.
    """
    if not losses:
        raise InputError(
            "there is no pair to score", remedy=f"The toolbox needs items of {TASK}, with labels or asked both ways"
        )
    scores = [pair_scores(one) for one in losses]
    means = {name: fmean(getattr(score, name) for score in scores) for name in WINOGROUND_CHANCE}
    return WinogroundScores(**means, pairs=len(scores))
