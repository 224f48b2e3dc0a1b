"""The machine and the whole chain on it: ``doctor``, ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from babyvlm.cli.apps import app


@app.command(name="doctor")
def doctor() -> None:
    """Say what this machine can and cannot do."""
    from babyvlm.doctor import examine

    print(examine())


@app.command(name="demo")
def demo(*, out: Path, recipe: Literal["demo", "nursery"] = "demo", hours: float | None = None, seed: int = 0) -> None:
    """Run everything on the simulated nursery, in minutes, on two cores; ends with a link to the report.

    Args:
        out: Folder of the demonstration; finished steps in it are kept.
        recipe: ``demo``, or ``nursery``, which trains longer, on more, and learns words too.
        hours: Recordings to render, hours; what the recipe is meant for when not given.
        seed: Seed of everything.
    """
    from babyvlm.demo import run_demo

    run_demo(out, seed=seed, recipe=recipe, hours=hours)
