"""The same study in PostgreSQL: nothing lost or doubled, over a restart of the database."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import text

from babyvlm.study.export import export_study
from babyvlm.study.store import Store
from babyvlm.study.tables import metadata, open_engine
from tests.study.study_world import Taker


@pytest.fixture
def database(postgresql):
    address, restart = postgresql
    yield address, restart
    engine = open_engine(address)
    metadata.drop_all(engine)
    engine.dispose()


def test_a_study_lives_in_postgresql_and_survives_its_restart(database, begin, served, tmp_path):
    address, restart = database
    assert not Store.holds_study(address)
    service = begin(database=address)
    with served(service) as base:
        invited = service.store.invite("adult", "main")[0]
        taker = Taker(base, invited.token)
        state = taker.begin()
        with ThreadPoolExecutor(8) as pool:
            said = list(
                pool.map(lambda n: taker.answer(state["trial"], 0, attempt=f"attempt-{n}").status_code, range(16))
            )
        assert said.count(200) == 1 and said.count(409) == 15
        state = taker.http.get("/api/state").json()
        restart()
        until = time.monotonic() + 20
        while (answer := taker.answer(state["trial"], 0)).status_code == 503 and time.monotonic() < until:
            time.sleep(0.1)
        assert answer.status_code in (200, 409)
        state = taker.http.get("/api/state").json()
        while state["phase"] == "trials":
            state = taker.answer(state["trial"], 0).json()["state"]
    found = service.store.participant(invited.code)
    assert found.position == found.planned == len(service.store.answers(invited.code))
    export_study(Store.open(address), tmp_path / "out")
    assert (tmp_path / "out" / "trials.csv").read_text().count("\n") == found.planned + 1
    assert service.store.withdraw(invited.code) and not service.store.participants()


def test_a_database_that_is_away_is_told_as_such_and_nothing_is_lost(database, begin, served):
    address, _ = database
    service = begin(database=address)
    with served(service) as base:
        invited = service.store.invite("adult", "main")[0]
        taker = Taker(base, invited.token)
        trial = taker.begin()["trial"]
        with open_engine(address).connect() as other:
            # Every connection of the server is cut, as a restart cuts them.
            other.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
        answers = [taker.answer(trial, 0, attempt="attempt-1") for _ in range(3)]
    assert answers[-1].status_code == 200 and {one.status_code for one in answers} <= {200, 503}
    assert isinstance(answers[0], httpx.Response) and list(service.store.answers(invited.code)) == [0]
