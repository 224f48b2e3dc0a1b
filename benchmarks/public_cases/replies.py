"""Replies, accounts and servers as their users reported them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "evaluation"))


def _printed(script: Path) -> list[str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        runpy.run_path(str(script))
    return said.getvalue().splitlines()


def closing_think_tag(case: Path, _work: Path) -> str:
    """A closing tag alone: what precedes it was thought."""
    lines = _printed(case / "think.py")
    wrong = [line for line in lines if line.endswith(("WRONG ANSWER READ", "unreadable"))]
    assert lines and not wrong, wrong
    return f"{len(lines)} replies read as they conclude"


# A person may answer these either way, or note nothing; none may be read as another answer.
_OPEN = ("md table", "eliminate", "molmo2", "year", "a cup", "top and left")


def replies(case: Path, _work: Path) -> str:
    """Replies that other projects had trouble reading."""
    off = [line for line in _printed(case / "replies.py") if not any(name in line for name in _OPEN)]
    assert not off, off
    return "every reply that has one answer is read as it"


def _asked(
    work: Path, name: str, behave: Callable[[int, object], tuple], provider: str, **ask: object
) -> tuple[str, list, list[dict]]:
    from babyvlm.errors import BabyVLMError
    from babyvlm.evaluation import AskConfig, evaluate
    from babyvlm.evaluation.apis import open_api
    from babyvlm.toolbox import open_toolbox
    from tests.evaluation.servers import serving

    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        os.environ.setdefault(key, "placeholder-not-a-key")
    toolbox, run = open_toolbox(_toolbox(work)), work / name
    with serving(behave) as (url, calls):
        asking = AskConfig(base_url=url + "/v1" if provider == "openai" else url, backoff_s=0.01, timeout_s=5.0, **ask)
        try:
            evaluate(open_api(f"{provider}:tiny", asking), toolbox, run, model=f"{provider}:tiny")
            said = "finished"
        except BabyVLMError as error:
            said = str(error)
    lines = (run / "responses.jsonl").read_text().splitlines() if (run / "responses.jsonl").exists() else []
    return said, calls, [json.loads(line) for line in lines]


def _toolbox(work: Path) -> Path:
    """Forty counting items of plain pictures."""
    from PIL import Image

    from babyvlm.folders import Manifest
    from babyvlm.images import encode_jpeg
    from babyvlm.records import Item, ItemTurn, content_id, write_jsonl

    folder = work / "toolbox"
    if folder.is_dir():
        return folder
    (folder / "images").mkdir(parents=True)
    items = []
    for number in range(40):
        name = f"{number:02}.jpg"
        (folder / "images" / name).write_bytes(encode_jpeg(Image.new("RGB", (48, 48), (number, 0, 0))))
        turn = ItemTurn(
            prompt="<image> How many of ball do you see?",
            images=(name,),
            gold="1",
            options=tuple(map(str, range(1, 13))),
        )
        items.append(
            Item(id=content_id(name), task="object_counting", split="test", turns=(turn,), chance=0.1, licence="CC0")
        )
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox", counts={"object_counting": len(items)}).write(folder)
    return folder


LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to purchase credits."
SPENT = "You exceeded your current quota, please check your plan and billing details."


def account_troubles(_case: Path, work: Path) -> str:
    """An account that runs dry stops the run; the items stay unasked, and a full account resumes them."""
    from tests.evaluation.servers import ANTHROPIC_REPLY, openai_reply

    quota = {"message": SPENT, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}
    credit = {"type": "invalid_request_error", "message": LOW}
    for provider, reply, status, body, words in (
        ("anthropic", ANTHROPIC_REPLY, 400, {"type": "error", "error": credit}, "credit balance"),
        ("openai", openai_reply("1"), 429, {"error": quota}, "exceeded your current quota"),
    ):
        fine, dry = (200, {}, reply, 0), (status, {}, body, 0)
        said, calls, rows = _asked(
            work, provider, lambda n, _, f=fine, d=dry: f if n < 10 else d, provider, concurrency=4
        )
        assert words in said and len(calls) <= 14 and len(rows) == 10, (said, len(calls), len(rows))
        assert not (work / provider / "scores.json").exists()
        said, _, rows = _asked(work, provider, lambda *_, f=fine: f, provider, concurrency=4)
        assert said == "finished" and len(rows) == 40, said
    return "both stop after the item at hand and resume"


def paid_unreadable_answers(_case: Path, work: Path) -> str:
    """Content in parts is read; the budget holds; what cannot be read is not bought twice."""
    from tests.evaluation.servers import openai_reply

    prices = work / "prices.json"
    table = {"openai:tiny": {"input": 1.0, "output": 1.0, "image_tokens": 400}}
    prices.write_text(json.dumps({"as_of": "2026-01-01", "source": "test", "models": table}))
    thought = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "1 or 2? 1."}]},
        {"type": "text", "text": "1"},
    ]
    ask = {"prices": prices, "budget": 0.01, "max_new_tokens": 64, "concurrency": 2}
    said, calls, rows = _asked(work, "parts", lambda *_: (200, {}, openai_reply(thought), 0), "openai", **ask)
    noted = sum(reply["cost_usd"] for row in rows for reply in row["replies"])
    assert {row["replies"][0]["text"] for row in rows} == {"1"} and len(calls) == len(rows), said
    assert abs(noted - len(calls) * 0.00101) < 1e-9 and noted <= 0.01, noted
    odd = openai_reply({"a": 1})
    said, calls, _ = _asked(work, "odd", lambda *_: (200, {}, odd, 0), "openai", **ask)
    assert len(calls) * 0.00101 <= 0.01 and "unreadable" in said, (said, len(calls))
    return f"parts are read, ${noted:.5f} of $0.01 noted as billed"


CASES: dict[str, Callable[[Path, Path], str]] = {
    "30-closing-think-tag": closing_think_tag,
    "31-account-troubles": account_troubles,
    "32-paid-unreadable-answers": paid_unreadable_answers,
    "33-replies": replies,
}
