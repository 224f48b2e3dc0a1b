"""The whole chain on a fresh clone: wall-clock time, peak memory, and accuracy on held-out items.

    python benchmarks/chain.py [--seed 0] [--keep DIR]

Claims: `make demo` takes at most 10 minutes on two cores, set-up included, and at most 6 GiB; the mean over the twelve
sub-tasks is at least 75% over three seeds, and at least eight of them are above chance and above blind matching with
disjoint 95% intervals (the lower end of the model's interval above chance and above the upper ends of the intervals of
the random respondent and of blind matching); and it names things, Picture Vocabulary at least 60%, of which the
contrastive stage's figure stands beside the model's.

Writes a dated result beside this script. Needs nothing but Python and git.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
MAX_MINUTES, MAX_GIB, MIN_MEAN, MIN_ABOVE = 10.0, 6.0, 0.75, 8


class PeakMemory(threading.Thread):
    """Samples the proportional set size of a process and all its descendants (shared pages are counted once)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.peak_gib = pid, 0.0

    def run(self) -> None:
        while Path(f"/proc/{self._pid}").exists():
            self.peak_gib = max(self.peak_gib, sum(map(_pss_kib, _family(self._pid))) / 2**20)
            time.sleep(1.0)


def _family(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # ended meanwhile
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return sorted(found)


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # ended meanwhile
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the clone; removed at the end when not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clone = arguments.keep or Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        began_s = time.monotonic()
        process = subprocess.Popen(["make", "demo", f"SEED={arguments.seed}"], cwd=clone)
        memory = PeakMemory(process.pid)
        memory.start()
        if process.wait():
            raise SystemExit(f"make demo ended with {process.returncode}")
        minutes = (time.monotonic() - began_s) / 60
        scores = {
            name: json.loads((clone / "demo" / "runs" / name / "scores.json").read_text())["babyvlm"]
            for name in ("model", "contrastive", "random", "blind-match", "majority")
        }
        times = json.loads((clone / "demo" / "times.json").read_text())
        revision = subprocess.run(
            ["git", "-C", str(clone), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
    guesses = [{task["task"]: task["high"] for task in scores[name]["tasks"]} for name in ("random", "blind-match")]
    rows, above = [], 0
    for task in scores["model"]["tasks"]:
        is_above = task["low"] > max(task["chance"], *(highest[task["task"]] for highest in guesses))
        above += is_above
        rows.append(
            f"| {task['task']} | {100 * task['value']:.1f} | {100 * task['low']:.1f} to {100 * task['high']:.1f} | "
            f"{100 * task['chance']:.1f} | {task['items']} | {'yes' if is_above else ''} |"
        )
    mean = scores["model"]["overall"]
    text = "\n".join(
        [
            f"# The whole chain, {datetime.date.today()}, revision {revision}, seed {arguments.seed}",
            "",
            f"{os.cpu_count()} cores; `python benchmarks/chain.py --seed {arguments.seed}`",
            "",
            "| claim | bound | measured |",
            "|---|---|---|",
            f"| `make demo` on a fresh clone, minutes | {MAX_MINUTES:g} | {minutes:.1f} |",
            f"| peak memory, GiB | {MAX_GIB:g} | {memory.peak_gib:.1f} |",
            f"| mean of {len(rows)} sub-tasks, % | {100 * MIN_MEAN:g} | {100 * mean:.1f} |",
            f"| sub-tasks above chance and blind matching, disjoint 95% intervals | {MIN_ABOVE} | {above} |",
            "",
            "| sub-task | % | 95% interval | chance | items | above |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "The contrastive stage, by likeness alone: "
            + ", ".join(f"{task['task']} {100 * task['value']:.1f}" for task in scores["contrastive"]["tasks"]),
            "",
            "Means of the null rows: "
            + ", ".join(
                f"{name} {100 * scores[name]['overall']:.1f}" for name in ("random", "majority", "blind-match")
            ),
            "",
            "Seconds by step (set-up is the rest): "
            + ", ".join(f"{name} {seconds:g}" for name, seconds in times.items()),
            "",
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"chain-{datetime.date.today()}-seed{arguments.seed}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
