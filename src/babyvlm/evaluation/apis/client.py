"""What every API is reduced to: a conversation goes in, one reply comes out or one of a few named troubles.

Trouble
├── Transient     may be gone later: 429, 5xx, time-out, broken connection, an answer that does not parse
├── Rejected      this conversation is not taken (400, 413, 422): only this item fails
└── Barred        nothing will be taken (401, 402, 403, 404): the run stops
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from babyvlm.records import Record


class Said(Record):
    """One side of one round: text and pictures in order."""

    role: str
    """``user`` or ``assistant``."""
    parts: tuple[str | bytes, ...]
    """Text, or the bytes of a JPEG."""


class Answer(Record):
    """What came back from one call."""

    text: str
    refused: bool = False
    problem: str = ""
    """Why there is no text, or why it was refused."""
    input_tokens: int = 0
    output_tokens: int = 0
    model: str = ""
    """The version that answered, as the provider names it."""


class Trouble(Exception):  # noqa: N818 - nobody sees it as an error
    """A call that gave no answer."""


class Transient(Trouble):
    """It may do better later.

    Args:
        problem: What happened.
        wait_s: How long the server asks to wait, seconds.
    """

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


class Rejected(Trouble):
    """The conversation itself is not taken."""


class Barred(Trouble):
    """Key, account or model: no call will do better."""


class Client(Protocol):
    """One model of one provider."""

    def ask(self, conversation: Sequence[Said], max_tokens: int) -> Answer:
        """One call, without any retry.

        Raises:
            Trouble: One of its kinds.
        """
        ...


class ProvidersClient(ABC):
    """A client through a provider's own package: a call, and what its errors and answers mean here."""

    def ask(self, conversation: Sequence[Said], max_tokens: int) -> Answer:
        """One call, without any retry.

        Raises:
            Trouble: One of its kinds.
        """
        try:
            answered = self._call(conversation, max_tokens)
        except Exception as error:
            meant = self._meaning(error)
            if isinstance(meant, Answer):
                return meant
            if meant is None:
                raise
            raise meant from error
        try:
            return self._read(answered)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise Transient(f"malformed answer: {error}") from error

    @abstractmethod
    def _call(self, conversation: Sequence[Said], max_tokens: int) -> Any:
        """The provider's answer, as its package gives it."""

    @abstractmethod
    def _meaning(self, error: Exception) -> Trouble | Answer | None:
        """What an error of the call stands for; an answer where it is a refusal, None where it is none of theirs."""

    @abstractmethod
    def _read(self, answered: Any) -> Answer:
        """The provider's answer in our form; an attribute or index that is missing makes it a malformed one."""


def meaning(errors: Any, error: Exception) -> Trouble | None:
    """What an error of the openai or anthropic package stands for; the two name theirs alike.

    Args:
        errors: The package.
        error: What it raised.
    """
    if isinstance(error, errors.APIStatusError):
        return trouble(error.status_code, str(error), error.response.headers.get("retry-after"))
    if isinstance(error, errors.APIConnectionError):  # time-outs are among them
        return Transient(f"{type(error).__name__}: {error}")
    if isinstance(error, (errors.APIError, ValueError)):
        return Transient(f"malformed answer: {error}")
    return None


_BARRED = {401, 402, 403, 404}


def trouble(status: int, problem: str, retry_after: str | None) -> Trouble:
    """The trouble that a status of HTTP stands for."""
    said = f"HTTP {status}: {problem[:300]}"
    if status in (408, 409, 425, 429) or status >= 500:
        return Transient(said, seconds(retry_after))
    return Barred(said) if status in _BARRED else Rejected(said)


def seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds; its other form, a date, is left to our own backoff."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def text_of(value: object) -> str:
    """A reply's text; what is none is a malformed answer."""
    if value is None or isinstance(value, str):
        return value or ""
    raise Transient(f"malformed answer: a {type(value).__name__} where text belongs")


def count_of(value: object) -> int:
    """A count of tokens; 0 where the server says none."""
    return value if isinstance(value, int) and value > 0 else 0
