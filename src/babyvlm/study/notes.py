"""What a study notes: refusals and other events, in its database and at the terminal, where a flood is only counted."""

from __future__ import annotations

import logging
from threading import Lock

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from babyvlm.spreadsheets import printable
from babyvlm.study.access import Rate, RateLimiter
from babyvlm.study.records import EventKind
from babyvlm.study.store import Store

_LOG = logging.getLogger("babyvlm.study")


class RefusedError(Exception):
    """A request that is not granted.

    Args:
        status: HTTP status.
        message: What the participant reads.
        kind: How it is logged.
        detail: What is logged beside.
        code: Whose session it was, where known.
        wait_s: After how many seconds it may be asked again; 0 where waiting changes nothing.
    """

    def __init__(
        self,
        status: int,
        message: str,
        kind: EventKind,
        detail: str = "",
        code: str | None = None,
        *,
        wait_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.detail, self.code = status, message, kind, detail, code
        self.wait_s = wait_s


def too_many(wait_s: int, detail: str, code: str | None = None) -> RefusedError:
    """The refusal of somebody who tries too often, with the time to wait."""
    seconds = "1 second" if wait_s == 1 else f"{wait_s} seconds"
    return RefusedError(
        429, f"Too many tries. Please wait {seconds} and try again.", "too many", detail, code, wait_s=wait_s
    )


class Notes:
    """The events of a study that is being served.

    Args:
        store: Its database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self.events = RateLimiter(Rate(burst=300, every_s=1))
        self._outages = RateLimiter(Rate(burst=3, every_s=10))
        self._unnoted = 0

    def refuse(self, refused: RefusedError) -> None:
        """Logs what was refused."""
        self.log(refused.kind, refused.detail, refused.code)

    def log(self, kind: EventKind, detail: str, code: str | None = None) -> None:
        """Notes an event, in the database and at the terminal; of a flood, how many there were.

        Args:
            kind: What it was.
            detail: What is said of it; it may hold what a stranger sent, and is made fit to be printed here.
            code: Whose session it was.
        """
        if not self.events.allow("all"):
            with self._lock:
                self._unnoted += 1
            return
        with self._lock:
            unnoted, self._unnoted = self._unnoted, 0
        if unnoted:
            self._note("too many", f"{unnoted} events before this one were only counted", None)
        self._note(kind, detail, code)

    def note_outage(self, error: SQLAlchemyError) -> None:
        """Says at the terminal that the database does not answer, or takes nothing more; not every time."""
        if self._outages.allow("all"):
            _LOG.error("the database: %s", printable(str(error.orig if isinstance(error, DBAPIError) else error)))

    def _note(self, kind: EventKind, detail: str, code: str | None) -> None:
        detail = printable(detail)
        _LOG.warning("%s: %s%s", kind, f"{code}: " if code else "", detail)
        try:
            self._store.log(kind, detail, code)
        except DBAPIError:
            _LOG.error("the database does not answer; the event above is not in it")
