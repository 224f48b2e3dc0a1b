"""A study on a drawn toolbox, begun anew for each test, and the same behind a real port."""

from __future__ import annotations

import pytest

from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from tests.study.postgresql_server import NoPostgresqlError, own_postgresql
from tests.study.study_world import PASSWORD, PIN, SHORT, build, running


@pytest.fixture(scope="session")
def toolbox(tmp_path_factory):
    return build(tmp_path_factory.mktemp("study") / "toolbox")


@pytest.fixture
def begin(toolbox, tmp_path):
    """Begins a study and returns its service."""
    opened = []

    def begin_study(config=SHORT, database=None, **serve):
        store = Store.begin(database or tmp_path / "study.db", toolbox, config, password=PASSWORD, pin=PIN)
        opened.append(store)
        return StudyService(store, toolbox, "Please take part.", answers_per_s=10_000, **serve)

    yield begin_study
    for store in opened:
        store.close()


@pytest.fixture
def served():
    return running


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL of the tests' own, in a temporary folder: (address, restart)."""
    try:
        with own_postgresql() as (address, restart):
            yield address, restart
    except NoPostgresqlError as error:
        pytest.skip(str(error))
