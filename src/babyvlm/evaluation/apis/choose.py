"""From ``openai:NAME``, ``anthropic:NAME`` or ``gemini:NAME`` to a respondent."""

from __future__ import annotations

import os
import sys

from babyvlm.errors import ConfigError
from babyvlm.evaluation.apis.client import Client
from babyvlm.evaluation.apis.prices import price_of
from babyvlm.evaluation.apis.respondent import ApiRespondent
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.loopback import is_loopback

APIS = ("openai", "anthropic", "gemini")


def open_api(model: str, ask: AskConfig) -> ApiRespondent:
    """The respondent behind an API.

    Args:
        model: Provider, colon, name.
        ask: How it is asked.

    Raises:
        ConfigError: No name, no key, likelihoods or log-probabilities that the API does not give, or a budget without
            a price.
        MissingExtraError: The provider's client is not installed.
    """
    provider, _, name = model.partition(":")
    if not name:
        raise ConfigError(f"{model!r} names no model; give {provider}:NAME")
    if ask.answer != "generate":
        raise ConfigError(
            f"an API gives no likelihoods; leave --answer {ask.answer} to local models. --logprobs keeps a score for "
            "every option where the provider gives log-probabilities"
        )
    if ask.logprobs and provider == "anthropic":
        raise ConfigError("Anthropic gives no log-probabilities; leave --logprobs out")
    price = price_of(model, ask.prices)
    if price is None and ask.budget is not None:
        raise ConfigError(
            f"--budget needs a price of {model}, and no table has one. Give yours with --prices FILE.json"
        )
    if price is None:
        print(
            f"no table has a price of {model}: costs are noted as 0. Give yours with --prices FILE.json",
            file=sys.stderr,
        )
    client: Client
    if provider == "openai":
        from babyvlm.evaluation.apis import openai

        address = ask.base_url or os.environ.get(openai.ADDRESS_VARIABLE, "")
        client = openai.OpenAIClient(name, address, ask.timeout_s, ask.temperature, ask.logprobs)
    elif provider == "anthropic":
        from babyvlm.evaluation.apis import anthropic

        address = ask.base_url or os.environ.get(anthropic.ADDRESS_VARIABLE, "")
        client = anthropic.AnthropicClient(name, address, ask.timeout_s, ask.temperature)
    else:
        from babyvlm.evaluation.apis import gemini

        address = ask.base_url or os.environ.get(gemini.ADDRESS_VARIABLE, "")
        client = gemini.GeminiClient(name, address, ask.timeout_s, ask.temperature, ask.logprobs)
    return ApiRespondent(client, name, ask, price, local=is_loopback(address))
