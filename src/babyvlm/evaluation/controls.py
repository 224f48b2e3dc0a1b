"""Control conditions: the same model without part of its input. Its score without the input shows bias or shortcuts.

================  ===================================================================================
text-only         no pictures at all
blank-image       every picture a plain area of its size, in ImageNet's mean colour
shuffled-options  the pictures of the options in another order; the letter replied is mapped back, so a
                  model that looks keeps its accuracy, and one that prefers a letter changes its reply
================  ===================================================================================

A control wraps a respondent, and is a run of its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from babyvlm.evaluation.journal import RoundJournal
from babyvlm.evaluation.respondents import Family, ImageReader, KeepsRounds, KnowsRevision, Respondent
from babyvlm.records import IMAGE_TOKEN, OptionScores, Question, QuestionTurn, Response
from babyvlm.toolbox import read_answer, task_named
from babyvlm.toolbox.replies import CUT_OFF

BLANK_COLOUR = (123, 116, 103)
"""ImageNet's mean."""


class _Around:
    """What every control shares: it is a baseline, and otherwise like the respondent that it wraps."""

    family: Family = "baseline"

    def __init__(self, inner: Respondent, what: str) -> None:
        self._inner, self.name, self.sends_data_out = inner, f"{inner.name}, {what}", inner.sends_data_out

    @property
    def revision(self) -> str:
        return self._inner.revision if isinstance(self._inner, KnowsRevision) else ""

    def keep_rounds(self, journal: RoundJournal) -> None:
        if isinstance(self._inner, KeepsRounds):
            self._inner.keep_rounds(journal)


class TextOnly(_Around):
    """Asks without any picture."""

    def __init__(self, inner: Respondent) -> None:
        super().__init__(inner, "text only")
        self.sends_data_out = False  # words alone

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        return self._inner.answer([without_pictures(question) for question in questions], images)


class BlankImage(_Around):
    """Shows a plain area in place of every picture."""

    def __init__(self, inner: Respondent) -> None:
        super().__init__(inner, "blank images")
        self.sends_data_out = False  # no pixel of any picture

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        return self._inner.answer(questions, lambda name: Image.new("RGB", images(name).size, BLANK_COLOUR))


class ShuffledOptions(_Around):
    """Shows the options' pictures in another order.

    Args:
        inner: Who answers.
        seed: Another seed, another order.
    """

    def __init__(self, inner: Respondent, seed: int = 0) -> None:
        super().__init__(inner, "shuffled options")
        self._seed = seed

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        known = {question.id: question for question in questions}
        shuffled = [self._shuffled(question) for question in questions]
        for response in self._inner.answer(shuffled, images):
            yield self._mapped_back(known[response.item], response)

    def _orders(self, question: Question) -> list[tuple[int, ...]]:
        """For each turn, which option's picture stands at each place; empty where options have no pictures."""
        orders = []
        for number, turn in enumerate(question.turns):
            places = tuple(range(len(turn.options)))
            lettered = task_named(question.task).answers == "letter" and len(turn.images) - len(places) in (0, 1)
            order = places if lettered and len(places) > 1 else ()
            rng = random.Random(f"{self._seed}/{question.id}/{number}")
            while order == places:
                order = tuple(rng.sample(places, len(places)))
            orders.append(order)
        return orders

    def _shuffled(self, question: Question) -> Question:
        orders = self._orders(question)
        turns, history = [], list(question.history)
        for number, (turn, order) in enumerate(zip(question.turns, orders, strict=True)):
            if order:
                options = turn.images[-len(order) :]
                leading = turn.images[: -len(order)]
                turn = turn.model_copy(update={"images": (*leading, *(options[old] for old in order))})
                if number < len(history):
                    history[number] = turn.options[order.index(turn.options.index(history[number]))]
            turns.append(turn)
        return question.model_copy(update={"turns": tuple(turns), "history": tuple(history)})

    def _mapped_back(self, question: Question, response: Response) -> Response:
        replies = []
        for turn, order, reply in zip(question.turns, self._orders(question), response.replies, strict=True):
            cut = reply.problem.startswith(CUT_OFF)
            task = task_named(question.task)
            read = read_answer(reply.text, task, turn.options, cut=cut) if order and reply.text else None
            if read is not None:
                reply = reply.model_copy(update={"text": turn.options[order[turn.options.index(read)]]})
            if order and reply.scores is not None:
                reply = reply.model_copy(update={"scores": _in_order(reply.scores, order)})
            replies.append(reply)
        return response.model_copy(update={"replies": tuple(replies)})


def _in_order(scores: OptionScores, order: Sequence[int]) -> OptionScores:
    """Scores by the options' own order, from those by the places at which they were shown."""
    places = [order.index(option) for option in range(len(order))]
    kept = {name: getattr(scores, name) for name in ("sums", "means", "corrected")}
    return scores.model_copy(
        update={name: tuple(values[place] for place in places) for name, values in kept.items() if values}
    )


def without_pictures(question: Question) -> Question:
    """A question with its words alone."""

    def bare(turn: QuestionTurn) -> QuestionTurn:
        prompt = re.sub(rf" ?{re.escape(IMAGE_TOKEN)}", "", turn.prompt).strip()
        return turn.model_copy(update={"prompt": prompt, "images": ()})

    return question.model_copy(update={"turns": tuple(map(bare, question.turns))})


CONTROLS: dict[str, Callable[[Respondent, int], Respondent]] = {
    "text-only": lambda inner, seed: TextOnly(inner),
    "blank-image": lambda inner, seed: BlankImage(inner),
    "shuffled-options": lambda inner, seed: ShuffledOptions(inner, seed),
}
"""Name of a control -> the control of a respondent, with a seed."""
