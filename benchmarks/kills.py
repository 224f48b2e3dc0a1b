"""Killed commands lose nothing, double nothing and leave nothing half made (claim: 1,000 SIGKILLs over all stages;
every command, run again to its end, gives what one that nobody disturbed gives).

    python benchmarks/kills.py [--kills 1000] [--stages curate train ...]

Commands run in forks of this process, which has imported what they need, and a fork is killed together with the
processes that it started. Half of the kills come at a random moment; the other half right before or right after a file
is renamed, replaced or synchronised, where half-made results would come from. Killed commands are run again, and killed
again, until one ends by itself. The study is a server whose participants go on answering while it is killed.

Counts are kept after every run of a command, and the same call of this script resumes; on a later day, with --result
and the earlier file. The source must not change while it runs: manifests name the revision. Training by two processes,
with copies and with shards, has its own ways to be killed (``killed_processes.py``) and is run when asked for:

    python benchmarks/kills.py --kills 50 --stages "train, two processes" "train, two shards"
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import http.client
import json
import math
import os
import random
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from safetensors.torch import load_file
from sqlalchemy import create_engine, text

import babyvlm.cli
import babyvlm.curation
import babyvlm.evaluation.local
import babyvlm.reports.report
import babyvlm.study.server
import babyvlm.training
from babyvlm.study.store import Store
from benchmarks.killed_processes import try_two
from tests.study import study_world

RESULTS = Path(__file__).parent / "results"
SHAPE = {
    "image_size": 32, "patch_size": 16, "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "text_width": 32,
    "text_layers": 1, "text_heads": 2, "text_kv_heads": 2, "text_intermediate": 64, "vocabulary": 300, "context": 1024,
}  # fmt: skip
SMALL = [
    "vision.prototypes=32", "vision.head_width=16", "vision.bottleneck=8", "vision.local_views=2",
    "vision.local_size=16", "vision.probes=0", "language.packed_tokens=64", "instruction.mixture=[{}]",
    "instruction.own_words=0", "cpu_processes=1", "checkpoint_every_s=0",
]  # fmt: skip
STEPS = [
    f"{stage}.optimisation.{setting}"
    for stage in ("vision", "language", "contrastive", "alignment", "joint", "instruction")
    for setting in ("steps=4", "batch_size=4")
]
TRAIN = ["train", "nursery", *(f"model.{name}={value}" for name, value in SHAPE.items()), *SMALL, *STEPS]
LONGEST_S = 240.0
COMMANDS = ("corpus", "curate", "toolbox", "train", "evaluate")


@dataclass(frozen=True)
class Stage:
    """A command, and what of its result must come out the same."""

    name: str
    command: Callable[[Path, Path], list[str]]
    """Its words, from the folder of inputs and the output."""
    content: Callable[[Path], Any]
    """What two results are compared by."""
    share: float
    """Of the kills; quick commands take more."""
    out: str = "out"


def every_byte(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def weights(run: Path) -> dict[str, str]:
    """Of every stage, with the tokenizer; times and dates of a run differ."""
    found = {"tokenizer": hashlib.sha256((run / "tokenizer" / "tokenizer.json").read_bytes()).hexdigest()}
    for path in sorted(run.glob("[!.]*/model.safetensors")):
        tensors = load_file(path)
        whole = hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors)))
        found[path.parent.name] = whole.hexdigest()
        json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
    hidden = [path.name for path in run.iterdir() if path.name.startswith(".")]
    return found | {f"left over: {name}": "" for name in hidden}


def replies(run: Path) -> dict[str, Any]:
    """Every item once, with its replies; latencies differ."""
    lines = [json.loads(line) for line in (run / "responses.jsonl").read_text(encoding="utf-8").splitlines()]
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    said = sorted((line["item"], [reply["text"] for reply in line["replies"]]) for line in lines)
    return {"replies": said, "scores": scores["results"]}


def page(file: Path) -> list[str]:
    """A report, and the tables and figures beside it."""
    beside = file.with_name(f"{file.stem}_files")
    return [str(len(file.read_bytes())), *every_byte(beside)]


STAGES = (
    Stage("render", lambda _, out: ["corpus", "render", "--out", str(out), "--hours", "0.02"], every_byte, 0.06),
    Stage(
        "curate",
        lambda given, out: ["curate", str(given / "recordings"), "--out", str(out), "--workers", "1"],
        every_byte,
        0.1,
    ),
    Stage(
        "curate, two workers",
        lambda given, out: ["curate", str(given / "recordings"), "--out", str(out), "--workers", "2"],
        every_byte,
        0.05,
    ),
    Stage(
        "select",
        lambda given, out: ["corpus", "select", str(given / "set"), "--out", str(out), "--duplicate-bits", "6"],
        every_byte,
        0.16,
    ),
    Stage("train", lambda given, out: [*TRAIN, "--data", str(given / "set"), "--out", str(out)], weights, 0.1),
    Stage(
        "build",
        lambda given, out: [
            "toolbox", "build", str(given / "corpus"), "--split", "train", "--out", str(out), "--items-per-task", "3",
            "--workers", "1",
        ],
        every_byte,
        0.08,
    ),
    Stage(
        "import",
        lambda given, out: ["toolbox", "import", str(given / "published"), "--out", str(out)],
        every_byte,
        0.15,
    ),
    Stage(
        "evaluate a baseline",
        lambda given, out: ["evaluate", "baseline:random", str(given / "toolbox"), "--out", str(out)],
        replies,
        0.14,
    ),
    Stage(
        "evaluate a model",
        lambda given, out: [
            "evaluate", str(given / "model" / "instruction"), str(given / "toolbox"), "--out", str(out),
        ],
        replies,
        0.05,
    ),
    Stage(
        "report", lambda given, out: ["report", str(given / "run"), "--out", str(out)], page, 0.05, out="out.html"
    ),
)  # fmt: skip
STUDY_SHARE = 0.06
TOGETHER = {
    "train, two processes": ["sharding=ddp"],
    "train, two shards": [
        "sharding=fsdp",
        *(f"{stage}.optimisation.matrix_learning_rate=none" for stage in ("language", "joint", "instruction")),
        "instruction.vision_until=1.0", "instruction.begin_again=false", "instruction.cache_vision_features=false",
    ],
}  # fmt: skip
"""Trainings by two processes, and how they share the model; shards take no Muon and no tower that is frozen midway."""


def forked(
    words: list[str], *, after_s: float | None = None, at_call: int | None = None, refused: bool = False
) -> bool:
    """Runs a command in a fork, killed after some seconds or at one of its calls; whether it came to its end.

    Args:
        words: The command.
        after_s: When it is killed.
        at_call: Which call that moves or synchronises a file it is killed at.
        refused: Whether it may refuse to write what is there already.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if at_call is not None:
            _kill_at(at_call)
        status = 0
        try:
            babyvlm.cli.main(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            status = 70
        os._exit(status)
    ends_s = time.monotonic() + (LONGEST_S if after_s is None else after_s)
    while time.monotonic() < ends_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _kill_group(child)
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) not in ((0, 2) if refused else (0,)):
                raise SystemExit(f"{' '.join(words)} ended with {os.WEXITSTATUS(status)}")
            return os.WIFEXITED(status)
        time.sleep(0.002)
    _kill_group(child)
    os.waitpid(child, 0)
    if after_s is None:
        raise SystemExit(f"{' '.join(words)} did not end within {LONGEST_S:g} s")
    return False


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _kill_at(call: int) -> None:
    """Kills this process right before or after the call of that number that moves or synchronises a file."""
    left = call

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0 and call % 2:
                os.killpg(0, signal.SIGKILL)
            result = function(*arguments, **options)
            if left == 0:
                os.killpg(0, signal.SIGKILL)
            return result

        return called

    for name in ("rename", "replace", "fsync", "link", "unlink"):
        setattr(os, name, watched(getattr(os, name)))


