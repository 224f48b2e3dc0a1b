"""The whole chain on the simulated nursery, each step a command that a user could have typed.

corpus render ── curate ── train ─────────────────┐
            └─── toolbox build ── evaluate x 4 ───┴── report
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from babyvlm.cli import main
from babyvlm.folders import MANIFEST

INSTRUCTION_ITEMS = {
    "object_counting": 6000,
    "who_has_more_naturalistic": 4000,
    "who_has_more_synthetic": 5000,
    "picture_vocabulary": 2000,
    "localization": 6000,
    "left_right": 2000,
    "spatial_details": 2000,
    "visual_delayed_response_binary": 2000,
    "visual_delayed_response_open": 3000,
    "memory": 250,
}
"""Not the published proportions: a model that sees each item a few times at most needs different ones most where the
nursery's hour holds few arrangements, and has no time for many memory items of fifteen rounds."""


def run_demo(out: Path, *, hours: float, seed: int) -> None:
    """Runs every step that is not finished yet.

    Args:
        out: Folder of the demonstration.
        hours: Recordings to render, hours.
        seed: Seed of the nursery, the training and the items.
    """
    out.mkdir(parents=True, exist_ok=True)
    corpus, data, toolbox, model, runs = (out / name for name in ("corpus", "data", "toolbox", "model", "runs"))
    times = Times(out / "times.json")

    def step(name: str, done: Path, *command: str | Path) -> None:
        times.measure(name, done, lambda: main([str(part) for part in command]))

    step("render", corpus / MANIFEST, "corpus", "render", "--out", corpus, "--hours", str(hours), "--seed", str(seed))
    items = [
        part
        for task, count in INSTRUCTION_ITEMS.items()
        for part in (f"--instruction.items.{task.replace('_', '-')}", str(count))
    ]
    step(
        "curate",
        data / MANIFEST,
        "curate",
        corpus,
        "--out",
        data,
        "--seed",
        str(seed),
        *items,
        "--instruction.easy-matching",
        "2000",
        "--instruction.exits.max-frames",
        "5",
    )
    build = (
        "toolbox",
        "build",
        corpus,
        "--out",
        toolbox,
        "--training",
        data,
        "--seed",
        str(seed),
        "--exits.max-frames",
        "5",
        "--items-per-task",
        "400",
        "--items",
        "memory",
        "120",
    )
    step("toolbox", toolbox / MANIFEST, *build)
    train = ("train", "nursery", f"seed={seed}", "--data", data, "--out", model)
    step("train", model / "instruction" / MANIFEST, *train)
    for name in ("random", "majority", "blind-match"):
        step(f"ask {name}", runs / name / "scores.json", "evaluate", f"baseline:{name}", toolbox, "--out", runs / name)
    step(
        "ask model", runs / "model" / "scores.json", "evaluate", model / "instruction", toolbox, "--out", runs / "model"
    )
    page = out / "report.html"
    page.unlink(missing_ok=True)
    shown = [str(runs / name) for name in ("model", "blind-match", "majority", "random")]
    extras = ["--training", str(model), "--data", str(data), "--times", str(times.path)]
    main(["report", *shown, "--out", str(page), *extras])
    print(f"\nThe report: {page.resolve().as_uri()}")


class Times:
    """Seconds each step took, kept in a file across interruptions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seconds: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def measure(self, name: str, done: Path, run: Callable[[], None]) -> None:
        """Runs a step unless what it leaves is there, and notes its time."""
        if done.exists():
            return
        print(f"\n== {name}", flush=True)
        began_s = time.monotonic()
        run()
        self._seconds[name] = round(time.monotonic() - began_s, 1)
        self.path.write_text(json.dumps(self._seconds, indent=2) + "\n", encoding="utf-8")
