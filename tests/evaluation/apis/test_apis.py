"""The three APIs against servers of their own kind, well-behaved and not."""

import base64
import io
import json

import pytest
from PIL import Image

from babyvlm.errors import BudgetError, ConfigError
from babyvlm.evaluation import AskConfig, choose_respondent, evaluate
from babyvlm.evaluation.apis import open_api
from tests.evaluation.servers import ANTHROPIC_REPLY, GEMINI_REPLY, openai_reply, serving

pytest.importorskip("openai", reason="the api extra is not installed")


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def ask(url, **changes):
    return AskConfig(**{"base_url": url, "backoff_s": 0.01, "timeout_s": 10.0, "attempts": 4, **changes})


def asked(toolbox, task, count=1):
    return [item.question() for item in toolbox.items if item.task == task][:count]


def fine(_, __):
    return 200, {}, openai_reply(), 0


def test_openai_is_sent_text_and_pictures_in_order(toolbox):
    question = asked(toolbox, "left_right")[0]
    with serving(fine) as (url, calls):
        (response,) = open_api("openai:tiny", ask(url + "/v1", temperature=0.0)).answer([question], toolbox.image)
    path, body = calls[0]
    assert path == "/v1/chat/completions" and body["model"] == "tiny" and body["temperature"] == 0
    (message,) = body["messages"]
    parts = message["content"]
    assert [part["type"] for part in parts] == [
        "image_url",
        "text",
        "image_url",
        "text",
        "image_url",
        "text",
        "image_url",
    ]
    assert [part["text"] for part in parts[1::2]] == ["Which of the following is the same as this? (A)", "(B)", "(C)"]
    head, data = parts[0]["image_url"]["url"].split(",")
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == "data:image/jpeg;base64" and sent.size == toolbox.image(question.turns[0].images[0]).size
    assert response.replies[0].text == "A" and response.replies[0].tokens == 10


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_rounds_of_a_memory_item_alternate_with_its_own_replies(provider, toolbox):
    replies = {"openai": openai_reply("B"), "anthropic": ANTHROPIC_REPLY, "gemini": GEMINI_REPLY}
    question = asked(toolbox, "memory")[0]
    with serving(lambda n, body: (200, {}, replies[provider], 0)) as (url, calls):
        respondent = open_api(f"{provider}:tiny", ask(url))
        (response,) = respondent.answer([question], toolbox.image)
    assert [reply.text for reply in response.replies] == ["B"] * 15 and len(calls) == 15
    assert respondent.revision == "tiny-2026"
    path, body = calls[2]
    turns = body["contents"] if provider == "gemini" else body["messages"]
    other = "model" if provider == "gemini" else "assistant"
    assert [turn["role"] for turn in turns] == ["user", other, "user", other, "user"]
    if provider == "anthropic":
        assert path == "/v1/messages" and body["max_tokens"] == 1024
        text, picture = turns[0]["content"]
        assert text == {"type": "text", "text": "Touch the new image. (A)"}
        assert picture["source"]["type"] == "base64" and picture["source"]["media_type"] == "image/jpeg"
        assert base64.b64decode(picture["source"]["data"]).startswith(b"\xff\xd8")
    if provider == "gemini":
        assert path.endswith("models/tiny:generateContent") and turns[1]["parts"] == [{"text": "B"}]
        picture = turns[0]["parts"][1]["inlineData"]  # the client writes the picture's own keys in either case
        assert (
            picture.get("mimeType", picture.get("mime_type")) == "image/jpeg"
            and base64.urlsafe_b64decode(picture["data"])[:2] == b"\xff\xd8"
        )


STORM = (429, {"retry-after": "0"}, {"error": {"message": "slow down"}}, 0)
BAD = {
    "storm": STORM,
    "broken": (500, {}, {"error": {"message": "oops"}}, 0),
    "hang": (200, {}, openai_reply(), 1.0),
    "truncated": (200, {}, json.dumps(openai_reply()).encode()[:60], 0),
}


@pytest.mark.parametrize("trouble", BAD)
def test_passing_trouble_is_tried_again(trouble, toolbox):
    with serving(lambda n, body: BAD[trouble] if n < 2 else fine(n, body)) as (url, calls):
        respondent = open_api("openai:tiny", ask(url, timeout_s=0.4))
        (response,) = respondent.answer(asked(toolbox, "left_right"), toolbox.image)
    assert response.replies[0].text == "A" and len(calls) == 3


@pytest.mark.parametrize("trouble", BAD)
def test_lasting_trouble_fails_the_item_and_says_why(trouble, toolbox):
    with serving(lambda n, body: BAD[trouble] if n else fine(n, body)) as (url, calls):
        respondent = open_api("openai:tiny", ask(url, timeout_s=0.4, attempts=2, concurrency=1))
        good, bad = respondent.answer(asked(toolbox, "left_right", 2), toolbox.image)
    reply = bad.replies[0]
    assert good.replies[0].text == "A" and reply.problem.startswith("2 calls failed") and len(calls) == 3
    assert reply.text is None and not reply.refused


