"""How long a connection may keep a server waiting, and how many there may be.

uvicorn waits for ever for the rest of a request. Here a request's head and its body each have a deadline, and where
the connections are too many, the one that has kept the server waiting longest is closed to make room: whoever holds
many half-sent requests open loses those, and nobody else waits.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from babyvlm.loopback import is_loopback

_HEAD_S = 10.0
_MOST = 1024
_MOST_OF_AN_ADDRESS = 128


class Waiting(Protocol):
    """A connection, as ``Bounds`` sees it."""

    address: str
    waiting_since: float | None
    """Since when the server waits for it, monotonic seconds; None while it works on a request."""

    def cut(self) -> None:
        """Closes it at once."""


class Bounds:
    """The open connections of one server.

    Args:
        most: Connections in all.
        most_of_an_address: Connections of one address; the machine itself, where proxies run, is not bounded by it.
    """

    def __init__(self, *, most: int, most_of_an_address: int = _MOST_OF_AN_ADDRESS) -> None:
        self._most, self._most_of_an_address = most, most_of_an_address
        self._open: set[Waiting] = set()

    def admit(self, connection: Waiting) -> bool:
        """Whether there is room for a new connection, perhaps in place of one that keeps the server waiting."""
        own = [one for one in self._open if one.address == connection.address]
        counted = connection.address and not is_loopback(connection.address)  # a local socket has no address
        if counted and len(own) >= self._most_of_an_address and not self._cut_one(own):
            return False
        if len(self._open) >= self._most and not self._cut_one(list(self._open)):
            return False
        self._open.add(connection)
        return True

    def drop(self, connection: Waiting) -> None:
        """Forgets a connection that is closed."""
        self._open.discard(connection)

    def _cut_one(self, among: list[Waiting]) -> bool:
        waiting = [one for one in among if one.waiting_since is not None]
        if not waiting:
            return False
        longest = min(waiting, key=lambda one: one.waiting_since or 0.0)
        self._open.discard(longest)
        longest.cut()
        return True


def most_connections() -> int:
    """How many connections the limit on open files leaves room for, raised as far as this process may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * _MOST if hard == resource.RLIM_INFINITY else min(4 * _MOST, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    # Half is left for what a burst brings before any connection is looked at, and for the database.
    return _MOST if soft == resource.RLIM_INFINITY else max(16, min(_MOST, soft // 2))


def bounded_protocol(bounds: Bounds, *, body_s: float, head_s: float = _HEAD_S) -> type[asyncio.Protocol]:
    """uvicorn's HTTP/1.1 protocol with deadlines and a bound on connections.

    Args:
        bounds: The server's open connections.
        body_s: Seconds within which a body must have arrived.
        head_s: Seconds within which a request's head must have arrived.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class BoundedProtocol(H11Protocol):
        address = ""
        waiting_since: float | None = None
        _phase = ""
        _timer: asyncio.TimerHandle | None = None
        _answered = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.address = self.client[0] if self.client else ""
            if bounds.admit(self):
                self._watch()
            else:
                self.cut()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            bounds.drop(self)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._answered = True
            self._watch()

        def cut(self) -> None:
            self.transport.abort()

        def _watch(self) -> None:
            """Sets the deadline of what is waited for now."""
            state = self.conn.their_state
            phase = "busy"
            if state is h11.IDLE:
                phase = "idle" if self._answered and not self.conn.trailing_data[0] else "head"
            elif state is h11.SEND_BODY:
                phase = "body"
            if phase == self._phase:
                return
            self._phase = phase
            self._stop_timer()
            self.waiting_since = None if phase == "busy" else time.monotonic()
            if phase in ("head", "body"):
                self._timer = self.loop.call_later(head_s if phase == "head" else body_s, self.cut)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return BoundedProtocol
