"""What a participant may do, and in which order: the study without the web.

    link ──> browser bound ──> gate (PIN) ──> consent ──> trial, answer, trial, answer, ... ──> finished
                                                │
                                                └──> withdrawal, at any time

Whatever does not fit is refused, logged, and changes nothing. A gate closes when its session is opened again, and when
another session is opened in the same browser: whoever sits there then is not known.
"""

from __future__ import annotations

import datetime
import math
from collections import OrderedDict
from threading import Lock

from babyvlm.errors import ConfigError
from babyvlm.study.access import (
    Rate,
    RateLimiter,
    is_browser_secret,
    new_browser_secret,
    secret_matches,
    token_hash,
    trial_key,
)
from babyvlm.study.configuration import Group, StudyConfig
from babyvlm.study.design import (
    OLDEST_MONTHS,
    PlannedTrial,
    ages_in_months,
    looks_like_years,
    plan_session,
)
from babyvlm.study.notes import Notes, RefusedError, too_many
from babyvlm.study.records import (
    Consent,
    LinkOpening,
    Participant,
    Phase,
    SessionState,
    Stored,
    StoredAnswer,
    StoredTrial,
    TrialAnswer,
    Withdrawal,
)
from babyvlm.study.rows import ConflictError
from babyvlm.study.showing import Showing
from babyvlm.study.store import Store
from babyvlm.study.voices import Voices
from babyvlm.toolbox import Toolbox

