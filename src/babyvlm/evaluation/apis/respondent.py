"""An API as a respondent: several items at a time, calls retried, replies kept as they are paid, a budget that holds.

item ─ round 1 ─ call, retried ─ journal ─ round 2 ... ─ Response        one thread an item
                   └── before each call: spent + under way + what this one may cost <= budget, or stop
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from babyvlm.errors import BudgetError, ConfigError
from babyvlm.evaluation.apis.client import Answer, Barred, Client, Rejected, Said, Transient
from babyvlm.evaluation.apis.prices import Price
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.journal import RoundJournal
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response
from babyvlm.images import encode_jpeg
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn, Reply, Response

_MAX_TOKENS = 1024
_LONGEST_WAIT_S = 60.0
_LONGEST_ASKED_WAIT_S = 600.0


class _Stopped(Exception):  # noqa: N818 - a signal between threads
    """Another item ended the run, or the budget did."""


class ApiRespondent:
    """A model behind an API.

    Args:
        client: Makes one call.
        name: As the report shows it.
        ask: How it is asked.
        price: What it costs; None where unknown, then costs are noted as 0.
    """

    family: Family = "proprietary"
    sends_data_out = True  # also where the address is this machine: a proxy may stand there

    def __init__(self, client: Client, name: str, ask: AskConfig, price: Price | None) -> None:
        self.name, self.revision = name, ""
        self._client, self._ask, self._price = client, ask, price
        self._max_tokens = ask.max_new_tokens or _MAX_TOKENS
        self._journal: RoundJournal | None = None
        self._spent_usd = self._under_way_usd = 0.0
        self._calls_under_way = 0
        self._dearer = 1.0  # the most by which a call has passed its bound
        self._dearest_usd = 0.0  # of one call so far
        self._money, self._stop = threading.Condition(), threading.Event()
        self._random = random.Random()  # jitter alone, which is to differ between processes

    def keep_rounds(self, journal: RoundJournal) -> None:
        self._journal = journal
        self._spent_usd += journal.spent_usd

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        self._stop.clear()
        waiting, under_way = iter(questions), set[Future[Response]]()
        answered, ended, barred = 0, "", False
        pool = ThreadPoolExecutor(self._ask.concurrency, thread_name_prefix="ask")
        try:
            while True:
                while not ended and len(under_way) < self._ask.concurrency:
                    if (question := next(waiting, None)) is None:
                        break
                    under_way.add(pool.submit(self._respond, question, images))
                if not under_way:
                    break
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    try:
                        response = future.result()
                    except _Stopped:
                        continue
                    except (BudgetError, Barred) as error:
                        ended = ended or str(error)
                        barred = isinstance(error, Barred)
                        self._stop.set()
                        continue
                    answered += 1
                    yield response
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if ended:
            left = len(questions) - answered
            if barred:
                raise ConfigError(
                    f"{self.name} takes no call ({ended}). Check key, account and name; {left} items left"
                )
            raise BudgetError(f"{ended}; {left} items left to ask. Raise --budget and give the same command to go on")

    def _respond(self, question: Question, images: ImageReader) -> Response:
        shown = sum(len(turn.images) for turn in question.turns)
        if self._ask.max_images is not None and shown > self._ask.max_images:
            return failed_response(question, f"{shown} pictures, and the model takes {self._ask.max_images}")
        replies: list[Reply] = []
        conversation: list[Said] = []
        for number, turn in enumerate(question.turns):
            conversation.append(Said(role="user", parts=_parts(turn, images)))
            reply = self._journal.get(question.id, number) if self._journal else None
            if reply is None or _unpaid(reply):
                reply = self._reply(conversation)
                if self._journal and not _unpaid(reply):
                    self._journal.add(question.id, number, reply)
            replies.append(reply)
            said = question.history[number] if number < len(question.history) else reply.text
            if not said or (reply.text is None and not question.history):
                # Nothing to show as its own reply: the rounds after cannot be asked.
                why = Reply(text=None, refused=reply.refused, problem=f"not asked: round {number + 1} had no reply")
                replies += [why] * (len(question.turns) - len(replies))
                break
            conversation.append(Said(role="assistant", parts=(said,)))
        return Response(item=question.id, replies=tuple(replies))

    def _reply(self, conversation: Sequence[Said]) -> Reply:
        began_s = time.monotonic()
        problem = ""
        for attempt in range(self._ask.attempts):
            try:
                answer, cost_usd = self._call(conversation)
            except Rejected as error:
                return Reply(text=None, problem=str(error), latency_s=_since(began_s))
            except Transient as error:
                problem = str(error)
                longest_s = min(_LONGEST_WAIT_S, self._ask.backoff_s * 2**attempt)
                wait_s = self._random.uniform(0, longest_s) + min(error.wait_s or 0.0, _LONGEST_ASKED_WAIT_S)
                if attempt + 1 < self._ask.attempts and self._stop.wait(wait_s):
                    raise _Stopped from error
                continue
            text = answer.text.strip()
            empty = not text and not answer.refused
            return Reply(
                text=None if empty or answer.refused else text,
                refused=answer.refused,
                problem=_problem(answer, empty),
                latency_s=_since(began_s),
                tokens=answer.output_tokens,
                cost_usd=cost_usd,
            )
        return Reply(
            text=None, problem=f"{self._ask.attempts} calls failed, last: {problem}", latency_s=_since(began_s)
        )

    def _call(self, conversation: Sequence[Said]) -> tuple[Answer, float]:
        if self._stop.is_set():
            raise _Stopped
        bound = self._price.bound(conversation, self._max_tokens) if self._price else 0.0
        budget = self._ask.budget
        with self._money:
            while budget is not None:
                likely = self._likely_usd(bound)
                if self._spent_usd + likely > budget:
                    raise BudgetError(
                        f"stopped at ${self._spent_usd:.6f} of ${budget:g}: the next call may cost ${likely:.6f}"
                    )
                untried = bound > 0 and not self._dearest_usd  # what the table says is not yet seen to hold
                beside = self._spent_usd + self._under_way_usd + likely <= budget
                if not self._calls_under_way or (beside and not untried):
                    break
                self._money.wait()  # what is under way may cost less than it might have
            likely = self._likely_usd(bound)
            self._under_way_usd += likely
            self._calls_under_way += 1
        cost_usd = 0.0
        try:
            answer = self._client.ask(conversation, self._max_tokens)
            cost_usd = self._price.of(answer) if self._price else 0.0
            self.revision = answer.model or self.revision
            return answer, cost_usd
        finally:
            with self._money:
                self._calls_under_way -= 1
                self._under_way_usd = self._under_way_usd - likely if self._calls_under_way else 0.0
                self._spent_usd += cost_usd
                self._dearest_usd = max(self._dearest_usd, cost_usd)
                if bound:
                    self._dearer = max(self._dearer, cost_usd / bound)
                self._money.notify_all()

    def _likely_usd(self, bound: float) -> float:
        """What a call may cost, US dollars: no less than the dearest yet, for a table's bound may be too low."""
        return max(bound * self._dearer, self._dearest_usd)


def _problem(answer: Answer, empty: bool) -> str:
    if answer.refused:
        return answer.problem or "refused"
    return f"empty reply ({answer.problem})" if empty else ""


def _unpaid(reply: Reply) -> bool:
    """Whether nothing came back, and asking again pays nothing twice."""
    return reply.text is None and not reply.refused and reply.cost_usd == 0


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
