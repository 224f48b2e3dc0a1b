"""The budget of a run: spent so far, committed to calls under way, and no call that might exceed it.

before a call   spent + under way + what this one may cost <= budget, or wait for what is under way, or stop
after it        its cost from the tokens that the server reports; its upper bound where it reports none that can be
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from babyvlm.errors import BudgetError
from babyvlm.evaluation.apis.client import Completion, Message
from babyvlm.evaluation.apis.prices import Price
from babyvlm.evaluation.journal import RoundJournal


@dataclass
class Bill:
    """The bill of one call, until it ends."""

    price: Price | None
    most_input_usd: float
    most_output_usd: float
    usd: float = 0.0
    bound: bool = False
    """Whether ``usd`` is an upper bound, not a figure of the server's."""

    def pay(self, answer: Completion) -> None:
        """Charges what the server says was used, and the upper bound of what it does not say."""
        if self.price is None:
            return
        written_nothing = answer.output_tokens == 0 and bool(answer.text)
        read = answer.input_tokens
        written = None if written_nothing else answer.output_tokens
        self.bound = read is None or written is None
        self.usd = self.most_input_usd if read is None else read * self.price.input / 1e6
        self.usd += self.most_output_usd if written is None else written * self.price.output / 1e6

    def pay_most(self) -> None:
        """Charges the upper bound, for nothing is known."""
        self.usd, self.bound = self.most_input_usd + self.most_output_usd, True


class Purse:
    """What calls may cost and did cost. Safe to use from several threads.

    Args:
        name: Who is paid, for messages.
        price: Price of the model; None where unknown, then nothing is counted.
        budget: Most to spend, US dollars; None for no bound.
        max_tokens: Longest reply.
    """

    def __init__(self, name: str, price: Price | None, budget: float | None, max_tokens: int) -> None:
        self._name, self._price, self._budget, self._max_tokens = name, price, budget, max_tokens
        self._journal: RoundJournal | None = None
        self._spent_usd = self._under_way_usd = self._bound_usd = 0.0
        self._calls_under_way = 0
        self._dearer = 1.0  # the most by which a call has passed its bound
        self._dearest_usd = 0.0  # of one call so far
        self._money = threading.Condition()
        self._said_bound = False

    def keep(self, journal: RoundJournal) -> None:
        """Counts what a run has spent so far, and notes every call there."""
        self._journal = journal
        self._spent_usd += journal.spent_usd
        self._bound_usd += journal.bound_usd

    @contextmanager
    def call(self, conversation: Sequence[Message], stopped: Callable[[], None]) -> Iterator[Bill]:
        """Room for one call, which charges the bill before it ends.

        Args:
            conversation: What is sent.
            stopped: Raises where no call is to be made any more.

        Raises:
            BudgetError: The call might pass the budget.
        """
        read = self._price.most_read(conversation) if self._price else 0.0
        written = self._price.most_written(self._max_tokens) if self._price else 0.0
        likely = self._enter(read + written, stopped)
        number = self._journal.begin_call(likely) if self._journal and self._price else None
        bill = Bill(self._price, read, written)
        bill.pay_most()  # what interrupts us leaves the call charged
        try:
            yield bill
        finally:
            usd = bill.usd if math.isfinite(bill.usd) else read + written
            if self._journal and number is not None:
                self._journal.end_call(number, usd, bound=bill.bound)
            self._leave(likely, usd, read + written, bound=bill.bound)

    def _enter(self, bound: float, stopped: Callable[[], None]) -> float:
        with self._money:
            while self._budget is not None:
                stopped()
                likely = self._likely_usd(bound)
                if self._spent_usd + likely > self._budget:
                    raise BudgetError(self._reason(likely))
                untried = bound > 0 and not self._dearest_usd  # what the table says is not yet seen to hold
                beside = self._spent_usd + self._under_way_usd + likely <= self._budget
                if not self._calls_under_way or (beside and not untried):
                    break
                self._money.wait()  # what is under way may cost less than it might have
            likely = self._likely_usd(bound)
            self._under_way_usd += likely
            self._calls_under_way += 1
            return likely

    def _leave(self, likely: float, usd: float, most_usd: float, *, bound: bool) -> None:
        with self._money:
            self._calls_under_way -= 1
            self._under_way_usd = self._under_way_usd - likely if self._calls_under_way else 0.0
            self._spent_usd += usd
            if bound and usd:
                self._bound_usd += usd
                self._say_bound()
            else:
                self._dearest_usd = max(self._dearest_usd, usd)
                if most_usd:
                    self._dearer = max(self._dearer, usd / most_usd)
            self._money.notify_all()

    def _say_bound(self) -> None:
        if not self._said_bound:
            print(
                f"babyvlm: {self._name}: what some calls used is not known; each is charged the most it may cost",
                file=sys.stderr,
            )
        self._said_bound = True

    def _reason(self, likely: float) -> str:
        bound = f" (${self._bound_usd:.6f} of it an upper bound)" if self._bound_usd else ""
        return f"stopped at ${self._spent_usd:.6f}{bound} of ${self._budget:g}: the next call may cost ${likely:.6f}"

    def _likely_usd(self, bound: float) -> float:
        """What a call may cost, US dollars: no less than the dearest yet, for a table's bound may be too low."""
        return max(bound * self._dearer, self._dearest_usd)
