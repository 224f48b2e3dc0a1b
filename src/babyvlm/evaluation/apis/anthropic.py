"""Anthropic's models, through the anthropic client: messages, pictures as base64 blocks."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

from babyvlm.errors import ConfigError, MissingExtraError
from babyvlm.evaluation.apis.client import Answer, Said, Transient, Trouble, count_of, text_of, trouble


class AnthropicClient:
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
        self._errors, self._model = anthropic, model
        self._sampling: Any = {} if temperature is None else {"temperature": temperature}
        self._client = anthropic.Anthropic(base_url=base_url or None, api_key=key, timeout=timeout_s, max_retries=0)

    def ask(self, conversation: Sequence[Said], max_tokens: int) -> Answer:
        messages: Any = [{"role": said.role, "content": [_part(part) for part in said.parts]} for said in conversation]
        try:
            message: Any = self._client.messages.create(
                model=self._model, messages=messages, max_tokens=max_tokens, **self._sampling
            )
        except self._errors.APIStatusError as error:
            raise trouble(error.status_code, str(error), error.response.headers.get("retry-after")) from error
        except self._errors.APIConnectionError as error:  # time-outs are among them
            raise Transient(f"{type(error).__name__}: {error}") from error
        except (self._errors.APIError, ValueError) as error:
            raise Transient(f"malformed answer: {error}") from error
        try:
            texts = [text_of(block.text) for block in message.content if block.type == "text"]
            return Answer(
                text="".join(texts),
                refused=message.stop_reason == "refusal",
                problem=str(message.stop_reason or ""),
                input_tokens=count_of(message.usage.input_tokens),
                output_tokens=count_of(message.usage.output_tokens),
                model=str(message.model or ""),
            )
        except Trouble:
            raise
        except (AttributeError, TypeError) as error:
            raise Transient(f"malformed answer: {error}") from error


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
