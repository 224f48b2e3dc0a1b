"""Storage of a study: every transaction on its database.

An answer is stored, and the next trial marked as shown, in one transaction; what the server says is stored is on the
disk. Two answers to one trial meet at the primary key, and the first stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping, Select, func, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.study.access import check_password, check_pin, hash_secret, new_code, new_token, token_hash
from babyvlm.study.configuration import Group, StudyConfig
from babyvlm.study.databases import damage_named, freeze, is_absent, read_study, require_tables, shown_address
from babyvlm.study.design import PlannedTrial, refuse_age
from babyvlm.study.records import Event, EventKind, Participant, StoredAnswer, StoredTrial
from babyvlm.study.rows import (
    ConflictError,
    Invitation,
    StudyRow,
    participant_of,
    plan_of,
    study_row_of,
    trial_of,
    utc_now,
)
from babyvlm.study.tables import (
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
from babyvlm.toolbox.folder import toolbox_hash


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
        self.address = shown_address(engine)
        row = read_study(engine)
        if row is None:
            remedy = "Give the --db of babyvlm study serve, which begins one"
            raise DataFolderError("no study here", path=self.address, remedy=remedy)
        with damage_named(self.address):
            require_tables(engine)
            self.row = study_row_of(row)
            self.config = StudyConfig.from_json(self.row.design)

    @classmethod
    def open(cls, database: str | Path) -> Store:
        """Opens a study that exists.

        Raises:
            DataFolderError: There is none.
        """
        if is_absent(database):
            raise DataFolderError("no such file", path=database, remedy="Give the --db of babyvlm study serve")
        return cls(open_engine(database))

    @staticmethod
    def holds_study(database: str | Path) -> bool:
        """Whether a study has been begun there; a file that is absent stays so.

        Raises:
            DataFolderError: The database does not answer.
        """
        return not is_absent(database) and read_study(open_engine(database)) is not None

    @classmethod
    def begin(cls, database: str | Path, toolbox: Toolbox, config: StudyConfig, *, password: str, pin: str) -> Store:
        """Begins a study in an empty database, and freezes its design.

        Raises:
            ConfigError: The password is too short, or the PIN no number of four digits or more; or somebody else was
                faster.
        """
        check_password(password)
        check_pin(pin, config.gate != "nobody")
        engine = open_engine(database)
        metadata.create_all(engine)
        try:
            freeze(engine, toolbox, config, password=password, pin=pin)
        except IntegrityError as error:
            raise ConfigError(f"{shown_address(engine)}: another process has just begun a study there") from error
        return cls(engine)

    @property
    def engine(self) -> Engine:
        """The database."""
        return self._engine

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def refuse_other(self, toolbox: Toolbox, config: StudyConfig) -> dict[str, object]:
        """Refuses another toolbox, and settings that are given and are not those the study was begun with.

        Args:
            toolbox: Toolbox of this start.
            config: Configuration of this start; a setting at its default was left out, and the study keeps its own.

        Returns:
            Settings that were left out and are not at their default in this study.

        Raises:
            ConfigError: Toolbox or design are not those the study was begun with.
        """
        if toolbox_hash(toolbox) != self.row.toolbox_hash:
            raise ConfigError(f"{toolbox.folder}: not the toolbox this study was begun with ({self.row.toolbox})")
        return self.config.differences(config)

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
        check_pin(pin, self.config.gate != "nobody")
        self._set_study(pin_hash=hash_secret(pin) if pin else "")

    def note_address(self, address: str) -> None:
        """Keeps where the study is served, for those who make links without its admin page."""
        self._set_study(address=address)

    def reread(self) -> StudyRow:
        """The study's row as another process, ``babyvlm study password``, may have left it."""
        self.row = study_row_of(self._all(select(study))[0])
        return self.row

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
                connection.execute(insert(consents).values(version=version, text=text, since=utc_now()))
        return version

    def consent_texts(self) -> dict[str, str]:
        """Every consent text by version."""
        return {row["version"]: row["text"] for row in self._all(select(consents).order_by(consents.c.since))}

    # Participants

    def invite(
        self, group: Group, site: str, *, age_months: float | None = None, count: int = 1, pilot: bool = False
    ) -> list[Invitation]:
        """Adds participants, each with a link of their own.

        Args:
            group: Adults or children.
            site: Where they take part.
            age_months: Age of a child, if known already.
            count: How many.
            pilot: Whether they only try the study: they are never pooled, balanced or counted as withdrawn.

        Raises:
            ConfigError: No such site, or an age that cannot be.
        """
        refuse_age(group, age_months)
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
                        pilot=pilot,
                        gate_open=False,
                        position=0,
                        planned=0,
                        created=utc_now(),
                    )
                )
        return made

    def participants(self) -> list[Participant]:
        """Everybody, in the order of invitation."""
        return [participant_of(row) for row in self._all(select(participants).order_by(participants.c.created))]

    def participant(self, code: str) -> Participant | None:
        """One participant."""
        rows = self._all(select(participants).where(participants.c.code == code))
        return participant_of(rows[0]) if rows else None

    def participant_of_link(self, link_hash: str) -> Participant | None:
        """Whose link this is."""
        rows = self._all(select(participants).where(participants.c.link_hash == link_hash))
        return participant_of(rows[0]) if rows else None

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

    def note_browser(self, code: str, *, clock_resolution_ms: float | None, screen: str | None) -> None:
        """Keeps what the browser measured of itself."""
        self._set_participant(code, clock_resolution_ms=clock_resolution_ms, screen=screen)

    def close_gates(self, browser_hash: str) -> list[str]:
        """Closes every gate that stands open in a browser, as a session is opened there; whose they were."""
        theirs = (participants.c.browser_hash == browser_hash, participants.c.gate_open.is_(True))
        with self._writing.transaction() as connection:
            codes = [row[0] for row in connection.execute(select(participants.c.code).where(*theirs))]
            if codes:
                connection.execute(update(participants).where(*theirs).values(gate_open=False))
        return codes

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
            version: Version of the consent text agreed to.
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
                    consented=utc_now(),
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
            participants.c.pilot.is_not(True),
        )
        counts = dict.fromkeys(range(self.config.lists), 0)
        counts |= {row[0]: row[1] for row in connection.execute(used.group_by(participants.c.list_number))}
        return min(counts, key=lambda number: (counts[number], number))

    def withdraw(self, code: str) -> bool:
        """Deletes a participant with everything about them; whether somebody withdrew who had taken part.

        Who never agreed did not take part, nor did a pilot.
        """
        with self._writing.transaction() as connection:
            wanted = select(participants).where(participants.c.code == code)
            row = connection.execute(wanted).mappings().first()
            if row is None:
                return False
            found = participant_of(row)
            took_part = found.consented is not None and not found.pilot
            for table in (answers, trials, events):
                connection.execute(delete_from(table).where(table.c.code == code))
            connection.execute(delete_from(participants).where(participants.c.code == code))
            if took_part:
                connection.execute(insert(withdrawals).values(time=utc_now(), site=found.site))
        if self._engine.url.get_backend_name() == "sqlite":
            self._empty_log()
        return took_part

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
            shown, times = shown or utc_now(), times + 1
            here = (trials.c.code == row["code"], trials.c.position == row["position"])
            connection.execute(update(trials).where(*here).values(shown=shown, times_shown=times))
        return StoredTrial(plan=plan_of(row), shown=shown, times_shown=times)

    def shown_trial(self, code: str, position: int) -> PlannedTrial | None:
        """A trial, if it has been shown."""
        here = (trials.c.code == code, trials.c.position == position, trials.c.shown.is_not(None))
        rows = self._all(select(trials).where(*here))
        return plan_of(rows[0]) if rows else None

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
            answered = trial_of(row)
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
                after["finished"] = utc_now()
            connection.execute(update(participants).where(participants.c.code == code).values(**after))
        return answered, following

    def _locked(self, connection: Connection, code: str) -> Participant:
        wanted = select(participants).where(participants.c.code == code).with_for_update()
        row = connection.execute(wanted).mappings().first()
        if row is None:
            raise ConflictError("not shown", "this participant has withdrawn")
        return participant_of(row)

    def trials(self, code: str) -> list[StoredTrial]:
        """A participant's trials, in order."""
        rows = self._all(select(trials).where(trials.c.code == code).order_by(trials.c.position))
        return [trial_of(row) for row in rows]

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
            connection.execute(insert(events).values(time=utc_now(), code=code, kind=kind, detail=detail[:500]))

    def events(self, limit: int = 200) -> list[Event]:
        """The latest events, newest first."""
        rows = self._all(select(events).order_by(events.c.id.desc()).limit(limit))
        return [Event.model_validate({name: row[name] for name in Event.model_fields}) for row in rows]

    def _all(self, wanted: Select) -> Sequence[RowMapping]:
        with self._reading.connect() as connection:
            return connection.execute(wanted).mappings().all()
