"""Anthropic's models, through the anthropic client: messages, pictures as base64 blocks."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

from babyvlm.errors import ConfigError, MissingExtraError
from babyvlm.evaluation.apis.client import (
    Completion,
    Message,
    ProvidersClient,
    Received,
    count_of,
    made,
    mapping,
    received,
    text_of,
)
from babyvlm.evaluation.apis.transport import http_client

ADDRESS_VARIABLE = "ANTHROPIC_BASE_URL"
_CUT = {"max_tokens", "model_context_window_exceeded"}


class AnthropicClient(ProvidersClient):
    """One model of Anthropic.

    Args:
        model: Name of the model.
        address: Address of the server; empty for the provider's own.
        timeout_s: Longest wait for one call.
        temperature: Sampling temperature; None for the provider's default.
    """

    def __init__(self, model: str, address: str, timeout_s: float, temperature: float | None = None) -> None:
        try:
            import anthropic
        except ImportError as error:
            raise MissingExtraError("anthropic:NAME", "api") from error
        if not (key := os.environ.get("ANTHROPIC_API_KEY", "").strip()):
            raise ConfigError("anthropic:NAME needs a key in ANTHROPIC_API_KEY")
        self._errors: Any = anthropic
        self._model = model
        self._sampling: Any = {} if temperature is None else {"temperature": temperature}
        self._client = made(
            "anthropic",
            address,
            lambda: anthropic.Anthropic(
                base_url=address or None,
                api_key=key,
                max_retries=0,
                http_client=http_client(anthropic, address, timeout_s),
            ),
        )

    def _call(self, conversation: Sequence[Message], max_tokens: int) -> Received:
        messages: Any = [{"role": said.role, "content": [_part(part) for part in said.parts]} for said in conversation]
        raw = self._client.messages.with_raw_response.create(
            model=self._model, messages=messages, max_tokens=max_tokens, **self._sampling
        )
        return received(raw.http_response)

    def _response_of(self, error: Exception) -> Received | None:
        return received(error.response) if isinstance(error, self._errors.APIStatusError) else None

    def _usage(self, body: dict[str, Any]) -> Completion:
        usage = mapping(body.get("usage"))
        cached = [usage.get(f"cache_{name}_input_tokens") or 0 for name in ("creation", "read")]
        return Completion(
            text="",
            input_tokens=count_of(usage.get("input_tokens"), *cached),
            output_tokens=count_of(usage.get("output_tokens")),
            model=str(body.get("model") or ""),
        )

    def _read(self, body: dict[str, Any]) -> Completion:
        reason = str(body.get("stop_reason") or "")
        return Completion(
            text=text_of(body["content"]).said,
            refused=reason == "refusal",
            cut=reason in _CUT,
            problem=reason,
        )


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
