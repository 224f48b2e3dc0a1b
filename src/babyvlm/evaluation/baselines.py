"""Baselines to report beside every result: guessing, the commonest answer, matching pictures without reading.

=============  ======================================================================================
random         one of the options, with equal probability
majority       the commonest right answer of the task in this toolbox: the score of knowing the
               answer distribution alone
blind-match    compares pictures (32x32 luminance and a colour histogram) and never reads the question
=============  ======================================================================================
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.records import Item, Question, QuestionTurn, Reply, Response
from babyvlm.toolbox.image_features import appearance
from babyvlm.toolbox.tasks import counted_as, row_name

_BLIND_SEED = 1_000_003  # other guesses than the random respondent's, which would make the two rows alike


def _guess(question: Question, turn: int, seed: int) -> str:
    """One of the turn's options, by item, turn and seed alone."""
    return random.Random(f"{seed}/{question.id}/{turn}").choice(question.turns[turn].options)


class RandomGuess:
    """Replies with one of the options, with equal probability.

    Args:
        seed: Another seed, another run of guesses.
    """

    family: Family = "baseline"
    sends_data_out = False

    def __init__(self, seed: int = 0) -> None:
        self.name = "random" if seed == 0 else f"random (seed {seed})"
        self._seed = seed

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            guesses = (_guess(question, turn, self._seed) for turn in range(len(question.turns)))
            yield Response(item=question.id, replies=tuple(Reply(text=guess) for guess in guesses))


class Majority:
    """Replies with the commonest right answer of the task; where each item has texts of its own, the commonest place.

    Args:
        items: The toolbox whose answers are counted.
    """

    name = "majority"
    family: Family = "baseline"
    sends_data_out = False

    def __init__(self, items: Sequence[Item]) -> None:
        counts: dict[str, Counter[str]] = {}
        for item in items:
            counter = counts.setdefault(row_name(item.task, item.variant), Counter())
            counter.update(counted_as(item.task, turn.options, turn.gold) for turn in item.turns)
        self._commonest: Mapping[str, list[str]] = {
            task: [answer for answer, _ in sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))]
            for task, counter in counts.items()
        }

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            replies = []
            known = self._commonest.get(row_name(question.task, question.variant), ())
            for turn in question.turns:
                by_name = {counted_as(question.task, turn.options, option): option for option in turn.options}
                ranked = [by_name[name] for name in known if name in by_name]
                replies.append(Reply(text=ranked[0] if ranked else turn.options[0]))
            yield Response(item=question.id, replies=tuple(replies))


class BlindMatch:
    """Matches pictures without reading the question.

    - one picture more than there are options: the option most like the first picture;
    - pictures seen in earlier rounds: the option least like any of them;
    - otherwise there is nothing to match, and it guesses.
    """

    name = "blind-match"
    family: Family = "baseline"
    sends_data_out = False

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            seen: list[np.ndarray] = []
            replies = []
            for number, turn in enumerate(question.turns):
                looks = [appearance(images(name)) for name in turn.images]
                choice = self._choose(turn, looks, seen)
                replies.append(
                    Reply(text=_guess(question, number, _BLIND_SEED) if choice is None else turn.options[choice])
                )
                seen += looks
            yield Response(item=question.id, replies=tuple(replies))

    @staticmethod
    def _choose(turn: QuestionTurn, looks: Sequence[np.ndarray], seen: Sequence[np.ndarray]) -> int | None:
        if len(looks) == len(turn.options) + 1:
            target, *options = looks
            return int(np.argmin([np.abs(option - target).mean() for option in options]))
        if seen and len(looks) == len(turn.options):
            return int(np.argmax([min(np.abs(look - old).mean() for old in seen) for look in looks]))
        return None
