"""What providers say when a call fails, in their own words and forms, and what a run does then.

The bodies are those of the providers' references and of their users' reports; each stands with what it means: ``stop``
(all items share it), ``refused``, ``item`` (this conversation alone), ``later`` (worth another try), ``unsure``.
"""

import json
import socket
import threading

import pytest

from babyvlm.errors import BabyVLMError, BudgetError, ConfigError
from babyvlm.evaluation import AskConfig, evaluate
from babyvlm.evaluation.apis import open_api, verdicts
from babyvlm.evaluation.apis.client import Barred, Completion, Received, Rejected, Transient, Unsure, count_of, text_of
from tests.evaluation.servers import ANTHROPIC_REPLY, GEMINI_REPLY, openai_reply, serving

pytest.importorskip("openai", reason="the api extra is not installed")


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "secret")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def ask(url, **changes):
    return AskConfig(**{"base_url": url, "backoff_s": 0.001, "timeout_s": 10.0, "attempts": 2, **changes})


def openai(message, code=None, type_="invalid_request_error", **more):
    return {"error": {"message": message, "type": type_, "param": None, "code": code, **more}}


def anthropic(type_, message):
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"}


def google(code, status, message, *details):
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def quota(quota_id, value="20"):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [
            {"quotaMetric": "generate_content_free_tier_requests", "quotaId": quota_id, "quotaValue": value}
        ],
    }


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
GOOGLE_QUOTA = "You exceeded your current quota, please check your plan and billing details."
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"
LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to purchase credits."
SAID = [
    # --- all items share it
    ("stop", 401, openai("Incorrect API key provided: sk-x.", "invalid_api_key")),
    ("stop", 401, anthropic("authentication_error", "invalid x-api-key")),
    ("stop", 400, google(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"})),
    ("stop", 403, google(403, "PERMISSION_DENIED", "Generative Language API has not been used in project 1.")),
    ("stop", 400, anthropic("invalid_request_error", LOW)),
    ("stop", 402, anthropic("billing_error", "Your account has a billing issue")),
    ("stop", 400, anthropic("invalid_request_error", "You have reached your specified API usage limits.")),
    ("stop", 400, anthropic("invalid_request_error", "This organization has been disabled.")),
    ("stop", 403, anthropic("permission_error", "Your API key does not have permission to use the model")),
    ("stop", 404, anthropic("not_found_error", "model: claude-nine")),
    ("stop", 429, openai("You exceeded your current quota, please check your plan", "insufficient_quota",
                         "insufficient_quota")),
    ("stop", 429, openai("Billing hard limit has been reached", "billing_hard_limit_reached")),
    ("stop", 429, openai("Your account is not active, please check your billing details", "billing_not_active")),
    ("stop", 403, openai("Country, region, or territory not supported", "unsupported_country_region_territory")),
    ("stop", 404, openai("The model `gpt-nine` does not exist or you do not have access to it.", "model_not_found")),
    ("stop", 400, openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                         "'max_completion_tokens' instead.", "unsupported_parameter", param="max_tokens")),
    ("stop", 400, openai("Unsupported value: 'temperature' does not support 0 with this model.", "unsupported_value",
                         param="temperature")),
    ("stop", 400, openai("Unrecognized request argument supplied: max_completion_tokens")),
    ("stop", 401, openai("Your account has been deactivated", "account_deactivated")),
    ("stop", 402, openai("Insufficient Balance", "invalid_request_error", "unknown_error")),  # DeepSeek
    ("stop", 402, {"error": {"code": 402, "message": "Insufficient credits. Add more credits"}}),  # OpenRouter
    ("stop", 402, openai("Credit limit exceeded, please add credits to your account", "credit_limit")),  # Together
    ("stop", 403, {"error": {"code": 403, "message": "Key limit exceeded (total limit)"}}),
    ("stop", 400, {"error": {"code": 400, "message": "openai/gpt-nine is not a valid model ID"}}),
    ("stop", 404, {"error": {"code": 404, "message": "No endpoints found that support image input"}}),
    ("stop", 429, {"error": {"type": "exceeded_current_quota_error", "message": "suspended"}}),  # Moonshot
    ("stop", 400, {"code": "Arrearage", "message": "Access denied, your account is in arrears."}),  # DashScope
    ("stop", 429, {"error": {"code": "1113", "message": "余额不足"}}),  # Zhipu
    ("stop", 404, {"error": {"code": "DeploymentNotFound", "message": "The deployment does not exist."}}),  # Azure
    ("stop", 404, {"detail": "Not Found"}),
    ("stop", 405, {"detail": "Method Not Allowed"}),
    ("stop", 404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}),  # vLLM
    ("stop", 429, google(429, "RESOURCE_EXHAUSTED", GOOGLE_QUOTA,
                         quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), RETRY)),
    ("stop", 429, google(429, "RESOURCE_EXHAUSTED", GOOGLE_QUOTA,
                         quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "0"), RETRY)),
    ("stop", 429, [google(429, "RESOURCE_EXHAUSTED", GOOGLE_QUOTA, quota("GenerateRequestsPerDay"))]),
    ("stop", 400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")),
    ("stop", 429, openai("Rate limit reached for model on tokens per day (TPD): Limit 100000. Please try again in "
                         "7h12m3.5s.", "rate_limit_exceeded", "tokens")),
    ("stop", 400, {"error": {"message": "This model does not support image inputs"}}),
    ("stop", 407, "Proxy Authentication Required"),
    ("stop", 302, ""),
    ("stop", 308, ""),
    ("stop", 403, "<html><head><title>Just a moment...</title></head></html>"),
    ("stop", 404, "<html><body><h1>404 Not Found</h1></body></html>"),
    ("stop", 501, {"error": {"message": "Not Implemented"}}),
    # --- a refusal of this item
    ("refused", 403, {"error": {"code": 403, "message": "Input was flagged", "metadata": {
        "reasons": ["sexual/minors"], "flagged_input": "Touch", "provider_name": "X"}}}),
    ("refused", 400, openai("The response was filtered due to the prompt triggering Azure's policy", "content_filter",
                            innererror={"code": "ResponsibleAIPolicyViolation"})),
    ("refused", 400, openai("filtered", None, None, innererror={
        "content_filter_result": {"violence": {"filtered": True, "severity": "high"}}})),
    ("refused", 400, openai("Your request was rejected by the safety system", "content_policy_violation")),
    ("refused", 400, openai("Invalid prompt: your prompt was flagged as violating our policy.", "invalid_prompt")),
    ("refused", 400, openai("rejected", "moderation_blocked")),
    ("refused", 400, anthropic("invalid_request_error", "Output blocked by content filtering policy")),
    ("refused", 400, {"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content."}),
    ("refused", 400, {"error": {"code": "data_inspection_failed", "message": "x"}}),
    ("refused", 400, openai("Content Exists Risk", "invalid_request_error")),  # DeepSeek
    ("refused", 400, {"error": {"code": "1301", "message": "sensitive"}}),  # Zhipu
    ("refused", 200, {"error": {"code": 403, "message": "flagged by moderation", "metadata": {"reasons": ["x"]}}}),
    # --- this conversation alone
    ("item", 400, openai("This model's maximum context length is 8192 tokens.", "context_length_exceeded")),
    ("item", 413, anthropic("request_too_large", "Request exceeds the maximum size")),
    ("item", 413, "<html><head><title>413 Request Entity Too Large</title></head></html>"),
    ("item", 400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
    ("item", 400, anthropic("invalid_request_error", "messages.0.content.1.image.source.base64: image exceeds 5 MB")),
    ("item", 400, openai("You uploaded an unsupported image.", "invalid_image_format")),
    ("item", 400, {"object": "error", "message": "At most 4 image(s) may be provided in one request.", "code": 400}),
    ("item", 429, openai("Request too large for gpt-4o on tokens per min (TPM): Limit 30000", "rate_limit_exceeded")),
    # --- worth another try
    ("later", 429, openai("Rate limit reached for gpt-4o. Please try again in 1.2s.", "rate_limit_exceeded")),
    ("later", 429, anthropic("rate_limit_error", "This request would exceed your organization's rate limit of 50 "
                             "requests per minute")),
    ("later", 529, anthropic("overloaded_error", "Overloaded")),
    ("later", 500, anthropic("api_error", "Internal server error")),
    ("later", 429, google(429, "RESOURCE_EXHAUSTED", GOOGLE_QUOTA,
                          quota("GenerateRequestsPerMinutePerProjectPerModel"), RETRY)),
    ("later", 429, google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")),
    ("later", 503, google(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")),
    ("later", 504, google(504, "DEADLINE_EXCEEDED", "Deadline expired")),
    ("later", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}),
    ("later", 502, "<html><head><title>502 Bad Gateway</title></head></html>"),
    ("later", 524, "error code: 524"),
    ("later", 408, {"error": {"code": 408, "message": "Your request timed out"}}),
    ("later", 200, {"error": {"code": 502, "message": "Provider returned error"}}),
    ("later", 500, openai("The billing service is unavailable", None, "server_error")),
    ("later", 400, {"error": {"code": "Throttling.RateQuota", "type": "throttling_error", "message": "slow"}}),
    # --- nothing known
    ("unsure", 400, openai("Something about the request")),
    ("unsure", 422, {"detail": [{"msg": "Input should be a valid string", "type": "string_type"}]}),
    ("unsure", 400, "bad request"),
]  # fmt: skip
KINDS = {"item": Rejected, "later": Transient, "stop": Barred, "unsure": Unsure}


def judged(status, body, headers=None):
    text = body if isinstance(body, str) else json.dumps(body)
    received = Received(status, headers or {}, text)
    return verdicts.of_response(received, verdicts.body_of(received))


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize(("meant", "status", "body"), SAID, ids=[f"{m}-{s}-{n}" for n, (m, s, _) in enumerate(SAID)])
def test_what_a_provider_says_is_understood(meant, status, body):
    verdict = judged(status, body)
    if meant == "refused":
        assert isinstance(verdict, Completion) and verdict.refused and verdict.output_tokens == 0
    else:
        assert type(verdict) is KINDS[meant], verdict
        assert str(verdict).startswith("HTTP ")


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize(
    ("headers", "body", "wait_s"),
    [
        ({"retry-after": "12"}, {}, 12),
        ({"retry-after-ms": "1500", "retry-after": "2"}, {}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}, 0),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": "-5"}, {}, 0),
        ({}, google(429, "RESOURCE_EXHAUSTED", "slow down", RETRY), 34),
        ({}, openai("Please try again in 1m2.5s."), 62.5),
        ({}, openai("Please try again in 20ms."), 0.02),
        ({}, openai("Please retry after 26 seconds."), 26),
        ({}, openai("slow down"), None),
    ],
)
def test_a_wait_is_read_wherever_it_stands(headers, body, wait_s):
    verdict = judged(429, body, headers)
    assert isinstance(verdict, Transient) and verdict.wait_s == wait_s


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("asked", ["3600", "86400", "inf"])
def test_a_wait_of_hours_stops_the_run(asked):
    assert isinstance(judged(429, openai("slow down"), {"retry-after": asked}), Barred)


REPLIES = {"openai": openai_reply("A"), "anthropic": ANTHROPIC_REPLY, "gemini": GEMINI_REPLY}
DRY = {
    "openai": (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota")),
    "anthropic": (400, anthropic("invalid_request_error", LOW)),
    "gemini": (429, google(429, "RESOURCE_EXHAUSTED", GOOGLE_QUOTA, quota("GenerateRequestsPerDayPerProject"))),
}


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("provider", DRY)
def test_an_account_that_runs_dry_stops_the_run_and_a_full_one_resumes_it(provider, toolbox, tmp_path):
    status, body = DRY[provider]
    run = tmp_path / "run"

    def go(behave):
        with serving(behave) as (url, calls):
            respondent = open_api(f"{provider}:tiny", ask(url, concurrency=2))
            try:
                return evaluate(respondent, toolbox, run, tasks=["left_right"], model=f"{provider}:tiny"), calls
            except ConfigError as error:
                return error, calls

    fine = (200, {}, REPLIES[provider], 0)
    error, calls = go(lambda n, _: fine if n < 3 else (status, {}, body, 0))
    assert isinstance(error, ConfigError) and body["error"]["message"][:20] in str(error)
    assert len(calls) <= 5 and not (run / "scores.json").exists()
    answered = (run / "responses.jsonl").read_text().splitlines()
    assert len(answered) == 3 and all(json.loads(line)["replies"][0]["text"] for line in answered)
    scores, calls = go(lambda *_: fine)
    asked = sum(item.task == "left_right" for item in toolbox.items)
    assert scores.tasks[0].scored == asked and len(calls) == asked - 3


def run_against(behave, toolbox, out, **changes):
    with serving(behave) as (url, calls):
        respondent = open_api("openai:tiny", ask(url, **changes))
        with pytest.raises(BabyVLMError) as raised:
            evaluate(respondent, toolbox, out, tasks=["left_right", "object_counting"], model="openai:tiny")
    lines = (out / "responses.jsonl").read_text().splitlines() if (out / "responses.jsonl").exists() else []
    return str(raised.value), lines, calls


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize(
    "answer",
    [
        (400, {}, openai("No idea what this is"), 0),
        (422, {}, {"detail": "unprocessable"}, 0),
        (500, {}, openai("oops", None, "server_error"), 0),
        (429, {"retry-after": "0"}, openai("slow down"), 0),
        (200, {}, PAGE, 0),
        (200, {"content-type": "text/html"}, PAGE, 0),
        (302, {"location": "/login"}, b"", 0),
        (307, {"location": "https://example.org/login"}, b"", 0),
        (200, {}, {"status": "ok"}, 0),
        (200, {}, [1, 2], 0),
        (200, {}, b"OK", 0),
        (200, {}, b"", 0),
        (200, {}, b'data: {"choices": []}\n\n', 0),
        (200, {}, {"error": {"code": 401, "message": "No auth credentials found"}}, 0),
    ],
)
def test_trouble_from_the_first_item_on_leaves_all_unasked(answer, toolbox, tmp_path):
    problem, lines, calls = run_against(lambda *_: answer, toolbox, tmp_path / "run", concurrency=2)
    assert lines == [] and not (tmp_path / "run" / "scores.json").exists()
    assert len(calls) <= 8 and "items were left unasked" in problem and "resume" in problem


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("status", [400, 500])
def test_items_that_fail_one_after_another_stop_a_run_that_went_well(status, toolbox, tmp_path):
    fine, bad = (200, {}, openai_reply(), 0), (status, {}, openai("Something new"), 0)
    problem, lines, _ = run_against(lambda n, _: fine if n < 3 else bad, toolbox, tmp_path / "run", concurrency=1)
    assert "11 items in a row failed" in problem and "Something new" in problem and len(lines) == 3


@pytest.mark.case("one datum")
def test_items_that_fail_together_do_not_keep_the_others_from_being_asked(toolbox):
    questions = [item.question() for item in toolbox.items][:14]
    assert len(questions) == 14
    said = dict.fromkeys(range(2, 10), (400, {}, openai("Something"), 0))
    with serving(lambda n, _: said.get(n, (200, {}, openai_reply(), 0))) as (url, _):
        responses = list(open_api("openai:tiny", ask(url, concurrency=1)).answer(questions, toolbox.image))
    texts = {response.item: response.replies[0].text for response in responses}
    assert len(responses) == len(questions)
    assert [texts[question.id] for question in questions[2:10]] == [None] * 8
    assert [texts[question.id] for question in questions[:2]] == ["A", "A"] and texts[questions[-1].id] == "A"


@pytest.mark.case("one datum")
def test_a_conversation_that_is_not_taken_costs_itself_alone_wherever_it_stands(toolbox):
    questions = [item.question() for item in toolbox.items if item.task == "left_right"][:5]
    said = {0: (400, {}, openai("Something"), 0), 3: (400, {}, openai("Something"), 0)}
    with serving(lambda n, _: said.get(n, (200, {}, openai_reply(), 0))) as (url, _):
        responses = list(open_api("openai:tiny", ask(url, concurrency=1)).answer(questions, toolbox.image))
    texts = {response.item: response.replies[0].text for response in responses}
    assert [texts[question.id] for question in questions] == [None, "A", "A", None, "A"]


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("address", ["refused", "name", "tls", "no scheme", "scheme"])
def test_a_server_that_cannot_be_reached_stops_the_run_at_once(address, toolbox, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(lambda *_: (200, {}, openai_reply(), 0)) as (url, calls):
        addresses = {
            "refused": f"http://127.0.0.1:{port}/v1", "name": "http://no-such-host.invalid/v1",
            "tls": url.replace("http:", "https:"), "no scheme": "localhost:8000/v1", "scheme": "ftp://localhost/v1",
        }  # fmt: skip
        with pytest.raises(ConfigError, match=r"left unasked|no client of"):
            respondent = open_api("openai:tiny", ask(addresses[address], attempts=8, backoff_s=30))
            evaluate(respondent, toolbox, tmp_path / "run")
    assert not calls and not (tmp_path / "run" / "scores.json").exists()


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("provider", REPLIES)
@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "nonsense://x"), ("ALL_PROXY", "socks5://127.0.0.1:1"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_a_bad_environment_is_an_error_with_a_remedy(provider, name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    try:
        open_api(f"{provider}:tiny", ask("https://example.invalid/v1"))
    except ConfigError as error:
        assert "environment" in str(error)


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("key", ["nø-ascii", "two\nlines", "sk-…"])
def test_a_key_that_no_header_can_hold_stops_the_run(key, toolbox, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    problem, _, calls = run_against(lambda *_: (200, {}, openai_reply(), 0), toolbox, tmp_path / "run")
    assert not calls and "Check key" in problem


@pytest.mark.case("who answers")
@pytest.mark.parametrize("provider", REPLIES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_a_server_on_this_machine_sends_nothing_out_whatever_proxy_is_set(provider, host, toolbox, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(lambda *_: (200, {}, REPLIES[provider], 0)) as (url, calls):
        own = open_api(f"{provider}:tiny", ask(url.replace("127.0.0.1", host if host == "localhost" else "127.0.0.1")))
        list(own.answer([toolbox.items[0].question()], toolbox.image))
    assert calls and not own.sends_data_out and own.family == "open-source"
    away = open_api(f"{provider}:tiny", ask("http://host.docker.internal:1/v1"))
    assert away.sends_data_out and away.family == "proprietary"


# --- replies in other forms


THOUGHT = [{"type": "thinking", "thinking": [{"type": "text", "text": "A or B? B."}]}, {"type": "text", "text": "B"}]
FORMS = [
    ("B", openai_reply(THOUGHT)),
    ("B", openai_reply([{"type": "text", "text": "B"}])),
    ("B", openai_reply([{"type": "text", "text": {"value": "B"}}])),
    ("B", openai_reply(["B"])),
    ("B", openai_reply("B", message={"reasoning_content": "A?"})),
    ("B", openai_reply([{"type": "reasoning", "text": "A"}, {"type": "output_text", "text": "B"}])),
    ("B", {"object": "response", "model": "m", "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "B"}]}],
        "usage": {"input_tokens": 5, "output_tokens": 1}}),
    ("refused", openai_reply([{"type": "refusal", "refusal": "No."}])),
    ("refused", openai_reply(None, message={"refusal": "No."})),
    ("refused", openai_reply("", finish_reason="content_filter")),
    ("refused", openai_reply("par", finish_reason="SAFETY")),
    ("cut", openai_reply("The first", finish_reason="length")),
    ("cut", openai_reply(None, finish_reason="length", message={"reasoning_content": "Let me"})),
    ("B", {**ANTHROPIC_REPLY, "content": [{"type": "thinking", "thinking": "A?", "signature": "x"},
                                           {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "B"}]}),
    ("cut", {**ANTHROPIC_REPLY, "stop_reason": "max_tokens"}),
    ("cut", {**ANTHROPIC_REPLY, "content": [], "stop_reason": "max_tokens"}),
    ("refused", {**ANTHROPIC_REPLY, "content": [], "stop_reason": "refusal"}),
    ("B", {**GEMINI_REPLY, "candidates": [{"content": {"parts": [{"text": "A?", "thought": True}, {"text": "B"}]}}]}),
    ("cut", {**GEMINI_REPLY, "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}),
    ("refused", {**GEMINI_REPLY, "candidates": [{"finishReason": "RECITATION"}]}),
    ("refused", {"promptFeedback": {"blockReason": "OTHER"}, "candidates": []}),
    ("refused", {"promptFeedback": {"blockReason": "A_NEW_REASON"}}),
]  # fmt: skip


@pytest.mark.case("formats")
@pytest.mark.parametrize(("meant", "said"), FORMS)
def test_a_reply_is_found_wherever_the_provider_puts_it(meant, said, toolbox):
    provider = (
        "anthropic" if "stop_reason" in said else "gemini" if {"candidates", "promptFeedback"} & set(said) else "openai"
    )
    with serving(lambda *_: (200, {}, said, 0)) as (url, calls):
        (response,) = open_api(f"{provider}:tiny", ask(url)).answer([toolbox.items[0].question()], toolbox.image)
    reply = response.replies[0]
    seen = "refused" if reply.refused else "cut" if reply.problem.startswith("cut off") else reply.text
    assert seen == meant and (meant == "refused" or len(calls) == len(response.replies))
    assert (reply.text is None) == (meant == "refused")


@pytest.mark.parametrize("value", [3, {"type": "text"}, [{"type": "text", "text": 3}]])
def test_what_is_no_text_is_not_taken_for_an_empty_one(value):
    with pytest.raises(TypeError):
        text_of(value)


# --- money

PRICE = {"input": 1.0, "output": 1.0, "image_tokens": 400}


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.json"
    table = {"as_of": "2026-01-01", "source": "test", "models": {"openai:tiny": PRICE, "gemini:tiny": PRICE}}
    path.write_text(json.dumps(table))
    return path


@pytest.mark.case("accounting")
@pytest.mark.parametrize(
    ("values", "count"),
    [
        ((5,), 5), ((5.0,), 5), ((5, 2), 7), ((0,), 0), ((-1,), None), ((float("nan"),), None), ((float("inf"),), None),
        ((10**15,), None), (("7",), None), ((None,), None), ((True,), None), ((1.5,), None), (([1],), None),
    ],
)  # fmt: skip
def test_only_counts_that_can_be_are_believed(values, count):
    assert count_of(*values) == count


USAGES = [
    ("no usage", {"usage": None}),
    ("empty", {"usage": {}}),
    ("negative", {"usage": {"prompt_tokens": -1000, "completion_tokens": -10}}),
    ("not a number", {"usage": {"prompt_tokens": float("nan"), "completion_tokens": 1}}),
    ("absurd", {"usage": {"prompt_tokens": 10**18, "completion_tokens": 10**18}}),
    ("text", {"usage": {"prompt_tokens": "many", "completion_tokens": "few"}}),
    ("nothing written", {"usage": {"prompt_tokens": 1000, "completion_tokens": 0}}),
    ("no object", {"usage": [1, 2]}),
]


@pytest.mark.case("accounting")
@pytest.mark.parametrize(("name", "usage"), USAGES, ids=[name for name, _ in USAGES])
def test_unknown_usage_is_charged_at_its_most_and_the_budget_holds(name, usage, toolbox, tmp_path, prices, capsys):
    budget = 0.01
    behave = lambda *_: (200, {}, {**openai_reply("A"), **usage}, 0)  # noqa: E731
    problem, lines, calls = run_against(
        behave, toolbox, tmp_path / "run", budget=budget, prices=prices, max_new_tokens=64, concurrency=3
    )
    noted = sum(reply["cost_usd"] for line in lines for reply in json.loads(line)["replies"])
    assert "upper bound" in problem and 0 < noted <= budget and "not known" in capsys.readouterr().err
    assert 1 <= len(calls) <= budget / (64 / 1e6)  # no call is cheaper than a whole reply


@pytest.mark.case("accounting")
@pytest.mark.parametrize(
    "said",
    [
        openai_reply({"a": 1}),
        {**openai_reply(), "choices": []},
        {**openai_reply(), "choices": None},
        openai_reply([{"type": "text"}]),
        {**openai_reply(), "choices": [{"index": 0}]},
        [1, 2],
    ],
)
def test_what_will_not_parse_is_charged_and_not_bought_twice(said, toolbox, tmp_path, prices):
    fine = (200, {}, openai_reply("A"), 0)
    settings = {"prices": prices, "max_new_tokens": 64, "concurrency": 1, "budget": 1.0}
    run, served = tmp_path / "run", []
    with serving(lambda n, _: (200, {}, said, 0) if n == 1 else fine) as (url, calls):
        for retry in (False, True):
            respondent = open_api("openai:tiny", ask(url, **settings))
            respondent.sends_data_out = True
            evaluate(
                respondent, toolbox, run, tasks=["left_right"], model="openai:tiny", share_restricted=True,
                retry_failed=retry,
            )  # fmt: skip
            served.append(len(calls))
    rows = [json.loads(line)["replies"][0] for line in (run / "responses.jsonl").read_text().splitlines()]
    (unread,) = [row for row in rows if row["text"] is None]
    assert unread["problem"].startswith("unreadable answer") and unread["cost_usd"] > 0
    assert served[0] == served[1] == len(rows)


@pytest.mark.case("accounting")
def test_calls_cut_short_by_a_kill_are_charged_when_the_run_resumes(toolbox, tmp_path, prices):
    """What a kill leaves: a call begun and not ended in charges.jsonl, which may have been paid."""
    run = tmp_path / "run"
    settings = {"prices": prices, "max_new_tokens": 64, "concurrency": 1}
    with serving(lambda *_: (200, {}, openai_reply("A"), 0)) as (url, calls):

        def go(budget):
            with pytest.raises(BudgetError) as raised:
                evaluate(
                    open_api("openai:tiny", ask(url, budget=budget, **settings)), toolbox, run, model="openai:tiny"
                )
            return str(raised.value)

        go(0.005)
        first = len(calls)
        with (run / "charges.jsonl").open("a") as ledger:
            ledger.write(json.dumps({"call": 1000, "usd": 0.01, "bound": True}) + "\n" + '{"call": 1001, "us')
        assert "0.010000 of it an upper bound" in go(0.016)
    assert first * 0.00101 <= 0.005 and len(calls) * 0.00101 + 0.01 <= 0.016


@pytest.mark.case("accounting")
def test_answers_that_break_off_are_charged_each_time(toolbox, tmp_path, prices):
    torn = json.dumps(openai_reply()).encode()[:60]
    problem, _, calls = run_against(
        lambda *_: (200, {}, torn, 0), toolbox, tmp_path / "run", prices=prices, budget=0.01, max_new_tokens=64,
        attempts=50, concurrency=4,
    )  # fmt: skip
    assert "upper bound" in problem and len(calls) <= 0.01 / (64 / 1e6)


@pytest.mark.case("accounting")
def test_a_budget_holds_though_many_are_asked_at_once(toolbox, tmp_path, prices):
    spent, lock = [0.0], threading.Lock()

    def behave(_, body):
        with lock:
            spent[0] += 0.00101
        return 200, {}, openai_reply("A"), 0.01

    run_against(behave, toolbox, tmp_path / "run", prices=prices, budget=0.02, max_new_tokens=64, concurrency=16)
    assert 0 < spent[0] <= 0.02
