"""The common interface of APIs: a conversation in; a reply, or one of a few errors, out.

Trouble
├── Transient     may be gone later: 429, 5xx, a time-out, a broken connection, an answer that was cut short
│   └── Unreached   nobody could be reached there: shared by all items unless somebody has answered before
├── Unreadable    an answer that came whole and makes no sense: it was paid for, and is not bought again
├── Rejected      this conversation is not taken: only this item fails
│   └── Unsure      ... or none is: shared by all items unless another one is taken
└── Barred        nothing will be taken (key, credit, model, address): the run stops

`verdicts` decides which of them an error is.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import Field

from babyvlm.errors import BabyVLMError, ConfigError
from babyvlm.records import Record


class Message(Record):
    """One side of one round: text and pictures in order."""

    role: str
    """``user`` or ``assistant``."""
    parts: tuple[str | bytes, ...]
    """Text, or the bytes of a JPEG."""


class Completion(Record):
    """What came back from one call."""

    text: str
    refused: bool = False
    cut: bool = False
    """Whether the reply ended at the limit of its length."""
    problem: str = ""
    """Why there is no text, or why it was refused."""
    input_tokens: int | None = None
    """None where the server does not say, or says what cannot be."""
    output_tokens: int | None = None
    model: str = ""
    """The version that answered, as the provider names it."""
    likeliest: dict[str, float] = Field(default_factory=dict)
    """The likeliest first tokens of the reply with their log-probabilities, nats; empty where nobody asked."""


class Trouble(Exception):  # noqa: N818 - nobody sees it as an error
    """A call that gave no answer."""

    charged = False
    """Whether it may have been paid for all the same."""
    usd = 0.0
    """What it cost, once the call is charged."""


class Transient(Trouble):
    """It may do better later.

    Args:
        problem: What happened.
        wait_s: How long the server asks to wait, seconds.
        charged: Whether the provider may have answered and charged for it.
    """

    def __init__(self, problem: str, wait_s: float | None = None, *, charged: bool = False) -> None:
        super().__init__(problem)
        self.wait_s, self.charged = wait_s, charged


class Unreached(Transient):
    """Nobody was there to ask."""


class Unreadable(Trouble):
    """An answer that is none; asking again would pay for another.

    Args:
        problem: What is wrong with it.
        usage: Its tokens, as far as they are known.
    """

    charged = True

    def __init__(self, problem: str, usage: Completion | None = None) -> None:
        super().__init__(f"unreadable answer: {problem}")
        self.usage = usage


class Rejected(Trouble):
    """The conversation itself is not taken."""


class Unsure(Rejected):
    """This conversation is not taken, and perhaps no other."""


class Barred(Trouble):
    """Key, account, model or address: no call will do better."""


class Client(Protocol):
    """One model of one provider."""

    def ask(self, conversation: Sequence[Message], max_tokens: int) -> Completion:
        """One call, without any retry.

        Raises:
            Trouble: One of its kinds.
        """
        ...


class Received(NamedTuple):
    """A response of HTTP, whatever its status."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    text: str


class ProvidersClient(ABC):
    """A client through a provider's own package, which sends and receives; what is received is read here."""

    def ask(self, conversation: Sequence[Message], max_tokens: int) -> Completion:
        """One call, without any retry.

        Raises:
            Trouble: One of its kinds.
        """
        from babyvlm.evaluation.apis import verdicts

        try:
            received = self._call(conversation, max_tokens)
        except Exception as error:
            response = self._response_of(error)
            if response is None:
                raise verdicts.of_exception(error) from error
            received = response
        body = verdicts.body_of(received)
        if received.status != 200 or _is_error(body):
            return _or_raise(verdicts.of_response(received, body))
        if not isinstance(body, dict):
            raise Unreadable(f"a {type(body).__name__} where an object belongs")
        usage = self._usage(body)
        try:
            answer = self._read(body)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"{type(error).__name__}: {error}", usage) from error
        return answer.model_copy(
            update={name: getattr(usage, name) for name in ("input_tokens", "output_tokens", "model")}
        )

    @abstractmethod
    def _call(self, conversation: Sequence[Message], max_tokens: int) -> Received:
        """The provider's response."""

    @abstractmethod
    def _response_of(self, error: Exception) -> Received | None:
        """The response that an error of the package stands for; None where there was none."""

    @abstractmethod
    def _usage(self, body: dict[str, Any]) -> Completion:
        """Tokens and version, as far as the body gives them. Any body has a usage, be it an unknown one."""

    @abstractmethod
    def _read(self, body: dict[str, Any]) -> Completion:
        """Text, refusal and the reason to end; whatever is missing or of another type makes it an unreadable one."""