_CLOCK_SLACK_MS = 250.0
_MOST_EXPECTED = 10_000


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
        self.notes = Notes(store)
        self.showing = Showing(store, toolbox, voices)
        self._consent_version = store.keep_consent(consent_text)
        self._consents = store.consent_texts()
        self._expected: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = Lock()
        self._pin_tries = RateLimiter(Rate(burst=10, every_s=30))
        self._answers = RateLimiter(Rate(burst=30, every_s=1 / answers_per_s))
        self._link_tries = RateLimiter(Rate(burst=20, every_s=6))

    # Who it is

    def new_browser(self) -> str:
        """What a browser that was never here is to keep as its cookie."""
        return new_browser_secret(self.store.row.secret)

    def is_known(self, browser: str, token: str = "") -> bool:
        """Whether a cookie is one that this study gave out, by itself or, in an earlier version, with a link."""
        if is_browser_secret(self.store.row.secret, browser):
            return True
        found = self.store.participant_of_link(token_hash(token)) if token and browser else None
        return found is not None and found.browser_hash == token_hash(browser)

    def identify(self, token: str, browser: str, address: str) -> Participant:
        """Whose link this is, if this browser is theirs.

        Args:
            token: From the link.
            browser: The browser's secret; empty for one that never was here.
            address: Network address, to limit guessing; it is not stored.

        Raises:
            RefusedError: The link is forged or withdrawn, or belongs to another browser.
        """
        found = self.store.participant_of_link(token_hash(token)) if token else None
        if found is None:
            if wait_s := self._link_tries.wait_s(address):
                raise too_many(wait_s, "links tried")
            raise RefusedError(404, "This link is not valid. Please ask for a new one.", "forged link")
        if found.browser_hash is not None and found.browser_hash != token_hash(browser):
            raise RefusedError(
                403, "This link is in use in another browser. Please ask for help.", "foreign browser", code=found.code
            )
        return found

    def open(self, token: str, browser: str, address: str, opening: LinkOpening, *, kept: bool) -> SessionState:
        """Opens a link, and binds it to the browser where it is not bound yet.

        Args:
            token: From the link.
            browser: The browser's secret.
            address: Network address, to limit guessing; it is not stored.
            opening: What the browser says of itself.
            kept: Whether the browser has shown that it keeps its secret. The link is not bound to one that may keep
                none, before it comes back with it.

        Raises:
            RefusedError: See ``identify``.
        """
        found = self.identify(token, browser, address)
        if found.browser_hash is None:
            if kept:
                found = self._bind(found, browser)
            else:
                self._expect(found.code, token_hash(browser))
        self.showing.forget({found.code, *self.store.close_gates(token_hash(browser))})
        self.store.note_browser(
            found.code, clock_resolution_ms=opening.clock_resolution_ms, screen=opening.screen or None
        )
        return self.state(self._again(found.code))

    def _bind(self, found: Participant, browser: str) -> Participant:
        if not self.store.bind_browser(found.code, token_hash(browser)):
            raise RefusedError(
                403, "This link is in use in another browser. Please ask for help.", "foreign browser", code=found.code
            )
        return found.model_copy(update={"browser_hash": token_hash(browser)})

    def _expect(self, code: str, browser_hash: str) -> None:
        with self._lock:
            self._expected[code, browser_hash] = None
            if len(self._expected) > _MOST_EXPECTED:
                self._expected.popitem(last=False)

    def bound(self, found: Participant, browser: str) -> Participant:
        """The participant, whose link is bound to this browser, from now on where it has just kept its secret.

        Raises:
            RefusedError: The link was not opened in this browser, or the browser kept nothing of it.
        """
        if found.browser_hash is not None:
            return found
        with self._lock:
            expected = (found.code, token_hash(browser)) in self._expected
            self._expected.pop((found.code, token_hash(browser)), None)
        if expected:
            return self._bind(found, browser)
        if not browser:
            raise RefusedError(
                403,
                "This browser keeps no cookies, without which nobody can tell whose answers they are. Nothing was "
                "stored. Allow cookies for this page, or open the link in another browser.",
                "no cookies",
                code=found.code,
            )
        raise RefusedError(403, "Please open your link first.", "foreign browser", code=found.code)

    # Where they are

    def state(self, found: Participant) -> SessionState:
        """Where a participant is, with the trial to show."""
        phase = self._phase(found)
        following = self.store.show(found.code) if phase == "trials" else None
        return self._state(found, phase, following)

    def _phase(self, found: Participant) -> Phase:
        if found.planned and found.position >= found.planned:
            return "finished"
        if self.config.gated(found.group) and not found.gate_open:
            return "gate"
        return "trials" if found.planned else "consent"

    def _state(self, found: Participant, phase: Phase, following: StoredTrial | None) -> SessionState:
        asks = phase == "consent"
        return SessionState(
            title=self.config.title,
            code=found.code,
            group=found.group,
            age_months=found.age_months,
            language=self.config.language,
            speech=self.config.speech,
            gated=self.config.gated(found.group),
            phase=phase,
            consent_version=self._consent_version if asks else "",
            consent_text=self._consents[self._consent_version] if asks else "",
            age_wanted=asks and found.group == "child" and found.age_months is None,
            trial=None if following is None else self.showing.trial(found, following.plan),
        )

    # What they do

    def pass_gate(self, found: Participant, pin: str) -> SessionState:
        """Opens a gated session.

        Raises:
            RefusedError: Not the PIN, or too many tries.
        """
        if self.config.gated(found.group):
            self._require_pin(found, pin)
            self.store.open_gate(found.code)
            found = found.model_copy(update={"gate_open": True})
        return self.state(found)

    def _require_pin(self, found: Participant, pin: str) -> None:
        if wait_s := self._pin_tries.wait_s(found.code):
            raise too_many(wait_s, "PINs tried", found.code)
        pin_hash = self.store.row.pin_hash
        if pin_hash and not secret_matches(pin, pin_hash):
            pin_hash = self.store.reread().pin_hash  # babyvlm study password may have changed it
        if not pin_hash or not secret_matches(pin, pin_hash):
            raise RefusedError(403, "That is not the PIN.", "wrong PIN", code=found.code)
        self._pin_tries.give_back(found.code)

    def require_open_gate(self, found: Participant) -> Participant:
        """The participant, whose gate is open where there is one.

        Raises:
            RefusedError: It has closed, or was never opened.
        """
        if self._phase(found) == "gate":
            raise RefusedError(403, "Please enter the PIN to continue.", "gate closed", code=found.code)
        return found

    def consent(self, found: Participant, consent: Consent) -> SessionState:
        """Takes the consent, and plans the session.

        Raises:
            RefusedError: Not the present text, no age for a child, or no task fits it.
        """
        phase = self._phase(found)
        if phase == "gate":
            raise RefusedError(
                403, "The session is not open yet.", "gate closed", "consent before the gate", found.code
            )
        if phase != "consent":
            return self.state(found)
        if consent.version != self._consent_version:
            raise RefusedError(
                409, "The text has changed. Please read it again.", "consent outdated", consent.version, found.code
            )
        age_months = self._age(found, consent)

        def plan(list_number: int) -> tuple[PlannedTrial, ...]:
            return plan_session(
                self.toolbox.items, self.config, group=found.group, age_months=age_months, list_number=list_number
            )

        try:
            self.store.start(found.code, consent.version, age_months, plan)
        except ConfigError as error:
            raise RefusedError(
                422, "There is nothing here for this age. Thank you!", "age", str(error), found.code
            ) from error
        return self.state(self._again(found.code))

    def _age(self, found: Participant, consent: Consent) -> float | None:
        """The age in months that a session is planned for; None for an adult."""
        if found.group == "adult":
            return None
        if found.age_months is not None:
            return found.age_months
        if consent.age_months is None:
            raise RefusedError(422, "Please give the child's age in months.", "age", "none given", found.code)
        self.refuse_age(found.group, consent.age_months, code=found.code, sure=consent.age_sure)
        return consent.age_months

    def refuse_age(self, group: Group, age_months: float | None, *, code: str | None = None, sure: bool = True) -> None:
        """Refuses an age for which the study has nothing, and asks back for one that may be in years.

        Raises:
            RefusedError: See above; the sentence says which ages there are.
        """
        if group == "adult" or age_months is None:
            return
        low, high = ages_in_months(self.toolbox.items, self.config)
        high = OLDEST_MONTHS if high is None else high
        said = f"{age_months:g} month{'s' if age_months != 1 else ''}"
        years = f" {age_months:g} years are {12 * age_months:g} months." if looks_like_years(age_months) else ""
        if not (math.isfinite(age_months) and low <= age_months <= high):
            raise RefusedError(
                422,
                f"This study is for children of {low:g} to {high:g} months, not for {said}.{years}",
                "age",
                said,
                code,
            )
        if years and not sure:
            raise RefusedError(409, f"Is the child really {said} old?{years}", "age", f"{said}, asked back", code)

    def answer(self, found: Participant, answer: TrialAnswer) -> Stored:
        """Stores an answer, and shows what comes next.

        Raises:
            RefusedError: Not the trial shown, another answer to the same trial, no such option, or too many.
        """
        if wait_s := self._answers.wait_s(found.code):
            raise RefusedError(429, "Please slow down.", "too many", "answers", found.code, wait_s=wait_s)
        self.require_open_gate(found)
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
        self.showing.put_away(answer.trial)
        for detail in disbelieved:  # logged only now: the answer's transaction holds the database
            self.notes.log("clock", detail, found.code)
        after = found.model_copy(update={"position": max(found.position, position + 1)})
        right = None
        if answered.plan.kind == "practice" and answer.choice is not None:
            right = self.showing.options(answered.plan)[answer.choice] == self.showing.gold(answered.plan)
        return Stored(right=right, state=self._state(after, self._phase(after), following))

    def _position_of(self, found: Participant, key: str) -> int:
        """The trial of that name: the present one, or the one before, whose answer may come again."""
        for position in (found.position, found.position - 1):
            if key == trial_key(self.store.row.secret, found.code, position):
                return position
        raise RefusedError(
            409, "That answer cannot be taken.", "not shown", f"an unknown trial; {found.position} is next", found.code
        )

    def _stored(
        self, found: Participant, trial: StoredTrial, answer: TrialAnswer, disbelieved: list[str]
    ) -> StoredAnswer:
        """The answer to store; implausible fields are listed in ``disbelieved``."""
        options = self.showing.options(trial.plan)
        if answer.choice is not None and answer.choice >= len(options):
            raise RefusedError(422, "There is no such answer.", "bad request", f"option {answer.choice}", found.code)
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        assert trial.shown is not None
        elapsed_ms = (now - trial.shown).total_seconds() * 1000

        def believed(name: str, claimed_ms: float | None) -> float | None:
            if claimed_ms is None or _is_possible(claimed_ms, elapsed_ms):
                return claimed_ms
            disbelieved.append(f"{name} of {claimed_ms:g} ms, {elapsed_ms:.0f} ms after showing")
            return None

        reaction_ms = believed("a reaction time", answer.reaction_ms)
        return StoredAnswer(
            position=trial.plan.position,
            attempt=answer.attempt,
            answer=None if answer.choice is None else options[answer.choice],
            skipped="skipped by the caregiver" if answer.choice is None else "",
            reaction_ms=reaction_ms,
            open_ms=believed("an opening", answer.open_ms) if reaction_ms is not None else None,
            early=answer.early,
            pointer=answer.pointer,
            hidden=answer.hidden,
            stored=now,
        )

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
        took_part = self.store.withdraw(code)
        self.showing.forget({code})
        self.notes.log(
            "withdrawal" if took_part else "deleted", detail if took_part else "a link nobody had taken part by"
        )

    def release(self, code: str) -> None:
        """Lets a participant's link be opened in another browser, and no more in the one it was opened in."""
        self.store.release_browser(code)
        self.showing.forget({code})
        self.notes.log("browser released", "by the admin", code)

    def _again(self, code: str) -> Participant:
        found = self.store.participant(code)
        if found is None:
            raise RefusedError(404, "This session does not exist any more.", "forged link", code)
        return found


def _is_possible(reaction_ms: float, elapsed_ms: float) -> bool:
    """Whether a reaction time can be: nothing takes longer than it was waited for."""
    return math.isfinite(reaction_ms) and 0 <= reaction_ms <= elapsed_ms + _CLOCK_SLACK_MS
