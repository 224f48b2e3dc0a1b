"""A baseline: ``baseline:last-option`` replies with the last option, whatever is asked and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from babyvlm.evaluation.respondents import Family, ImageReader, RespondentKind
from babyvlm.records import Question, Reply, Response


class LastOption:
    """What a preference for the last option earns."""

    name = "last option"
    family: Family = "baseline"
    sends_data_out = False

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        """One response for each question, with one reply for each turn."""
        for question in questions:
            yield Response(item=question.id, replies=tuple(Reply(text=turn.options[-1]) for turn in question.turns))


LAST_OPTION = RespondentKind(open=lambda rest, opening: LastOption())
