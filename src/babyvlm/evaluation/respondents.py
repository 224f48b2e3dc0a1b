"""What every respondent is: a name, a family, and replies to questions.

Models, baselines and people are all respondents. A respondent sees a :class:`~babyvlm.records.Question`, which holds no
answer, and replies to each of its turns; whether the replies are right is for scoring to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

from PIL import Image

from babyvlm.evaluation.journal import RoundJournal
from babyvlm.records import Question, Reply, Response
from babyvlm.toolbox.replies import CUT_OFF

Family = Literal["human", "proprietary", "open-source", "baby model", "baseline"]
ImageReader = Callable[[str], Image.Image]
"""Gives the picture of that file name, RGB."""


class Respondent(Protocol):
    """Anything that answers items."""

    name: str
    """As the report shows it."""
    family: Family
    """The group of rows it belongs to in the paper's table."""
    sends_data_out: bool
    """Whether pictures leave this machine; then restricted items are refused."""

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        """Replies to every question, in any order, each as soon as it is known."""
        ...


@runtime_checkable
class KeepsRounds(Protocol):
    """A respondent whose single replies cost something, and are kept one by one."""

    def keep_rounds(self, journal: RoundJournal) -> None:
        """Takes replies from the journal where it holds them, and adds every new one to it at once."""
        ...


@runtime_checkable
class JudgesPhrases(Protocol):
    """A respondent that can say how likely a phrase is beside a picture, which Baby Winoground is scored by."""

    def phrase_loss(self, picture: Image.Image, phrase: str) -> float:
        """Mean negative log-likelihood of the phrase and its end, nats a token."""
        ...


@runtime_checkable
class KnowsRevision(Protocol):
    """A respondent that can say which version of itself answers."""

    revision: str
    """Hash of the weights, commit of the hub, or what the provider reports; empty when not known yet."""


def written_reply(text: str, *, tokens: int, latency_s: float, cut: bool) -> Reply:
    """A reply that a model wrote token by token.

    Args:
        text: What it wrote.
        tokens: How many tokens that is.
        latency_s: Seconds it took.
        cut: Whether it ended at the longest length, not by itself.
    """
    problem = f"{CUT_OFF} (after {tokens} tokens; --max-new-tokens sets the limit)" if cut else ""
    return Reply(text=text, problem=problem, latency_s=round(latency_s, 5), tokens=tokens)


def failed_response(question: Question, problem: str) -> Response:
    """The response to a question that could not be answered at all."""
    return Response(item=question.id, replies=tuple(Reply(text=None, problem=problem) for _ in question.turns))
