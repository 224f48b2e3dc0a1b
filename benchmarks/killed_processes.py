"""Training by two processes, either of which is killed at any moment (for ``kills.py``).

    babyvlm train ── rank 0 ─┐ one of the two, both, or all with the command itself, are killed by SIGKILL
                  └─ rank 1 ─┘ at a random moment, or right before or after a call that moves or synchronises a file

What is left of the command has to end by itself soon after; run again and again, it ends with the weights of a run that
nobody disturbed, bit by bit.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST_S = 600.0
TOLD_S = 60.0
"""How long the others may take to end once one of them is killed."""
_WATCH = """
import os, signal
left = int(os.environ["KILL_AT"])
def watched(function, odd=left % 2):
    def called(*arguments, **options):
        global left
        mine = os.environ.get("RANK") == os.environ["KILL_RANK"]
        left -= mine
        if mine and left == 0 and odd:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if mine and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return called
for name in ("rename", "replace", "fsync", "link", "unlink", "rmdir", "mkdir"):
    setattr(os, name, watched(getattr(os, name)))
"""
"""What a process does first that Python finds as its ``sitecustomize``."""


def try_two(
    words: list[str],
    content: Callable[[Path], Any],
    run: Callable[[list[str]], None],
    draw: random.Random,
    kills: int,
    counts: dict[str, Any],
    save: Callable[[], None],
) -> None:
    """Kills a command of two processes until there were so many kills of it.

    Args:
        words: The command, without ``--out``.
        content: What two results are compared by.
        run: Runs a command in this process, a fork.
        draw: Random numbers.
        kills: How many.
        counts: Where they are counted.
        save: Keeps the counts.
    """
    counts |= {name: counts.get(name, 0) for name in ("rank 0", "rank 1", "all")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "watch").mkdir()
        (folder / "watch" / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
        began_s = time.monotonic()
        undisturbed = _Started(run, [*words, "--out", str(folder / "whole")], None)
        if (status := undisturbed.wait(LONGEST_S)) != 0:
            raise SystemExit(f"{' '.join(words)} ended with {status} before anything was killed")
        undisturbed.end()
        lasts_s = time.monotonic() - began_s
        expected = content(folder / "whole")
        while counts["kills"] < kills:
            out = folder / "killed"
            command = [*words, "--out", str(out)]
            while not _disturbed(run, command, draw, lasts_s, folder / "watch", counts):
                save()
            counts["runs"] += 1
            if (found := content(out)) != expected:
                counts["different"] += 1
                counts["what differs"] = sorted(set(found) ^ set(expected)) or [
                    name for name in found if found[name] != expected[name]
                ]
                shutil.copytree(out, Path(tempfile.gettempdir()) / f"different-{os.getpid()}", dirs_exist_ok=True)
            shutil.rmtree(out)
            save()
    counts["undisturbed_s"] = round(lasts_s, 2)


def _disturbed(
    run: Callable[[list[str]], None],
    command: list[str],
    draw: random.Random,
    lasts_s: float,
    watch: Path,
    counts: dict[str, Any],
) -> bool:
    """Runs the command and perhaps kills some of it; whether it came to its end."""
    victim = draw.choice(["rank 0", "rank 1", "all"])
    rank = victim.removeprefix("rank ")
    by_call = victim != "all" and draw.random() < 0.5
    if by_call:
        at = draw.randrange(1, 120 if rank == "0" else 50)
        started = _Started(run, command, {"KILL_AT": str(at), "KILL_RANK": rank, "PYTHONPATH": str(watch)})
        status = started.wait(LONGEST_S)
        killed = status != 0
    else:
        started = _Started(run, command, None)
        status = started.wait(draw.uniform(0, 1.05 * lasts_s))
        killed = status is None and started.kill(None if victim == "all" else int(rank))
        if status is None:
            began_s = time.monotonic()
            status = started.wait(LONGEST_S)
            if killed and victim != "all":
                told_s = time.monotonic() - began_s
                counts["longest until told, s"] = max(counts.get("longest until told, s", 0.0), round(told_s, 1))
                counts["told too late"] = counts.get("told too late", 0) + (told_s > TOLD_S)
    counts["kills"] += killed
    counts["at a call"] += killed and by_call
    counts[victim] += killed
    started.end()
    if status not in (0, None) and not killed:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return status == 0


class _Started:
    """A command in a group of processes of its own."""

    def __init__(self, run: Callable[[list[str]], None], words: list[str], environment: dict[str, str] | None) -> None:
        self._child = os.fork()
        self._status: int | None = None
        if self._child:
            return
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if environment is not None:
            path = [environment["PYTHONPATH"], *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
            os.environ |= environment | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
        status = 0
        try:
            run(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            status = 70
        os._exit(status)

    def wait(self, seconds: float) -> int | None:
        """The exit status, or minus the signal; None where it still runs after so many seconds."""
        ends_s = time.monotonic() + seconds
        while self._status is None and time.monotonic() < ends_s:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.01)
        return self._status

    def kill(self, rank: int | None) -> bool:
        """Kills a rank, or the whole group; False where the rank has not started."""
        if rank is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child, signal.SIGKILL)
            return True
        ranks = [pid for pid in _children(self._child) if b"spawn_main" in _command(pid)]
        if len(ranks) <= rank:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(ranks[rank], signal.SIGKILL)
        return True

    def end(self) -> None:
        """Waits for the end, and sees that nothing of it is left."""
        if self.wait(LONGEST_S) is None:
            raise SystemExit(f"a command did not end within {LONGEST_S:g} s")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """Children of a process in the order in which they were started."""
    with contextlib.suppress(OSError):
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
