"""A respondent: ``colourful:most`` picks the most colourful of the pictures that go with the options, ``least`` the
least colourful.

A model of one's own is written the same way: load it in `open_colourful`, ask it in `answer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from babyvlm.errors import ConfigError
from babyvlm.evaluation.respondents import Family, ImageReader, Opening, Respondent, RespondentKind
from babyvlm.records import Question, QuestionTurn, Reply, Response


class Colourful:
    """Compares how far the colours of the pictures are from grey.

    Args:
        sign: 1 for the most colourful, -1 for the least.
    """

    family: Family = "open-source"
    sends_data_out = False

    def __init__(self, sign: int) -> None:
        self.name, self._sign = f"colourful ({'most' if sign > 0 else 'least'})", sign

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        """One response for each question, with one reply for each turn."""
        for question in questions:
            yield Response(item=question.id, replies=tuple(self._reply(turn, images) for turn in question.turns))

    def _reply(self, turn: QuestionTurn, images: ImageReader) -> Reply:
        shown = turn.images[-len(turn.options) :]
        if len(shown) < len(turn.options):
            return Reply(text=turn.options[0])
        colours = [np.asarray(images(name), dtype=float).std(axis=2).mean() for name in shown]
        return Reply(text=turn.options[int(np.argmax(self._sign * np.array(colours)))])


def open_colourful(name: str, opening: Opening) -> Respondent:
    """The respondent that ``colourful:NAME`` names."""
    signs = {"most": 1, "least": -1}
    if name not in signs:
        raise ConfigError(f"there is no respondent 'colourful:{name}': write colourful:most or colourful:least")
    return Colourful(signs[name])


COLOURFUL = RespondentKind(open=open_colourful, rest="NAME", example="most")
