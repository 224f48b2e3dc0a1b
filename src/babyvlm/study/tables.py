"""The tables of a study's database, and how SQLite and PostgreSQL are opened for it.

    study          one row: the design as frozen, the toolbox, the secret that names trials, hashes of password and PIN
    consents       every version of the consent text
    participants   random codes; hashes of link and browser; age, group, site, list; how far they are
    trials         what each is to be shown, in order, and when it was
    answers        at most one for each trial: the key makes a second one impossible
    events         what was refused, and what else the study must be able to account for
    withdrawals    when somebody withdrew, and nothing else about them

No names, no addresses of the network, no pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from babyvlm.errors import ConfigError, MissingExtraError

metadata = MetaData()
WRITES = "babyvlm_writes"
"""Execution option of connections that write, so that SQLite takes its lock at the start."""


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime, nullable=nullable)


def _text(name: str, length: int | None = None, *, nullable: bool = False) -> Column[Any]:
    return Column(name, String(length) if length else Text, nullable=nullable)


def _whole(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def _place() -> tuple[Column[Any], Column[Any]]:
    """A place in a participant's session, as key; what stands there goes with the participant."""
    code: Column[Any] = Column("code", ForeignKey("participants.code", ondelete="CASCADE"), primary_key=True)
    return code, Column("position", Integer, primary_key=True)


study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    _whole("schema_version"),
    _time("created"),
    _text("design"),
    _text("toolbox"),
    _text("toolbox_hash", 64),
    _text("secret", 64),
    _text("password_hash"),
    _text("pin_hash"),
    _text("address", nullable=True),
)

consents = Table(
    "consents",
    metadata,
    Column("version", String(16), primary_key=True),
    _text("text"),
    _time("since"),
)

participants = Table(
    "participants",
    metadata,
    Column("code", String(16), primary_key=True),
    Column("link_hash", String(64), nullable=False, unique=True),
    _text("browser_hash", 64, nullable=True),
    _text("group", 8),
    _text("site", 64),
    Column("age_months", Float),
    Column("list_number", Integer),
    Column("consent_version", String(16), ForeignKey("consents.version")),
    Column("gate_open", Boolean, nullable=False),
    _whole("position"),
    _whole("planned"),
    _time("created"),
    _time("consented", nullable=True),
    _time("finished", nullable=True),
    Column("clock_resolution_ms", Float),
    _text("screen", 32, nullable=True),
    Column("pilot", Boolean, nullable=True),
)

trials = Table(
    "trials",
    metadata,
    *_place(),
    _text("kind", 16),
    _text("task", 64),
    _text("item", 64),
    _whole("turn"),
    _whole("target"),
    Column("break_before", Boolean, nullable=False),
    _time("shown", nullable=True),
    _whole("times_shown"),
)

answers = Table(
    "answers",
    metadata,
    *_place(),
    _text("attempt", 40),
    _text("answer", nullable=True),
    _text("skipped", 64),
    Column("reaction_ms", Float),
    Column("open_ms", Float),
    Column("early", Integer),
    _text("pointer", 16),
    Column("hidden", Boolean, nullable=False),
    _time("stored"),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    _time("time"),
    _text("code", 16, nullable=True),
    _text("kind", 32),
    _text("detail"),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", Integer, primary_key=True),
    _time("time"),
    _text("site", 64),
)


ADDED_LATER = {"study": ("address",), "participants": ("pilot",), "answers": ("open_ms", "early")}
"""Columns that a study begun by an earlier version lacks. They may be empty, and are added when it is opened."""


def add_what_came_later(engine: Engine) -> None:
    """Gives a study that an earlier version began the columns that came later."""
    found = inspect(engine)
    for name, columns in ADDED_LATER.items():
        if not found.has_table(name):
            continue
        there = {column["name"] for column in found.get_columns(name)}
        for column in [metadata.tables[name].c[one] for one in columns if one not in there]:
            with engine.execution_options(**{WRITES: True}).begin() as connection:
                kind = column.type.compile(dialect=engine.dialect)
                connection.exec_driver_sql(f'ALTER TABLE {name} ADD COLUMN "{column.name}" {kind}')


def open_engine(database: str | Path) -> Engine:
    """Opens a database given as a file (SQLite) or as an address (``postgresql://user@host/name``).

    Raises:
        ConfigError: Neither a file nor an address of these two.
        MissingExtraError: The driver is not installed.
    """
    text = str(database)
    try:
        url = make_url(text if "://" in text else f"sqlite:///{Path(text).resolve()}")
    except ArgumentError as error:
        raise ConfigError(f"{text}: no address of a database. Give a file, or postgresql://user@host/name") from error
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _open_sqlite(url)
    if kind != "postgresql":
        raise ConfigError(f"{text}: a study is kept in SQLite (a file) or in PostgreSQL (postgresql://...), not {kind}")
    try:
        # Connections are not tried before use: where the database was restarted, one request is told to come again.
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=16,
            # Whatever the server is set to: an answer said to be stored survives a power cut.
            connect_args={"options": "-c synchronous_commit=on"},
        )
    except (ImportError, NoSuchModuleError) as error:
        raise MissingExtraError("PostgreSQL", "study") from error


def _open_sqlite(url: Any) -> Engine:
    engine = create_engine(url, pool_size=8, connect_args={"timeout": 15})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks fit
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an answer said to be stored survives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is withdrawn is overwritten

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail where another wrote in between.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
