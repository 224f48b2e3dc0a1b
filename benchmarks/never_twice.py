"""Nothing is lost and nothing is asked twice (claim: after 200 kills at random moments, against a server that fails 30%
of calls, every item is answered exactly once, and a call is paid twice only if it was under way at a kill).

    python benchmarks/never_twice.py [--kills 200] [--failures 0.3] [--minutes 60] [--seed 0]

A server of this script's own speaks the protocol of chat completions. It gives every call a reply of its own, and fails
some: 429 with a wait, 500, or the connection dropped. ``babyvlm evaluate openai:x TOOLBOX --base-url ...`` is started,
killed by SIGKILL at a random moment, and started again with the same command, as often as asked; then it is left to
end. One kill in ten falls before the first call of that start. A call is paid when the server has decided to answer it,
also where nobody is left to hear.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.journal import Round
from babyvlm.records import Item, Response, read_jsonl
from drawn import counting_item, draw_pictures, memory_item, write_toolbox

BABYVLM = [sys.executable, "-c", "from babyvlm.cli import main; main()"]
MARK = re.compile(r"\[item (\d+)\]")


class Server(ThreadingHTTPServer):
    """Counts what it was asked, what it answered and what it failed."""

    daemon_threads = True

    def __init__(self, failures: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures, self.random, self.lock = failures, random.Random(seed), threading.Lock()
        self.life, self.called = 0, threading.Event()
        self.calls: Counter[str] = Counter()
        self.paid: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
        """By number of the item and of the round: each reply given, and the life of the client that asked."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
        text = next(part["text"] for part in asked[0]["content"] if part["type"] == "text")
        key = int(MARK.search(text)[1]), len(asked) // 2
        with self.server.lock:
            life, draw = self.server.life, self.server.random
            wait_s, fails, kind = draw.uniform(0.02, 0.2), draw.random() < self.server.failures, draw.randrange(3)
        self.server.called.set()
        time.sleep(wait_s)
        if not fails:
            with self.server.lock:
                number = self.server.calls["answered"] = self.server.calls["answered"] + 1
                reply = f"A, reply {number}"
                self.server.paid[key][reply] = life
            self._say(200, _completion(reply))
            return
        with self.server.lock:
            self.server.calls[("failed with 429", "failed with 500", "connection dropped")[kind]] += 1
        if kind == 2:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._say((429, 500)[kind], {"error": {"message": "not now"}})

    def _say(self, status: int, said: dict) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after", "0.1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Not a word for each call."""


def _completion(reply: str) -> dict:
    message = {"role": "assistant", "content": reply}
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": "x",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102},
    }  # fmt: skip


def draw_toolbox(folder: Path, items: int) -> list[Item]:
    """Nine items of one round to one of fifteen."""
    pictures = draw_pictures(folder, 15, 32)
    drawn = [
        memory_item(pictures, f"[item {number}] ")
        if number % 10 == 0
        else counting_item(number, pictures[number % 15], f"[item {number}] ")
        for number in range(items)
    ]
    write_toolbox(folder, drawn)
    return drawn


def kill_often(server: Server, command: list[str], kills: int, ends_s: float, seed: int) -> tuple[int, int]:
    """Starts and kills; how many kills there were, and how many before the first call of their start."""
    draw, early = random.Random(seed + 1), 0
    for kill in range(kills):
        server.called.clear()
        with server.lock:
            server.life = kill
        client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        if draw.random() < 0.1:
            time.sleep(draw.uniform(0, 2))
        else:
            while not server.called.wait(0.1) and client.poll() is None:
                pass
            time.sleep(draw.uniform(0, 0.5))
        if client.poll() is not None:
            print(f"the run ended by itself after {kill} kills, code {client.returncode}", flush=True)
            return kill, early
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
        early += not server.called.is_set()
        if time.monotonic() > ends_s:
            return kill + 1, early
        if kill % 20 == 19:
            print(f"{kill + 1} kills, {server.calls['answered']} calls answered", flush=True)
    return kills, early


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--failures", type=float, default=0.3)
    parser.add_argument("--minutes", type=float, default=60, help="no kill is begun later")
    parser.add_argument("--items", type=int, help="3 for each kill by default, so that some are left at the last")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    concurrency = AskConfig().concurrency
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        toolbox, run = Path(folder) / "toolbox", Path(folder) / "run"
        items = draw_toolbox(toolbox, options.items or max(30, 3 * options.kills))
        server = Server(options.failures, options.seed)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        command = [
            *BABYVLM, "evaluate", "openai:x", str(toolbox), "--out", str(run),
            "--base-url", f"http://127.0.0.1:{server.server_port}", "--backoff-s", "0.1", "--attempts", "16",
        ]  # fmt: skip
        kills, early = kill_often(server, command, options.kills, began_s + 60 * options.minutes, options.seed)
        killed_s = time.monotonic() - began_s
        with server.lock:
            server.life = kills
        last = subprocess.run(command, capture_output=True, text=True, check=False)
        server.shutdown()

        numbers = {item.id: number for number, item in enumerate(items)}
        responses = list(read_jsonl(run / "responses.jsonl", Response))
        journal = Counter((line.item, line.turn) for line in read_jsonl(run / "rounds.jsonl", Round))
    times = Counter(response.item for response in responses)
    rounds = [(numbers[given.item], turn, reply) for given in responses for turn, reply in enumerate(given.replies)]
    wasted = [  # replies that the server gave and the run does not hold, by the life that asked for them
        life for number, turn, reply in rounds for said, life in server.paid[number, turn].items() if said != reply.text
    ]
    by_life = Counter(wasted)
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "kills": kills,
        "kills_asked_for": options.kills,
        "kills_before_the_first_call_of_a_start": early,
        "minutes": {"of the kills": round(killed_s / 60, 1), "all": round((time.monotonic() - began_s) / 60, 1)},
        "last_start_ended_with": last.returncode,
        "items": len(items),
        "items_answered_exactly_once": sum(times[item.id] == 1 for item in items),
        "items_answered_more_than_once": sum(count > 1 for count in times.values()),
        "rounds": len(rounds),
        "rounds_without_reply": sum(reply.text is None for _, _, reply in rounds),
        "rounds_whose_reply_the_server_never_gave": sum(
            reply.text is not None and reply.text not in server.paid[number, turn] for number, turn, reply in rounds
        ),
        "rounds_twice_in_the_journal": sum(count > 1 for count in journal.values()),
        "calls": dict(server.calls),
        "calls_paid_twice": len(wasted),
        "calls_paid_twice_without_a_kill": by_life[kills],
        "most_paid_twice_at_one_kill": max(by_life.values(), default=0),
        "bound_at_one_kill": f"{concurrency}, the calls under way at once",
    }
    out = Path(__file__).parent / "results" / f"never_twice-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    if last.returncode:
        print(last.stderr[-2000:])


if __name__ == "__main__":
    main()
