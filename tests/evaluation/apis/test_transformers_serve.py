"""``transformers serve``, an OpenAI-compatible server that is none of ours, in front of a tiny local model."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from babyvlm.cli import main
from babyvlm.evaluation import AskConfig
from babyvlm.evaluation.hub import HubModel
from babyvlm.evaluation.runs import select_items
from babyvlm.images import decode_image, encode_jpeg
from babyvlm.records import Response, read_jsonl

pytest.importorskip("openai", reason="the api extra is not installed")
LONGEST_START_S = 120


@pytest.fixture
def address(hub_model, tmp_path):
    """Where it listens; ended whatever happens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from transformers.cli.transformers import main; main()"
    settings = ["serve", str(hub_model("llava")), "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-c", code, *settings], stdout=file, stderr=file, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    try:
        began_s = time.monotonic()
        while not _listens(port):
            if server.poll() is not None or time.monotonic() - began_s > LONGEST_START_S:
                last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
                pytest.skip(f"transformers serve does not start here: {last}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _listens(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.slow
def test_a_server_of_transformers_replies_as_the_model_does_here(address, hub_model, toolbox, tmp_path, monkeypatch):
    """Single pictures, several, and fifteen rounds with its own replies, by the command as typed; the oracle is the
    same model asked here, shown the pictures as they are sent."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model, run = str(hub_model("llava")), tmp_path / "run"
    typed = ["evaluate", f"openai:{model}", str(toolbox.folder), "--base-url", address, "--out", str(run)]
    main([*typed, "--limit", "2", "--temperature", "0", "--max-new-tokens", "4", "--concurrency", "2"])
    found = {r.item: [reply.text for reply in r.replies] for r in read_jsonl(run / "responses.jsonl", Response)}
    questions = [item.question() for item in select_items(toolbox, limit=2)]
    here = HubModel(model, ask=AskConfig(max_new_tokens=4))
    expected = here.answer(questions, lambda name: decode_image(encode_jpeg(toolbox.image(name)), name))
    assert found == {response.item: [reply.text for reply in response.replies] for response in expected}
    assert sorted(map(len, found.values())) == [1, 1, 1, 1, 15, 15] and len({str(said) for said in found.values()}) > 3
