"""What each part of pretraining brings on the nursery, at a third of the recipe's budget: a run for each part left out.

    python benchmarks/nursery_recipe.py --seeds 0 1 2 --keep CHAINS
    python benchmarks/nursery_ablations.py --chains CHAINS [--seeds 0 1 2] [--keep DIR]

A seed's chain gives corpus, instruction set and items. The pretraining set is curated anew with ``--aligner self``; its
filter keeps clips and frames that score more than the median clip and the median frame, as the published thresholds are
of other models' scores and would keep one pair in fourteen here. Every run trains the ``demo`` recipe, in one process
on one core for at most twenty minutes, on the same instruction set, and answers the same items. As many run at a time
as there are cores:

    everything                   what scores more than the medians
    without video                no clips in the joint stage
    without interleaved          no sequences in the joint stage
    without alignment filter     every pair that was heard, whatever its score
    without vision pretraining   the tower as it is drawn
    V1-style images only         single pictures with what is said alone, as in BabyVLM-V1's data

A mean's difference from that of everything has, in each seed, a 95% interval of paired resampling over recordings; what
another draw of weights and samples would have given is not in it, and shows in how far the seeds are apart. With
``--keep`` the folders stay, and what is finished in them is not done again. Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from babyvlm.curation.sets import PretrainingSet
from babyvlm.evaluation.compare import compare_folders
from nursery_recipe import RESULTS, Reached, reached, spread

BABYVLM = [sys.executable, "-m", "babyvlm"]
CORES = len(os.sched_getaffinity(0))
MAX_CORE_MINUTES = 20.0


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
    Ablation(name="without video", changes=("joint.formats=['image', 'interleaved']",)),
    Ablation(name="without interleaved", changes=("joint.formats=['image', 'video']",)),
    Ablation(name="without alignment filter", filtered=False),
    Ablation(name="without vision pretraining", changes=("vision.optimisation.learning_rate=1e-12",)),
    Ablation(name="V1-style images only", changes=("joint.formats=['image']",)),
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


def answered(ablation: Ablation, data: Path, out: Path, *, toolbox: Path, seed: int) -> float:
    """Trains and asks on one core, as far as that is not done; minutes of training."""
    out.mkdir(exist_ok=True)
    minutes, model, answers = out / "minutes.json", out / "model", out / "run"
    if not minutes.exists():
        began_s = time.monotonic()
        changes = (f"seed={seed}", "cpu_processes=1", *ablation.changes)
        run("train", "demo", *changes, "--data", data, "--out", model, cores=1)
        minutes.write_text(json.dumps((time.monotonic() - began_s) / 60))
    if not (answers / "scores.json").exists():
        run("evaluate", model / "instruction", toolbox, "--out", answers, cores=1)
    return json.loads(minutes.read_text())


@dataclass(frozen=True, kw_only=True)
class Row:
    """What an ablation reaches in one seed; ``less_everything`` is (value, low, high), fractions."""

    minutes: float
    mean: float
    tasks: dict[str, Reached]
    less_everything: tuple[float, float, float] | None


def seed_rows(chain: Path, folder: Path, seed: int) -> list[Row]:
    """Every ablation of one seed, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = curated(chain, folder)
    outs = [folder / ablation.folder for ablation in ABLATIONS]
    data = [sets[ablation.filtered] for ablation in ABLATIONS]
    with ThreadPoolExecutor(CORES) as pool:
        ask = partial(answered, toolbox=chain / "toolbox", seed=seed)
        minutes = list(pool.map(ask, ABLATIONS, data, outs))
    rows = []
    for out, taken in zip(outs, minutes, strict=True):
        mean, tasks = reached(out / "run", chain / "runs" / "random")
        rows.append(Row(minutes=taken, mean=mean, tasks=tasks, less_everything=less_everything(out, outs[0])))
    return rows


def less_everything(ablated: Path, everything: Path) -> tuple[float, float, float] | None:
    """The difference of the means, with its interval."""
    if ablated == everything:
        return None
    apart = compare_folders([everything / "run", ablated / "run"]).mean_difference_by_recordings
    return apart.value, apart.low, apart.high


def overall(rows: list[list[Row]], seeds: list[int]) -> str:
    """The table of means; ``rows`` by ablation, then seed."""
    each = " | ".join(f"seed {seed}" for seed in seeds)
    lines = [
        f"| run | minutes | mean, {each} | mean ± sd | less everything, {each} | mean ± sd | above chance |",
        f"|---|---|{'---|' * (2 * len(seeds) + 3)}",
    ]
    for ablation, of_seeds in zip(ABLATIONS, rows, strict=True):
        apart = [row.less_everything for row in of_seeds if row.less_everything]
        cells = [
            ablation.name,
            f"{max(row.minutes for row in of_seeds):.1f}",
            *(f"{100 * row.mean:.1f}" for row in of_seeds),
            spread([row.mean for row in of_seeds]),
            *(f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})" for value, low, high in apart),
            *([""] * (len(of_seeds) - len(apart))),
            spread([value for value, _, _ in apart]) if apart else "",
            ", ".join(str(sum(task.above for task in row.tasks.values())) for row in of_seeds),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_task(rows: list[list[Row]]) -> str:
    """The table of sub-tasks, means over seeds; ``rows`` by ablation, then seed."""
    lines = [
        f"| sub-task | chance | {' | '.join(ablation.name for ablation in ABLATIONS)} |",
        f"|---|---|{'---|' * len(ABLATIONS)}",
    ]
    for name, task in rows[0][0].tasks.items():
        cells = []
        for of_seeds in rows:
            times = sum(row.tasks[name].above for row in of_seeds)
            value = statistics.mean(row.tasks[name].value for row in of_seeds)
            cells.append(f"{100 * value:.1f} {'*' * times}".rstrip())
        lines.append(f"| {name} | {100 * task.chance:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=Path, required=True, help="what `nursery_recipe.py --keep` left")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="folder for the runs; removed at the end when not given")
    options = parser.parse_args()
    chains = {seed: options.chains / f"seed{seed}" for seed in options.seeds}
    for seed, chain in chains.items():
        if not (chain / "runs" / "random" / "scores.json").is_file():
            parser.error(f"{chain} is no finished chain: run nursery_recipe.py --seeds {seed} --keep {options.chains}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        of_seeds = [seed_rows(chain, folder / f"seed{seed}", seed) for seed, chain in chains.items()]
    rows = [list(each) for each in zip(*of_seeds, strict=True)]
    over = [
        f"{ablation.name} (seed {seed}: {row.minutes:.1f})"
        for ablation, each in zip(ABLATIONS, rows, strict=True)
        for seed, row in zip(options.seeds, each, strict=True)
        if row.minutes > MAX_CORE_MINUTES
    ]
    text = "\n".join(
        [
            f"# Ablations on the nursery, {datetime.date.today()}",
            "",
            f"`python benchmarks/nursery_ablations.py --seeds {' '.join(map(str, options.seeds))}`; the `demo` recipe; "
            "minutes of training on one core, of the slowest seed; % of held-out items.",
            "",
            f"Over the budget of {MAX_CORE_MINUTES:g} core-minutes: {', '.join(over) or 'none'}.",
            "",
            overall(rows, options.seeds),
            "",
            "By sub-task, means over seeds; a * for each seed above chance with disjoint intervals.",
            "",
            by_task(rows),
            "",
        ]
    )
    (RESULTS / f"nursery_ablations-{datetime.date.today()}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
