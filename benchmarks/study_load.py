"""A study holds under load (claim: 200 participants at once, each answering every 2 s, 99% of answers stored in under
250 ms; none lost or doubled through ten SIGKILLs of the server and a restart of the database).

    python benchmarks/study_load.py                 # SQLite
    python benchmarks/study_load.py --postgres      # PostgreSQL (Debian: apt-get install postgresql)

``babyvlm study serve`` runs in a process of its own, on this machine; the participants are tasks of this script. Each
answer's time runs from the request to the server's word that it is stored. First nothing is disturbed, and the times
are taken; then the server is killed and started again, with participants trying again as browsers do, and every answer
that was said to be stored is looked for in the database. Pictures are asked for as by browsers. With
``--postgres`` the database is one of the script's own, in a temporary folder, and is restarted once among the kills;
SQLite runs inside the server and so dies with each kill. The script takes one of the cores itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from babyvlm.study.store import Store
from tests.study.postgresql_server import own_postgresql
from tests.study.study_world import PASSWORD, PIN, build

EVERY_S = 2.0


class Lines:
    """One participant's connection: HTTP with as little of the processor as can be, which is the server's to use."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token, self._cookie = port, token, ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: dict | None) -> tuple[int, bytes]:
        """Status and content; OSError or EOFError where the server is away."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            content = b"" if body is None else json.dumps(body).encode()
            head = [
                f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", f"Authorization: Bearer {self._token}",
                f"Cookie: {self._cookie}", "Content-Type: application/json", f"Content-Length: {len(content)}", "", "",
            ]  # fmt: skip
            writer.write("\r\n".join(head).encode() + content)
            status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            said = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
            if "set-cookie" in said:
                self._cookie = said["set-cookie"].split(";")[0]
            return int(status.split(" ")[1]), await reader.readexactly(int(said.get("content-length", 0)))
        except (OSError, EOFError):
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """The participants, and what they saw."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.times_s: list[float] = []
        self.stored: dict[str, int] = {}
        """Answers said to be stored, by participant."""
        self.repeats = 0
        self.seconds = 0.0
        self.until_s = 0.0
        self.seated = self.expected = 0

    async def take(self, code: str, token: str, place: float) -> None:
        """One participant, until time is up or everything is answered."""
        self.stored[code] = 0
        with contextlib.closing(Lines(self.port, token)) as http:
            await self._ask(http, "POST", "/api/browser", {})
            state = (await self._ask(http, "POST", "/api/open", {}))[0]
            if state["phase"] == "consent":
                state = (await self._ask(http, "POST", "/api/consent", {"version": state["consent_version"]}))[0]
            self.seated += 1
            while self.seated < self.expected:  # the clock starts when everybody has consented
                await asyncio.sleep(0.05)
            self.until_s = self.until_s or time.monotonic() + self.seconds
            await asyncio.sleep(place * EVERY_S)
            while state["phase"] == "trials" and time.monotonic() < self.until_s:
                began_s = time.monotonic()
                trial = state["trial"]
                for number in range(trial["show"]["pictures"]):
                    await self._ask(http, "GET", f"/api/picture/{trial['key']}/{number}")
                answer = {"trial": trial["key"], "attempt": secrets.token_hex(16), "choice": 0, "reaction_ms": 1.0}
                said, taken_s = await self._ask(http, "POST", "/api/answer", answer)
                self.times_s.append(taken_s)
                self.stored[code] += 1
                state = said["state"]
                await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))

    async def _ask(self, http: Lines, method: str, path: str, body: dict | None = None) -> tuple[dict, float]:
        """Asks until there is an answer, as the page does; the time is that of the last try."""
        while True:
            began_s = time.monotonic()
            with contextlib.suppress(OSError, EOFError):
                status, content = await http.ask(method, path, body)
                if status == 200:
                    return (json.loads(content) if content[:1] == b"{" else {}), time.monotonic() - began_s
                if status not in (429, 503):
                    raise RuntimeError(f"{method} {path}: {status} {content.decode()}")
            self.repeats += 1
            await asyncio.sleep(0.2)


