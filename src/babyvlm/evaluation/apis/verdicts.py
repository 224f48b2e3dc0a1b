"""What a failed call means: for this item alone, for a while, or for the whole run.

    response ── its codes ── its message ── its status ──> refusal | Rejected | Transient | Barred | Unsure
    exception of an HTTP library ──> Transient | Unreached | Barred

Providers use one status for several things (Anthropic's 400 is a bad request and an empty account, 403 is a bad key and
a flagged picture, 429 is a short pause and a spent quota), so the codes in the body decide, then its message, and the
status last. The codes are those of the providers' references and of the servers that imitate them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from babyvlm.evaluation.apis.client import (
    Barred,
    Completion,
    Received,
    Rejected,
    Transient,
    Trouble,
    Unreached,
    Unreadable,
    Unsure,
    mapping,
)
from babyvlm.regular_files import parse_json

_LONGEST_ASKED_WAIT_S = 600.0
"""A server that asks for a longer wait ends the run, which can be resumed then."""

_REFUSED = re.compile(
    r"content_?filter(ed)?|content_policy_violation|responsibleaipolicyviolation|moderation(_blocked|_error|_failed)?|"
    r"content_moderation\w*|invalid_prompt|data_?inspection_?failed|\w*content_policy_violation|prohibited_content|"
    r"safety(_violation|_error)?|recitation|input_flagged|flagged|refusal|1301|blocklist|cyber_policy_violation",
)
_REFUSED_WORDS = re.compile(
    r"content[ _-](?:filter|management policy|moderation|policy|exists risk)|flagged (?:by|as|for)|(?:was|been) flagged"
    r"|output blocked|moderation|safety (?:system|filter|policy)|usage polic(?:y|ies)|inappropriate content"
    r"|(?:data|input|output) may contain inappropriate|unsafe (?:content|input|image)|requires? moderation",
    re.IGNORECASE,
)
_BARRED = re.compile(
    r"insufficient_(?:user_)?(?:quota|balance|credits?|funds)|billing\w*|credit_?balance\w*|payment_required|no_credits|"
    r"invalid_api_?key|api_key_\w+|invalid_?authentication|authentication_error|unauthenticated|"
    r"permission_(?:error|denied)|model_?not_?found\w*|invalid_model|not_found_error|not_found|"
    r"deployment_?not_?found|unsupported_(?:parameter|value|country\w*)|unknown_parameter|account_\w+|"
    r"access_terminated|access_denied|service_disabled|consumer_(?:suspended|invalid)|arrearage|"
    r"exceeded_current_quota_error|failed_precondition|organization_\w+|unsupported_country_region_territory|"
    r"model_deprecated|model_not_available|1113|resourcenotfound|invalid_iam_token|key_limit_exceeded|quota_exceeded",
)
_BARRED_WORDS = re.compile(
    r"credit balance|(?:insufficient|not enough|no|out of|run out of|add|purchase|more) (?:\w+ )?"
    r"(?:credits?|balance|funds)\b|insufficient (?:account )?(?:quota|balance)|billing hard limit|billing (?:is )?not|"
    r"enable billing|payment required|(?:spending|spend|usage|budget|monthly) limits?\b|api[ _-]?key|"
    r"access token|unauthori[sz]ed|authentication|model\b.{0,80}\b(?:does not exist|not found|not exist|not available)|"
    r"not a valid model|unknown model|invalid model|no such model|unsupported parameter|unrecognized request argument|"
    r"unknown (?:parameter|argument|field)|extra inputs are not permitted|"
    r"(?:parameter|max_tokens|temperature|max_completion_tokens)\b.{0,60}(?:not supported|unsupported|deprecated)|"
    r"location is not supported|\b(?:account|organi[sz]ation|project|access|subscription)\b.{0,60}\b(?:disabled|"
    r"deactivated|terminated|suspended|banned|overdue|in arrears)|"
    r"(?:does not|doesn't|not) support (?:image|vision|multi-?modal)|support image input|not (?:a )?multi-?modal|"
    r"image input is not (?:supported|enabled)|at most 0 image|only supports text",
    re.IGNORECASE,
)
_SPENT_QUOTA_WORDS = re.compile(
    r"exceeded your current quota|check your plan and billing|quota exhausted", re.IGNORECASE
)
_ITEM = re.compile(
    r"context_length_exceeded|string_above_max_length|request_too_large|invalid_image\w*|image_parse_error|"
    r"image_too_(?:large|small)|unsupported_image\w*|too_many_images|payload_too_large|context_window_exceeded"
)
_ITEM_WORDS = re.compile(
    r"context (?:length|window)|maximum (?:context|length|number of (?:images|tokens))"
    r"|too many (?:images|pictures|tokens)|could not process image|request entity"
    r"|(?:prompt|request|input|message|conversation|payload|entity)\b.{0,40}\btoo (?:long|large|big)"
    r"|image\b.{0,60}\b(?:too (?:large|small|big)|exceeds|invalid|corrupt|could not|cannot|failed)"
    r"|at most \d+ image|max(?:imum)? (?:of )?\d+ images",
    re.IGNORECASE,
)
_PASSING = re.compile(r"overloaded\w*|rate_limit\w*|server_error|api_error|internal(?:_server_error|_error)?|"
                      r"unavailable|deadline_exceeded|timeout\w*|engine_overloaded\w*|throttl\w*|resource_exhausted|"
                      r"too_many_requests|aborted")  # fmt: skip
_LONG_TERM = re.compile(r"per[ _-]?(?:day|week|month)|\bdaily\b|\b(?:RPD|TPD)\b", re.IGNORECASE)
_CODE_KEYS = ("code", "type", "status", "reason", "error_code", "error", "quotaId", "param")
_PARAMETERS = {"model", "max_tokens", "max_completion_tokens", "temperature"}


def body_of(received: Received) -> Any:
    """The body as JSON gives it; other text where the status is not 200.

    Raises:
        Barred: A page for people, where a server for programs was expected.
        Transient: The body was cut short.
        Unreadable: It is whole and no JSON.
    """
    text = received.text.lstrip("\ufeff \r\n\t")
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        if received.status != 200:
            return received.text
        if text.startswith("<"):
            raise Barred(f"a web page came back ({_page_words(text)}); {_ADDRESS}") from error
        if text.startswith(("data:", "event:")):
            raise Unreadable("a stream of events, which was not asked for") from error
        if not text or text[0] in '{["':
            raise Transient(f"an answer that was cut short: {text[:80]!r}", charged=True) from error
        raise Unreadable(f"no JSON: {text[:80]!r}") from error


_ADDRESS = "is --base-url the address of the API?"


def of_response(received: Received, body: Any) -> Completion | Trouble:
    """What a response without an answer stands for; an answer where it is a refusal."""
    status = received.status
    codes = {code.lower() for code in _codes(body)}
    if status == 200:
        # A gateway that passes on what its own provider said.
        inner = [int(code) for code in codes if len(code) == 3 and code.isdecimal() and 400 <= int(code) < 600]
        status = inner[0] if inner else 500
    message = _message(body) or (received.text if not isinstance(body, (dict, list)) else "")
    page = message.lstrip().startswith("<")
    message = " ".join((_page_words(message) if page else message).split())[:300]
    said = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    if status < 400:
        return Barred(f"{said} redirects to {received.headers.get('location', 'nowhere')}; {_ADDRESS}")
    if page and status < 500 and status not in (408, 413, 425, 429):
        return Barred(f"{said}; {_ADDRESS}")
    wait_s = _wait_s(received.headers, body, message)
    if status == 429 and (quota := _named_quota(said, body, wait_s)):
        return quota
    return (
        _by_code(said, codes, body)
        or _by_words(said, status, message, wait_s)
        or _by_status(said, status, codes, wait_s, message)
    )


def _by_code(said: str, codes: set[str], body: Any) -> Completion | Trouble | None:
    if any(_REFUSED.fullmatch(code) for code in codes) or _flags(body):
        return Completion(text="", refused=True, problem=f"refused: {said}", input_tokens=0, output_tokens=0)
    if any(_ITEM.fullmatch(code) for code in codes):
        return Rejected(said)
    if any(_BARRED.fullmatch(code) for code in codes) or _param(body) in _PARAMETERS:
        return Barred(said)
    return None


def _by_words(said: str, status: int, message: str, wait_s: float | None) -> Completion | Trouble | None:
    if status >= 500:
        return None
    if _BARRED_WORDS.search(message):
        return Barred(said)
    if status not in (401, 402, 404, 405, 407, 429) and _REFUSED_WORDS.search(message):
        return Completion(text="", refused=True, problem=f"refused: {said}", input_tokens=0, output_tokens=0)
    if _ITEM_WORDS.search(message) and status != 401:
        return Rejected(said)
    return Barred(said) if wait_s is None and _SPENT_QUOTA_WORDS.search(message) else None


def _by_status(said: str, status: int, codes: set[str], wait_s: float | None, message: str) -> Trouble:
    passing = status in (408, 409, 425, 429, 499) or (status >= 500 and status not in (501, 505))
    if passing or (status in (400, 403) and any(_PASSING.fullmatch(code) for code in codes)):
        if wait_s is not None and wait_s > _LONGEST_ASKED_WAIT_S:
            return Barred(f"{said}; it asks to wait {wait_s:.0f} s")
        if wait_s is None and status == 429 and _LONG_TERM.search(message):
            return Barred(said)
        return Transient(said, wait_s)
    if status in (404, 405):
        return Barred(f"{said}; {_ADDRESS}")
    if status == 413:
        return Rejected(said)
    return Unsure(said) if status in (400, 409, 415, 422, 451) else Barred(said)


def _named_quota(said: str, body: Any, wait_s: float | None) -> Trouble | None:
    """What Google's list of exceeded quotas means: one of a day is gone for today, one of a minute comes back."""
    quotas = [quota for quota in _mappings(body) if "quotaId" in quota or "quotaMetric" in quota]
    if not quotas:
        return None
    nothing = any(str(quota.get("quotaValue", "")) == "0" for quota in quotas)
    if nothing or any(_LONG_TERM.search(str(quota.get("quotaId", ""))) for quota in quotas):
        return Barred(said)
    if wait_s is not None and wait_s > _LONGEST_ASKED_WAIT_S:
        return Barred(f"{said}; it asks to wait {wait_s:.0f} s")
    return Transient(said, wait_s)


