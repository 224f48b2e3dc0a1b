"""The machine and the whole chain on it: ``doctor``, ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from babyvlm.cli.running import run
from babyvlm.cli.shared import closing


def doctor() -> str:
    """Say what this machine can and cannot do."""
    from babyvlm.doctor import examine

    print(examine())
    return closing("to see everything run", "demo", "--out", "demo")


def demo(
    *,
    out: Path,
    recipe: Literal["demo", "nursery"] = "demo",
    hours: float | None = None,
    heard_only: float = 0.0,
    seed: int = 0,
) -> str:
    """Run everything on the simulated nursery, in minutes, on two cores; ends with a link to the report.

    Args:
        out: Folder of the demonstration; finished steps in it are kept.
        recipe: ``demo``, or ``nursery``, which trains longer, on more, and learns words too.
        hours: Recordings to render, hours; what the recipe is meant for when not given.
        heard_only: Part of the words that no instruction item asks for or shows, a row of their own in the report.
        seed: Seed of everything.
    """
    from babyvlm.cli.demo import run_demo

    run_demo(out, seed=seed, recipe=recipe, hours=hours, heard_only=heard_only, run=run)
    return closing(f"{out} has the whole chain", "explore", out)
