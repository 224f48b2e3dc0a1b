"""Servers of the three APIs on this machine: they keep what they were asked, and misbehave on request."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def openai_reply(text="A", **changes):
    message = {"role": "assistant", "content": text, **changes.pop("message", {})}
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": "tiny-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": changes.pop("finish_reason", "stop")}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}, **changes,
    }  # fmt: skip


ANTHROPIC_REPLY = {
    "id": "m", "type": "message", "role": "assistant", "model": "tiny-2026", "content": [{"type": "text", "text": "B"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 3},
}  # fmt: skip
GEMINI_REPLY = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "B"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
    "modelVersion": "tiny-2026",
}


@contextmanager
def serving(behave):
    """A server whose n-th call, from 0, is answered by ``behave(n, body) -> (status, headers, said, wait_s)``."""
    calls, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(calls)
                calls.append((self.path, body))
            status, headers, said, wait_s = behave(number, body)
            time.sleep(wait_s)
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            try:
                self.send_response(status)
                for name, value in {
                    "content-type": "application/json",
                    "content-length": str(len(data)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client gave up waiting

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        server.server_close()