def remains(folder: Path, out: Path) -> list[str]:
    """What a command left beside its output."""
    expected = {out.name, f"{out.stem}_files"}
    return sorted(path.name for path in folder.iterdir() if path.name not in expected)


def try_stage(
    stage: Stage, given: Path, draw: random.Random, kills: int, counts: dict[str, Any], save: Callable
) -> None:
    """Kills a command until there were so many kills of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole = folder / "whole" / stage.out
        whole.parent.mkdir()
        began_s = time.monotonic()
        forked(stage.command(given, whole))
        lasts_s = time.monotonic() - began_s
        expected = stage.content(whole)
        while counts["kills"] < kills:
            out = folder / "killed" / stage.out
            out.parent.mkdir()
            while True:
                by_call = draw.random() < 0.5
                when = {"at_call": draw.randrange(1, 40)} if by_call else {"after_s": draw.uniform(0, 1.05 * lasts_s)}
                if already_whole(stage, out):  # killed right after its end; the next call clears up
                    forked(stage.command(given, out), refused=True)
                    break
                if forked(stage.command(given, out), **when):
                    break
                counts["kills"] += 1
                counts["at a call"] += by_call
            counts["runs"] += 1
            if stage.content(out) != expected:
                counts["different"] += 1
            if left := remains(out.parent, out):
                counts["left over"] += 1
                counts["names left over"] = left[:3]
            shutil.rmtree(out.parent)
            save()
    counts["undisturbed_s"] = round(lasts_s, 2)


def already_whole(stage: Stage, out: Path) -> bool:
    """Whether a kill came right after the end: such an output is whole, and its command refuses to write it again."""
    if stage.name == "train":
        return (out / "instruction").exists()
    if stage.name.startswith("evaluate"):
        return (out / "run.json").is_file() and json.loads((out / "run.json").read_text())["finished"] is not None
    return out.exists()


def prepare(given: Path, only: Container[str] = COMMANDS) -> None:
    """The inputs of the stages, or of some, made by the commands themselves."""
    forked(["corpus", "render", "--out", str(given / "recordings"), "--hours", "0.02"])
    for path in (given / "recordings").rglob("*.boxes.json"):  # with boxes, most of the time goes into other pictures
        path.unlink()
    for words in (
        ["corpus", "render", "--out", str(given / "corpus"), "--hours", "0.05"],
        ["curate", str(given / "corpus"), "--out", str(given / "set"), "--workers", "1"],
        ["toolbox", "build", str(given / "corpus"), "--split", "train", "--out", str(given / "toolbox"),
         "--items-per-task", "3", "--workers", "1"],
        ["toolbox", "export", str(given / "toolbox"), "--out", str(given / "published")],
        [*TRAIN, "--data", str(given / "set"), "--out", str(given / "model")],
        ["evaluate", "baseline:random", str(given / "toolbox"), "--out", str(given / "run")],
    ):  # fmt: skip
        if words[0] in only:
            print("prepare:", words[0], flush=True)
            forked(words)


def try_together(
    sharding: list[str], given: Path, draw: random.Random, kills: int, counts: dict[str, Any], save: Callable[[], None]
) -> None:
    """Kills either process of a training, or both."""
    words = [*TRAIN, *sharding, "cpu_processes=2", "--data", str(given / "set")]
    try_two(words, weights, babyvlm.cli.main, draw, kills, counts, save)


def try_study(draw: random.Random, kills: int, counts: dict[str, Any], save: Callable) -> None:
    """Participants answer while the server of their study is killed and started again."""
    os.environ |= {"BABYVLM_STUDY_PASSWORD": study_world.PASSWORD, "BABYVLM_STUDY_PIN": study_world.PIN}
    while counts["kills"] < kills:
        with tempfile.TemporaryDirectory() as temporary, socket.socket() as free:
            folder = Path(temporary)
            study_world.build(folder / "toolbox", items=6)
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            free.close()
            words = ["study", "serve", str(folder / "toolbox"), "--db", str(folder / "study.db"), "--port", str(port)]
            words += ["--practice-per-task", "0", "--items-per-task", "6"]
            server = _serve(words, port)
            (invited,) = Store.open(str(folder / "study.db")).invite("adult", "main", age_months=None, count=1)
            taker = _Taker(port, invited.token)
            stored: list[str] = []
            state = taker.begin()
            while state["phase"] == "trials" and counts["kills"] < kills:
                key = state["trial"]["key"]
                body = {"trial": key, "attempt": secrets.token_hex(16), "choice": 0, "reaction_ms": 1000.0}
                said = None
                if draw.random() < 0.3:
                    taker.send("POST", "/api/answer", body)
                    time.sleep(draw.uniform(0, 0.02))
                    _kill_group(server)
                    os.waitpid(server, 0)
                    counts["kills"] += 1
                    said = taker.received()
                    server = _serve(words, port)
                said = said or taker.ask("POST", "/api/answer", body)
                stored.append(key)
                state = said["state"]
            _kill_group(server)
            os.waitpid(server, 0)
            engine = create_engine(f"sqlite:///{folder / 'study.db'}")
            with engine.connect() as connection:
                found = [row[0] for row in connection.execute(text("SELECT attempt FROM answers"))]
            counts["runs"] += 1
            counts["answers"] = counts.get("answers", 0) + len(stored)
            counts["different"] += len(found) != len(stored) or len(set(found)) != len(found)
            save()


def _serve(words: list[str], port: int) -> int:
    child = os.fork()
    if child == 0:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        babyvlm.cli.main(words)
        os._exit(0)
    ends_s = time.monotonic() + 30
    while time.monotonic() < ends_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return child
        time.sleep(0.02)
    raise SystemExit("the study did not start")


class _Taker:
    """A participant, whose page tries again while the server is away."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token, self._cookie = port, token, ""

    def begin(self) -> dict[str, Any]:
        self.ask("POST", "/api/browser", {})
        state = self.ask("POST", "/api/open", {})
        if state["phase"] == "consent":
            state = self.ask("POST", "/api/consent", {"version": state["consent_version"]})
        return state

    def send(self, method: str, path: str, body: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", "Cookie": self._cookie}
        self._connection.request(method, path, json.dumps(body), headers)

    def received(self) -> dict[str, Any] | None:
        """The answer to what was sent; None where the server went away before."""
        try:
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            self._connection.close()
        if cookie := response.getheader("set-cookie"):
            self._cookie = cookie.split(";")[0]
        if response.status >= 500:
            return None
        if response.status >= 400:
            raise SystemExit(f"refused: {response.status} {content[:200]!r}")
        return json.loads(content)

    def ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        for _ in range(200):
            with contextlib.suppress(OSError):
                self.send(method, path, body)
                if (said := self.received()) is not None:
                    return said
            time.sleep(0.05)
        raise SystemExit(f"no answer to {path}")


def main() -> None:
    names = [stage.name for stage in STAGES] + ["study"]
    every = [*names, *TOGETHER]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--stages", nargs="+", default=names, choices=every)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--result", type=Path, default=RESULTS / f"kills-{datetime.date.today()}.json", help="kept here"
    )
    options = parser.parse_args()
    draw = random.Random(f"{options.seed} {time.time_ns()}")  # a resumed call kills at other moments
    path = options.result
    result: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    shares = {stage.name: stage.share for stage in STAGES} | {"study": STUDY_SHARE}
    shares |= dict.fromkeys(TOGETHER, 0.1)
    whole = sum(shares[name] for name in options.stages)

    def save() -> None:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as temporary:
        given = Path(temporary)
        if set(options.stages) & {stage.name for stage in STAGES}:
            prepare(given)
        elif set(options.stages) & set(TOGETHER):
            prepare(given, only=("corpus", "curate"))
        for name in options.stages:
            each = math.ceil(options.kills * shares[name] / whole)
            counts = result.setdefault(name, {"kills": 0, "at a call": 0, "runs": 0, "different": 0, "left over": 0})
            if counts["kills"] < each:
                stage = next((stage for stage in STAGES if stage.name == name), None)
                if name in TOGETHER:
                    try_together(TOGETHER[name], given, draw, each, counts, save)
                elif stage is None:
                    try_study(draw, each, counts, save)
                else:
                    try_stage(stage, given, draw, each, counts, save)
            save()
            print(f"{name}: {counts}", flush=True)
    kills = sum(counts["kills"] for counts in result.values())
    faults = sum(counts["different"] + counts["left over"] for counts in result.values())
    print(f"{kills} kills, {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
