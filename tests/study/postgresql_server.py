"""A PostgreSQL of one's own, in a temporary folder and at a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class NoPostgresqlError(Exception):
    """It cannot be started here; the message says why."""


@contextmanager
def own_postgresql() -> Iterator[tuple[str, Callable[[], None]]]:
    """Starts one; yields its address and a function that restarts it.

    Raises:
        NoPostgresqlError: It is not installed, or may not run as this user.
    """
    found = shutil.which("pg_ctl") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), None)
    if found is None:
        raise NoPostgresqlError("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    as_user: list[str] = []
    home = Path(tempfile.mkdtemp(prefix="babyvlm-postgresql-"))
    try:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            if subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
                raise NoPostgresqlError("running as root, and there is no user postgres to run PostgreSQL as")
            shutil.chown(home, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]

        def run(*words: str | Path) -> None:
            subprocess.run([*as_user, *map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd="/")

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        run(Path(found).parent / "initdb", "-D", home / "data", "-U", "study", "-A", "trust", "--no-sync")
        control = (found, "-D", home / "data", "-w", "-l", home / "log")
        control += ("-o", f"-p {port} -k {home} -c listen_addresses=127.0.0.1")
        run(*control, "start")
        try:
            yield f"postgresql://study@127.0.0.1:{port}/postgres", lambda: run(*control, "-m", "fast", "restart")
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
