"""A database that a disk damaged: named, with what to do."""

from __future__ import annotations

import sqlite3

import pytest

from babyvlm.cli import main


def zero_the_pages(path):
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def no_more_times(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE participants SET created = 'yesterday, about noon'")


def no_more_numbers(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE participants SET position = 'x'")


def no_design(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE study SET design = substr(design, 1, 370)")


def another_design(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE study SET design = '{\"tasks\": 3}'")


def no_database(path):
    path.write_bytes(b"<html>Sign in</html>")


def no_table(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys = off")
        connection.execute("DROP TABLE answers")


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    "damage", [zero_the_pages, no_more_times, no_more_numbers, no_design, another_design, no_database, no_table]
)
def test_a_damaged_database_is_named(begin, tmp_path, capsys, damage):
    begin().store.invite("adult", "main")
    damage(tmp_path / "study.db")
    with pytest.raises(SystemExit) as stopped:
        main(["study", "export", str(tmp_path / "study.db"), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "babyvlm: error: " in said and str(tmp_path / "study.db") in said
    assert not (tmp_path / "out").exists()
