"""An API as a respondent: concurrent items, calls retried, replies stored as they arrive, a budget never exceeded.

item ─ round 1 ─ call, retried ─ journal ─ round 2 ... ─ Response        one thread per item
                   └── purse: room in the budget, or stop

Trouble that all items share ends the run, which the same command resumes. What is shared is known at once where the
provider says so (a bad key, no credit), and otherwise from items that fail one after another: they are held back until
another item is answered, then they failed by themselves; if none is, they stay unasked. Where others were answered
before, a few items from elsewhere are tried before the run ends, for items that stand together may fail for the same
reason, and would otherwise end every run that resumes.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from babyvlm.errors import BudgetError, ConfigError
from babyvlm.evaluation.apis.client import (
    Barred,
    Client,
    Completion,
    Message,
    Rejected,
    Transient,
    Trouble,
    Unreached,
    Unreadable,
    Unsure,
)
from babyvlm.evaluation.apis.prices import Price
from babyvlm.evaluation.apis.purse import Purse
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.journal import RoundJournal
from babyvlm.evaluation.option_scores import first_token_scores
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response
from babyvlm.images import encode_jpeg
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn, Reply, Response
from babyvlm.toolbox.replies import CUT_OFF

_MAX_TOKENS = 1024
_LONGEST_WAIT_S = 60.0
_FAILED_FIRST = 3
"""So many items that fail before any is answered are trouble that all share."""
_FAILED_IN_A_ROW = 8
"""So many that fail one after another, once others were answered."""
_TRIED_ELSEWHERE = 3
"""So many items from elsewhere must fail as well."""
_EMPTY = "empty reply"
_UNREADABLE = "unreadable answer"


class _Stopped(Exception):  # noqa: N818 - a signal between threads
    """Another item ended the run, or the budget did."""


class _Asked(NamedTuple):
    """One item's response and what it says of the items to come."""

    response: Response
    answered: bool
    """Whether the provider replied to something of it, were it with a refusal."""
    trouble: str
    """What kept it from being answered, where that may keep others from it as well."""


