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
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from babyvlm.errors import ConfigError, MissingExtraError

metadata = MetaData()
WRITES = "babyvlm_writes"
"""Execution option of connections that write, so that SQLite takes its lock at the start."""

study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("created", DateTime, nullable=False),
    Column("design", Text, nullable=False),
    Column("toolbox", Text, nullable=False),
    Column("toolbox_hash", String(64), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("pin_hash", Text, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("version", String(16), primary_key=True),
    Column("text", Text, nullable=False),
    Column("since", DateTime, nullable=False),
)

participants = Table(
    "participants",
    metadata,
    Column("code", String(16), primary_key=True),
    Column("link_hash", String(64), nullable=False, unique=True),
    Column("browser_hash", String(64)),
    Column("group", String(8), nullable=False),
    Column("site", String(64), nullable=False),
    Column("age_months", Float),
    Column("list_number", Integer),
    Column("consent_version", String(16), ForeignKey("consents.version")),
    Column("gate_open", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("planned", Integer, nullable=False),
    Column("created", DateTime, nullable=False),
    Column("consented", DateTime),
    Column("finished", DateTime),
    Column("clock_resolution_ms", Float),
    Column("screen", String(32)),
)

trials = Table(
    "trials",
    metadata,
    Column("code", ForeignKey("participants.code", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("task", String(64), nullable=False),
    Column("item", String(64), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("target", Integer, nullable=False),
    Column("break_before", Boolean, nullable=False),
    Column("shown", DateTime),
)

answers = Table(
    "answers",
    metadata,
    Column("code", ForeignKey("participants.code", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("attempt", String(40), nullable=False),
    Column("answer", Text),
    Column("skipped", String(64), nullable=False),
    Column("reaction_ms", Float),
    Column("pointer", String(16), nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("stored", DateTime, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", DateTime, nullable=False),
    Column("code", String(16)),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", DateTime, nullable=False),
    Column("site", String(64), nullable=False),
    UniqueConstraint("id"),
)


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
        return create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=16)
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

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail where another wrote in between.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
