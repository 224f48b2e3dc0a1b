"""One process serves a study: a lock that ends with the process, however it ends.

Beside an SQLite file lies ``study.db.serving``, locked and naming who serves; in PostgreSQL it is an advisory lock of a
connection. Neither outlives its process: what remains after a kill is a file that nobody holds locked.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from babyvlm.errors import ConfigError

_LOG = logging.getLogger("babyvlm.study")
_KEY = 0x6261_6279
"""Key of the advisory lock; each database has its own."""
_PATIENCE_S = 5.0
"""A server that was just killed may hold its lock a moment longer."""
_CHECK_S = 5.0
# A machine that vanishes without a word is taken for gone within half a minute.
_KEEP_ALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_HOLDER = text(
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE locktype = 'advisory' AND classid = 0 AND objid = :key AND granted "
    "AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class ServingLock:
    """Held while a study is served.

    Args:
        engine: Engine of the study's database.
    """

    def __init__(self, engine: Engine) -> None:
        sqlite = engine.url.get_backend_name() == "sqlite"
        self._lock: _FileLock | _DatabaseLock
        self._lock = _FileLock(Path(engine.url.database or "")) if sqlite else _DatabaseLock(engine)

    def __enter__(self) -> ServingLock:
        """Takes the lock.

        Raises:
            ConfigError: Another process holds it.
        """
        until_s = time.monotonic() + _PATIENCE_S
        while (holder := self._lock.take()) is not None:
            if time.monotonic() > until_s:
                raise ConfigError(
                    f"{self._lock.name}: this study is being served already, by {holder}. One process serves a study; "
                    "stop that one first, or begin another study with another --db"
                )
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.give_back()


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


class _FileLock:
    def __init__(self, database: Path) -> None:
        self.name = str(database)
        self._path = database.with_name(f"{database.name}.serving")
        self._file: IO[str] | None = None

    def take(self) -> str | None:
        """Takes the lock, or says who holds it."""
        import fcntl

        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            return holder or "another process"
        file.truncate(0)
        file.write(_who())
        file.flush()
        self._file = file
        return None

    def give_back(self) -> None:
        # The file stays: one that another has just opened and is about to lock must not be taken from under it.
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


class _DatabaseLock:
    def __init__(self, engine: Engine) -> None:
        self.name = engine.url.render_as_string()
        arguments: dict[str, Any] = {"application_name": f"babyvlm {_who()}"[:63], "options": _KEEP_ALIVES}
        self._engine = create_engine(
            engine.url, poolclass=NullPool, connect_args=arguments, isolation_level="AUTOCOMMIT"
        )
        self._connection: Connection | None = None
        self._over = threading.Event()

    def take(self) -> str | None:
        """Takes the lock, or says who holds it."""
        holder = self._try()
        if holder is None:
            threading.Thread(target=self._keep, daemon=True).start()
        return holder

    def _try(self) -> str | None:
        connection = self._engine.connect()
        if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar_one():
            self._connection = connection
            return None
        holder = connection.execute(_HOLDER, {"key": _KEY}).scalar()
        connection.close()
        return str(holder or "another process")

    def _keep(self) -> None:
        """Takes the lock again where the database was restarted."""
        while not self._over.wait(_CHECK_S):
            with contextlib.suppress(DBAPIError):
                try:
                    assert self._connection is not None
                    self._connection.execute(text("SELECT 1"))
                except DBAPIError:
                    if holder := self._try():
                        _LOG.error("this study is now served by %s as well: stop one of the two", holder)

    def give_back(self) -> None:
        self._over.set()
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
        self._engine.dispose()
