"""A stand-in for the hub: what the real client says to it is kept, and answered as the hub answers."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml


class FakeHub(ThreadingHTTPServer):
    """Repositories by name, files by name."""

    def __init__(self, *, refuses: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.refuses = refuses
        self.repositories: dict[str, dict] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.commits: list[str] = []
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: FakeHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.refuses:
            self._answer(self.server.refuses, {"error": "You may not write here"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.server.repositories[name] = asked
            self._answer(
                200, {"url": f"{self.server.url}/{'datasets/' if asked.get('type') == 'dataset' else ''}{name}"}
            )
        elif self.path == "/api/validate-yaml":  # the head of a card
            head = yaml.safe_load(json.loads(body)["content"].split("---")[1])
            errors = [] if isinstance(head, dict) and "license" in head else [{"message": "no metadata"}]
            self._answer(200, {"errors": errors, "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self._answer(200, {"files": [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files
            ]})  # fmt: skip
        elif "/commit/" in self.path:
            name = "/".join(self.path.split("/")[3:5])
            lines = [json.loads(line) for line in body.splitlines()]
            self.server.commits.append(lines[0]["value"]["summary"])
            self.server.files[name] = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            self._answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/f00", "commitOid": "f00"})
        else:
            self._answer(404, {"error": f"no such page: {self.path}"})

    def _answer(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def fake_hub(**how: int) -> Iterator[FakeHub]:
    hub = FakeHub(**how)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
