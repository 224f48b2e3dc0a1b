"""What a participant may do, and in which order: the study without the web.

    link ──> browser bound ──> gate (PIN) ──> consent ──> trial, answer, trial, answer, ... ──> finished
                                                │
                                                └──> withdrawal, at any time

Whatever does not fit is refused, logged, and changes nothing.
"""

from __future__ import annotations

import datetime
import logging
import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import get_args

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from babyvlm.errors import ConfigError
from babyvlm.records import Item
from babyvlm.study.access import Rate, RateLimiter, secret_matches, token_hash, trial_key
from babyvlm.study.configuration import StudyConfig
from babyvlm.study.design import PlannedTrial, plan_session
from babyvlm.study.presentation import (
    ATTENTION_OPTIONS,
    Presentation,
    attention_picture,
    bare_jpeg,
    present,
    present_attention,
)
from babyvlm.study.records import (
    Answer,
    Consent,
    EventKind,
    Moment,
    Opening,
    Participant,
    Phase,
    SessionState,
    ShownTrial,
    Stored,
    StoredAnswer,
    StoredTrial,
    Withdrawal,
)
from babyvlm.study.store import ConflictError, Store
from babyvlm.study.voices import Voices
from babyvlm.toolbox import Toolbox

_LOG = logging.getLogger("babyvlm.study")
_MOMENTS: tuple[Moment, ...] = get_args(Moment)
_CLOCK_SLACK_MS = 250.0
_PICTURES_KEPT = 2048
_TRIALS_AT_HAND = 4096


@dataclass(frozen=True)
class _AtHand:
    """A trial that is being looked at, so that whose it is and what it shows need no question to the database."""

    who: Participant
    plan: PlannedTrial

    def belongs_to(self, token: str, browser: str) -> bool:
        return self.who.link_hash == token_hash(token) and self.who.browser_hash == token_hash(browser)


