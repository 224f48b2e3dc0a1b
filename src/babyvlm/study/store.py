"""The study's memory: every transaction on its database.

An answer is stored, and the next trial marked as shown, in one transaction; what the server says is stored is on the
disk. Two answers to one trial meet at the primary key, and the first stays.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping, Select, func, insert, inspect, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import DBAPIError

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.evaluation.runs import toolbox_hash
from babyvlm.records import SCHEMA_VERSION, Record
from babyvlm.study.access import hash_secret, new_code, new_token, token_hash
from babyvlm.study.configuration import Group, StudyConfig
from babyvlm.study.design import PlannedTrial
from babyvlm.study.records import Event, EventKind, Participant, StoredAnswer, StoredTrial
from babyvlm.study.tables import (
    WRITES,
    answers,
    consents,
    events,
    metadata,
    open_engine,
    participants,
    study,
    trials,
    withdrawals,
)
from babyvlm.study.writing import Writing
from babyvlm.toolbox import Toolbox

_PLAN_FIELDS = tuple(PlannedTrial.model_fields)


class StudyRow(Record):
    """What the database says of the study itself."""

    design: str
    toolbox: str
    toolbox_hash: str
    secret: str
    password_hash: str
    pin_hash: str


class Invitation(Record):
    """A new participant and the token of their link, which nobody can read again."""

    code: str
    token: str


class ConflictError(Exception):
    """An answer that cannot be taken; ``kind`` is how it is logged."""

    def __init__(self, kind: EventKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: EventKind = kind


class Store:
    """A study's database, open.

    Args:
        engine: As ``open_engine`` opens it.

    Raises:
        DataFolderError: It does not answer, or holds no study.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = Writing(engine)
        is_postgresql = engine.url.get_backend_name() == "postgresql"
        # A statement by itself needs no transaction around it, which PostgreSQL would be asked for.
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT") if is_postgresql else engine
        row = _read_study(engine)
        if row is None:
            raise DataFolderError(
                "no study here", path=_shown(engine), remedy="Give the --db of babyvlm study serve, which begins one"
            )
        if row["schema_version"] != SCHEMA_VERSION:
            raise DataFolderError(
                f"written with schema {row['schema_version']}, this version reads {SCHEMA_VERSION}", path=_shown(engine)
            )
        _require_tables(engine)
        self.row = _study_row(row)
        self.config = StudyConfig.from_json(self.row.design)

    @classmethod
    def open(cls, database: str | Path) -> Store:
        """Opens a study that exists.

        Raises:
            DataFolderError: There is none.
        """
        if _is_absent(database):
            raise DataFolderError("no such file", path=database, remedy="Give the --db of babyvlm study serve")
        return cls(open_engine(database))

    @staticmethod
    def holds_study(database: str | Path) -> bool:
        """Whether a study has been begun there; a file that is absent stays so.

        Raises:
            DataFolderError: The database does not answer.
        """
        return not _is_absent(database) and _read_study(open_engine(database)) is not None

    @classmethod
    def begin(cls, database: str | Path, toolbox: Toolbox, config: StudyConfig, *, password: str, pin: str) -> Store:
        """Begins a study in an empty database, and freezes its design.

        Raises:
            ConfigError: The password is too short, or the PIN no number of four digits or more.
        """
        check_password(password)
        check_pin(pin, config)
        engine = open_engine(database)
        metadata.create_all(engine)
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            connection.execute(
                insert(study).values(
                    id=1,
                    schema_version=SCHEMA_VERSION,
                    created=_now(),
                    design=config.as_json(),
                    toolbox=str(toolbox.folder.resolve()),
                    toolbox_hash=toolbox_hash(toolbox),
                    secret=secrets.token_hex(32),
                    password_hash=hash_secret(password),
                    pin_hash=hash_secret(pin) if pin else "",
                )
            )
        return cls(engine)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def refuse_other(self, toolbox: Toolbox, config: StudyConfig) -> None:
        """Raises ConfigError where toolbox or design are not those the study was begun with."""
        if toolbox_hash(toolbox) != self.row.toolbox_hash:
            raise ConfigError(f"{toolbox.folder}: not the toolbox this study was begun with ({self.row.toolbox})")
        if config != self.config:
            now, frozen = vars(config), vars(self.config)
            name = next(name for name in now if now[name] != frozen[name])
            raise ConfigError(
                f"the design of a study is frozen when it begins: {name} was {frozen[name]!r}, now {now[name]!r}. "
                "Leave the option out as it was, or begin another study with another --db"
            )

    # The study itself

    def set_password(self, password: str) -> None:
        """Changes the admin password.

        Raises:
            ConfigError: It is too short.
        """
        check_password(password)
        self._set_study(password_hash=hash_secret(password))

    def set_pin(self, pin: str) -> None:
        """Changes the PIN.

        Raises:
            ConfigError: It is no number of four digits or more.
        """
        check_pin(pin, self.config)
        self._set_study(pin_hash=hash_secret(pin) if pin else "")

    def _set_study(self, **values: str) -> None:
        with self._writing.transaction() as connection:
            connection.execute(update(study).values(**values))
        self.row = self.row.model_copy(update=values)

    def keep_consent(self, text: str) -> str:
        """Keeps a consent text, if it is new, and returns its version."""
        version = hashlib.sha256(text.encode()).hexdigest()[:12]
        with self._writing.transaction() as connection:
            known = connection.execute(select(consents.c.version).where(consents.c.version == version)).first()
            if known is None:
                connection.execute(insert(consents).values(version=version, text=text, since=_now()))
        return version

    def consent_texts(self) -> dict[str, str]:
        """Every consent text by version."""
        return {row["version"]: row["text"] for row in self._all(select(consents).order_by(consents.c.since))}

    # Participants

    def invite(self, group: Group, site: str, *, age_months: float | None = None, count: int = 1) -> list[Invitation]:
        """Adds participants, each with a link of their own.

        Raises:
            ConfigError: No such site.
        """
        if site not in self.config.sites:
            raise ConfigError(f"no site {site!r}; this study has {', '.join(self.config.sites)}")
        made = [Invitation(code=new_code(), token=new_token()) for _ in range(count)]
        with self._writing.transaction() as connection:
            for invitation in made:
                connection.execute(
                    insert(participants).values(
                        code=invitation.code,
                        link_hash=token_hash(invitation.token),
                        group=group,
                        site=site,
                        age_months=age_months,
                        gate_open=False,
                        position=0,
                        planned=0,
                        created=_now(),
                    )
                )
        return made

    def participants(self) -> list[Participant]:
        """Everybody, in the order of invitation."""
        return [_participant(row) for row in self._all(select(participants).order_by(participants.c.created))]

    def participant(self, code: str) -> Participant | None:
        """One participant."""
        rows = self._all(select(participants).where(participants.c.code == code))
        return _participant(rows[0]) if rows else None

    def participant_of_link(self, link_hash: str) -> Participant | None:
        """Whose link this is."""
        rows = self._all(select(participants).where(participants.c.link_hash == link_hash))
        return _participant(rows[0]) if rows else None

    def bind_browser(self, code: str, browser_hash: str) -> bool:
        """Makes a browser the participant's only one, unless another was faster; whether it is theirs now."""
        with self._writing.transaction() as connection:
            connection.execute(
                update(participants)
                .where(participants.c.code == code, participants.c.browser_hash.is_(None))
                .values(browser_hash=browser_hash)
            )
            row = connection.execute(select(participants.c.browser_hash).where(participants.c.code == code)).first()
        return row is not None and row[0] == browser_hash

    def release_browser(self, code: str) -> None:
        """Lets the participant's link be opened in another browser once."""
        self._set_participant(code, browser_hash=None)

    def note_browser(self, code: str, *, clock_resolution_ms: float | None, screen: str) -> None:
        """Keeps what the browser measured of itself."""
        self._set_participant(code, clock_resolution_ms=clock_resolution_ms, screen=screen)

    def open_gate(self, code: str) -> None:
        """Notes that the PIN was given."""
        self._set_participant(code, gate_open=True)

    def _set_participant(self, code: str, **values: object) -> None:
        with self._writing.transaction() as connection:
            connection.execute(update(participants).where(participants.c.code == code).values(**values))

    def start(
        self, code: str, version: str, age_months: float | None, plan: Callable[[int], Sequence[PlannedTrial]]
    ) -> None:
        """Stores the consent and the session's trials; a second time does nothing.

        Args:
            code: The participant.
            version: Of the consent text agreed to.
            age_months: None for an adult.
            plan: Makes the trials of a list.
        """
        with self._writing.transaction() as connection:
            found = self._locked(connection, code)
            if found.planned:
                return
            list_number = self._least_used_list(connection, found)
            made = plan(list_number)
            connection.execute(insert(trials), [dict(code=code, times_shown=0, **trial.model_dump()) for trial in made])
            connection.execute(
                update(participants)
                .where(participants.c.code == code)
                .values(
                    consent_version=version,
                    consented=_now(),
                    age_months=age_months,
                    list_number=list_number,
                    planned=len(made),
                )
            )

    def _least_used_list(self, connection: Connection, found: Participant) -> int:
        used = select(participants.c.list_number, func.count()).where(
            participants.c.site == found.site,
            participants.c.group == found.group,
            participants.c.list_number.is_not(None),
        )
        counts = dict.fromkeys(range(self.config.lists), 0)
        counts |= {row[0]: row[1] for row in connection.execute(used.group_by(participants.c.list_number))}
        return min(counts, key=lambda number: (counts[number], number))

    def withdraw(self, code: str) -> bool:
        """Deletes a participant with everything about them; whether there was one."""
        with self._writing.transaction() as connection:
            row = connection.execute(select(participants.c.site).where(participants.c.code == code)).first()
            if row is None:
                return False
            for table in (answers, trials, events):
                connection.execute(delete_from(table).where(table.c.code == code))
            connection.execute(delete_from(participants).where(participants.c.code == code))
            connection.execute(insert(withdrawals).values(time=_now(), site=row[0]))
        if self._engine.url.get_backend_name() == "sqlite":
            self._empty_log()
        return True

    def _empty_log(self) -> None:
        """Moves SQLite's write-ahead log, in which deleted rows would still be read, into the file and cuts it off."""
        with self._writing.alone(), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # outside any transaction

    def withdrawn(self) -> int:
        """How many withdrew."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(withdrawals)).scalar_one()

    # Trials and answers

    def show(self, code: str) -> StoredTrial | None:
        """The participant's next trial, from now on shown, perhaps again; None where all are answered."""
        with self._writing.transaction() as connection:
            here = (trials.c.code == code, trials.c.position == self._locked(connection, code).position)
            return self._show(
                connection, connection.execute(select(trials).where(*here)).mappings().first(), again=True
            )

    def _show(self, connection: Connection, row: RowMapping | None, *, again: bool = False) -> StoredTrial | None:
        if row is None:
            return None
        shown, times = row["shown"], row["times_shown"]
        if shown is None or again:
            shown, times = shown or _now(), times + 1
            here = (trials.c.code == row["code"], trials.c.position == row["position"])
            connection.execute(update(trials).where(*here).values(shown=shown, times_shown=times))
        return StoredTrial(plan=_plan(row), shown=shown, times_shown=times)

    def shown_trial(self, code: str, position: int) -> PlannedTrial | None:
        """A trial, if it has been shown."""
        here = (trials.c.code == code, trials.c.position == position, trials.c.shown.is_not(None))
        rows = self._all(select(trials).where(*here))
        return _plan(rows[0]) if rows else None

    def answer(
        self, code: str, position: int, attempt: str, judge: Callable[[StoredTrial], StoredAnswer]
    ) -> tuple[StoredTrial, StoredTrial | None]:
        """Stores the answer to the trial that is shown, and shows the next.

        Args:
            code: The participant.
            position: The trial answered.
            attempt: The browser's name for this answer; the same one again changes nothing.
            judge: Makes the answer to be stored, given the trial.

        Returns:
            The trial answered, and the next; None at the end.

        Raises:
            ConflictError: The trial is not the one shown, or has another answer already.
        """
        with self._writing.transaction() as connection:
            found = self._locked(connection, code)
            here_and_next = (trials.c.code == code, trials.c.position.in_((position, position + 1)))
            rows = {row["position"]: row for row in connection.execute(select(trials).where(*here_and_next)).mappings()}
            row = rows.get(position)
            if row is None or row["shown"] is None:
                raise ConflictError("not shown", f"trial {position} was not shown; {found.position} is next")
            answered = _trial(row)
            if position < found.position:
                here = (answers.c.code == code, answers.c.position == position)
                before = connection.execute(select(answers.c.attempt).where(*here)).scalar_one()
                if before != attempt:
                    raise ConflictError("second answer", f"trial {position} has an answer; the first one counts")
                if position + 1 < found.position:
                    raise ConflictError("not shown", f"trial {position} is long past; {found.position} is next")
                return answered, self._show(connection, rows.get(found.position))
            connection.execute(insert(answers).values(code=code, **judge(answered).model_dump()))
            following = self._show(connection, rows.get(position + 1))
            after: dict[str, object] = {"position": position + 1}
            if following is None:
                after["finished"] = _now()
            connection.execute(update(participants).where(participants.c.code == code).values(**after))
        return answered, following

    def _locked(self, connection: Connection, code: str) -> Participant:
        wanted = select(participants).where(participants.c.code == code).with_for_update()
        row = connection.execute(wanted).mappings().first()
        if row is None:
            raise ConflictError("not shown", "this participant has withdrawn")
        return _participant(row)

    def trials(self, code: str) -> list[StoredTrial]:
        """A participant's trials, in order."""
        rows = self._all(select(trials).where(trials.c.code == code).order_by(trials.c.position))
        return [_trial(row) for row in rows]

    def answers(self, code: str) -> dict[int, StoredAnswer]:
        """A participant's answers by the place of the trial."""
        rows = self._all(select(answers).where(answers.c.code == code).order_by(answers.c.position))
        return {
            row["position"]: StoredAnswer.model_validate({name: row[name] for name in StoredAnswer.model_fields})
            for row in rows
        }

    # Events

    def log(self, kind: EventKind, detail: str, code: str | None = None) -> None:
        """Notes an event."""
        with self._writing.transaction() as connection:
            connection.execute(insert(events).values(time=_now(), code=code, kind=kind, detail=detail[:500]))

    def events(self, limit: int = 200) -> list[Event]:
        """The latest events, newest first."""
        rows = self._all(select(events).order_by(events.c.id.desc()).limit(limit))
        return [Event.model_validate({name: row[name] for name in Event.model_fields}) for row in rows]

    def _all(self, wanted: Select) -> Sequence[RowMapping]:
        with self._reading.connect() as connection:
            return connection.execute(wanted).mappings().all()


