"""What each part of pretraining brings on the nursery, told by words that no instruction item asks for or shows, and by
tasks held out of instruction: a run for each part left out, at a third of the recipe's budget.

    python benchmarks/nursery_recipe.py --seeds 0 1 2 3 4 --keep CHAINS
    python benchmarks/nursery_ablations.py --chains CHAINS [--seeds 0 1 2 3 4] [--keep DIR] [--result FILE]

A seed's chain gives corpus, instruction set and items. The pretraining set is curated anew with ``--aligner self``; its
filter keeps clips and frames that score more than the median clip and the median frame, as the published thresholds are
of other models' scores and would keep one pair in fourteen here. Every run trains the ``demo`` recipe, in one process
on one core, on the same instruction set, and answers the same items, the contrastive stage those of words. As many run
at a time as there are cores:

    everything                   what scores more than the medians
    without video                no clips in the contrastive and the joint stage
    without interleaved          no sequences in the joint stage
    without alignment filter     every pair that was heard, whatever its score
    without vision pretraining   the contrastive stage begins with the tower as it is drawn
    V1-style images only         single pictures with what is said alone, as in BabyVLM-V1's data

A difference from everything is taken within each seed; its 95% interval is Student's over seeds. Beside it stands the
least difference that so many seeds would find four times in five, by the deviation they showed. The figures of each run
are kept in FILE as they come (a dated file beside this script), with a digest of the recipe's settings; a later call
with the same FILE runs only what is not there. With ``--keep`` the folders stay, and what is finished in them is not
done again. Writes the table beside FILE.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from babyvlm.curation.sets import PretrainingSet
from babyvlm.recipes import demo
from babyvlm.training.configuration import saved_settings
from nursery_questions import STUDENT, interval
from nursery_recipe import RESULTS, reached, spread, words_met

BABYVLM = [sys.executable, "-m", "babyvlm"]
CORES = len(os.sched_getaffinity(0))
POWER = {1: 1.376, 2: 1.061, 3: 0.978, 4: 0.941, 5: 0.920, 6: 0.906, 7: 0.896, 8: 0.889, 9: 0.883}
"""The 80% quantile of Student's distribution by degrees of freedom."""
WORD_TASKS = ("picture_vocabulary", "looking_while_listening")
FIGURES = {
    "heard only": "four pictures, words heard only",
    "taught": "four pictures, words taught",
    "named": "four pictures, contrastive stage",
    "listening": "two pictures, contrastive stage",
    "subitizing": "Subitizing (held out)",
    "mean": "mean of twelve sub-tasks",
}


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A run with a part left out."""

    name: str
    filtered: bool = True
    changes: tuple[str, ...] = field(default=())

    @property
    def folder(self) -> str:
        return self.name.replace(" ", "-")


ABLATIONS = (
    Ablation(name="everything"),
    Ablation(name="without video", changes=("contrastive.formats=['image']", "joint.formats=['image', 'interleaved']")),
    Ablation(name="without interleaved", changes=("joint.formats=['image', 'video']",)),
    Ablation(name="without alignment filter", filtered=False),
    Ablation(name="without vision pretraining", changes=("vision.optimisation.learning_rate=1e-12",)),
    Ablation(name="V1-style images only", changes=("contrastive.formats=['image']", "joint.formats=['image']")),
)


def run(*command: str | Path, cores: int = CORES) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": str(cores)}
    subprocess.run([*BABYVLM, *map(str, command)], check=True, env=environment)


def curated(chain: Path, folder: Path) -> dict[bool, Path]:
    """The pretraining set with and without its filter, both with the chain's instruction set."""
    scored, sets = folder / "scored", {True: folder / "filtered", False: folder / "unfiltered"}
    if not scored.exists():
        few = ["--instruction.items.localization", "10", "--instruction.max-crops", "10"]
        run("curate", chain / "corpus", "--out", scored, "--aligner", "self", *few)
    instruction = scored / "instruction"
    if not instruction.is_symlink():
        shutil.rmtree(instruction, ignore_errors=True)
        instruction.symlink_to((chain / "data" / "instruction").absolute())
    candidates = list(PretrainingSet(scored).candidates())
    clips = [each.score for each in candidates if each.score is not None]
    frames = [frame.score for each in candidates for frame in each.frames if frame.score is not None]
    least = {True: (statistics.median(clips), statistics.median(frames)), False: (-2.0, -2.0)}
    for filtered, (clip, frame) in least.items():
        if not sets[filtered].exists():
            asked = [f"--min-clip-alignment={clip}", f"--min-frame-alignment={frame}"]
            run("corpus", "select", scored, "--out", sets[filtered], *asked)
    return sets


