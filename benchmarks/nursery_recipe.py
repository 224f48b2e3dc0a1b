"""What the nursery's recipe reaches (claims: all stages in at most 30 minutes on two cores; over five seeds a mean of
at least 85% of the twelve sub-tasks on held-out items with a standard deviation of at most 2, at least 85% each in
Picture Vocabulary, Looking While Listening, Localization and Object Counting, 80% in Subitizing, and 55% in Picture
Vocabulary of words that no instruction item asks for or shows).

    python benchmarks/nursery_recipe.py [--seeds 0 1 2 3 4] [--heard-only 0.15] [--keep DIR]

Each seed is a whole chain, ``babyvlm demo --recipe nursery``: its own nursery, its own items from recordings and
exemplars that no training saw, its own weights. A sub-task counts as above chance in a seed where the lower end of the
model's 95% interval is above both chance and the upper end of the random respondent's interval. With ``--keep`` the
folders stay, and what is finished in them is not done again. Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from babyvlm.reports.exposure import by_exposure, read_words_met
from babyvlm.reports.results import read_results

RESULTS = Path(__file__).resolve().parent / "results"
MAX_MINUTES, MIN_MEAN, MAX_DEVIATION, MIN_HEARD = 30.0, 0.85, 0.02, 0.55
MIN_TASK = {
    "picture_vocabulary": 0.85,
    "looking_while_listening": 0.85,
    "localization": 0.85,
    "object_counting": 0.85,
    "subitizing": 0.8,
}


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One sub-task of one run."""

    value: float
    low: float
    high: float
    chance: float
    items: int
    above: bool


def chain(folder: Path, seed: int, heard_only: float) -> None:
    """The whole chain of one seed, as far as it is not there yet."""
    command = [sys.executable, "-m", "babyvlm", "demo", "--recipe", "nursery", "--out", str(folder)]
    subprocess.run([*command, "--seed", str(seed), "--heard-only", str(heard_only)], check=True)


def words_met(folder: Path) -> dict[str, tuple[float, int]]:
    """Picture Vocabulary by how its words were met: the part that is right, and items."""
    met = read_words_met(folder / "data")
    assert met is not None
    (result,) = read_results([folder / "runs" / "model"]).runs
    rows = [row for row in by_exposure(result, met) if row.task == "picture_vocabulary"]
    return {row.exposure: (row.value, row.items) for row in rows}


def reached(model: Path, random: Path) -> tuple[float, dict[str, Reached]]:
    """A run's mean, and its sub-tasks beside those of the random respondent."""
    scores = {path: json.loads((path / "scores.json").read_text())["babyvlm"] for path in (model, random)}
    guessed = {task["task"]: task["high"] for task in scores[random]["tasks"]}
    return scores[model]["overall"], {
        task["task"]: Reached(
            value=task["value"],
            low=task["low"],
            high=task["high"],
            chance=task["chance"],
            items=task["items"],
            above=task["low"] > max(task["chance"], guessed[task["task"]]),
        )
        for task in scores[model]["tasks"]
    }


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds, in percent."""
    mean = f"{100 * statistics.mean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--heard-only", type=float, default=0.15, help="part of the words kept out of all items")
    parser.add_argument("--keep", type=Path, help="folder for the chains; removed at the end when not given")
    options = parser.parse_args()
    means, runs, minutes, met = [], [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        for seed in options.seeds:
            folder = (options.keep or Path(temporary)) / f"seed{seed}"
            chain(folder, seed, options.heard_only)
            mean, tasks = reached(folder / "runs" / "model", folder / "runs" / "random")
            means.append(mean)
            runs.append(tasks)
            met.append(words_met(folder))
            minutes.append(json.loads((folder / "times.json").read_text())["train"] / 60)
    above = [sum(task.above for task in tasks.values()) for tasks in runs]
    asked = " ".join(map(str, options.seeds))
    seeds = " | ".join(f"seed {seed}" for seed in options.seeds)
    rows = []
    for name, first in runs[0].items():
        cells = [f"{100 * run[name].value:.1f}{' *' if run[name].above else ''}" for run in runs]
        average = spread([run[name].value for run in runs])
        rows.append(f"| {name} | {100 * first.chance:.1f} | {first.items} | {' | '.join(cells)} | {average} |")
    for way in ("taught", "heard only"):
        if all(way in words for words in met):
            cells = [f"{100 * words[way][0]:.1f}" for words in met]
            items = round(statistics.mean(words[way][1] for words in met))
            average = spread([words[way][0] for words in met])
            rows.append(f"| picture_vocabulary, words {way} | 25.0 | {items} | {' | '.join(cells)} | {average} |")
    text = "\n".join(
        [
            f"# The nursery's recipe, {datetime.date.today()}",
            "",
            f"{os.cpu_count()} cores; `python benchmarks/nursery_recipe.py --seeds {asked} "
            f"--heard-only {options.heard_only:g}`",
            "",
            f"| claim | bound | {seeds} |",
            f"|---|---|{'---|' * len(runs)}",
            f"| minutes of training, all stages | {MAX_MINUTES:g} | {' | '.join(f'{each:.1f}' for each in minutes)} |",
            f"| mean of {len(runs[0])} sub-tasks, % | {100 * MIN_MEAN:g} | "
            f"{' | '.join(f'{100 * each:.1f}' for each in means)} |",
            f"| sub-tasks above chance, disjoint 95% intervals | | {' | '.join(map(str, above))} |",
            "",
            f"Mean over seeds, with the standard deviation: {spread(means)} (bound {100 * MIN_MEAN:g} ± "
            f"{100 * MAX_DEVIATION:g}). Bounds of sub-tasks: "
            + ", ".join(f"{name} {100 * least:g}" for name, least in MIN_TASK.items())
            + f"; words heard only {100 * MIN_HEARD:g}.",
            "",
            f"| sub-task, % (* above chance) | chance | items | {seeds} | mean ± sd |",
            f"|---|---|---|{'---|' * (len(runs) + 1)}",
            *rows,
            "",
        ]
    )
    (RESULTS / f"nursery_recipe-{datetime.date.today()}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