def test_refusals_empty_replies_and_rejections_are_told_apart(toolbox):
    said = [
        (200, {}, openai_reply("", finish_reason="content_filter"), 0),
        (200, {}, openai_reply(None, message={"refusal": "I will not"}), 0),
        (400, {}, {"error": {"message": "content_filter", "code": "content_filter"}}, 0),
        (200, {}, openai_reply("", finish_reason="length"), 0),
        (400, {}, {"error": {"message": "too many pictures"}}, 0),
    ]
    with serving(lambda n, body: said[n]) as (url, calls):
        respondent = open_api("openai:tiny", ask(url, concurrency=1))
        replies = [r.replies[0] for r in respondent.answer(asked(toolbox, "left_right", 5), toolbox.image)]
    assert len(calls) == 5  # none of it was tried again
    assert [reply.refused for reply in replies] == [True, True, True, False, False]
    assert replies[3].problem == "cut off (length)" and replies[3].text == ""
    assert "too many pictures" in replies[4].problem and replies[4].text is None


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("anthropic", {**ANTHROPIC_REPLY, "content": [], "stop_reason": "refusal"}),
        ("gemini", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
        ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}),
    ],
)
def test_the_other_providers_refusals(provider, said, toolbox):
    with serving(lambda n, body: (200, {}, said, 0)) as (url, _):
        (response,) = open_api(f"{provider}:tiny", ask(url)).answer(asked(toolbox, "left_right"), toolbox.image)
    assert response.replies[0].refused and response.replies[0].problem


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_the_other_providers_retry(provider, toolbox):
    fine = ANTHROPIC_REPLY if provider == "anthropic" else GEMINI_REPLY
    said = [STORM, (529, {}, {"error": {"message": "overloaded"}}, 0), (200, {}, b'{"cont', 0), (200, {}, fine, 0)]
    with serving(lambda n, body: said[n]) as (url, calls):
        (response,) = open_api(f"{provider}:tiny", ask(url)).answer(asked(toolbox, "left_right"), toolbox.image)
    assert response.replies[0].text == "B" and len(calls) == 4


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_wait_that_the_server_asks_for_is_kept(provider, toolbox, monkeypatch):
    """Beside our own backoff, which is at most 0.01 s, doubled each time; dates and the like are left to it."""
    replies = {"openai": openai_reply("B"), "anthropic": ANTHROPIC_REPLY, "gemini": GEMINI_REPLY}
    asked_s = ["7", "2.5", "Wed, 21 Oct 2026 07:28:00 GMT"]
    said = [(429, {"retry-after": wait}, {"error": {"message": "slow down"}}, 0) for wait in asked_s]
    with serving(lambda n, body: said[n] if n < 3 else (200, {}, replies[provider], 0)) as (url, calls):
        respondent, waited = open_api(f"{provider}:tiny", ask(url)), []
        monkeypatch.setattr(respondent.stop, "wait", lambda wait_s: bool(waited.append(wait_s)))
        (response,) = respondent.answer(asked(toolbox, "left_right"), toolbox.image)
    assert response.replies[0].text == "B" and len(calls) == 4
    assert 7 <= waited[0] <= 7.01 and 2.5 <= waited[1] <= 2.52 and 0 <= waited[2] <= 0.04


def test_a_bad_key_stops_the_run_at_once(toolbox, tmp_path):
    barred = serving(lambda n, body: (401, {}, {"error": {"message": "bad key"}}, 0))
    with barred as (url, calls), pytest.raises(ConfigError, match="bad key"):
        evaluate(open_api("openai:tiny", ask(url, concurrency=1)), toolbox, tmp_path / "run")
    assert len(calls) == 1


def test_a_budget_holds_and_no_reply_is_paid_twice(toolbox, tmp_path):
    prices = tmp_path / "prices.json"
    price = {"input": 1.0, "output": 1.0, "image_tokens": 400}
    prices.write_text(json.dumps({"as_of": "2026-01-01", "source": "test", "models": {"openai:tiny": price}}))
    each = 1010 / 1e6
    run = tmp_path / "run"
    with serving(fine) as (url, calls):

        def go(budget):
            settings = ask(url, budget=budget, prices=prices, max_new_tokens=64)
            return evaluate(choose_respondent("openai:tiny", toolbox, ask=settings), toolbox, run, model="openai:tiny")

        for budget in (0.02, 0.04):
            with pytest.raises(BudgetError, match="items left"):
                go(budget)
            assert 0 < len(calls) * each <= budget
        go(1.0)
    rounds = sum(len(item.turns) for item in toolbox.items)
    assert len(calls) == rounds
    lines = (run / "responses.jsonl").read_text().splitlines()
    assert len({json.loads(line)["item"] for line in lines}) == len(lines) == len(toolbox.items)
    with pytest.raises(ConfigError, match="--prices"):
        open_api("openai:unheard-of", AskConfig(budget=1.0, base_url=url))
