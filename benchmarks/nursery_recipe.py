"""What the nursery's recipe reaches (claims: all stages in at most 30 minutes on two cores; over five seeds a mean of
at least 85% of the twelve sub-tasks on held-out items with a standard deviation of at most 2, at least 85% each in
Picture Vocabulary, Looking While Listening, Localization and Object Counting, 80% in Subitizing, and 55% in Picture
Vocabulary of words that no instruction item asks for or shows).

    python benchmarks/nursery_recipe.py [--seeds 0 1 2 3 4] [--heard-only 0.15] [--keep DIR] [--result FILE]

Each seed is a whole chain, ``babyvlm demo --recipe nursery``: its own nursery, its own items from recordings and
exemplars that no training saw, its own weights. A sub-task counts as above chance in a seed where the lower end of the
model's 95% interval is above both chance and the upper end of the random respondent's interval.

The figures of each seed are kept in FILE as they come (a dated file beside this script), with a digest of the recipe's
settings and material; a later call with the same FILE runs only the seeds that are not there with these, and writes
the table of all it was asked for. With ``--keep`` the folders stay, and what is finished in them is not done again.

Replies are what the model writes. Looking While Listening is asked again by likelihood, as the leaderboard judges it
(``--answer published``), in a row of its own that no mean has.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from babyvlm.folders import read_manifest
from babyvlm.recipes import nursery
from babyvlm.recipes.material import material_of
from babyvlm.reports.exposure import by_exposure, read_words_met
from babyvlm.reports.results import read_results
from babyvlm.training.configuration import saved_settings

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


def words_met(data: Path, run: Path) -> dict[str, tuple[float, int]]:
    """Picture Vocabulary by how its words were met in a set: the part that is right, and items."""
    met = read_words_met(data)
    assert met is not None
    (result,) = read_results([run]).runs
    rows = [row for row in by_exposure(result, met) if row.task == "picture_vocabulary"]
    return {row.exposure: (row.value, row.items) for row in rows}


def listened(folder: Path, seed: int) -> float:
    """The part of Looking While Listening that is right where the likelier picture is taken for the reply."""
    out = folder / "listened"
    asked = [sys.executable, "-m", "babyvlm", "evaluate", str(folder / "model" / "instruction")]
    asked += [str(folder / "toolbox"), "--tasks", "looking_while_listening", "--answer", "published", "--out", str(out)]
    subprocess.run([*asked, "--seed", str(seed)], check=True)
    return float(json.loads((out / "scores.json").read_text())["babyvlm"]["overall"])


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


def settings_digest(heard_only: float) -> str:
    """Twelve hexadecimal digits of the recipe's settings, of what it learns from, and of the part of the words kept
    out of items. Code is told by the revision beside it."""
    settings = json.dumps([saved_settings(nursery()), asdict(material_of("nursery")), heard_only], default=str)
    return hashlib.sha256(settings.encode()).hexdigest()[:12]


def one_seed(folder: Path, seed: int, heard_only: float) -> dict[str, Any]:
    """A seed's figures: minutes of training, mean, sub-tasks, Picture Vocabulary by how its words were met."""
    chain(folder, seed, heard_only)
    mean, tasks = reached(folder / "runs" / "model", folder / "runs" / "random")
    trained = read_manifest(folder / "model" / "instruction", "checkpoint")
    precision = trained.configuration["precision"]
    return {
        "settings": settings_digest(heard_only),
        "date": str(datetime.date.today()),
        "revision": trained.code_revision,
        "cores": os.cpu_count(),
        "precision": "float32" if precision == "no" else precision,
        "minutes": json.loads((folder / "times.json").read_text())["train"] / 60,
        "mean": mean,
        "tasks": {name: asdict(task) for name, task in tasks.items()},
        "words": words_met(folder / "data", folder / "runs" / "model"),
        "listened": listened(folder, seed),
    }


def table(seeds: list[int], heard_only: float, found: list[dict[str, Any]]) -> str:
    """The figures of seeds beside the bounds."""
    runs = [{name: Reached(**task) for name, task in one["tasks"].items()} for one in found]
    means = [one["mean"] for one in found]
    heads = " | ".join(f"seed {seed}" for seed in seeds)
    rows = []
    for name, first in runs[0].items():
        cells = [f"{100 * run[name].value:.1f}{' *' if run[name].above else ''}" for run in runs]
        average = spread([run[name].value for run in runs])
        rows.append(f"| {name} | {100 * first.chance:.1f} | {first.items} | {' | '.join(cells)} | {average} |")
    for way in ("taught", "heard only"):
        words = [one["words"].get(way) for one in found]
        if all(words):
            cells = [f"{100 * value:.1f}" for value, _ in words]
            items = round(statistics.mean(number for _, number in words))
            average = spread([value for value, _ in words])
            rows.append(f"| picture_vocabulary, words {way} | 25.0 | {items} | {' | '.join(cells)} | {average} |")
    listening = [one["listened"] for one in found]
    cells = " | ".join(f"{100 * value:.1f}" for value in listening)
    rows.append(f"| looking_while_listening by likelihood | 50.0 | | {cells} | {spread(listening)} |")
    made = " | ".join(f"{one['date']}, {one['revision']}, {one['cores']}, {one['precision']}" for one in found)
    minutes = " | ".join(f"{one['minutes']:.1f}" for one in found)
    bounds = ", ".join(f"{name} {100 * least:g}" for name, least in MIN_TASK.items())
    return "\n".join(
        [
            f"# The nursery's recipe, {datetime.date.today()}",
            "",
            f"`python benchmarks/nursery_recipe.py --seeds {' '.join(map(str, seeds))} --heard-only {heard_only:g}`; "
            f"settings {settings_digest(heard_only)}.",
            "",
            f"| claim | bound | {heads} |",
            f"|---|---|{'---|' * len(runs)}",
            f"| date, revision, cores, precision | | {made} |",
            f"| minutes of training, all stages | {MAX_MINUTES:g} | {minutes} |",
            f"| mean of {len(runs[0])} sub-tasks, % | {100 * MIN_MEAN:g} | "
            f"{' | '.join(f'{100 * mean:.1f}' for mean in means)} |",
            "| sub-tasks above chance, disjoint 95% intervals | | "
            f"{' | '.join(str(sum(task.above for task in run.values())) for run in runs)} |",
            "",
            f"Mean over seeds, with the standard deviation: {spread(means)} (bound {100 * MIN_MEAN:g} ± "
            f"{100 * MAX_DEVIATION:g}). Bounds of sub-tasks: {bounds}; words heard only {100 * MIN_HEARD:g}.",
            "",
            f"| sub-task, % (* above chance) | chance | items | {heads} | mean ± sd |",
            f"|---|---|---|{'---|' * (len(runs) + 1)}",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--heard-only", type=float, default=0.15, help="part of the words kept out of all items")
    parser.add_argument("--keep", type=Path, help="folder for the chains; removed at the end when not given")
    parser.add_argument(
        "--result", type=Path, default=RESULTS / f"nursery_recipe-{datetime.date.today()}.json", help="kept here"
    )
    options = parser.parse_args()
    kept: dict[str, dict[str, Any]] = json.loads(options.result.read_text()) if options.result.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in options.seeds:
            if kept.get(str(seed), {}).get("settings") != settings_digest(options.heard_only):
                folder = (options.keep or Path(temporary)) / f"seed{seed}"
                kept[str(seed)] = one_seed(folder, seed, options.heard_only)
                options.result.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    text = table(options.seeds, options.heard_only, [kept[str(seed)] for seed in options.seeds])
    options.result.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
