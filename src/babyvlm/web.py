"""What every page that babyvlm serves has in common: a guard before each request, and who may listen.

The guard looks at host, origin, size and kind of what comes in, and puts security headers on what goes out. Nothing is
uploaded: a body is JSON from the site's own page, and no longer than that page has reason for, or it is refused.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from babyvlm.connections import Bounds, bounded_protocol, most_connections
from babyvlm.errors import ConfigError
from babyvlm.loopback import is_loopback
from babyvlm.refusals import refusal_body
from babyvlm.spreadsheets import printable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OnRefused = Callable[[str], None]
"""Receives what was refused, fit to be printed."""

EVERY_ADDRESS = ("0.0.0.0", "::", "")
MAX_BODY_BYTES = 8192
BODY_S = 30.0
"""Seconds within which a body must have arrived."""
_MOST_HEADERS = 100
_KEEP_ALIVE_S = 30
_BACKLOG = 256
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/\\?#\s]+)(?::(\d{1,5}))?")
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


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a page is reached, and so by which names it may be asked.

    Another site's name can be made to resolve to this machine (DNS rebinding). A browser then takes that site's pages
    and these for one, and only the name in the request tells them apart.
    """

    host: str = "127.0.0.1"
    """Address to listen at."""
    public_url: str = ""
    """How the page is reached where something stands in front of it."""

    def __post_init__(self) -> None:
        if not self.public_url:
            return
        try:
            parts = urlsplit(self.public_url)
            known = parts.scheme in ("http", "https") and split_host(parts.netloc) is not None and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment:
            raise ConfigError(
                f"--public-url {self.public_url!r} is no address of a site. Write it as https://study.example.org"
            )
        if parts.path.strip("/"):
            raise ConfigError(
                f"--public-url {self.public_url!r} has a path, under which the pages do not work. Give the site a host "
                "name or a port of its own, such as https://study.example.org or https://example.org:8443"
            )

    @property
    def is_local(self) -> bool:
        """Whether no other machine is let in."""
        return is_local(self.host) and not self.public_url

    @property
    def is_everywhere(self) -> bool:
        """Whether it listens at every address of this machine."""
        return self.host in EVERY_ADDRESS

    @functools.lru_cache(maxsize=256)  # noqa: B019, a site lives as long as its process
    def knows_host(self, header: str) -> bool:
        """Whether a request's Host is one of this site's own names, at whatever port."""
        found = split_host(header)
        if found is None:
            return False
        name, named = found[0], split_host(urlsplit(self.public_url).netloc)
        if is_local(name) or name == self.host.lower().rstrip(".") or (named is not None and name == named[0]):
            return True
        # No name stands behind an address in figures, so that none could have been made to resolve to it.
        return self.is_everywhere and (_is_address(name) or name in _own_names())

    def knows_origin(self, origin: str, host: str) -> bool:
        """Whether a request from a page of this origin comes from this site's own page."""
        try:
            parts = urlsplit(origin)
            public = urlsplit(self.public_url)
            if self.public_url and _origin(parts) == _origin(public):
                return True
        except ValueError:
            return False
        asked, here = split_host(parts.netloc), split_host(host)
        if parts.scheme not in ("http", "https") or asked is None or here is None:
            return False
        return self.knows_host(parts.netloc) and asked[1] == here[1]

    def address(self, scheme: str, port: int) -> str:
        """What others can open: the public address, else one of this machine that a tablet in the room reaches."""
        if self.public_url:
            return f"{self.public_url.rstrip('/')}/"
        host = _address_in_the_network() if self.is_everywhere else self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


LOCAL = Site()


