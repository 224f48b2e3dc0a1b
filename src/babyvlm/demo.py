"""The whole chain on the simulated nursery, each step a command that a user could have typed.

corpus render ── curate ── train ─────────────────┐
            └─── toolbox build ── evaluate x 4 ───┴── report
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.cli import main
from babyvlm.errors import ConfigError
from babyvlm.folders import MANIFEST


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a recipe learns from."""

    hours: float
    """Recordings to render."""
    items: Mapping[str, int]
    """Instruction items by task. Not the published proportions: a model that sees each item a few times at most needs
    different ones most where the nursery's hours hold few arrangements, and has no time for many memory items of
    fifteen rounds."""
    easy_matching: int
    easy_words: int
    easy_memory: int
    max_crops: int


MATERIAL = {
    "demo": Material(
        hours=0.8,
        items={
            "object_counting": 6000,
            "who_has_more_naturalistic": 5000,
            "who_has_more_synthetic": 2000,
            "picture_vocabulary": 500,
            "localization": 6000,
            "left_right": 1500,
            "spatial_details": 3500,
            "visual_delayed_response_binary": 1500,
            "visual_delayed_response_open": 1900,
            "memory": 400,
        },
        easy_matching=1500,
        easy_words=0,
        easy_memory=700,
        max_crops=6000,
    ),
    "nursery": Material(
        hours=2.0,
        items={
            "object_counting": 10000,
            "who_has_more_naturalistic": 6000,
            "who_has_more_synthetic": 6000,
            "picture_vocabulary": 8000,
            "localization": 8000,
            "left_right": 3000,
            "spatial_details": 3000,
            "visual_delayed_response_binary": 3000,
            "visual_delayed_response_open": 5000,
            "memory": 600,
        },
        easy_matching=2000,
        easy_words=10000,
        easy_memory=3000,
        max_crops=8000,
    ),
}
"""By recipe."""


def run_demo(out: Path, *, seed: int, recipe: str = "demo", hours: float | None = None) -> None:
    """Runs every step that is not finished yet.

    Args:
        out: Folder of the demonstration.
        seed: Seed of the nursery, the training and the items.
        recipe: ``demo`` or ``nursery``.
        hours: Recordings to render, hours; None for what the recipe is meant for.

    Raises:
        ConfigError: Another recipe.
    """
    if recipe not in MATERIAL:
        raise ConfigError(f"the demonstration is made for the recipes {' and '.join(MATERIAL)}, not for {recipe!r}")
    material = MATERIAL[recipe]
    out.mkdir(parents=True, exist_ok=True)
    corpus, data, toolbox, model, runs = (out / name for name in ("corpus", "data", "toolbox", "model", "runs"))
    times = Times(out / "times.json")

    def step(name: str, done: Path, *command: str | Path) -> None:
        times.measure(name, done, lambda: main([str(part) for part in command]))

    rendered = str(material.hours if hours is None else hours)
    film = ("corpus", "render", "--out", corpus, "--hours", rendered, "--seed", str(seed))
    # Nothing here listens: the transcripts are the nursery's own.
    step("render", corpus / MANIFEST, *film, "--speech", "silence")
    items = [
        part
        for task, count in material.items.items()
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
        str(material.easy_matching),
        "--instruction.easy-words",
        str(material.easy_words),
        "--instruction.easy-memory",
        str(material.easy_memory),
        "--instruction.max-crops",
        str(material.max_crops),
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
        "--items-per-task",
        "400",
        "--items",
        "memory",
        "120",
    )
    step("toolbox", toolbox / MANIFEST, *build)
    train = ("train", recipe, f"seed={seed}", "--data", data, "--out", model)
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
