"""What every page that babyvlm serves has in common: a guard before each request, and who may listen.

The guard looks at size, kind and origin of what comes in, and puts security headers on what goes out. Nothing is
uploaded: a body is JSON from the site's own page, and no longer than that page has reason for, or it is refused.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from babyvlm.errors import ConfigError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OnRefused = Callable[[str], None]
"""Is told what was refused."""

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
"""Addresses that let no other machine in."""
MAX_BODY_BYTES = 8192
_KEEP_ALIVE_S = 30
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses bodies that are large, no JSON, or from another site's page, and adds the security headers.

    Args:
        app: What it guards.
        secure: Whether the site is reached by https, which browsers are then told to keep to.
        on_refused: Is told what was refused.
        max_body_bytes: Longest body.
    """

    def __init__(
        self, app: App, *, secure: bool = False, on_refused: OnRefused, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._app, self._on_refused, self._max = app, on_refused, max_body_bytes
        named = HEADERS | ({"strict-transport-security": "max-age=31536000"} if secure else {})
        self._headers = [(name.encode(), value.encode()) for name, value in named.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        body = await _read(receive, self._max) if scope["method"] not in ("GET", "HEAD") else b""
        refusal = self._refusal(scope, body)
        if refusal:
            status, message = refusal
            self._on_refused(f"{scope['method']} {scope['path'][:80]}: {message}")
            await _say(send_with_headers, status, message)
            return
        await self._app(
            scope, _replay(body or b"") if scope["method"] not in ("GET", "HEAD") else receive, send_with_headers
        )

    def _refusal(self, scope: Scope, body: bytes | None) -> tuple[int, str] | None:
        if body is None:
            return 413, "nothing that large is taken"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if body and not headers.get("content-type", "").startswith("application/json"):
            return 415, "nothing but JSON is taken"
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin and urlsplit(origin).netloc != headers.get("host"):
            return 403, "not from this page"
        return None


async def _read(receive: Receive, most: int) -> bytes | None:
    """The whole body; None where it is larger than is taken."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _say(send: Send, status: int, message: str) -> None:
    content = json.dumps({"detail": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    # The rest of a body that is too large is not read: the connection ends with the reply.
    headers += [(b"connection", b"close")] if status == 413 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def serve_until_interrupted(
    app: Any,
    *,
    host: str,
    port: int,
    announce: Callable[[str], str],
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serves pages; says where once it listens and can be interrupted.

    Args:
        app: What is served.
        host: Address to listen at.
        port: Port to listen at; 0 for a free one.
        announce: The line to print, from the address.
        certificate: TLS certificate (PEM); plain http without one.
        key: Its private key (PEM).

    Raises:
        ConfigError: It could not listen there.
    """
    import uvicorn

    scheme = "https" if certificate else "http"

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            taken = next(one.getsockname()[1] for server in self.servers for one in server.sockets)
            print(f"{announce(f'{scheme}://{host}:{taken}/')} (stop with Ctrl-C)", flush=True)

    try:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        Announced(config).run()
    except KeyboardInterrupt:
        pass  # uvicorn raises it again when it has closed
    except SystemExit as error:
        raise ConfigError(f"could not listen at {host}:{port}. Is it taken? Choose another --port") from error