class Guard:
    """Refuses requests by another name, and bodies that are large, slow, no JSON, or from another site's page.

    Args:
        app: What it guards.
        site: By which names it may be asked.
        secure: Whether the site is reached by https, which browsers are then told to keep to.
        on_refused: Receives what was refused.
        max_body_bytes: Longest body.
        body_s: Seconds within which a body must have arrived.
    """

    def __init__(
        self,
        app: App,
        *,
        site: Site = LOCAL,
        secure: bool = False,
        on_refused: OnRefused,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_s: float = BODY_S,
    ) -> None:
        self._app, self._site, self._on_refused = app, site, on_refused
        self._max, self._body_s = max_body_bytes, body_s
        named = HEADERS | ({"strict-transport-security": "max-age=31536000"} if secure else {})
        self._headers = [(name.encode(), value.encode()) for name, value in named.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        refusal = self._refused_head(scope)
        body = b""
        if refusal is None and scope["method"] not in ("GET", "HEAD"):
            try:
                async with asyncio.timeout(self._body_s):
                    body = await _read(receive, self._max)
            except TimeoutError:
                refusal = (408, "the request took too long to arrive")
            except _TooLargeError:
                refusal = (413, "nothing that large is taken")
            except ConnectionError:
                return
            if refusal is None and body and not _header(scope, b"content-type").startswith("application/json"):
                refusal = (415, "nothing but JSON is taken")
        if refusal is not None:
            status, message = refusal
            self._on_refused(printable(f"{scope['method'][:20]} {scope['path'][:80]}: {message}"))
            await _say(send_with_headers, scope, status, message)
            return
        replayed = receive if scope["method"] in ("GET", "HEAD") else _replay(body)
        await self._app(scope, replayed, send_with_headers)

    def _refused_head(self, scope: Scope) -> tuple[int, str] | None:
        """What is wrong with a request before its body is read."""
        host = _header(scope, b"host")
        if not self._site.knows_host(host):
            return 421, (
                "This page does not answer to the name in the address. Open it by the address that was printed when it "
                "was started. (Where it is to be reached by another name, that name belongs in --host, or, for a "
                "study, in --public-url.)"
            )
        if len(scope["headers"]) > _MOST_HEADERS:
            return 431, "That request has too many headers."
        if scope["method"] not in _METHODS:
            return 405, "That is nothing that this page does."
        origin = _header(scope, b"origin")
        if scope["method"] not in ("GET", "HEAD") and origin and not self._site.knows_origin(origin, host):
            return 403, "not from this page. Behind a proxy, --public-url names the address that people open"
        return None


def is_local(host: str) -> bool:
    """Whether a host is this machine, by a name or address that no other machine can have."""
    # Names below .localhost are left out: not every system keeps them from the name servers.
    return is_loopback(host) and not host.lower().rstrip(".").endswith(".localhost")


def split_host(text: str) -> tuple[str, str] | None:
    """Name, in small letters and without brackets, and port, perhaps empty, of a Host; None where it is none.

    >>> [split_host(text) for text in ("Localhost.:80", "[::1]:8322", "a b", "user@host")]
    [('localhost', '80'), ('::1', '8322'), None, None]
    """
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    name = found[1].strip("[]").rstrip(".").lower()
    try:
        name = str(ipaddress.ip_address(name))
    except ValueError:
        if found[1].startswith("["):
            return None
    return (name, found[2] or "") if name else None


def _origin(parts: Any) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or default


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@functools.cache
def _own_names() -> frozenset[str]:
    """The names by which machines in the network know this one."""
    name = socket.gethostname().lower()
    short = name.split(".")[0]
    return frozenset({name, short, f"{short}.local", socket.getfqdn().lower().rstrip(".")})


def _address_in_the_network() -> str:
    """The address from which this machine reaches others; nothing is sent."""
    for family, other in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((other, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return socket.gethostname()


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


class _TooLargeError(Exception):
    """A body is larger than is taken."""


async def _read(receive: Receive, most: int) -> bytes:
    """The whole body."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("gone before its body had arrived")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _TooLargeError
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _say(send: Send, scope: Scope, status: int, message: str) -> None:
    content, media_type = refusal_body(scope["method"], scope["path"], status, message)
    # The rest of the request is not read: the connection ends with the reply.
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


def server_settings(site: Site, *, body_s: float = BODY_S, head_s: float = 10.0) -> dict[str, Any]:
    """How uvicorn is set up for a page: bounded connections, and whose word is taken about who asks.

    Args:
        site: Where it is reached.
        body_s: Seconds within which a body must have arrived.
        head_s: Seconds within which a request's head must have arrived.
    """
    return {
        "http": bounded_protocol(Bounds(most=most_connections()), body_s=body_s, head_s=head_s),
        "ws": "none",
        "log_level": "warning",
        "server_header": False,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "backlog": _BACKLOG,
        # X-Forwarded-For is believed of a proxy alone, and only somebody who names one has one.
        "proxy_headers": bool(site.public_url) or "FORWARDED_ALLOW_IPS" in os.environ,
    }


def serve_until_interrupted(
    app: Any,
    *,
    site: Site,
    port: int,
    announce: Callable[[str], str],
    certificate: Path | None = None,
    key: Path | None = None,
    body_s: float = BODY_S,
) -> None:
    """Serves pages; says where once it listens and can be interrupted.

    Args:
        app: What is served.
        site: Where to listen, and by which names it is reached.
        port: Port to listen at; 0 for a free one.
        announce: The line to print, from an address that can be opened.
        certificate: TLS certificate (PEM); plain http without one.
        key: Its private key (PEM).
        body_s: Seconds within which a body must have arrived.

    Raises:
        ConfigError: It could not listen there.
    """
    import uvicorn

    scheme = "https" if certificate else "http"

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            taken = next(one.getsockname()[1] for server in self.servers for one in server.sockets)
            print(f"{announce(site.address(scheme, taken))} (stop with Ctrl-C)", flush=True)

    try:
        config = uvicorn.Config(
            app,
            host=site.host,
            port=port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            **server_settings(site, body_s=body_s),
        )
        Announced(config).run()
    except KeyboardInterrupt:
        pass  # uvicorn raises it again when it has closed
    except SystemExit as error:
        raise ConfigError(f"could not listen at {site.host}:{port}. Is it taken? Choose another --port") from error