def _mappings(body: Any, depth: int = 8) -> Iterator[dict[str, Any]]:
    """Every mapping in a body, outermost first."""
    if depth and isinstance(body, str) and body.lstrip().startswith("{"):
        try:  # gateways put their provider's body into a string
            body = parse_json(body)
        except (ValueError, RecursionError):
            return
    if depth and isinstance(body, (dict, list)):
        if isinstance(body, dict):
            yield body
        for value in body.values() if isinstance(body, dict) else body:
            yield from _mappings(value, depth - 1)


def _codes(body: Any) -> Iterator[str]:
    for one in _mappings(body):
        for key in _CODE_KEYS:
            value = one.get(key)
            if isinstance(value, (str, int)) and not isinstance(value, bool) and key != "param":
                yield str(value)


def _param(body: Any) -> str:
    return next((one["param"] for one in _mappings(body) if isinstance(one.get("param"), str)), "")


def _flags(body: Any) -> bool:
    """Whether a moderation says what it flagged, as OpenRouter's does; Azure's says what it filtered."""
    return any(
        one.get("flagged_input")
        or one.get("flagged") is True
        or any(mapping(kind).get("filtered") is True for kind in mapping(one.get("content_filter_result")).values())
        for one in _mappings(body)
    )


def _message(body: Any) -> str:
    """What the provider says to people: the innermost message that says more than the outer ones."""
    found = []
    for one in _mappings(body):
        for key in ("message", "detail", "msg", "error_description", "error", "errors", "title"):
            value = one.get(key)
            if isinstance(value, str) and value.strip() and value not in found:
                found.append(value if not value.lstrip().startswith("{") else "")
    return "; ".join(text for text in found if text)


