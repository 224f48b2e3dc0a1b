"""Any OpenAI-compatible server, through the openai client: chat completions, pictures as data URLs."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

from babyvlm.errors import ConfigError, MissingExtraError
from babyvlm.evaluation.apis.client import Answer, ProvidersClient, Said, Trouble, count_of, meaning, text_of


class OpenAIClient(ProvidersClient):
    """One model of an OpenAI-compatible server.

    Args:
        model: Its name there.
        base_url: Address; empty for OPENAI_BASE_URL, or OpenAI's own.
        timeout_s: Longest wait for one call.
        temperature: Of sampling; None for the provider's default.
    """

    def __init__(self, model: str, base_url: str, timeout_s: float, temperature: float | None = None) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("openai:NAME", "api") from error
        address = base_url or os.environ.get("OPENAI_BASE_URL", "")
        key = os.environ.get("OPENAI_API_KEY") or ("none" if address else "")
        if not key:
            raise ConfigError("openai:NAME needs a key in OPENAI_API_KEY, or a server of your own with --base-url")
        self._errors: Any = openai
        self._model = model
        self._sampling = {} if temperature is None else {"temperature": temperature}
        # OpenAI's own models take the newer name alone, most other servers only the older.
        self._limit = "max_tokens" if address else "max_completion_tokens"
        self._client = openai.OpenAI(base_url=address or None, api_key=key, timeout=timeout_s, max_retries=0)

    def _call(self, conversation: Sequence[Said], max_tokens: int) -> Any:
        messages: Any = [
            {"role": said.role, "content": [_part(part) for part in said.parts]}
            if said.role == "user"
            else {"role": said.role, "content": "".join(map(str, said.parts))}
            for said in conversation
        ]
        limit: Any = {self._limit: max_tokens, **self._sampling}
        return self._client.chat.completions.create(model=self._model, messages=messages, **limit)

    def _meaning(self, error: Exception) -> Trouble | Answer | None:
        filtered = "content_filter" in str(error) or "content_policy" in str(error)
        if filtered and isinstance(error, self._errors.APIStatusError):
            return Answer(text="", refused=True, problem=f"refused: {str(error)[:200]}")
        return meaning(self._errors, error)

    def _read(self, answered: Any) -> Answer:
        choice = answered.choices[0]
        message, usage = choice.message, answered.usage
        refusal = text_of(getattr(message, "refusal", None))
        return Answer(
            text=text_of(message.content),
            refused=bool(refusal) or choice.finish_reason == "content_filter",
            problem=refusal or str(choice.finish_reason or ""),
            input_tokens=count_of(getattr(usage, "prompt_tokens", 0)),
            output_tokens=count_of(getattr(usage, "completion_tokens", 0)),
            model=str(answered.model or ""),
        )


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(part).decode()}}
