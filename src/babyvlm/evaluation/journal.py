"""Single replies on disk as soon as they are paid for, so that an interrupted item is gone on with and not paid twice.

RUN/rounds.jsonl: one line for each reply of an API, written and synced before the next round is asked.
"""

from __future__ import annotations

import threading
from pathlib import Path

from babyvlm.evaluation.durable import DurableLines, cut_torn_line
from babyvlm.records import Record, Reply, read_jsonl


class Round(Record):
    """One reply to one round of one item."""

    item: str
    turn: int
    reply: Reply


class RoundJournal:
    """The replies of a run so far. Safe to use from several threads.

    Args:
        path: The file, begun when absent; a last line torn by a kill is cut off.
    """

    def __init__(self, path: Path) -> None:
        cut_torn_line(path)
        self._replies: dict[tuple[str, int], Reply] = {}
        if path.is_file():
            self._replies = {(kept.item, kept.turn): kept.reply for kept in read_jsonl(path, Round)}
        self.spent_usd = sum(reply.cost_usd for reply in self._replies.values())
        self._lines = DurableLines(path, sync_every_s=0)
        self._lock = threading.Lock()

    def get(self, item: str, turn: int) -> Reply | None:
        """The reply to that round, None where there is none yet."""
        return self._replies.get((item, turn))

    def add(self, item: str, turn: int, reply: Reply) -> None:
        """Keeps a reply; it is on disk when this returns."""
        with self._lock:
            self._replies[item, turn] = reply
            self._lines.write(Round(item=item, turn=turn, reply=reply).model_dump_json())

    def close(self) -> None:
        self._lines.close()
