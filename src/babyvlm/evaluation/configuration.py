"""How a respondent is asked: every setting of ``babyvlm evaluate`` besides model, toolbox and output.

Settings without a source are our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babyvlm.errors import ConfigError

History = Literal["own", "gold"]
AnswerMode = Literal["generate", "likelihood", "published"]
TooLong = Literal["fail", "cut"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

_BY_LIKELIHOOD = ("looking_while_listening",)
"""Sub-tasks that the leaderboard judges by likelihood."""


@dataclass(frozen=True, kw_only=True)
class AskConfig:
    """Settings of a run that asks a respondent."""

    history: History = "own"
    """What the earlier rounds of a memory item show as the respondent's replies: its own (paper), or the right ones."""
    answer: AnswerMode = "generate"
    """``generate`` writes a reply (paper); ``likelihood`` takes the option with the highest likelihood, and keeps a
    score for every option; ``published`` does so in Looking While Listening alone, which the leaderboard judges by
    likelihood. An API gives no likelihoods (see ``--logprobs``), a baseline needs none, and a language model (``lm:``)
    is always asked so."""
    logprobs: bool = False
    """Also ask an API for the log-probabilities of a reply's first token, to keep a score for every option where
    each begins with a token of its own: OpenAI-compatible servers and Gemini, of the models that give them. It changes
    no reply."""
    max_new_tokens: int | None = None
    """Most tokens of a reply. None for 8 from our models, 32 from others here, 1024 from an API, where a model
    may think before it replies."""
    batch_size: int = 32
    """Batch size of a local model, in items. Replies do not depend on it."""
    dtype: Precision = "auto"
    """Precision of a model of transformers (``hf:``, ``clip:``, ``lm:``). ``auto`` for float32 on a CPU and for dual
    encoders, bfloat16 for others on a GPU."""
    device_map: str = ""
    """How a model of transformers is spread over devices, as transformers takes it: ``auto``, ``balanced``, ``cpu``,
    ``cuda:1``. Empty for one device."""
    max_images: int | None = None
    """Most pictures in one conversation; an item with more fails at once. None for the limit in the model's
    configuration."""
    too_long: TooLong = "fail"
    """How one of our models treats an item longer than its context: ``fail``, or ``cut`` the item there and answer
    from the rest (published code)."""
    base_url: str = ""
    """Address of an API; empty for the provider's own, or what OPENAI_BASE_URL says."""
    temperature: float | None = None
    """Sampling temperature of an API; 0 for greedy decoding. None for the provider's default: reasoning models take no
    other. Local models always decode greedily."""
    concurrency: int = 8
    """Concurrent items sent to an API."""
    attempts: int = 8
    """Calls made for one reply before it counts as failed."""
    timeout_s: float = 120.0
    """Timeout of an API call, seconds."""
    backoff_s: float = 1.0
    """Longest wait after a first failed call, seconds. It doubles each time up to 60; the actual wait is a
    random share of it."""
    budget: float | None = None
    """Budget of this run on an API, US dollars. None for no bound."""
    prices: Path | None = None
    """JSON file of prices that takes precedence over the packaged one, in the same form."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "concurrency", "attempts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name.replace('_', '-')} must be at least 1, and is {getattr(self, name)}")
        for name in ("max_new_tokens", "max_images", "timeout_s", "backoff_s"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise ConfigError(f"--{name.replace('_', '-')} must be above 0, and is {value}")
        if self.budget is not None and self.budget < 0:
            raise ConfigError(f"--budget must not be negative, and is {self.budget}")

    def deciding(self) -> dict[str, str | int | float | None]:
        """The settings that may change a reply or what it keeps; a run is resumed only where they are the same."""
        usual = AskConfig()
        others = ("too_long", "dtype", "logprobs")  # not named where they are as usual: runs begun before had none
        changed = {name: getattr(self, name) for name in others if getattr(self, name) != getattr(usual, name)}
        return changed | {
            "history": self.history,
            "answer": self.answer,
            "max_new_tokens": self.max_new_tokens,
            "max_images": self.max_images,
            "base_url": self.base_url,
            "temperature": self.temperature,
        }


def by_likelihood(answer: AnswerMode, task: str) -> bool:
    """Whether the reply to a sub-task's items is the likeliest of their options, and not what the model writes."""
    return answer == "likelihood" or (answer == "published" and task in _BY_LIKELIHOOD)


def asked_otherwise(options: Mapping[str, str | int | float | None]) -> tuple[str, ...]:
    """What of a run's settings is not as usual, and may have changed its replies, in words.

    Args:
        options: Those that :meth:`AskConfig.deciding` gave.

    >>> asked_otherwise(AskConfig(answer="likelihood", temperature=0.5).deciding())
    ('the likeliest option taken for its reply', 'temperature 0.5')
    """
    said = {
        "answer": {
            "likelihood": "the likeliest option taken for its reply",
            "published": "in Looking While Listening the likelier option taken for its reply",
        },
        "history": {"gold": "shown the right replies to earlier rounds"},
        "too_long": {"cut": "items longer than its context cut"},
    }
    numbers = {
        "max_new_tokens": "replies of at most {} tokens",
        "max_images": "at most {} pictures",
        "temperature": "temperature {}",
        "dtype": "in {}",
    }
    usual = AskConfig()
    found = [words[str(options[name])] for name, words in said.items() if str(options.get(name)) in words]
    found += [
        words.format(value)
        for name, words in numbers.items()
        if (value := options.get(name)) is not None and value != getattr(usual, name)
    ]
    return tuple(found)