def _page_words(page: str) -> str:
    """The title of a web page, or its first words."""
    if title := re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL):
        return " ".join(title[1].split())[:120]
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())[:120]


_SPAN = re.compile(
    r"(?:try again|retry|wait)\w*\s+(?:in|after|for)?\s*"
    r"((?:\d+(?:\.\d+)?\s*(?:(?:hours?|minutes?|seconds?|days?)\b|ms|[dhms](?![a-z]))\s*)+)",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[dhms])", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _wait_s(headers: dict[str, str], body: Any, message: str) -> float | None:
    """How long the server asks to wait: in a header, in Google's details, or in its message."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if (asked := headers.get("retry-after")) is not None and (wait_s := _retry_after_s(asked)) is not None:
        return wait_s
    for one in _mappings(body):
        if isinstance(delay := one.get("retryDelay"), str):
            return _span_s(delay)
    found = _SPAN.search(message)
    return _span_s(found[1]) if found else None


def _retry_after_s(asked: str) -> float | None:
    """A Retry-After header: seconds, or the date to wait for."""
    if (wait_s := _number(asked)) is not None:
        return wait_s
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if number == number else None


def _span_s(text: str) -> float | None:
    parts = _PART.findall(text)
    return sum(float(number) * _UNIT_S[unit.lower()] for number, unit in parts) if parts else None


_HOPELESS = (
    "UnsupportedProtocol", "InvalidURL", "LocalProtocolError", "UnicodeEncodeError", "TooManyRedirects",
    "SSLCertVerificationError", "CertificateError", "ValidationError",
)  # fmt: skip
_HOPELESS_WORDS = re.compile(
    r"certificate|wrong[_ ]version|\b407\b|\b40[13]\b|proxy auth|unknown protocol|record layer", re.I
)
_NOT_REACHED = (
    "ConnectError", "ConnectTimeout", "ProxyError", "gaierror", "ConnectionRefusedError", "NewConnectionError",
    "SSLError",
)  # fmt: skip
_BROKEN = (
    "ReadTimeout", "WriteTimeout", "PoolTimeout", "APITimeoutError", "TimeoutError", "ReadError", "WriteError",
    "CloseError", "RemoteProtocolError", "ConnectionResetError", "BrokenPipeError", "DecodingError", "NetworkError",
    "ConnectionError", "IncompleteRead", "ChunkedEncodingError", "StreamError",
)  # fmt: skip


def of_exception(error: BaseException) -> Trouble:
    """What an error of a provider's package or an HTTP library stands for, where no response came back."""
    chain = list(_chain(error))
    names = [kind.__name__ for one in chain for kind in type(one).__mro__]
    words = next((str(one).strip() for one in reversed(chain) if str(one).strip()), "")
    said = f"{type(chain[-1]).__name__}: {words[:300]}" if words else type(chain[-1]).__name__
    connecting = any(name in names for name in _NOT_REACHED)
    if any(name in names for name in _HOPELESS) or (connecting and _HOPELESS_WORDS.search(words)):
        return Barred(f"{said}; {_ADDRESS}")
    if connecting:
        return Unreached(f"nobody could be reached: {said}")
    if any(name in names for name in _BROKEN):
        return Transient(said, charged="PoolTimeout" not in names)
    return Barred(said)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
