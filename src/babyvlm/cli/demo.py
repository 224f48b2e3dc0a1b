"""The whole chain on the simulated nursery, each step a command that a user could have typed.

corpus render ── curate ── train ─────────────────┐
            └─── toolbox build ── evaluate x 5 ───┴── report
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from babyvlm.errors import ConfigError
from babyvlm.folders import MANIFEST
from babyvlm.recipes import resolve
from babyvlm.recipes.material import MATERIAL

Run = Callable[[list[str]], object]
"""Runs a command; given its words behind ``babyvlm``."""


def run_demo(
    out: Path, *, seed: int, run: Run, recipe: str = "demo", hours: float | None = None, heard_only: float = 0.0
) -> None:
    """Runs every step that is not finished yet.

    Args:
        out: Folder of the demonstration.
        seed: Seed of the nursery, the training and the items.
        run: What runs a command: the command line, handed in, so that imports lead one way.
        recipe: ``demo`` or ``nursery``.
        hours: Recordings to render, hours; None for what the recipe is meant for.
        heard_only: Part of the categories that no instruction item asks for or shows.

    Raises:
        ConfigError: Another recipe.
    """
    if recipe not in MATERIAL:
        raise ConfigError(f"the demonstration is made for the recipes {' and '.join(MATERIAL)}, not for {recipe!r}")
    material = MATERIAL[recipe]
    out.mkdir(parents=True, exist_ok=True)
    corpus, data, toolbox, model, runs = (out / name for name in ("corpus", "data", "toolbox", "model", "runs"))
    times = Times(out / "times.json")
    seeded = ("--seed", str(seed))

    def step(name: str, done: Path, *command: str | Path) -> None:
        times.measure(name, done, lambda: run([str(part) for part in command]))

    film = ("--hours", str(material.hours if hours is None else hours), *seeded)
    # Nothing here listens: the transcripts are the nursery's own.
    step("render", corpus / MANIFEST, "corpus", "render", "--out", corpus, *film, "--speech", "silence")
    kept_out = ("--instruction.heard-only", str(heard_only)) if heard_only else ()
    step("curate", data / MANIFEST, "curate", corpus, "--out", data, "--recipe", recipe, *seeded, *kept_out)
    items = ("--items-per-task", "400", "--items", "memory", "120")
    build = ("toolbox", "build", corpus, "--out", toolbox, "--training", data)
    step("toolbox", toolbox / MANIFEST, *build, *seeded, *items)
    last = model / "instruction"
    step("train", last / MANIFEST, "train", recipe, f"seed={seed}", "--data", data, "--out", model)
    asked = {name: f"baseline:{name}" for name in ("random", "majority", "blind-match")} | {"model": str(last)}
    if resolve(recipe).contrastive.included:  # what pictures and utterances alone have taught
        asked["contrastive"] = f"clip:{model / 'contrastive'}"
    for name, who in asked.items():
        step(f"ask {name}", runs / name / "scores.json", "evaluate", who, toolbox, "--out", runs / name)
    page = out / "report.html"
    page.unlink(missing_ok=True)
    shown = [
        str(runs / name) for name in ("model", "contrastive", "blind-match", "majority", "random") if name in asked
    ]
    extras = ["--training", str(model), "--data", str(data), "--times", str(times.path)]
    run(["report", *shown, "--out", str(page), *extras])
    print(f"\nThe report: {page.resolve().as_uri()}")


class Times:
    """Seconds each step took, kept in a file across interruptions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seconds: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def measure(self, name: str, done: Path, run: Callable[[], object]) -> None:
        """Runs a step unless what it leaves is there, and notes its time."""
        if done.exists():
            return
        print(f"\n== {name}", flush=True)
        began_s = time.monotonic()
        run()
        self._seconds[name] = round(time.monotonic() - began_s, 1)
        self.path.write_text(json.dumps(self._seconds, indent=2) + "\n", encoding="utf-8")
