"""Any OpenAI-compatible server, through the openai client: chat completions, pictures as data URLs."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from babyvlm.errors import ConfigError, MissingExtraError
from babyvlm.evaluation.apis.client import (
    TOP_TOKENS,
    Completion,
    Message,
    ProvidersClient,
    Received,
    count_of,
    first_of,
    likeliest_of,
    made,
    mapping,
    received,
    text_of,
)
from babyvlm.evaluation.apis.transport import http_client

ADDRESS_VARIABLE = "OPENAI_BASE_URL"
_CUT = {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"}
_REFUSED = {"content_filter", "safety", "refusal", "recitation", "prohibited_content", "blocklist", "sensitive"}


class OpenAIClient(ProvidersClient):
    """One model of an OpenAI-compatible server.

    Args:
        model: Name of the model on the server.
        address: Address of the server; empty for OpenAI's own.
        timeout_s: Longest wait for one call.
        temperature: Sampling temperature; None for the provider's default.
        logprobs: Whether to ask for the log-probabilities of tokens.
    """

    def __init__(
        self, model: str, address: str, timeout_s: float, temperature: float | None = None, logprobs: bool = False
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("openai:NAME", "api") from error
        key = os.environ.get("OPENAI_API_KEY", "").strip() or ("none" if address else "")
        if not key:
            raise ConfigError("openai:NAME needs a key in OPENAI_API_KEY, or a server of your own with --base-url")
        self._errors: Any = openai
        self._model = model
        self._sampling: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
        self._sampling |= {"logprobs": True, "top_logprobs": TOP_TOKENS} if logprobs else {}
        # OpenAI's own models take the newer name alone, most other servers only the older.
        own = not address or (urlsplit(address).hostname or "").endswith("api.openai.com")
        self._limit = "max_completion_tokens" if own else "max_tokens"
        self._client = made(
            "openai",
            address,
            lambda: openai.OpenAI(
                base_url=address or None,
                api_key=key,
                max_retries=0,
                http_client=http_client(openai, address, timeout_s),
            ),
        )

    def _call(self, conversation: Sequence[Message], max_tokens: int) -> Received:
        messages: Any = [
            {"role": said.role, "content": [_part(part) for part in said.parts]}
            if said.role == "user"
            else {"role": said.role, "content": "".join(map(str, said.parts))}
            for said in conversation
        ]
        limit: Any = {self._limit: max_tokens, **self._sampling}
        raw = self._client.chat.completions.with_raw_response
        return received(raw.create(model=self._model, messages=messages, **limit).http_response)

    def _response_of(self, error: Exception) -> Received | None:
        return received(error.response) if isinstance(error, self._errors.APIStatusError) else None

    def _usage(self, body: dict[str, Any]) -> Completion:
        usage = mapping(body.get("usage"))
        return Completion(
            text="",
            input_tokens=count_of(usage.get("prompt_tokens", usage.get("input_tokens"))),
            output_tokens=count_of(usage.get("completion_tokens", usage.get("output_tokens"))),
            model=str(body.get("model") or ""),
        )

    def _read(self, body: dict[str, Any]) -> Completion:
        if not body.get("choices") and isinstance(body.get("output"), list):
            return _read_output(body)
        choice = body["choices"][0]
        reason = str(choice.get("finish_reason") or "")
        reasons = {reason.lower(), str(choice.get("native_finish_reason") or "").lower()}
        message = choice["message"]
        text = text_of(message.get("content"))
        refusal = text.refusal or str(message.get("refusal") or "")
        return Completion(
            text=text.said,
            refused=bool(refusal) or bool(reasons & _REFUSED),
            cut=bool(reasons & _CUT),
            problem=refusal or reason,
            likeliest=likeliest_of(
                first_of(mapping(choice.get("logprobs")).get("content")).get("top_logprobs"), "logprob"
            ),
        )


def _read_output(body: dict[str, Any]) -> Completion:
    """The form of the Responses API: a list of thoughts, calls and messages."""
    text = text_of([part for part in body["output"] if mapping(part).get("type") == "message"])
    reason = str(mapping(body.get("incomplete_details")).get("reason") or body.get("status") or "")
    return Completion(
        text=text.said,
        refused=bool(text.refusal) or reason in _REFUSED,
        cut=reason in _CUT,
        problem=text.refusal or reason,
    )


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(part).decode()}}
