"""What each part of pretraining brings on the nursery, at a third of the recipe's budget: a run for each part left out.

    python benchmarks/nursery_ablations.py [--chain DIR] [--seed 0] [--keep DIR]

A chain of ``babyvlm demo`` gives corpus, instruction set and items. The pretraining set is curated anew with
``--aligner self``; its filter keeps clips and frames that score more than the median clip and the median frame, as the
published thresholds are of other models' scores and would keep one pair in fourteen here. Every run trains the ``demo``
recipe, in one process on one core for at most twenty minutes, with the same seed, on the same instruction set, and
answers the same items. As many run at a time as there are cores:

    everything                   what scores more than the medians
    without video                no clips in the joint stage
    without interleaved          no sequences in the joint stage
    without alignment filter     every pair that was heard, whatever its score
    without vision pretraining   the tower as it is drawn
    V1-style images only         single pictures with what is said alone, as in BabyVLM-V1's data

A mean's difference from that of everything has a 95% interval of paired resampling over recordings. It is of one seed:
what another seed would have given is not in it. Writes a dated result beside this script.
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
from nursery_recipe import RESULTS, reached

BABYVLM = [sys.executable, "-m", "babyvlm"]
CORES = len(os.sched_getaffinity(0))
MAX_CORE_MINUTES = 20.0


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A run with a part left out."""

    name: str
    filtered: bool = True
    changes: tuple[str, ...] = field(default=())


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


def beside_everything(ablated: Path, everything: Path) -> str:
    """The difference of the means, with its interval, in percentage points."""
    if ablated == everything:
        return ""
    apart = compare_folders([everything, ablated]).mean_difference_by_recordings
    return f"{100 * apart.value:+.1f} ({100 * apart.low:+.1f} to {100 * apart.high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chain", type=Path, default=Path("demo"), help="folder of a finished `babyvlm demo`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the runs; removed at the end when not given")
    options = parser.parse_args()
    if not (options.chain / "runs" / "random" / "scores.json").is_file():
        parser.error(f"{options.chain} is no finished chain: run `babyvlm demo --out {options.chain}` first")
    rows, names = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        sets = curated(options.chain, folder)
        outs = [folder / ablation.name.replace(" ", "-") for ablation in ABLATIONS]
        data = [sets[ablation.filtered] for ablation in ABLATIONS]
        with ThreadPoolExecutor(CORES) as pool:
            ask = partial(answered, toolbox=options.chain / "toolbox", seed=options.seed)
            all_minutes = list(pool.map(ask, ABLATIONS, data, outs))
        for ablation, out, minutes in zip(ABLATIONS, outs, all_minutes, strict=True):
            mean, tasks = reached(out / "run", options.chain / "runs" / "random")
            names = list(tasks)
            cells = [f"{100 * task.value:.1f}{' *' if task.above else ''}" for task in tasks.values()]
            above = sum(task.above for task in tasks.values())
            apart = beside_everything(out / "run", folder / "everything" / "run")
            rows.append(
                f"| {ablation.name} | {minutes:.1f} | {100 * mean:.1f} | {apart} | {above} | {' | '.join(cells)} |"
            )
            print(rows[-1], flush=True)
    text = "\n".join(
        [
            f"# Ablations on the nursery, {datetime.date.today()}, seed {options.seed}",
            "",
            f"`python benchmarks/nursery_ablations.py`; the `demo` recipe, at most {MAX_CORE_MINUTES:g} minutes of "
            "training a run on one core; % of held-out items, * above chance with disjoint intervals.",
            "",
            f"| run | minutes | mean | less everything | above | {' | '.join(names)} |",
            f"|---|---|---|---|---|{'---|' * len(names)}",
            *rows,
            "",
        ]
    )
    (RESULTS / f"nursery_ablations-{datetime.date.today()}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
