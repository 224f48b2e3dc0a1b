"""Google's Gemini models, through the google-genai client: contents with inline pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

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
from babyvlm.loopback import is_loopback

ADDRESS_VARIABLE = "GOOGLE_GEMINI_BASE_URL"
_REFUSALS = {
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION", "MODEL_ARMOR",
}  # fmt: skip


class GeminiClient(ProvidersClient):
    """One Gemini model.

    Args:
        model: Name of the model.
        address: Address of the server; empty for the provider's own.
        timeout_s: Longest wait for one call.
        temperature: Sampling temperature; None for the provider's default.
        logprobs: Whether to ask for the log-probabilities of tokens.
    """

    def __init__(
        self, model: str, address: str, timeout_s: float, temperature: float | None = None, logprobs: bool = False
    ) -> None:
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError as error:
            raise MissingExtraError("gemini:NAME", "api") from error
        key = (os.environ.get("GEMINI_API_KEY") or os.environ.get("GOOGLE_API_KEY") or "").strip()
        if not key:
            raise ConfigError("gemini:NAME needs a key in GEMINI_API_KEY")
        self._types: Any = types
        self._errors: Any = errors
        self._model, self._temperature = model, temperature
        self._logprobs: Any = {"response_logprobs": True, "logprobs": TOP_TOKENS} if logprobs else {}
        # A redirect would send the pictures to somebody else; a proxy would send them away from this machine.
        transport = {"follow_redirects": False, "trust_env": not is_loopback(address)}

        def make() -> Any:
            retries = types.HttpRetryOptions(attempts=1)
            options = types.HttpOptions(
                base_url=address or None, timeout=int(1000 * timeout_s), retry_options=retries, client_args=transport
            )
            return genai.Client(api_key=key, http_options=options)

        self._client = made("google-genai", address, make)

    def _call(self, conversation: Sequence[Message], max_tokens: int) -> Received:
        types = self._types
        contents: Any = [
            types.Content(
                role="model" if said.role == "assistant" else "user", parts=[self._part(part) for part in said.parts]
            )
            for said in conversation
        ]
        configuration = types.GenerateContentConfig(
            max_output_tokens=max_tokens,
            temperature=self._temperature,
            should_return_http_response=True,
            **self._logprobs,
        )
        answered = self._client.models.generate_content(model=self._model, contents=contents, config=configuration)
        response = answered.sdk_http_response
        return Received(200, {k.lower(): v for k, v in (response.headers or {}).items()}, response.body or "")

    def _response_of(self, error: Exception) -> Received | None:
        known = isinstance(error, self._errors.APIError) and getattr(error, "response", None) is not None
        return received(error.response) if known else None  # type: ignore[attr-defined]

    def _part(self, part: str | bytes) -> Any:
        if isinstance(part, str):
            return self._types.Part(text=part)
        return self._types.Part(inline_data=self._types.Blob(mime_type="image/jpeg", data=part))

    def _usage(self, body: dict[str, Any]) -> Completion:
        usage = mapping(body.get("usageMetadata"))
        written = [usage.get(name) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
        given = [count for count in written if count is not None]
        return Completion(
            text="",
            input_tokens=count_of(usage.get("promptTokenCount")),
            # A count of zero is left out of the message, as protocol buffers have it.
            output_tokens=count_of(*given) if usage else None,
            model=str(body.get("modelVersion") or ""),
        )

    def _read(self, body: dict[str, Any]) -> Completion:
        blocked = mapping(body.get("promptFeedback")).get("blockReason")
        if not body.get("candidates"):
            if not blocked:
                raise ValueError("neither a candidate nor a reason for none")
            return Completion(text="", refused=True, problem=f"blocked: {blocked}")
        candidate = body["candidates"][0]
        reason = str(candidate.get("finishReason") or "")
        parts = mapping(candidate.get("content")).get("parts") or []
        return Completion(
            text=text_of(_texts(parts)).said,
            refused=reason in _REFUSALS,
            cut=reason == "MAX_TOKENS",
            problem=reason,
            likeliest=likeliest_of(
                first_of(mapping(candidate.get("logprobsResult")).get("topCandidates")).get("candidates"),
                "logProbability",
            ),
        )


def _texts(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts that are text, among calls of tools and pictures."""
    return [part for part in parts if "text" in part]
