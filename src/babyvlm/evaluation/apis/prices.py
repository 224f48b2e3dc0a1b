"""What a call costs: a dated table of list prices, and what the next call may cost at most.

The table is JSON: ``{"as_of": date, "source": where it was read, "models": {"openai:NAME": {"input": usd,
"output": usd, "image_tokens": most tokens of one picture}}}``, prices in US dollars for a million tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError

from babyvlm.errors import ConfigError
from babyvlm.evaluation.apis.client import Message
from babyvlm.records import Record
from babyvlm.regular_files import read_regular


class Price(Record):
    """The price of one model."""

    input: float = Field(ge=0)
    """US dollars for a million tokens read."""
    output: float = Field(ge=0)
    """US dollars for a million tokens written, thoughts included."""
    image_tokens: int = Field(default=1600, ge=0)
    """Most tokens that one picture of a toolbox takes; bounds what a call may cost before it is made."""

    def most_read(self, conversation: Sequence[Message]) -> float:
        """What a conversation may cost to read, US dollars: a token for each two bytes of text."""
        parts = [part for said in conversation for part in said.parts]
        texts = (len(part.encode()) // 2 + 8 for part in parts if isinstance(part, str))
        return (sum(texts) + self.image_tokens * sum(isinstance(part, bytes) for part in parts)) * self.input / 1e6

    def most_written(self, max_tokens: int) -> float:
        """What a whole reply costs, US dollars."""
        return max_tokens * self.output / 1e6


class PriceTable(Record):
    """List prices on some day."""

    as_of: str
    source: str
    models: dict[str, Price]


def price_of(model: str, prices: Path | None = None) -> Price | None:
    """The price of a model, from the user's table or the packaged one; None where neither knows it.

    Args:
        model: As on the command line, ``openai:NAME``.
        prices: The user's table.

    Raises:
        ConfigError: The user's table does not read.
    """
    packaged = resources.files("babyvlm.evaluation.apis").joinpath("prices.json").read_text(encoding="utf-8")
    known = dict(PriceTable.model_validate_json(packaged).models)
    if prices is not None:
        try:
            known |= PriceTable.model_validate_json(read_regular(prices)).models
        except (OSError, ValueError) as error:
            problem = error.errors()[0] if isinstance(error, ValidationError) else error
            raise ConfigError(f"{prices}: no table of prices ({problem})") from error
    return known.get(model)