def _is_absent(database: str | Path) -> bool:
    return "://" not in str(database) and not Path(database).is_file()


def _read_study(engine: Engine) -> RowMapping | None:
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(study.name):
                return None
            return connection.execute(select(study)).mappings().first()
    except DBAPIError as error:
        raise DataFolderError(f"the database does not answer: {error.orig}", path=_shown(engine)) from error


def _require_tables(engine: Engine) -> None:
    """Raises DataFolderError where a table or column is missing, as in a study that an earlier version began."""
    found = inspect(engine)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in found.get_columns(table.name)} if found.has_table(table.name) else set()
        if lacking := sorted(set(table.columns.keys()) - there):
            raise DataFolderError(
                f"table {table.name} lacks {', '.join(lacking)}: another version of babyvlm began this study",
                path=_shown(engine),
                remedy="Serve or export it with that version, or begin another study with another --db",
            )


def check_password(password: str) -> None:
    """Raises ConfigError where a password is too short to guard anything."""
    if len(password) < 10:
        raise ConfigError("the admin password needs at least 10 characters")


def check_pin(pin: str, config: StudyConfig) -> None:
    """Raises ConfigError where a PIN is none, or is missing though the study's gate needs it."""
    if pin and (not pin.isdecimal() or len(pin) < 4):
        raise ConfigError("the PIN is a number of at least 4 digits")
    if not pin and config.gate != "nobody":
        raise ConfigError("the gate needs a PIN; give one, or choose --gate nobody")


def _study_row(row: RowMapping) -> StudyRow:
    return StudyRow.model_validate({name: row[name] for name in StudyRow.model_fields})


def _participant(row: RowMapping) -> Participant:
    return Participant.model_validate({name: row[name] for name in Participant.model_fields})


def _plan(row: RowMapping) -> PlannedTrial:
    return PlannedTrial.model_validate({name: row[name] for name in _PLAN_FIELDS})


def _trial(row: RowMapping) -> StoredTrial:
    return StoredTrial(plan=_plan(row), shown=row["shown"], times_shown=row["times_shown"])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)  # UTC; SQLite keeps no zone


def _shown(engine: Engine) -> str:
    return engine.url.database or "" if engine.url.get_backend_name() == "sqlite" else engine.url.render_as_string()
