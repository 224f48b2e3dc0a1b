"""Bad input ends in the right value or in a sentence (claim: of 10,000 bad inputs over all stages, none ends in a
traceback, a hang, an empty success, a half-made output or a wrong value).

    python benchmarks/bad_inputs.py [--inputs 10000] [--stages transcripts import ...] [--seed 0]
    python benchmarks/bad_inputs.py --stages import --only 217      one input again, with all that it says

``fuzzed/`` lists what is damaged and run, ``fuzzed/damage.py`` how. Every input is tried in a fork of this process
that is given 20 seconds. Where a change provably keeps the meaning (line ends, a byte order mark, the order of JSON's
keys) the result must be the same; where it provably changes the meaning, the result must be another or the input
refused. Results are kept as they come, and the same call resumes.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime
import hashlib
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import fuzzed
import kills
from babyvlm.errors import BabyVLMError
from fuzzed import STAGES, Stage
from fuzzed.damage import NEUTRAL

RESULTS = Path(__file__).parent / "results"
LONGEST_MESSAGE = 6000
KEPT_FAULTS = 40
BY_NAME = {stage.name: stage for stage in STAGES}


@dataclass(frozen=True)
class Ending:
    """How a fork ended."""

    kind: str
    """used, refused, crashed or hung."""
    result: str = ""
    """Digest of what came of it, where it was used."""
    said: str = ""


def run_forked(stage: Stage, folder: Path) -> Ending:
    """Runs a stage on the inputs of ``folder/in`` in a process of its own."""
    report, said = folder / "report", folder / "said"
    child = os.fork()
    if child == 0:
        os.setsid()
        _in_the_fork(stage, folder, report, said)
        os._exit(0)
    ends_s = time.monotonic() + stage.longest_s
    wait_s = 0.002
    while time.monotonic() < ends_s and not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(wait_s)
        wait_s = min(0.02, wait_s * 1.2)
    hung = time.monotonic() >= ends_s
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if hung:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        return Ending("hung")
    text = said.read_text(encoding="utf-8", errors="replace")
    if not report.is_file():
        return Ending("crashed", said="the process died: " + text[-300:])
    found = json.loads(report.read_text(encoding="utf-8"))
    return Ending(found["kind"], found["result"], text + found["said"])


def _in_the_fork(stage: Stage, folder: Path, report: Path, said: Path) -> None:
    stream = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.chdir(folder)
    kind, result, words = "crashed", "", ""
    try:
        found = stage.run(folder / "in", folder / "out")
        kind = "used"
        shown = json.dumps(found, sort_keys=True, default=str).replace(str(folder), "FOLDER")
        result = hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
    except BabyVLMError as error:
        kind, words = "refused", str(error)
    except SystemExit as ended:
        kind = "refused" if ended.code == 2 else "used" if not ended.code else "crashed"
        words = "" if kind != "crashed" else f"ended with {ended.code}"
    except BaseException:
        words = traceback.format_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    report.write_text(json.dumps({"kind": kind, "result": result, "said": words}), encoding="utf-8")


def change(stage: Stage, folder: Path, draw: random.Random) -> tuple[str, str]:
    """Changes the inputs; what sort of change it is, and how it is described."""
    sort = draw.random()
    if stage.neutral and sort < 0.08:
        name = draw.choice(list(stage.neutral))
        files = sorted({path for pattern in stage.damaged for path in folder.glob(pattern) if path.is_file()})
        texts = [path for path in files if path.suffix in (".csv", ".json", ".vtt", ".srt", ".cha", ".eaf", ".tsv",
                                                           ".xml", ".txt")]  # fmt: skip
        path = draw.choice(texts)
        path.write_bytes(NEUTRAL[name](path.read_bytes(), draw))
        return "neutral", f"{path.relative_to(folder)}: {name}"
    if stage.telling is not None and sort < 0.2:
        return "telling", stage.telling(folder, draw)
    return "damaged", stage.damage(folder, draw)


def _half_made(folder: Path) -> list[str]:
    """Names of what a command left of its output, less the shards from which a curation resumes."""
    return sorted(each.name for each in folder.iterdir() if "out" in each.name and not each.name.endswith(".shards"))


def judge(stage: Stage, sort: str, ending: Ending, expected: str, folder: Path) -> str:
    """What is wrong with an ending; empty where nothing is."""
    if ending.kind in ("crashed", "hung"):
        return ending.kind
    if "Traceback (most recent call last)" in ending.said:
        return "a traceback is printed"
    if sort == "neutral" and ending.kind == "refused":
        return "refused, though nothing is wrong with it"
    if sort == "neutral" and ending.result != expected:
        return "another result, though the input means the same"
    if sort == "telling" and ending.result == expected:
        return "the same result, though the input means something else"
    if ending.kind == "refused":
        if stage.says_where and not any(str(folder / part) in ending.said for part in ("in", "out")):
            return "refused without naming the file"
        if not ending.said.strip():
            return "refused without a word"
        if len(ending.said) > LONGEST_MESSAGE and "babyvlm: error" in ending.said:
            return "refused with a message that nobody reads to its end"
        if not stage.keeps_output and (left := _half_made(folder)):
            return f"refused, and {left} stays"
    hidden = [each.name for each in folder.iterdir() if each.name.startswith(".") and not each.name.endswith(".shards")]
    return f"{hidden} stays" if hidden and not stage.keeps_output else ""


def try_input(given: Path, name: str, seed: int, expected: str) -> dict[str, Any]:
    """One bad input."""
    stage, draw = BY_NAME[name], random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory(dir=given.parent) as temporary:
        folder = Path(temporary).resolve()
        (folder / "in").mkdir()
        stage.inputs(given, folder / "in")
        sort, how = change(stage, folder / "in", draw)
        began_s = time.monotonic()
        ending = run_forked(stage, folder)
        fault = judge(stage, sort, ending, expected, folder)
        shutil.rmtree(folder / "in", ignore_errors=True)
    last = ending.said.strip().splitlines()[-1] if ending.said.strip() else ""
    return {"seed": seed, "sort": sort, "kind": ending.kind, "fault": fault, "how": how, "said": last[:400],
            "all": ending.said[-3000:], "seconds": time.monotonic() - began_s}  # fmt: skip


def expected_of(given: Path, stage: Stage) -> str:
    """What comes of the undamaged inputs."""
    with tempfile.TemporaryDirectory(dir=given.parent) as temporary:
        folder = Path(temporary).resolve()
        (folder / "in").mkdir()
        stage.inputs(given, folder / "in")
        ending = run_forked(stage, folder)
    if ending.kind != "used":
        raise SystemExit(f"{stage.name}: {ending.kind} undamaged\n{ending.said}")
    return ending.result


def _try(job: tuple[Path, str, int, str]) -> dict[str, Any]:
    return try_input(*job)


def try_stage(given: Path, stage: Stage, inputs: int, seed: int, counts: dict[str, Any], pool: Any) -> None:
    """Tries a stage's inputs, from the last one that was tried before."""
    began_s = time.monotonic()
    expected = expected_of(given, stage)
    first = counts["inputs"]
    jobs = [(given, stage.name, seed * 10**6 + number, expected) for number in range(first, inputs)]
    seen: collections.Counter[str] = collections.Counter()
    for found in pool.imap(_try, jobs, chunksize=4):
        counts["inputs"] += 1
        counts[found["kind"]] = counts.get(found["kind"], 0) + 1
        if found["sort"] != "damaged":
            counts[found["sort"]] = counts.get(found["sort"], 0) + 1
        if found["fault"]:
            counts["faults"] += 1
            kind = f"{found['fault']}: {found['said'][:60]}"
            seen[kind] += 1
            if seen[kind] <= 2 and len(counts["examples"]) < KEPT_FAULTS:
                counts["examples"].append({key: found[key] for key in ("seed", "fault", "how", "said")})
    counts["seconds"] = round(counts.get("seconds", 0) + time.monotonic() - began_s, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--stages", nargs="+", default=list(BY_NAME), choices=list(BY_NAME))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="seed of the one input to try")
    default = RESULTS / f"bad_inputs-{datetime.date.today()}.json"
    parser.add_argument("--result", type=Path, default=default, help="counts are kept here; the same file resumes")
    parser.add_argument("--given", type=Path, help="folder for the undamaged inputs, kept for the next call")
    options = parser.parse_args()
    path = options.result
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    share = sum(BY_NAME[name].share for name in options.stages)
    with tempfile.TemporaryDirectory() as temporary:
        given = (options.given or Path(temporary) / "given").resolve()
        if not (given / "run").is_dir():
            given.mkdir(parents=True, exist_ok=True)
            kills.prepare(given)
        if not (given / "study").is_dir():
            fuzzed.prepare(given)
        if options.only is not None:
            stage = BY_NAME[options.stages[0]]
            print(json.dumps(try_input(given, stage.name, options.only, expected_of(given, stage)), indent=1))
            return
        with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
            for name in options.stages:
                counts = result.setdefault(name, {"inputs": 0, "used": 0, "refused": 0, "faults": 0, "examples": []})
                each = math.ceil(options.inputs * BY_NAME[name].share / share)
                if counts["inputs"] < each:
                    try_stage(given, BY_NAME[name], each, options.seed, counts, pool)
                    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
                print(name, {key: value for key, value in counts.items() if key != "examples"}, flush=True)
    inputs, faults = (sum(counts[key] for counts in result.values()) for key in ("inputs", "faults"))
    print(f"{inputs} bad inputs, {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
