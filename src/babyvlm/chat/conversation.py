"""One conversation with one of our checkpoints, turn by turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from babyvlm.errors import ConfigError
from babyvlm.evaluation.respondents import Respondent
from babyvlm.media import frames_at, probe
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn, Record

MOST_PICTURES = 16
CLIP_FRAMES = 8
"""Frames of a clip, evenly spread."""


class TalkingModel(Respondent, Protocol):
    """A respondent that can also say how likely each of some replies is."""

    def option_probabilities(
        self, prompt: str, pictures: Sequence[Image.Image], options: Sequence[str]
    ) -> list[float]: ...


class OptionChance(Record):
    """How likely one option is, among those asked about."""

    option: str
    probability: float


class ChatReply(Record):
    """What the model said to one question."""

    reply: str
    problem: str
    """Empty, or why there is no reply."""
    latency_s: float
    options: tuple[OptionChance, ...]
    """In the order asked; of this question by itself, without what was said before."""


class ChatConversation:
    """What was said so far, and what is asked next.

    Args:
        model: Who is asked.
    """

    def __init__(self, model: TalkingModel) -> None:
        self._model = model
        self._turns: list[QuestionTurn] = []
        self._replies: list[str] = []
        self._pictures: dict[str, Image.Image] = {}

    @property
    def turns(self) -> int:
        """Questions answered so far."""
        return len(self._replies)

    def ask(self, prompt: str, pictures: Sequence[Image.Image] = (), options: Sequence[str] = ()) -> ChatReply:
        """Asks the next question. One that fails is forgotten again.

        Args:
            prompt: The question; pictures without a ``<image>`` in it come first.
            pictures: What is shown with it.
            options: Replies whose probabilities are wanted.

        Raises:
            ConfigError: An empty question, too many pictures, or placeholders that do not fit them.
        """
        prompt, wanted = prompt.strip(), tuple(dict.fromkeys(option.strip() for option in options if option.strip()))
        placed = prompt.count(IMAGE_TOKEN)
        if not prompt.replace(IMAGE_TOKEN, "").strip():
            raise ConfigError("the question is empty")
        if len(pictures) > MOST_PICTURES:
            raise ConfigError(f"{len(pictures)} pictures at once; the most is {MOST_PICTURES}")
        if placed not in (0, len(pictures)):
            raise ConfigError(f"{placed} {IMAGE_TOKEN} in the question, and {len(pictures)} pictures")
        names = tuple(f"{len(self._turns)}-{number}" for number in range(len(pictures)))
        self._pictures.update(zip(names, pictures, strict=True))
        turn = QuestionTurn(prompt=prompt, images=names, options=wanted)
        question = Question(id="chat", task="chat", turns=(*self._turns, turn), history=tuple(self._replies))
        (response,) = self._model.answer([question], self._pictures.__getitem__)
        reply = response.replies[-1]
        if reply.text is not None:
            self._turns.append(turn)
            self._replies.append(reply.text)
        chances = self._model.option_probabilities(prompt, pictures, wanted) if wanted else []
        return ChatReply(
            reply=reply.text or "",
            problem=reply.problem if reply.text is None else "",  # what was cut off is shown as it is
            latency_s=reply.latency_s,
            options=tuple(
                OptionChance(option=option, probability=chance) for option, chance in zip(wanted, chances, strict=True)
            ),
        )


def clip_frames(path: Path, count: int = CLIP_FRAMES) -> list[Image.Image]:
    """Frames of a clip, evenly spread over it.

    Raises:
        MediaError: The file is missing, or is no video.
    """
    duration_s = probe(path).duration_s
    times_s = [duration_s * (number + 0.5) / count for number in range(count)]
    return [image for _, image in frames_at(path, times_s)]
