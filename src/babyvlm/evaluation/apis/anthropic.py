"""Anthropic's models, through the anthropic client: messages, pictures as base64 blocks."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

from babyvlm.errors import ConfigError, MissingExtraError
from babyvlm.evaluation.apis.client import Answer, ProvidersClient, Said, Trouble, count_of, meaning, text_of


class AnthropicClient(ProvidersClient):
    """One model of Anthropic.

    Args:
        model: Its name.
        base_url: Address; empty for the provider's own.
        timeout_s: Longest wait for one call.
        temperature: Of sampling; None for the provider's default.
    """

    def __init__(self, model: str, base_url: str, timeout_s: float, temperature: float | None = None) -> None:
        try:
            import anthropic
        except ImportError as error:
            raise MissingExtraError("anthropic:NAME", "api") from error
        if not (key := os.environ.get("ANTHROPIC_API_KEY")):
            raise ConfigError("anthropic:NAME needs a key in ANTHROPIC_API_KEY")
        self._errors: Any = anthropic
        self._model = model
        self._sampling: Any = {} if temperature is None else {"temperature": temperature}
        self._client = anthropic.Anthropic(base_url=base_url or None, api_key=key, timeout=timeout_s, max_retries=0)

    def _call(self, conversation: Sequence[Said], max_tokens: int) -> Any:
        messages: Any = [{"role": said.role, "content": [_part(part) for part in said.parts]} for said in conversation]
        return self._client.messages.create(
            model=self._model, messages=messages, max_tokens=max_tokens, **self._sampling
        )

    def _meaning(self, error: Exception) -> Trouble | Answer | None:
        return meaning(self._errors, error)

    def _read(self, answered: Any) -> Answer:
        return Answer(
            text="".join(text_of(block.text) for block in answered.content if block.type == "text"),
            refused=answered.stop_reason == "refusal",
            problem=str(answered.stop_reason or ""),
            input_tokens=count_of(answered.usage.input_tokens),
            output_tokens=count_of(answered.usage.output_tokens),
            model=str(answered.model or ""),
        )


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
