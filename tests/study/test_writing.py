"""Writers that share a transaction: each keeps or loses its own part, and goes on only once it is durable."""

import datetime
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert

from babyvlm.study.tables import consents, metadata, open_engine
from babyvlm.study.writing import Writing


@pytest.fixture
def database(tmp_path):
    engine = open_engine(tmp_path / "writing.db")
    metadata.create_all(engine)
    yield engine, tmp_path / "writing.db"
    engine.dispose()


def keep(connection, name):
    connection.execute(insert(consents).values(version=name, text="", since=datetime.datetime(2026, 1, 1)))


def held(path):
    """What another process reads."""
    with sqlite3.connect(path) as other:
        return {row[0] for row in other.execute("select version from consents")}


def test_one_that_fails_takes_back_its_own_part_alone_and_the_others_are_durable(database):
    engine, path = database
    writing, commits = Writing(engine), []
    event.listen(engine, "commit", commits.append)

    def write(number):
        with writing.transaction() as connection:
            keep(connection, f"{number}")
            if number % 5 == 0:
                raise ValueError(number)
        assert f"{number}" in held(path)  # at once, seen from outside
        return number

    with ThreadPoolExecutor(16) as pool:
        tried = [pool.submit(write, number) for number in range(200)]
    kept = {number for number, one in enumerate(tried) if one.exception() is None}
    assert {str(number) for number in kept} == held(path) and kept == {n for n in range(200) if n % 5}
    assert len(commits) < 200  # they did share


def test_where_the_disk_takes_no_more_every_writer_of_the_batch_is_told(database):
    engine, path = database
    writing = Writing(engine)

    def is_full(connection):
        raise OSError("no room")

    def write(number):
        with writing.transaction() as connection:
            keep(connection, f"{number}")

    event.listen(engine, "commit", is_full)
    with ThreadPoolExecutor(4) as pool:
        tried = [pool.submit(write, number) for number in range(8)]
    assert all(isinstance(one.exception(), OSError) for one in tried) and not held(path)
    event.remove(engine, "commit", is_full)
    write(9)
    assert held(path) == {"9"}
