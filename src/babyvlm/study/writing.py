"""Transactions that write: each on its own in PostgreSQL, those that wait for one another together in SQLite.

SQLite has one writer at a time, and what makes an answer durable is a flush to the disk, which takes several
milliseconds. Writers that queue up behind one therefore share a transaction, a savepoint each, and the last of the
queue commits for all. None continues before what it wrote is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from sqlalchemy import Connection, Engine, RootTransaction

from babyvlm.study.tables import WRITES

_MOST_TOGETHER = 64


class Writing:
    """Where transactions that write begin.

    Args:
        engine: As ``open_engine`` opens it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(**{WRITES: True})
        self._together = engine.url.get_backend_name() == "sqlite"
        self._turn, self._counting = Lock(), Lock()
        self._waiting = 0
        self._batch: _Batch | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction; past its end, what it wrote is durable. An error within takes it back and nothing else."""
        if not self._together:
            with self._engine.begin() as connection:
                yield connection
            return
        self._count(1)
        with self._turn:
            self._count(-1)
            batch = self._batch = self._batch or _Batch(self._engine)
            batch.size += 1
            try:
                with batch.connection.begin_nested():
                    yield batch.connection
            finally:
                if not self._waiting or batch.size >= _MOST_TOGETHER:
                    self._batch = None
                    batch.commit()
        batch.wait()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No transaction of this process writes meanwhile."""
        with self._turn:
            if self._batch is not None:
                self._batch.commit()
                self._batch = None
            yield

    def _count(self, change: int) -> None:
        with self._counting:
            self._waiting += change


class _Batch:
    """Writers that share a transaction."""

    def __init__(self, engine: Engine) -> None:
        self.connection: Connection = engine.connect()
        self.size = 0
        self._root: RootTransaction = self.connection.begin()
        self._done = Event()
        self._problem: Exception | None = None

    def commit(self) -> None:
        """Makes everything durable, and lets the writers continue."""
        try:
            self._root.commit()
        except Exception as error:  # every writer of the batch raises it
            self._problem = error
            self.connection.invalidate()  # it may still be in the transaction, and none shall get it again
        finally:
            self.connection.close()
            self._done.set()

    def wait(self) -> None:
        """Waits until it is durable; raises where it is not."""
        self._done.wait()
        if self._problem is not None:
            raise self._problem
