"""Single replies on disk as soon as they are paid for, so that an interrupted item resumes and is not paid twice.

RUN/rounds.jsonl    one line for each reply of an API, written and synced before the next round is asked
RUN/charges.jsonl   one line before each call with the most it may cost, one after it with what it did cost
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


class Charge(Record):
    """What one call costs; of several lines about a call, the last holds."""

    call: int
    usd: float
    bound: bool = False
    """Whether this is the most it may cost, because the cost itself is not known, or not yet."""


class RoundJournal:
    """The replies of a run so far and what they cost. Safe to use from several threads.

    Args:
        path: The file of replies, begun when absent, with that of charges beside it; a last line torn by a kill is cut
            off.
    """

    def __init__(self, path: Path) -> None:
        cut_torn_line(path)
        self._replies: dict[tuple[str, int], Reply] = {}
        if path.is_file():
            self._replies = {(kept.item, kept.turn): kept.reply for kept in read_jsonl(path, Round)}
        self._ledger = path.with_name("charges.jsonl")
        cut_torn_line(self._ledger)
        known = read_jsonl(self._ledger, Charge) if self._ledger.is_file() else ()
        charges = {charge.call: charge for charge in known}
        self._calls = max(charges, default=0)
        replies_usd = sum(reply.cost_usd for reply in self._replies.values())
        # Replies of an earlier version stand in no ledger, and a power cut may have taken its last lines.
        self.spent_usd = max(sum(charge.usd for charge in charges.values()), replies_usd)
        self.bound_usd = sum(charge.usd for charge in charges.values() if charge.bound)
        """The part of it that is charged at its upper bound: calls that were cut short, or whose usage is unknown."""
        missing_usd = self.spent_usd - sum(charge.usd for charge in charges.values())
        before = charges[0].usd if 0 in charges else 0.0
        self._missing = Charge(call=0, usd=before + missing_usd) if missing_usd > 0 else None
        self._lines = DurableLines(path, sync_every_s=0)
        self._charges: DurableLines | None = None
        self._lock = threading.Lock()

    @property
    def any_reply(self) -> bool:
        """Whether the respondent has replied before."""
        return any(reply.text is not None or reply.refused for reply in self._replies.values())

    def get(self, item: str, turn: int) -> Reply | None:
        """The reply to that round, None where there is none yet."""
        return self._replies.get((item, turn))

    def add(self, item: str, turn: int, reply: Reply) -> None:
        """Keeps a reply; it is on disk when this returns."""
        with self._lock:
            self._replies[item, turn] = reply
            self._lines.write(Round(item=item, turn=turn, reply=reply).model_dump_json())

    def begin_call(self, most_usd: float) -> int:
        """Notes that a call is made, and the most it may cost; survives a kill when this returns."""
        with self._lock:
            self._calls += 1
            self._write(Charge(call=self._calls, usd=most_usd, bound=True))
            return self._calls

    def end_call(self, call: int, usd: float, *, bound: bool) -> None:
        """Notes what a call did cost."""
        with self._lock:
            self._write(Charge(call=call, usd=usd, bound=bound))

    def _write(self, charge: Charge) -> None:
        if self._charges is None:
            self._charges = DurableLines(self._ledger)
            if self._missing is not None:
                self._charges.write(self._missing.model_dump_json())
        self._charges.write(charge.model_dump_json())

    def close(self) -> None:
        self._lines.close()
        if self._charges is not None:
            self._charges.close()