def answered(ablation: Ablation, data: Path, out: Path, chain: Path, seed: int) -> dict[str, float]:
    """Trains and asks on one core, as far as that is not done; minutes of training, and the figures."""
    out.mkdir(exist_ok=True)
    minutes, model, toolbox = out / "minutes.json", out / "model", chain / "toolbox"
    if not minutes.exists():
        began_s = time.monotonic()
        changes = (f"seed={seed}", "cpu_processes=1", *ablation.changes)
        run("train", "demo", *changes, "--data", data, "--out", model, cores=1)
        minutes.write_text(json.dumps((time.monotonic() - began_s) / 60))
    if not (out / "run" / "scores.json").exists():
        run("evaluate", model / "instruction", toolbox, "--out", out / "run", cores=1)
    if not (out / "words" / "scores.json").exists():
        run("evaluate", model / "contrastive", toolbox, "--tasks", *WORD_TASKS, "--out", out / "words", cores=1)
    mean, tasks = reached(out / "run", chain / "runs" / "random")
    _, named = reached(out / "words", chain / "runs" / "random")
    met = words_met(chain / "data", out / "run")
    return {
        "minutes": json.loads(minutes.read_text()),
        "heard only": met["heard only"][0],
        "heard only, items": met["heard only"][1],
        "taught": met["taught"][0],
        "named": named["picture_vocabulary"].value,
        "listening": named["looking_while_listening"].value,
        "subitizing": tasks["subitizing"].value,
        "mean": mean,
    }


def settings_digest() -> str:
    """Twelve hexadecimal digits of the recipe's settings."""
    return hashlib.sha256(json.dumps(saved_settings(demo()), default=str).encode()).hexdigest()[:12]


def table(found: dict[str, dict[str, dict[str, float]]], seeds: list[int]) -> str:
    """The figures, and their differences from everything; ``found`` by ablation, then seed."""
    figures = list(FIGURES)
    lines = [
        f"| run | minutes | {' | '.join(FIGURES.values())} |",
        f"|---|---|{'---|' * len(figures)}",
    ]
    for ablation in ABLATIONS:
        runs = [found[ablation.name][str(seed)] for seed in seeds]
        cells = [spread([one[figure] for one in runs]) for figure in figures]
        lines.append(f"| {ablation.name} | {max(one['minutes'] for one in runs):.1f} | {' | '.join(cells)} |")
    lines += [
        "",
        "Less everything, points: mean over seeds (95% interval; least difference found four times in five).",
        "",
        f"| run | {' | '.join(FIGURES.values())} |",
        f"|---|{'---|' * len(figures)}",
    ]
    for ablation in ABLATIONS[1:]:
        cells = []
        for figure in figures:
            apart = [
                100 * (found[ablation.name][str(seed)][figure] - found["everything"][str(seed)][figure])
                for seed in seeds
            ]
            cells.append(difference(apart))
        lines.append(f"| {ablation.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def difference(apart: list[float]) -> str:
    """Mean of differences, Student's interval, and what so many seeds could have told."""
    if len(apart) < 2:
        return f"{apart[0]:+.1f}"
    found, free = interval(apart), len(apart) - 1
    least = (STUDENT[free] + POWER[free]) * statistics.stdev(apart) / math.sqrt(len(apart))
    return f"{found['mean']:+.1f} ({found['low']:+.1f} to {found['high']:+.1f}; {least:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=Path, required=True, help="what `nursery_recipe.py --keep` left")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--keep", type=Path, help="folder for the runs; removed at the end when not given")
    parser.add_argument("--result", type=Path, default=RESULTS / f"nursery_ablations-{datetime.date.today()}.json")
    options = parser.parse_args()
    chains = {seed: options.chains / f"seed{seed}" for seed in options.seeds}
    for seed, chain in chains.items():
        if not (chain / "runs" / "random" / "scores.json").is_file():
            parser.error(f"{chain} is no finished chain: run nursery_recipe.py --seeds {seed} --keep {options.chains}")
    kept = json.loads(options.result.read_text()) if options.result.is_file() else {}
    if kept.get("settings") != settings_digest():
        kept = {"settings": settings_digest(), "found": {ablation.name: {} for ablation in ABLATIONS}}
    lock = Lock()
    with tempfile.TemporaryDirectory() as temporary:
        for seed, chain in chains.items():
            missing = [ablation for ablation in ABLATIONS if str(seed) not in kept["found"][ablation.name]]
            if not missing:
                continue
            folder = (options.keep or Path(temporary)) / f"seed{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            sets = curated(chain, folder)

            def one(
                ablation: Ablation, seed: int = seed, chain: Path = chain, folder: Path = folder, sets: dict = sets
            ) -> None:
                figures = answered(ablation, sets[ablation.filtered], folder / ablation.folder, chain, seed)
                with lock:
                    kept["found"][ablation.name][str(seed)] = figures
                    options.result.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

            with ThreadPoolExecutor(CORES) as pool:
                list(pool.map(one, missing))
    text = "\n".join(
        [
            f"# Ablations on the nursery, {datetime.date.today()}",
            "",
            f"`python benchmarks/nursery_ablations.py --seeds {' '.join(map(str, options.seeds))}`; the `demo` recipe, "
            f"settings {settings_digest()}; minutes of training on one core, of the slowest seed; % of held-out items.",
            "",
            table(kept["found"], options.seeds),
            "",
        ]
    )
    options.result.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