class RefusedError(Exception):
    """A request that is not granted.

    Args:
        status: HTTP status.
        message: What the participant reads.
        kind: How it is logged.
        detail: What is logged beside.
        code: Whose session it was, where known.
    """

    def __init__(self, status: int, message: str, kind: EventKind, detail: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.detail, self.code = status, message, kind, detail, code


class StudyService:
    """One study, being served.

    Args:
        store: Its database.
        toolbox: Its items.
        consent_text: The text that new participants agree to.
        voices: Recorded prompts.
        answers_per_s: Most answers a second from one participant, some bursts aside.
    """

    def __init__(
        self,
        store: Store,
        toolbox: Toolbox,
        consent_text: str,
        *,
        voices: Voices = Voices(None),  # noqa: B008
        answers_per_s: float = 5.0,
    ) -> None:
        self.store, self.toolbox = store, toolbox
        self.config: StudyConfig = store.config
        self._items: dict[str, Item] = {item.id: item for item in toolbox.items}
        self._consent_version = store.keep_consent(consent_text)
        self._consents = store.consent_texts()
        self._voices = voices
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._at_hand: OrderedDict[str, _AtHand] = OrderedDict()
        self._lock = Lock()
        self._pin_tries = RateLimiter(Rate(burst=10, every_s=30))
        self._answers = RateLimiter(Rate(burst=30, every_s=1 / answers_per_s))
        self._link_tries = RateLimiter(Rate(burst=20, every_s=6))
        self._events = RateLimiter(Rate(burst=300, every_s=1))
        self._outages = RateLimiter(Rate(burst=3, every_s=10))
        self._unnoted = 0

    # Who it is

    def identify(self, token: str, browser: str, address: str) -> Participant:
        """Whose link this is, if this browser is theirs.

        Args:
            token: From the link.
            browser: The browser's secret; empty for one that never was here.
            address: Of the network, to bound guessing; it is not stored.

        Raises:
            RefusedError: The link is forged or withdrawn, or belongs to another browser.
        """
        found = self.store.participant_of_link(token_hash(token)) if token else None
        if found is None:
            if not self._link_tries.allow(address):
                raise RefusedError(429, "Too many tries. Please wait a minute.", "too many", "links tried")
            raise RefusedError(404, "This link is not valid. Please ask for a new one.", "forged link")
        if found.browser_hash is not None and found.browser_hash != token_hash(browser):
            raise RefusedError(
                403, "This link is in use in another browser. Please ask for help.", "foreign browser", code=found.code
            )
        return found

    def open(self, token: str, browser: str, address: str, opening: Opening) -> SessionState:
        """Opens a link, and binds it to the browser where it is not bound yet.

        Raises:
            RefusedError: The link is forged or withdrawn, or belongs to another browser.
        """
        found = self.identify(token, browser, address)
        if found.browser_hash is None and not self.store.bind_browser(found.code, token_hash(browser)):
            raise RefusedError(
                403, "This link is in use in another browser. Please ask for help.", "foreign browser", code=found.code
            )
        self.store.note_browser(
            found.code, clock_resolution_ms=opening.clock_resolution_ms, screen=opening.screen
        )  # fmt: skip
        return self.state(found)

    def require_bound(self, found: Participant) -> None:
        """Raises RefusedError where no browser has opened the participant's link yet."""
        if found.browser_hash is None:
            raise RefusedError(403, "Please open your link first.", "foreign browser", code=found.code)

    # Where they are

    def state(self, found: Participant) -> SessionState:
        """Where a participant is, with the trial to show."""
        phase = self._phase(found)
        following = self.store.show(found.code) if phase == "trials" else None
        return self._state(found, phase, following)

    def _phase(self, found: Participant) -> Phase:
        if self.config.gated(found.group) and not found.gate_open:
            return "gate"
        if not found.planned:
            return "consent"
        return "finished" if found.position >= found.planned else "trials"

    def _state(self, found: Participant, phase: Phase, following: StoredTrial | None) -> SessionState:
        asks = phase == "consent"
        return SessionState(
            title=self.config.title,
            code=found.code,
            group=found.group,
            language=self.config.language,
            speech=self.config.speech,
            gated=self.config.gated(found.group),
            phase=phase,
            consent_version=self._consent_version if asks else "",
            consent_text=self._consents[self._consent_version] if asks else "",
            age_wanted=asks and found.group == "child" and found.age_months is None,
            trial=None if following is None else self._shown(found, following.plan),
        )

    def _shown(self, found: Participant, plan: PlannedTrial) -> ShownTrial:
        show = self._presentation(plan)
        key = trial_key(self.store.row.secret, found.code, plan.position)
        with self._lock:
            self._at_hand[key] = _AtHand(found.model_copy(update={"position": plan.position}), plan)
            if len(self._at_hand) > _TRIALS_AT_HAND:
                self._at_hand.popitem(last=False)
        return ShownTrial(
            key=key,
            practice=plan.kind == "practice",
            break_before=plan.break_before,
            number=plan.position + 1,
            of=found.planned,
            same_item=plan.turn > 0,
            show=show,
            voices=tuple(moment for moment in _MOMENTS if self._voices.hold(getattr(show, moment))),
        )

    def _presentation(self, plan: PlannedTrial) -> Presentation:
        if plan.kind == "attention":
            return present_attention(self.config)
        return present(self._items[plan.item], plan.turn, self.config)

    # What they do

    def pass_gate(self, found: Participant, pin: str) -> SessionState:
        """Opens a gated session.

        Raises:
            RefusedError: Not the PIN, or too many tries.
        """
        self._require_pin(found, pin)
        self.store.open_gate(found.code)
        return self.state(found.model_copy(update={"gate_open": True}))

    def _require_pin(self, found: Participant, pin: str) -> None:
        if not self._pin_tries.allow(found.code):
            raise RefusedError(429, "Too many tries. Please wait a minute.", "too many", "PINs tried", found.code)
        if not self.store.row.pin_hash or not secret_matches(pin, self.store.row.pin_hash):
            raise RefusedError(403, "That is not the PIN.", "wrong PIN", code=found.code)

    def consent(self, found: Participant, consent: Consent) -> SessionState:
        """Takes the consent, and plans the session.

        Raises:
            RefusedError: Not the present text, no age for a child, or no task fits it.
        """
        phase = self._phase(found)
        if phase == "gate":
            raise RefusedError(403, "The session is not open yet.", "not shown", "consent before the gate", found.code)
        if phase != "consent":
            return self.state(found)
        if consent.version != self._consent_version:
            raise RefusedError(
                409, "The text has changed. Please read it again.", "consent outdated", consent.version, found.code
            )
        age_months = None
        if found.group == "child":
            age_months = consent.age_months if found.age_months is None else found.age_months
            if age_months is None:
                raise RefusedError(422, "Please give the child's age in months.", "bad request", "no age", found.code)

        def plan(list_number: int) -> tuple[PlannedTrial, ...]:
            return plan_session(
                self.toolbox.items, self.config, group=found.group, age_months=age_months, list_number=list_number
            )

        try:
            self.store.start(found.code, consent.version, age_months, plan)
        except ConfigError as error:
            raise RefusedError(
                422, "There is nothing here for this age. Thank you!", "bad request", str(error), found.code
            ) from error
        return self.state(self._again(found.code))

    def answer(self, found: Participant, answer: Answer) -> Stored:
        """Stores an answer, and shows what comes next.

        Raises:
            RefusedError: Not the trial shown, another answer to the same trial, no such option, or too many.
        """
        if not self._answers.allow(found.code):
            raise RefusedError(429, "Please slow down.", "too many", "answers", found.code)
        position = self._position_of(found, answer.trial)
        if answer.choice is None:
            if not self.config.gated(found.group):
                raise RefusedError(422, "Please choose an answer.", "bad request", "skipped", found.code)
            self._require_pin(found, answer.skip_pin)
        disbelieved: list[str] = []
        try:
            answered, following = self.store.answer(
                found.code, position, answer.attempt, lambda trial: self._stored(found, trial, answer, disbelieved)
            )
        except ConflictError as error:
            raise RefusedError(409, "That answer cannot be taken.", error.kind, str(error), found.code) from error
        with self._lock:
            self._at_hand.pop(answer.trial, None)
        for detail in disbelieved:  # logged only now: the answer's transaction holds the database
            self.log("clock", detail, found.code)
        after = found.model_copy(update={"position": max(found.position, position + 1)})
        right = None
        if answered.plan.kind == "practice" and answer.choice is not None:
            turn = self._items[answered.plan.item].turns[answered.plan.turn]
            right = turn.options[answer.choice] == turn.gold
        return Stored(right=right, state=self._state(after, self._phase(after), following))

    def _position_of(self, found: Participant, key: str) -> int:
        """The trial of that name: the present one, or the one before, whose answer may come again."""
        for position in (found.position, found.position - 1):
            if key == trial_key(self.store.row.secret, found.code, position):
                return position
        raise RefusedError(
            409, "That answer cannot be taken.", "not shown", f"an unknown trial; {found.position} is next", found.code
        )

    def _stored(self, found: Participant, trial: StoredTrial, answer: Answer, disbelieved: list[str]) -> StoredAnswer:
        """What is kept of an answer; what is not believed of it is added to ``disbelieved``."""
        options = self._options(trial.plan)
        if answer.choice is not None and answer.choice >= len(options):
            raise RefusedError(422, "There is no such answer.", "bad request", f"option {answer.choice}", found.code)
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        assert trial.shown is not None
        elapsed_ms = (now - trial.shown).total_seconds() * 1000
        reaction_ms = answer.reaction_ms
        if reaction_ms is not None and not _is_possible(reaction_ms, elapsed_ms):
            disbelieved.append(f"a reaction time of {reaction_ms:g} ms, {elapsed_ms:.0f} ms after showing")
            reaction_ms = None
        return StoredAnswer(
            position=trial.plan.position,
            attempt=answer.attempt,
            answer=None if answer.choice is None else options[answer.choice],
            skipped="skipped by the caregiver" if answer.choice is None else "",
            reaction_ms=reaction_ms,
            pointer=answer.pointer,
            hidden=answer.hidden,
            stored=now,
        )

    def _options(self, plan: PlannedTrial) -> tuple[str, ...]:
        return ATTENTION_OPTIONS if plan.kind == "attention" else self._items[plan.item].turns[plan.turn].options

    def withdraw(self, found: Participant, withdrawal: Withdrawal) -> None:
        """Deletes the participant and everything about them.

        Raises:
            RefusedError: A gated session, and not the PIN.
        """
        if self.config.gated(found.group):
            self._require_pin(found, withdrawal.pin)
        self.delete(found.code, "a participant withdrew")

    def delete(self, code: str, detail: str) -> None:
        """Deletes a participant and everything about them; the event says that somebody withdrew, and not who."""
        self.store.withdraw(code)
        self._forget(code)
        self.log("withdrawal", detail)

    def release(self, code: str) -> None:
        """Lets a participant's link be opened in another browser, and no more in the one it was opened in."""
        self.store.release_browser(code)
        self._forget(code)
        self.log("browser released", "by the admin", code)

    def _forget(self, code: str) -> None:
        with self._lock:
            for key in [key for key, trial in self._at_hand.items() if trial.who.code == code]:
                del self._at_hand[key]

    # What they see and hear

    def picture(self, found: Participant, key: str, number: int) -> bytes:
        """A picture of the trial that is shown, as JPEG.

        Raises:
            RefusedError: Not the trial shown, or no such picture.
        """
        return self._picture(found, self._present_trial(found, key), number)

    def looking_at(self, token: str, browser: str, key: str) -> Participant | None:
        """Who is looking at a trial, where no database need be asked: whose it is, in their browser."""
        trial = self._looked_at(token, browser, key)
        return None if trial is None else trial.who

    def picture_at_hand(self, token: str, browser: str, key: str, number: int) -> bytes | None:
        """A picture, where neither database nor disk need be asked: of the trial being looked at, in its browser."""
        trial = self._looked_at(token, browser, key)
        if trial is None:
            return None
        names = self._names(trial.plan)
        kept = 0 <= number < len(names) and (trial.plan.kind == "attention" or names[number] in self._pictures)
        return self._picture(trial.who, trial.plan, number) if kept else None

    def _looked_at(self, token: str, browser: str, key: str) -> _AtHand | None:
        trial = self._at_hand.get(key)
        return trial if trial is not None and trial.belongs_to(token, browser) else None

    def _names(self, plan: PlannedTrial) -> tuple[str, ...]:
        return ATTENTION_OPTIONS if plan.kind == "attention" else self._items[plan.item].turns[plan.turn].images

    def _picture(self, found: Participant, plan: PlannedTrial, number: int) -> bytes:
        names = self._names(plan)
        if not 0 <= number < len(names):
            raise RefusedError(404, "There is no such picture.", "bad request", f"picture {number}", found.code)
        if plan.kind == "attention":
            return attention_picture(number == plan.target)
        return self._jpeg(names[number])

    def voice(self, found: Participant, key: str, moment: Moment) -> tuple[bytes, str]:
        """A recorded prompt of the trial that is shown, and its media type.

        Raises:
            RefusedError: Not the trial shown, or nothing recorded.
        """
        sentence: str = getattr(self._presentation(self._present_trial(found, key)), moment)
        recording = self._voices.recording(sentence)
        if recording is None:
            raise RefusedError(404, "There is no recording.", "bad request", f"voice of {sentence!r}", found.code)
        return recording

    def _present_trial(self, found: Participant, key: str) -> PlannedTrial:
        if key == trial_key(self.store.row.secret, found.code, found.position):
            plan = self.store.shown_trial(found.code, found.position)
            if plan is not None:
                return plan
        raise RefusedError(404, "This picture is not shown now.", "not shown", "a picture", found.code)

    def _jpeg(self, name: str) -> bytes:
        with self._lock:
            if name in self._pictures:
                self._pictures.move_to_end(name)
                return self._pictures[name]
        data = bare_jpeg(self.toolbox.image_path(name).read_bytes())
        with self._lock:
            self._pictures[name] = data
            if len(self._pictures) > _PICTURES_KEPT:
                self._pictures.popitem(last=False)
        return data

    # What is noted

    def refuse(self, refused: RefusedError) -> None:
        """Logs what was refused."""
        self.log(refused.kind, refused.detail, refused.code)

    def log(self, kind: EventKind, detail: str, code: str | None = None) -> None:
        """Notes an event, in the database and on the terminal; of a flood, how many there were."""
        if not self._events.allow("all"):
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
            _LOG.error("the database: %s", error.orig if isinstance(error, DBAPIError) else error)

    def _note(self, kind: EventKind, detail: str, code: str | None) -> None:
        _LOG.warning("%s: %s%s", kind, f"{code}: " if code else "", detail)
        try:
            self.store.log(kind, detail, code)
        except DBAPIError:
            _LOG.error("the database does not answer; the event above is not in it")

    def _again(self, code: str) -> Participant:
        found = self.store.participant(code)
        if found is None:
            raise RefusedError(404, "This session does not exist any more.", "forged link", code)
        return found


def _is_possible(reaction_ms: float, elapsed_ms: float) -> bool:
    """Whether a reaction time can be: nothing takes longer than it was waited for."""
    return math.isfinite(reaction_ms) and 0 <= reaction_ms <= elapsed_ms + _CLOCK_SLACK_MS