class Server:
    """``babyvlm study serve`` in a process of its own."""

    def __init__(self, toolbox: Path, database: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [
            sys.executable, "-m", "babyvlm.cli", "study", "serve", str(toolbox), "--db", database,
            "--port", str(self.port), "--practice-per-task", "0",
        ]  # fmt: skip
        self.start()
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/")
                return
            except httpx.TransportError:
                time.sleep(0.1)

    def start(self) -> None:
        secret = {"BABYVLM_STUDY_PASSWORD": PASSWORD, "BABYVLM_STUDY_PIN": PIN}
        self.process = subprocess.Popen(self._command, env=os.environ | secret, stdout=subprocess.DEVNULL)

    def cpu_s(self) -> float:
        """Processor time that it has taken so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def run(load: Load, people: list, seconds: float, disturb=None) -> None:
    """Lets everybody answer for a while; ``disturb`` runs beside them."""
    load.seconds, load.expected = seconds, len(people)
    beside = asyncio.create_task(disturb()) if disturb else None
    await asyncio.gather(*(load.take(one.code, one.token, place / len(people)) for place, one in enumerate(people)))
    if beside:
        await beside


def check(database: str, loads: list[Load]) -> dict[str, int]:
    """What the database holds, against what participants were told."""
    store = Store.open(database)
    lost = unknown = 0
    for load in loads:
        for code, told in load.stored.items():
            positions = list(store.answers(code))
            lost += max(0, told - len(positions))
            unknown += max(0, len(positions) - told)
            assert positions == list(range(len(positions))), "a gap, or an answer twice"
    store.close()
    return {"said_to_be_stored_and_not_there": lost, "there_and_never_said_to_be_stored": unknown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60, help="of each of the two parts")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of the script's own in place of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        database, restart = str(Path(folder) / "study.db"), None
        if options.postgres:
            database, restart = stack.enter_context(own_postgresql())
        toolbox = build(Path(folder) / "toolbox")
        server = Server(toolbox.folder, database)
        store = Store.open(database)
        calm, stormy = (Load(server.port) for _ in range(2))
        before_s = server.cpu_s()
        asyncio.run(run(calm, store.invite("adult", "main", count=options.participants), options.seconds))
        cpu_s = server.cpu_s() - before_s

        async def disturb() -> None:
            for kill in range(options.kills):
                await asyncio.sleep(options.seconds / (options.kills + 1))
                server.kill()
                server.start()
                if kill == options.kills // 2 and restart:
                    await asyncio.to_thread(restart)

        people = store.invite("adult", "main", count=options.participants)
        asyncio.run(run(stormy, people, options.seconds, disturb))
        server.kill()
        store.close()
        checked = check(database, [calm, stormy])
    times_ms = sorted(1000 * taken for taken in calm.times_s)
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "database": "PostgreSQL" if options.postgres else "SQLite",
        "participants": options.participants,
        "calm": {
            "answers": len(times_ms),
            "median_ms": round(times_ms[len(times_ms) // 2], 1),
            "99_percent_under_ms": round(times_ms[int(0.99 * len(times_ms))], 1),
            "slowest_ms": round(times_ms[-1], 1),
            "server_cpu_ms_per_answer": round(1000 * cpu_s / len(times_ms), 2),
        },
        "killed": {
            "kills_of_the_server": options.kills,
            "restarts_of_the_database": int(options.postgres),
            "answers": len(stormy.times_s),
            "requests_tried_again": stormy.repeats,
        },
        **checked,
    }
    name = "postgresql" if options.postgres else "sqlite"
    print(json.dumps(result, indent=2))
    if vars(options) | {"postgres": False} == vars(parser.parse_args([])):  # a smaller run is a trial, and no result
        out = Path(__file__).parent / "results" / f"study_load-{name}-{datetime.date.today()}.json"
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
