"""Rows of a study's database as records."""

from __future__ import annotations

import datetime

from sqlalchemy import RowMapping

from babyvlm.records import Record
from babyvlm.study.design import PlannedTrial
from babyvlm.study.records import EventKind, Participant, StoredTrial

_PLAN_FIELDS = tuple(PlannedTrial.model_fields)


class StudyRow(Record):
    """What the database says of the study itself."""

    design: str
    toolbox: str
    toolbox_hash: str
    secret: str
    password_hash: str
    pin_hash: str
    address: str | None
    """Where it was served last."""


class Invitation(Record):
    """A new participant and the token of their link, which nobody can read again."""

    code: str
    token: str


class ConflictError(Exception):
    """An answer that cannot be taken; ``kind`` is how it is logged."""

    def __init__(self, kind: EventKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: EventKind = kind


def study_row_of(row: RowMapping) -> StudyRow:
    return StudyRow.model_validate({name: row[name] for name in StudyRow.model_fields})


def participant_of(row: RowMapping) -> Participant:
    named = {name: row[name] for name in Participant.model_fields}
    return Participant.model_validate(named | {"pilot": bool(row["pilot"])})


def plan_of(row: RowMapping) -> PlannedTrial:
    return PlannedTrial.model_validate({name: row[name] for name in _PLAN_FIELDS})


def trial_of(row: RowMapping) -> StoredTrial:
    return StoredTrial(plan=plan_of(row), shown=row["shown"], times_shown=row["times_shown"])


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)  # UTC; SQLite keeps no zone