def _is_error(body: object) -> bool:
    """Whether a body with status 200 says that the call failed, as gateways do whose own provider failed."""
    if isinstance(body, list):
        return len(body) == 1 and _is_error(body[0])
    return isinstance(body, dict) and bool(body.get("error")) and not any(body.get(k) for k in ("choices", "output"))


def _or_raise(verdict: Completion | Trouble) -> Completion:
    if isinstance(verdict, Completion):
        return verdict
    raise verdict


def received(response: Any) -> Received:
    """A response of an HTTP library, in our form."""
    return Received(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.text)


def made(package: str, address: str, make: Callable[[], Any]) -> Any:
    """A provider's client.

    Raises:
        ConfigError: It cannot be made: a bad address, proxy or certificate.
    """
    try:
        return make()
    except BabyVLMError:
        raise
    except Exception as error:
        where = f" for {address}" if address else ""
        raise ConfigError(
            f"no client of {package}{where} ({type(error).__name__}: {error}). Check --base-url, and the proxies and "
            "certificates in the environment"
        ) from error


class Text(NamedTuple):
    """What a value that holds a reply says."""

    said: str
    refusal: str


_TEXT = ("text", "output_text", "input_text", "message")


def text_of(value: object) -> Text:
    """A reply's text: a string, or a list of parts of which thoughts and calls of tools are left out.

    Raises:
        TypeError: It is neither.
    """
    texts: list[str] = []
    refusals: list[str] = []
    for kind, text in _parts(value):
        (refusals if kind == "refusal" else texts).append(text)
    return Text("".join(texts), "".join(refusals))


def _parts(value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, str):
        yield "text", value
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)
    elif isinstance(value, dict):
        kind = value.get("type", "text")
        if kind == "refusal":
            yield "refusal", str(value.get("refusal", ""))
        elif kind in _TEXT and not value.get("thought"):
            held = value.get("text", value.get("content"))
            if held is None:
                raise TypeError(f"a part of type {kind} without text: {json.dumps(value)[:80]}")
            yield from _parts(held.get("value") if isinstance(held, dict) else held)
    else:
        raise TypeError(f"a {type(value).__name__} where text belongs")


TOP_TOKENS = 20
"""First tokens asked for: the most that the providers give."""
_MOST_TOKENS = 10_000_000
"""More than any model reads or writes in one call."""


def count_of(*values: object) -> int | None:
    """A count of tokens, summed; None where the server gives none, or gives what cannot be."""
    total = 0
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_TOKENS:
            return None
        if value != int(value):
            return None
        total += int(value)
    return total


def likeliest_of(rows: object, name: str) -> dict[str, float]:
    """Tokens with their log-probabilities, as a provider lists them; rows that do not say both are passed over.

    Args:
        rows: A list of objects.
        name: What the log-probability is called in them.
    """
    found: dict[str, float] = {}
    for row in map(mapping, rows if isinstance(rows, list) else ()):
        token, log = row.get("token"), row.get(name)
        if isinstance(token, str) and isinstance(log, (int, float)) and math.isfinite(log):
            found[token] = float(log)
    return found


def first_of(value: object) -> dict[str, Any]:
    """The first of a list, where that is a mapping; an empty one otherwise."""
    return mapping(value[0]) if isinstance(value, list) and value else {}


def mapping(value: object) -> dict[str, Any]:
    """The value where it is a mapping; an empty one where it is not."""
    return value if isinstance(value, dict) else {}
