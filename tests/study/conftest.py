"""A study on a drawn toolbox, begun anew for each test, and the same behind a real port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from study_world import PASSWORD, PIN, SHORT, build, running

from babyvlm.study.service import StudyService
from babyvlm.study.store import Store


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
def postgresql(tmp_path_factory):
    """A PostgreSQL of the tests' own, in a temporary folder: (address, restart)."""
    found = shutil.which("pg_ctl") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), None)
    if found is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    home = tmp_path_factory.mktemp("postgresql")
    # PostgreSQL refuses to run as root, and its own user cannot enter a folder of root's.
    prefix = []
    if os.geteuid() == 0:
        if subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
            pytest.skip("running as root, and there is no user postgres to run PostgreSQL as")
        home = Path("/tmp") / f"babyvlm-postgresql-{os.getpid()}"
        home.mkdir(mode=0o700)
        shutil.chown(home, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    bin_folder = Path(found).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def control(*words):
        subprocess.run(
            [*prefix, found, "-D", f"{home}/data", "-w", *words], check=True, stdout=subprocess.DEVNULL, cwd="/"
        )

    subprocess.run(
        [*prefix, bin_folder / "initdb", "-D", f"{home}/data", "-U", "study", "-A", "trust", "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
    try:
        control("-l", f"{home}/log", "-o", options, "start")
        yield (
            f"postgresql://study@127.0.0.1:{port}/postgres",
            lambda: control("-l", f"{home}/log", "-o", options, "-m", "fast", "restart"),
        )
    finally:
        control("-m", "immediate", "stop")
        if prefix:
            shutil.rmtree(home, ignore_errors=True)