class ApiRespondent:
    """A model behind an API.

    Args:
        client: Makes one call.
        name: As the report shows it.
        ask: How it is asked.
        price: What it costs; None where unknown, then costs are noted as 0.
        local: Whether the server is this machine.
    """

    def __init__(self, client: Client, name: str, ask: AskConfig, price: Price | None, *, local: bool = False) -> None:
        self.name, self.revision = name, ""
        self.family: Family = "open-source" if local else "proprietary"
        self.sends_data_out = not local
        self._client, self._ask = client, ask
        self._max_tokens = ask.max_new_tokens or _MAX_TOKENS
        self._purse = Purse(name, price, ask.budget, self._max_tokens)
        self._journal: RoundJournal | None = None
        self._answered = False
        self.stop, self._noted = threading.Event(), set[str]()
        self._random = random.Random()  # jitter alone, which is to differ between processes

    def keep_rounds(self, journal: RoundJournal) -> None:
        self._journal = journal
        self._purse.keep(journal)
        self._answered = self._answered or journal.any_reply

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        self.stop.clear()
        waiting, under_way = deque(questions), set[Future[_Asked]]()
        given = 0
        ended: BudgetError | Barred | None = None
        held: list[_Asked] = []  # failed one after another; whether by themselves, the next ones tell
        pool = ThreadPoolExecutor(self._ask.concurrency, thread_name_prefix="ask")
        try:
            while True:
                while ended is None and (question := self._next(waiting, len(under_way), len(held))) is not None:
                    under_way.add(pool.submit(self._respond, question, images))
                if not under_way:
                    break
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    try:
                        asked = future.result()
                    except _Stopped:
                        continue
                    except (BudgetError, Barred) as error:
                        ended = ended or error
                        self.stop.set()
                        continue
                    if asked.trouble:
                        held.append(asked)
                        continue
                    settled = [*held, asked] if asked.answered else [asked]
                    held = [] if asked.answered else held
                    given += len(settled)
                    yield from (one.response for one in settled)
            if ended is None and held and (not self._answered or len(held) >= self._most_failed):
                ended = Barred(f"{len(held)} items in a row failed, the last with: {held[-1].trouble}")
            if ended is None:
                yield from (one.response for one in held)
        finally:
            self.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if ended is not None:
            raise self._end(ended, len(questions) - given)

    @property
    def _most_failed(self) -> int:
        """So many failed one after another that those are asked next which stand elsewhere, or none at all."""
        return max(_FAILED_IN_A_ROW, self._ask.concurrency) if self._answered else _FAILED_FIRST

    def _next(self, waiting: deque[Question], under_way: int, failed: int) -> Question | None:
        """The item to ask next, taken from those that wait; None to wait for one under way, or where none is left."""
        if not waiting or under_way >= self._ask.concurrency:
            return None
        if failed < self._most_failed:
            return waiting.popleft()
        tried = failed - self._most_failed
        if under_way or tried >= _TRIED_ELSEWHERE or not self._answered:
            return None
        place = len(waiting) - 1 - tried * len(waiting) // _TRIED_ELSEWHERE
        question = waiting[place]
        del waiting[place]
        return question

    def _end(self, ended: BudgetError | Barred, left: int) -> Exception:
        if isinstance(ended, BudgetError):
            return BudgetError(f"{ended}; {left} items left to ask. Raise --budget and run the same command to resume")
        return ConfigError(
            f"{self.name} takes no call ({ended}). {left} items were left unasked. Check key, credit, address and "
            "name of the model, and run the same command to resume"
        )

    def _respond(self, question: Question, images: ImageReader) -> _Asked:
        shown = sum(len(turn.images) for turn in question.turns)
        if self._ask.max_images is not None and shown > self._ask.max_images:
            problem = f"{shown} pictures, and the model takes {self._ask.max_images}"
            return _Asked(failed_response(question, problem), answered=False, trouble="")
        replies: list[Reply] = []
        conversation: list[Message] = []
        answered, trouble = False, ""
        for number, turn in enumerate(question.turns):
            conversation.append(Message(role="user", parts=_parts(turn, images)))
            reply = self._journal.get(question.id, number) if self._journal else None
            if reply is None or not self._bought(reply):
                reply, trouble = self._reply(conversation, turn.options)
                answered = answered or reply.text is not None or reply.refused or reply.problem.startswith(_EMPTY)
                if self._journal and self._bought(reply):
                    self._journal.add(question.id, number, reply)
            replies.append(reply)
            said = question.history[number] if number < len(question.history) else reply.text
            if not said or (reply.text is None and not question.history):
                # Nothing to show as its own reply: the rounds after cannot be asked.
                why = Reply(text=None, refused=reply.refused, problem=f"not asked: round {number + 1} had no reply")
                replies += [why] * (len(question.turns) - len(replies))
                break
            conversation.append(Message(role="assistant", parts=(said,)))
        return _Asked(Response(item=question.id, replies=tuple(replies)), answered, trouble)

    def _reply(self, conversation: Sequence[Message], options: Sequence[str]) -> tuple[Reply, str]:
        """A reply, and the trouble that others may share where there is none."""
        began_s = time.monotonic()
        problem, cost_usd = "", 0.0
        for attempt in range(self._ask.attempts):
            try:
                answer, usd = self._call(conversation)
            except (Rejected, Unreadable) as error:
                cost_usd += error.usd
                known = isinstance(error, Rejected) and not isinstance(error, Unsure)
                reply = Reply(text=None, problem=str(error), latency_s=_since(began_s), cost_usd=cost_usd)
                return reply, "" if known else str(error)
            except Transient as error:
                cost_usd += error.usd
                problem = str(error)
                longest_s = min(_LONGEST_WAIT_S, self._ask.backoff_s * 2**attempt)
                wait_s = self._random.uniform(0, longest_s) + (error.wait_s or 0.0)
                if attempt + 1 < self._ask.attempts:
                    self._note(problem)
                    if self.stop.wait(wait_s):
                        raise _Stopped from error
                continue
            self._answered = True
            return _reply_of(answer, options, _since(began_s), cost_usd + usd), ""
        problem = f"{self._ask.attempts} calls failed, last: {problem}"
        return Reply(text=None, problem=problem, latency_s=_since(began_s), cost_usd=cost_usd), problem

    def _call(self, conversation: Sequence[Message]) -> tuple[Completion, float]:
        self._raise_if_stopped()
        with self._purse.call(conversation, self._raise_if_stopped) as bill:
            try:
                answer = self._client.ask(conversation, self._max_tokens)
            except Trouble as error:
                usage = error.usage if isinstance(error, Unreadable) else None
                if usage is not None:
                    bill.pay(usage)
                elif not error.charged:
                    bill.pay(Completion(text="", input_tokens=0, output_tokens=0))
                error.usd = bill.usd
                if isinstance(error, Unreached) and not self._answered:
                    raise Barred(str(error)) from error
                raise
            bill.pay(answer)
            self.revision = answer.model or self.revision
            return answer, bill.usd

    def _bought(self, reply: Reply) -> bool:
        """Whether something came back that would be paid for again."""
        unread = reply.problem.startswith(_UNREADABLE) and self.sends_data_out
        empty = reply.problem.startswith(_EMPTY) and reply.cost_usd > 0
        return reply.text is not None or reply.refused or unread or empty

    def _raise_if_stopped(self) -> None:
        if self.stop.is_set():
            raise _Stopped

    def _note(self, problem: str) -> None:
        """Says once why calls are tried again: waiting in silence looks like hanging."""
        kind = problem[:40]
        if kind not in self._noted:
            self._noted.add(kind)
            print(f"babyvlm: {self.name}: {problem[:200]}; tried again", file=sys.stderr)


def _reply_of(answer: Completion, options: Sequence[str], latency_s: float, cost_usd: float) -> Reply:
    text = answer.text.strip()
    empty = not text and not answer.refused
    problem = ""
    if answer.refused:
        problem = answer.problem or "refused"
    elif answer.cut:
        problem = f"{CUT_OFF} ({answer.problem})"
    elif empty:
        problem = f"{_EMPTY} ({answer.problem})"
    return Reply(
        # What was cut off before its first word was a reply that cannot be read, not none.
        text=None if answer.refused or (empty and not answer.cut) else text,
        refused=answer.refused,
        problem=problem,
        latency_s=latency_s,
        tokens=answer.output_tokens or 0,
        cost_usd=cost_usd,
        scores=None if answer.refused or not text else first_token_scores(answer.likeliest, options),
    )


def _parts(turn: QuestionTurn, images: ImageReader) -> tuple[str | bytes, ...]:
    """Text and pictures in the order of the prompt; pictures without a placeholder come first."""
    pictures = [encode_jpeg(images(name)) for name in turn.images]
    pieces = turn.prompt.split(IMAGE_TOKEN)
    if len(pieces) == 1:
        return (*pictures, turn.prompt)
    parts: list[str | bytes] = []
    for position, piece in enumerate(pieces):
        if position:
            parts.append(pictures[position - 1])
        if piece.strip():
            parts.append(piece.strip())
    return tuple(parts)


def _since(began_s: float) -> float:
    return round(time.monotonic() - began_s, 5)
