"""Scores for every option from an API's likeliest first tokens."""

import math

import pytest

from babyvlm.errors import ConfigError
from babyvlm.evaluation import AskConfig
from babyvlm.evaluation.apis import open_api
from babyvlm.evaluation.option_scores import first_token_scores
from tests.evaluation.servers import ANTHROPIC_REPLY, GEMINI_REPLY, openai_reply, serving

pytest.importorskip("openai", reason="the api extra is not installed")
TOP = {"B": math.log(0.6), " B": math.log(0.1), "A": math.log(0.2), "c": math.log(0.05), "The": math.log(0.05)}
KNOWN = (math.log(0.2), math.log(0.7), math.log(0.05))


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def with_top(provider, top):
    if provider == "openai":
        reply = openai_reply("B")
        rows = [{"token": token, "logprob": log, "bytes": None} for token, log in top.items()]
        reply["choices"][0]["logprobs"] = {"content": [{"token": "B", "logprob": -0.1, "top_logprobs": rows}]}
        return reply
    rows = [{"token": token, "tokenId": 1, "logProbability": log} for token, log in top.items()]
    candidate = GEMINI_REPLY["candidates"][0] | {"logprobsResult": {"topCandidates": [{"candidates": rows}]}}
    return GEMINI_REPLY | {"candidates": [candidate]}


def asked(provider, reply, toolbox, **changes):
    question = next(item.question() for item in toolbox.items if item.task == "left_right")
    with serving(lambda n, body: (200, {}, reply, 0)) as (url, calls):
        ask = AskConfig(base_url=url, backoff_s=0.01, **changes)
        (response,) = open_api(f"{provider}:tiny", ask).answer([question], toolbox.image)
    return response.replies[0], calls[0][1]


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_first_tokens_become_scores(provider, toolbox):
    reply, body = asked(provider, with_top(provider, TOP), toolbox, logprobs=True)
    assert reply.text == "B" and reply.scores.kind == "log-likelihood"
    assert reply.scores.sums == pytest.approx(KNOWN, abs=1e-5) and not reply.scores.means
    sent = body["generationConfig"] if provider == "gemini" else body
    assert {20, True} <= set(map(sent.get, ("logprobs", "top_logprobs", "responseLogprobs")))


@pytest.mark.parametrize("provider", ["openai", "gemini", "anthropic"])
def test_nothing_is_asked_for_or_kept_unless_wanted(provider, toolbox):
    reply, body = asked(provider, {"anthropic": ANTHROPIC_REPLY}.get(provider) or with_top(provider, {}), toolbox)
    assert reply.scores is None and "logprob" not in str(body).lower()


@pytest.mark.parametrize("provider", ["openai", "gemini"])
@pytest.mark.parametrize("top", [{}, {"B": -0.1, "A": -3.0}, {"B": "high", "A": None, "C": float("-inf")}])
def test_an_option_that_is_not_among_them_leaves_no_scores(provider, top, toolbox):
    reply, _ = asked(provider, with_top(provider, top), toolbox, logprobs=True)
    assert reply.text == "B" and reply.scores is None


def test_a_provider_without_them_says_so(toolbox):
    with pytest.raises(ConfigError, match="Anthropic gives no log-probabilities"):
        open_api("anthropic:tiny", AskConfig(logprobs=True))
    for answer in ("likelihood", "published"):
        with pytest.raises(ConfigError, match=f"--answer {answer} to local models. --logprobs keeps a score"):
            open_api("openai:tiny", AskConfig(answer=answer))


@pytest.mark.parametrize(
    ("top", "options", "expected"),
    [
        ({"1": -1.0, "10": -2.0}, ["1", "10"], (-1.0, -2.0)),
        ({"1": -1.0}, ["1", "10"], None),
        ({"right": -1.0, "le": -2.0}, ["left", "right"], (-2.0, -1.0)),
        ({"top": -1.0, "top left": -2.0, "top right": -3.0}, ["top left", "top right"], (-2.0, -3.0)),
        ({"a": -1.0, "A": -1.0}, ["a", "A"], None),
    ],
)
def test_which_token_speaks_for_which_option(top, options, expected):
    found = first_token_scores(top, options)
    assert (found.sums if found else None) == expected
