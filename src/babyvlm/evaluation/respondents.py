"""The interface of respondents: a name, a family, and replies to questions.

Models, baselines and people are all respondents. A respondent sees a :class:`~babyvlm.records.Question`, which holds no
answer, and replies to each of its turns; whether the replies are right is for scoring to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from PIL import Image

from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.journal import RoundJournal
from babyvlm.records import OptionScores, Question, Reply, Response
from babyvlm.toolbox.folder import Toolbox
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


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a respondent is opened for."""

    toolbox: Toolbox
    """What it will be asked."""
    seed: int = 0
    """Seed of whatever is random about it."""
    ask: AskConfig = field(default_factory=AskConfig)
    """How it is asked."""


@dataclass(frozen=True, kw_only=True)
class RespondentKind:
    """A kind of respondent by its name on the command line: ``NAME:REST``, or for a baseline ``baseline:NAME[:REST]``.

    Another package adds one by an entry point in ``babyvlm.respondents`` or ``babyvlm.baselines``.
    """

    open: Callable[[str, Opening], Respondent]
    """Given what stands after the name and its colon (empty where nothing does), the respondent."""
    rest: str = ""
    """What must stand there, in capitals as help texts have it (``NAME``, ``MODEL``); empty where nothing must."""
    example: str = ""
    """What may stand there, for the contract suite."""


@runtime_checkable
class KeepsRounds(Protocol):
    """A respondent whose single replies cost something, and are kept one by one."""

    def keep_rounds(self, journal: RoundJournal) -> None:
        """Takes replies from the journal where it holds them, and adds every new one to it at once."""
        ...


@runtime_checkable
class TakesSomeTasks(Protocol):
    """A respondent that can answer some sub-tasks only."""

    def takes(self, row: str) -> bool:
        """Whether it can answer the items of a row (``memory``, ``memory.hard``)."""
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


def written_reply(text: str, *, tokens: int, latency_s: float, cut: bool, scores: OptionScores | None = None) -> Reply:
    """A reply that a model wrote token by token, or chose.

    Args:
        text: What it wrote.
        tokens: How many tokens that is.
        latency_s: Seconds it took.
        cut: Whether it ended at the longest length, not by itself.
        scores: Of every option, where it was chosen by them.
    """
    problem = f"{CUT_OFF} (after {tokens} tokens; --max-new-tokens sets the limit)" if cut else ""
    return Reply(text=text, problem=problem, latency_s=round(latency_s, 5), tokens=tokens, scores=scores)


def failed_response(question: Question, problem: str) -> Response:
    """The response to a question that could not be answered at all."""
    return Response(item=question.id, replies=tuple(Reply(text=None, problem=problem) for _ in question.turns))
