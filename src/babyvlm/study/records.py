"""What passes between browser, server and database, and what leaves for the export."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from babyvlm.records import Record
from babyvlm.study.configuration import Group
from babyvlm.study.design import PlannedTrial
from babyvlm.study.presentation import Presentation

Phase = Literal["gate", "consent", "trials", "finished"]
Moment = Literal["watch", "say"]
Pointer = Literal["touch", "mouse", "pen", "keyboard", "other"]
EventKind = Literal[
    "forged link", "foreign browser", "wrong PIN", "wrong password", "not shown", "second answer", "bad request",
    "upload", "too many", "clock", "withdrawal", "browser released", "consent outdated", "no cookies", "gate closed",
    "age", "deleted",
]  # fmt: skip


class Participant(Record):
    """A participant, as the database knows them."""

    code: str
    link_hash: str
    browser_hash: str | None
    group: Group
    site: str
    age_months: float | None
    list_number: int | None
    consent_version: str | None
    gate_open: bool
    position: int
    """Trials answered, and so the place of the next."""
    planned: int
    """Trials in all; 0 before consent."""
    created: datetime.datetime
    consented: datetime.datetime | None
    finished: datetime.datetime | None
    clock_resolution_ms: float | None
    screen: str | None
    pilot: bool
    """Whether it is somebody's try of the study, which counts for nothing."""


class StoredTrial(Record):
    """A planned trial with what came of it."""

    plan: PlannedTrial
    shown: datetime.datetime | None
    times_shown: int
    """More than once where the page was loaded again, or a lost network brought it back."""


class StoredAnswer(Record):
    """One answer, as the database keeps it."""

    position: int
    attempt: str
    answer: str | None
    """The option, as the toolbox writes it; None where the trial was skipped."""
    skipped: str
    """Why, where it was."""
    reaction_ms: float | None
    """From picture painted to touch; None where the browser's figure cannot be true."""
    open_ms: float | None
    """From picture painted until answers opened, when the question had been said; None where that is not known."""
    early: int | None
    """Touches and keys before, which answered nothing."""
    pointer: Pointer
    hidden: bool
    """Whether the page was out of sight in between, so that the reaction time tells nothing."""
    stored: datetime.datetime


class Event(Record):
    """Something refused or noteworthy."""

    time: datetime.datetime
    code: str | None
    kind: EventKind
    detail: str


# What browsers send. Lengths are bounded, so that nothing large is ever stored.


class LinkOpening(Record):
    """A browser opens a link."""

    clock_resolution_ms: float | None = Field(default=None, ge=0, le=1e4)
    """Smallest step of ``performance.now`` that the browser showed."""
    screen: str = Field(default="", max_length=32, pattern=r"^[0-9x@.]*$")
    """Width x height @ pixels for each CSS pixel."""


class PinEntry(Record):
    pin: str = Field(max_length=32)


class Consent(Record):
    """Somebody agrees to a version of the consent text."""

    version: str = Field(max_length=16)
    age_months: float | None = None
    age_sure: bool = False
    """Whether an age that looks like one in years is one in months all the same."""


class TrialAnswer(Record):
    """A browser answers a trial."""

    trial: str = Field(max_length=64)
    attempt: str = Field(min_length=8, max_length=40)
    """Random, made by the browser for each answer, so that one sent again is known as the same."""
    choice: int | None = Field(default=None, ge=0, le=63)
    """Place of the option touched; None where the trial is skipped."""
    skip_pin: str = Field(default="", max_length=32)
    """The PIN, without which nobody skips in a gated session."""
    reaction_ms: float | None = None
    open_ms: float | None = None
    early: int = Field(default=0, ge=0, le=10_000)
    pointer: Pointer = "other"
    hidden: bool = False


class Withdrawal(Record):
    pin: str = Field(default="", max_length=32)
    sure: Literal[True]


# What browsers get.


class ShownTrial(Record):
    """The trial to show now."""

    key: str
    practice: bool
    break_before: bool
    number: int
    """Counted from 1."""
    of: int
    same_item: bool
    """Whether this is a further round of the item before."""
    show: Presentation
    voices: tuple[Moment, ...]
    """What of it is recorded: the sentence of the film, the one of the question."""


class SessionState(Record):
    """Where a participant is."""

    title: str
    code: str
    group: Group
    age_months: float | None
    language: str
    speech: str
    gated: bool
    phase: Phase
    consent_version: str = ""
    consent_text: str = ""
    age_wanted: bool = False
    trial: ShownTrial | None = None


class Stored(Record):
    """An answer is stored; what comes next."""

    right: bool | None
    """For practice alone."""
    state: SessionState
