"""The published scoring, reproduced with its faults, for ``--scoring reference`` and ``--scoring leaderboard``.

    letters      the first stand-alone A to D, either case: "It is a cat" is A
    numbers      the first token that is a number, digits or a word, whichever comes first; words stop at ten
    directions   the whole reply in lower case, blanks included; so too where an item offers letters instead
    memory       an old object counts as remembered where exactly two test rounds show it and both are right

The two differ in what an error is worth. The published evaluation script (``reference``) leaves a sample with an error
out of the mean. The published lmms-eval wrapper, which the leaderboard runs (``leaderboard``), turns an error into an
empty reply, which is wrong.

Source: ``utils.py`` of the published training code and ``model.py`` of the leaderboard's submission template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import fmean

from babyvlm.records import Item
from babyvlm.toolbox.amounts import UNITS, plain_digits
from babyvlm.toolbox.directions import DIRECTIONS, neighbours

_SPELLED = {word: str(value) for value, word in enumerate(UNITS[:11])}
_LETTER = re.compile(r"\b[A-Da-d]\b")
# A token is a run of digits or of Latin letters. Everything else ends one, also `_` and letters of other scripts.
_TOKEN = re.compile(r"\d+|[a-z]+")


def reference_letter(text: str) -> str | None:
    """The first stand-alone A to D.

    >>> reference_letter("It is a cat"), reference_letter("(b)"), reference_letter("cat")
    ('A', 'B', None)
    """
    found = _LETTER.search(text)
    return found[0].upper() if found else None


def reference_number(text: str) -> str | None:
    """The first token that is a number, in plain digits.

    >>> reference_number("Four. One is behind the 2nd box."), reference_number("ten4"), reference_number("twelve")
    ('4', '10', None)
    """
    for token in _TOKEN.finditer(text.lower()):
        if token[0].isdigit():
            return plain_digits(token[0]).lstrip("0") or "0"
        if token[0] in _SPELLED:
            return _SPELLED[token[0]]
    return None


def reference_direction(text: str, options: Sequence[str] = ()) -> str | None:
    """The direction, or the option, that the whole reply is but for case.

    >>> reference_direction("Top Left"), reference_direction(" right"), reference_direction("a", "AB")
    ('top left', None, 'A')
    """
    lowered = text.lower()
    return next((answer for answer in (*DIRECTIONS, *options) if answer.lower() == lowered), None)


def reference_answer(text: str, kind: str, options: Sequence[str]) -> str | None:
    """What the published scoring reads in a reply.

    Args:
        text: The reply.
        kind: What the task asks for: ``letter``, ``number`` or ``direction``; ``text``, which the published scoring
            does not have, is the option that the whole reply is.
        options: The admissible answers of this round.
    """
    if kind == "direction":
        return reference_direction(text, options)
    if kind == "text":
        return next((option for option in options if option.strip() == text.strip()), None)
    return READERS[kind](text)


READERS: dict[str, Callable[[str], str | None]] = {"letter": reference_letter, "number": reference_number}
"""How replies to letter and number tasks are read."""


def reference_adjacent(gold: str, answer: str | None) -> bool:
    """Whether ``acc_adjacent`` accepts an answer: the right direction or a neighbour; never where letters are asked."""
    return gold in DIRECTIONS and answer in (gold, *neighbours(gold))


def reference_remembered(item: Item, right: Sequence[bool], base: int) -> float:
    """``acc_testing_adjusted``: objects of the learning rounds both of whose two test rounds are right, over ``base``.

    An item without labels goes by its pictures, as in our own scoring; the published script does not score it.
    """
    # DEVIATION: the published script takes any one of several learned objects in a round; here it is the first.
    shown = [turn.labels or turn.images for turn in item.turns]
    learned = {thing for things in shown[:base] for thing in things}
    tests: dict[str, list[bool]] = {}
    for things, is_right in zip(shown[base:], right[base:], strict=True):
        if old := next((thing for thing in things if thing in learned), None):
            tests.setdefault(old, []).append(is_right)
    kept = sum(len(rounds) == 2 and all(rounds) for rounds in tests.values())
    return kept / base if base else 0.0


def mean_right(right: Sequence[bool]) -> float:
    """Share of rounds that are right; 0 where there is none."""
    return fmean(right) if right else 0.0
