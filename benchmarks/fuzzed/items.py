"""Published items, toolboxes, runs and decisions; what APIs and models say."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any, get_args

import anthropic  # noqa: F401  (imported before the forks, which are many)
import google.genai  # noqa: F401
import openai  # noqa: F401

from babyvlm.evaluation.apis.anthropic import AnthropicClient
from babyvlm.evaluation.apis.client import Message, Received, Trouble
from babyvlm.evaluation.apis.gemini import GeminiClient
from babyvlm.evaluation.apis.openai import OpenAIClient
from babyvlm.records import write_jsonl
from babyvlm.toolbox import TASKS, open_toolbox
from babyvlm.toolbox.replies import Scoring, read_answer
from babyvlm.toolbox.review.decisions import Decision, apply_decisions, read_decisions
from fuzzed.damage import damage


def change_published(folder: Path, draw: random.Random) -> str:
    """A record fewer, or a right answer that is another's."""
    path = draw.choice(sorted((folder / "published").rglob("data.json")))
    value = json.loads(path.read_text(encoding="utf-8"))
    value.pop(draw.randrange(len(value)))
    path.write_text(json.dumps(value), encoding="utf-8")
    return f"{path.parent.name}: a record fewer"


def changed_gold(folder: Path, draw: random.Random) -> str:
    path = folder / "toolbox" / "items.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = draw.randrange(len(lines))
    item = json.loads(lines[at])
    turn = item["turns"][-1]
    turn["gold"] = next((option for option in turn["options"] if option != turn["gold"]), "C")
    lines[at] = json.dumps(item)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"line {at + 1}: another answer"


def changed_run(folder: Path, draw: random.Random) -> str:
    path = folder / "run" / "responses.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    kind = draw.randrange(4)
    if kind == 0:
        del lines[draw.randrange(len(lines))]
    elif kind == 1:
        lines.append(draw.choice(lines))
    elif kind == 2:
        value = json.loads(lines[0])
        value["item"] = json.loads(lines[1])["item"]
        lines[0] = json.dumps(value)
    else:
        lines = [line if '"text":' not in line else _silent(line) for line in lines]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"responses.jsonl: {('a line lost', 'a line doubled', 'ids exchanged', 'no answer to be read')[kind]}"


def _silent(line: str) -> str:
    value = json.loads(line)
    for reply in value["replies"]:
        reply["text"] = "hm"
    return json.dumps(value)


def scores(out: Path) -> Any:
    return json.loads((out.parent / "in" / "run" / "scores.json").read_text(encoding="utf-8"))


def write_decisions(given: Path, folder: Path) -> None:
    shutil.copytree(given / "toolbox", folder / "toolbox")
    items = open_toolbox(folder / "toolbox").items[:6]
    write_jsonl(
        folder / "decisions.jsonl",
        [
            Decision(item=item.id, task=item.task, verdict="reject" if number % 2 else "accept", reviewer="AB")
            for number, item in enumerate(items)
        ],
    )


def decided(folder: Path, out: Path) -> Any:
    decisions = read_decisions(folder / "decisions.jsonl")
    reviewed = apply_decisions(
        open_toolbox(folder / "toolbox").items, decisions.by_item.values(), source=folder / "decisions.jsonl"
    )
    return [item.id for item in reviewed.items], dict(reviewed.counts)


API_BODIES: dict[str, list[Any]] = {
    "openai": [
        {
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 1},
        },
        {
            "model": "m",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "A"}]}],
            "usage": {"input_tokens": 9, "output_tokens": 1},
        },
        {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}},
    ],
    "anthropic": [
        {
            "model": "m",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "A"}],
            "usage": {"input_tokens": 9, "output_tokens": 1},
        },
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ],
    "gemini": [
        {
            "modelVersion": "m",
            "candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": "A"}]}}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1},
        },
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {
            "error": {
                "code": 429,
                "status": "RESOURCE_EXHAUSTED",
                "message": "quota",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}],
            }
        },
    ],
}
CLIENTS = {"openai": OpenAIClient, "anthropic": AnthropicClient, "gemini": GeminiClient}


def write_bodies(given: Path, folder: Path) -> None:
    for name, bodies in API_BODIES.items():
        for number, body in enumerate(bodies):
            (folder / f"{name}-{number}.json").write_text(json.dumps(body), encoding="utf-8")
    (folder / "status").write_text("200", encoding="utf-8")


def spoil_body(folder: Path, draw: random.Random) -> str:
    path = draw.choice(sorted(folder.glob("*.json")))
    (folder / "status").write_text(str(draw.choice([200, 200, 200, 400, 401, 404, 429, 500, 302, 599])))
    said = damage(path, draw)
    if not path.is_file():
        path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
        path.write_text("")
    return f"{path.name}: {said}"


def ask_clients(folder: Path, out: Path) -> Any:
    os.environ |= {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "k"}
    found = []
    for path in sorted(folder.glob("*.json")):
        client: Any = CLIENTS[path.name.partition("-")[0]]("m", "http://127.0.0.1:9/v1", 5.0)
        text = path.read_bytes().decode("utf-8", "replace")
        status = int((folder / "status").read_text())
        client._call = lambda *_, status=status, text=text: Received(status, {"retry-after": text[:9]}, text)
        try:
            answer = client.ask([Message(role="user", parts=("A or B?",))], 5)
            found.append(["answer", answer.text, answer.refused])
        except Trouble as trouble:
            found.append([type(trouble).__name__])
    return found


REPLIES = (
    "A",
    "The answer is (B).",
    "<think>maybe C</think> B",
    "There are 3 apples, so 3",
    "top left",
    "**Answer:** $\\boxed{B}$",
    '{"answer": "B"}',
    "I cannot help with that.",
    "A or B",
    "答案是B",
    "Option 2",
    "twenty-one",
    "à gauche",
)


def write_replies(given: Path, folder: Path) -> None:
    for number, reply in enumerate(REPLIES):
        (folder / f"{number:02}.txt").write_text(reply, encoding="utf-8")


def spoil_reply(folder: Path, draw: random.Random) -> str:
    path = draw.choice(sorted(folder.iterdir()))
    kind = draw.randrange(5)
    text = path.read_text(encoding="utf-8")
    if kind == 0:
        text = text * draw.choice([2, 500, 5000])
    elif kind == 1:
        text = "".join(
            chr(draw.choice([draw.randrange(32, 0x2FFF), draw.randrange(0xE000, 0x10FFFF)])) for _ in range(200)
        )
    elif kind == 2:
        text = draw.choice(["(", "[", "<think>", "{", "*", "$", "9", "A ", "-", "\n"]) * 5000 + text
    elif kind == 3:
        other = (folder / draw.choice(sorted(folder.iterdir())).name).read_text(encoding="utf-8")
        cut = draw.randrange(len(text) + 1)
        text = text[:cut] + other + text[cut:]
    else:
        text = text[: draw.randrange(len(text) + 1)]
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    return f"{path.name}: {('repeated', 'noise', 'marks', 'two in one', 'cut')[kind]}"


def read_replies(folder: Path, out: Path) -> Any:
    found: list[Any] = []
    for path, spec, scoring in itertools.product(sorted(folder.iterdir()), TASKS.values(), get_args(Scoring)):
        text = path.read_bytes().decode("utf-8", "replace")
        answer = read_answer(text, spec, spec.options, scoring=scoring)
        if answer is not None and scoring == "default" and spec.answers == "letter":
            assert answer in spec.options, f"{answer!r} is no option"
        found.append(answer)
    return found
