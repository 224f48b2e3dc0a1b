"""Opening the database of a study: whether there is one, and whether this version can read it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, RowMapping, insert, inspect, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from babyvlm.errors import DataFolderError
from babyvlm.records import SCHEMA_VERSION
from babyvlm.study.access import hash_secret
from babyvlm.study.configuration import StudyConfig
from babyvlm.study.rows import utc_now
from babyvlm.study.tables import WRITES, add_what_came_later, metadata, study
from babyvlm.toolbox import Toolbox
from babyvlm.toolbox.folder import toolbox_hash


def freeze(engine: Engine, toolbox: Toolbox, config: StudyConfig, *, password: str, pin: str) -> None:
    """Writes the one row of a study: its design, its toolbox, its secrets."""
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(
            insert(study).values(
                id=1,
                schema_version=SCHEMA_VERSION,
                created=utc_now(),
                design=config.as_json(),
                toolbox=str(toolbox.folder.resolve()),
                toolbox_hash=toolbox_hash(toolbox),
                secret=secrets.token_hex(32),
                password_hash=hash_secret(password),
                pin_hash=hash_secret(pin) if pin else "",
            )
        )


def is_absent(database: str | Path) -> bool:
    return "://" not in str(database) and not Path(database).is_file()


def read_study(engine: Engine) -> RowMapping | None:
    """The row of the study in a database, which gets what this version added; None where there is none.

    Raises:
        DataFolderError: The database does not answer, or is of another schema.
    """
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(study.name):
                return None
            version = connection.execute(select(study.c.schema_version)).scalar()
        if version not in (None, SCHEMA_VERSION):
            problem = f"written with schema {version}, this version reads {SCHEMA_VERSION}"
            raise DataFolderError(problem, path=shown_address(engine))
        add_what_came_later(engine)
        with engine.connect() as connection:
            return connection.execute(select(study)).mappings().first()
    except DBAPIError as error:
        raise DataFolderError(f"the database does not answer: {error.orig}", path=shown_address(engine)) from error


@contextlib.contextmanager
def damage_named(database: str) -> Iterator[None]:
    """Turns what a damaged database raises on reading into an error that says what to do.

    Args:
        database: How it is called in a message.

    Raises:
        DataFolderError: It, or something in it, does not read.
    """
    try:
        yield
    except (SQLAlchemyError, ValueError) as error:  # values that are none of their column's, JSON that is none
        said = error.orig if isinstance(error, DBAPIError) else str(error).splitlines()[0]
        raise DataFolderError(
            f"the database is damaged ({said})",
            path=database,
            remedy="Take a copy from before, or for SQLite what is left: sqlite3 FILE .recover",
        ) from error


def require_tables(engine: Engine) -> None:
    """Raises DataFolderError where a table or column is missing that this version does not know how to add."""
    found = inspect(engine)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in found.get_columns(table.name)} if found.has_table(table.name) else set()
        if lacking := sorted(set(table.columns.keys()) - there):
            raise DataFolderError(
                f"table {table.name} lacks {', '.join(lacking)}: another version of babyvlm began this study",
                path=shown_address(engine),
                remedy="Serve or export it with that version, or begin another study with another --db",
            )


def shown_address(engine: Engine) -> str:
    return engine.url.database or "" if engine.url.get_backend_name() == "sqlite" else engine.url.render_as_string()
