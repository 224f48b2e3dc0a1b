"""Google's Gemini models, through the google-genai client: contents with inline pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from babyvlm.errors import ConfigError, MissingExtraError
from babyvlm.evaluation.apis.client import (
    Answer,
    ProvidersClient,
    Said,
    Transient,
    Trouble,
    count_of,
    text_of,
    trouble,
)

_REFUSALS = {
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION", "MODEL_ARMOR",
}  # fmt: skip
_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "requests", "urllib3")


class GeminiClient(ProvidersClient):
    """One Gemini model.

    Args:
        model: Its name.
        base_url: Address; empty for the provider's own.
        timeout_s: Longest wait for one call.
        temperature: Of sampling; None for the provider's default.
    """

    def __init__(self, model: str, base_url: str, timeout_s: float, temperature: float | None = None) -> None:
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError as error:
            raise MissingExtraError("gemini:NAME", "api") from error
        if not (key := os.environ.get("GEMINI_API_KEY") or os.environ.get("GOOGLE_API_KEY")):
            raise ConfigError("gemini:NAME needs a key in GEMINI_API_KEY")
        self._types: Any = types
        self._errors: Any = errors
        self._model, self._temperature = model, temperature
        options = types.HttpOptions(
            base_url=base_url or None, timeout=int(1000 * timeout_s), retry_options=types.HttpRetryOptions(attempts=1)
        )
        self._client = genai.Client(api_key=key, http_options=options)

    def _call(self, conversation: Sequence[Said], max_tokens: int) -> Any:
        types = self._types
        contents: Any = [
            types.Content(
                role="model" if said.role == "assistant" else "user", parts=[self._part(part) for part in said.parts]
            )
            for said in conversation
        ]
        configuration = types.GenerateContentConfig(max_output_tokens=max_tokens, temperature=self._temperature)
        return self._client.models.generate_content(model=self._model, contents=contents, config=configuration)

    def _meaning(self, error: Exception) -> Trouble | Answer | None:
        if isinstance(error, self._errors.APIError):
            headers = getattr(error.response, "headers", None) or {}
            return trouble(int(error.code or 0), str(error), headers.get("retry-after"))
        if isinstance(error, ValueError):  # JSON and pydantic errors are among them
            return Transient(f"malformed answer: {error}")
        # The client lets the errors of whichever HTTP library it runs on through as they are.
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _HTTP_LIBRARIES:
            return Transient(f"{type(error).__name__}: {error}")
        return None

    def _part(self, part: str | bytes) -> Any:
        if isinstance(part, str):
            return self._types.Part(text=part)
        return self._types.Part(inline_data=self._types.Blob(mime_type="image/jpeg", data=part))

    def _read(self, answered: Any) -> Answer:
        usage = answered.usage_metadata
        counts = {
            "input_tokens": count_of(getattr(usage, "prompt_token_count", 0)),
            "output_tokens": count_of(getattr(usage, "candidates_token_count", 0))
            + count_of(getattr(usage, "thoughts_token_count", 0)),
            "model": str(answered.model_version or ""),
        }
        if not answered.candidates:
            blocked = getattr(answered.prompt_feedback, "block_reason", None)
            if blocked is None:
                raise Transient("malformed answer: neither a candidate nor a reason for none")
            return Answer(text="", refused=True, problem=f"blocked: {blocked.value}", **counts)
        candidate = answered.candidates[0]
        reason = getattr(candidate.finish_reason, "value", "") or ""
        parts = (candidate.content.parts if candidate.content else None) or []
        text = "".join(text_of(part.text) for part in parts if not part.thought)
        return Answer(text=text, refused=reason in _REFUSALS, problem=reason, **counts)
