"""Training is faster than the usual stack (claim: on two cores at least 3 times the samples a second in the joint
stage and 9 times in the instruction stage, with the same loss curve).

    python benchmarks/training_speed.py [--data demo/data] [--model demo/model] [--steps 60] [--rounds 3]
    python benchmarks/training_speed.py --stages instruction --steps 40 --trial-steps 8 --warm-up 2 --rounds 2

Ours is ``babyvlm train nursery`` with AdamW alone, in its two processes. Beside it stands Hugging Face's ``Trainer``
on padded batches (``padded_trainer.py``), with eager attention as published, in the fastest of six ways on this
machine, tried first: float32 or, where the processor has instructions for it, bfloat16 by autocast; one process with
two threads, with a batch whole or in two halves (by length, as the published code does), or two processes with a thread
each. Both begin with the same weights and draw the same samples in each step; optimiser, rates and clipping are the
same. They run in turns, each in fresh processes.

A rate is that of the steps after the first ten (``--warm-up``; the second line is for the instruction stage, where a
step of ``Trainer`` can take a quarter of a minute, memory items being long). Ours encodes each picture once before a
stage whose tower is frozen: the rate "with encoding" spreads that over the recipe's own number of steps. How alike the
curves are is told by the difference of the two losses of each step, beside how much the loss varies from a step to the
next; twelve steps of both in float32 tell whether it is rounding.
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
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import AutoTokenizer

from babyvlm.curation.sets import PretrainingSet
from babyvlm.model import ConversationEncoder
from babyvlm.names import STAGES
from babyvlm.recipes import resolve
from babyvlm.training import Trainer, run_in_processes
from babyvlm.training.batches import BatchPlan
from babyvlm.training.configuration import MixturePhase, Recipe
from babyvlm.training.encoding import encode_conversations
from babyvlm.training.nodes import NodeCache
from babyvlm.training.optimizers import part_of
from babyvlm.training.pictures import PixelTable
from babyvlm.training.precision import cpu_has_bf16
from padded_trainer import Curve, PlainLlava, train_padded

BABYVLM = [sys.executable, "-m", "babyvlm.cli"]
COMPARED = ("joint", "instruction")
_SAME_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Way:
    """How ``Trainer`` is run."""

    bf16: bool
    processes: int
    halves: int = 1

    def __str__(self) -> str:
        precision = "bf16" if self.bf16 else "float32"
        return f"{precision}, {self.processes} process(es), batch in {self.halves}"


WAYS = [
    Way(bf16=bf16, processes=processes, halves=halves)
    for bf16 in ((False, True) if cpu_has_bf16() else (False,))
    for processes, halves in ((1, 1), (1, 2), (2, 1))
]


def changes(stage: str, matrices: str = "none") -> list[str]:
    """What is changed in the recipe, for both sides: AdamW, samples drawn as they come, every step logged."""
    changed = [f"{stage}.optimisation.matrix_learning_rate={matrices}", "log_every_steps=1"]
    frozen = ['trains=["connector", "language"]', "vision_until=1.0", "begin_again=false"]  # as after its first steps
    plain = ["mixture=[{}]", "whiten_connector=false", "own_words=0", *frozen]
    return [*changed, *(f"instruction.{each}" for each in plain)]


def ours(stage: str, data: Path, model: Path, out: Path, steps: int, settings: list, matrices: str = "none") -> Curve:
    """``babyvlm train`` in a folder that has the stage before."""
    before = STAGES[STAGES.index(stage) - 1]
    asked = [*changes(stage, matrices), *settings, f"{stage}.optimisation.steps={steps}"]
    Trainer.claim(out, resolve("nursery", asked), PretrainingSet(data))
    for folder in ("tokenizer", before):
        shutil.copytree(model / folder, out / folder)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [*BABYVLM, "train", "nursery", *asked, "--data", data, "--out", out, "--stage", stage]
    run_quietly(command, environment)
    lines = [json.loads(line) for line in (out / stage / "metrics.jsonl").open(encoding="utf-8")]
    return Curve(losses=[line["loss"] for line in lines], ends_s=[line["seconds"] for line in lines])


def run_quietly(command: list, environment: dict[str, str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr[-2000:]}")


def theirs(stage: str, data: Path, model: Path, out: Path, steps: int, way: Way, schedule_steps: int) -> Curve:
    """The same stage by ``Trainer``, in fresh processes."""
    out.mkdir()
    result = out / "curve.json"
    given = [stage, data, model, out, steps, schedule_steps, json.dumps(asdict(way))]
    command = [sys.executable, __file__, "--theirs", *map(str, given)]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    run_quietly(command, environment)
    return Curve(**json.loads(result.read_text()))


def run_theirs(stage: str, data: str, model: str, out: str, steps: str, schedule_steps: str, way: str) -> None:
    """What :func:`theirs` starts."""
    chosen = Way(**json.loads(way))
    arguments = (stage, Path(data), Path(model), Path(out), int(steps), int(schedule_steps), chosen)
    if chosen.processes > 1:
        run_in_processes(one_of_theirs, arguments, chosen.processes)
    else:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        one_of_theirs(*arguments)


def one_of_theirs(stage: str, data: Path, model: Path, out: Path, steps: int, schedule_steps: int, way: Way) -> None:
    recipe = resolve("nursery", changes(stage))
    samples, pictures = drawn(recipe, stage, PretrainingSet(data), model, out, steps, schedule_steps, way.halves)
    before = STAGES[STAGES.index(stage) - 1]
    plain = PlainLlava.from_pretrained(model / before, attn_implementation="eager", dtype=torch.float32)
    settings = getattr(recipe, stage)
    for name, parameter in plain.named_parameters():
        parameter.requires_grad_(part_of(name) in settings.trains)
    curve = train_padded(
        plain,
        samples,
        pictures.pixels_NCHW,
        settings.optimisation,
        out=str(out / "trainer"),
        steps=steps,
        schedule_steps=schedule_steps,
        micro_batch=settings.optimisation.batch_size // way.halves,
        bf16=way.bf16,
        processes=way.processes,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        (out / "curve.json").write_text(json.dumps(asdict(curve)))


def drawn(
    recipe: Recipe, stage: str, data: PretrainingSet, model: Path, out: Path, steps: int, plan_steps: int, halves: int
) -> tuple[list, PixelTable]:
    """The samples of each step, one step after the other, as ours draws them, and the pictures."""
    settings, shape = getattr(recipe, stage), recipe.model
    rows = [row for name in settings.formats for row in data.conversations(name, "train")]
    index = {image: number for number, image in enumerate(dict.fromkeys(i for row in rows for i in row.images))}
    accelerator = Accelerator(cpu=True)
    pictures = PixelTable(
        data,
        lambda: index,
        size=shape.image_size,
        fit=shape.image_fit,
        cache=NodeCache(out / "cache", accelerator, kept=True),
        accelerator=accelerator,
    )
    encoder = ConversationEncoder(
        AutoTokenizer.from_pretrained(model / "tokenizer"),
        image_token_id=shape.vocabulary,
        image_tokens=shape.image_tokens,
    )
    sources, _ = encode_conversations(rows, encoder, settings, index=index, context=shape.context)
    sizes = {name: len(samples) for name, samples in sources.items()}
    plan = BatchPlan(sizes, (MixturePhase(),), settings.optimisation.batch_size, plan_steps, recipe.seed)
    in_order = []
    for step in range(steps):
        batch = [sources[source][index] for source, index in plan.step(step)]
        in_order += sorted(batch, key=len, reverse=True) if halves > 1 else batch
    return in_order, pictures


def samples_per_s(curve: Curve, batch_size: int, warm_up: int) -> float:
    steps = len(curve.ends_s) - warm_up
    return steps * batch_size / (curve.ends_s[-1] - curve.ends_s[warm_up - 1])


def with_encoding(curve: Curve, rate: float, batch_size: int, steps: int) -> float:
    """A rate over a whole stage of that many steps, what comes before its first step counted in."""
    before_s = curve.ends_s[0] - statistics.median(b - a for a, b in zip(curve.ends_s, curve.ends_s[1:], strict=False))
    return steps * batch_size / (steps * batch_size / rate + max(0.0, before_s))


def alike(one: Curve, other: Curve) -> dict:
    """How far two curves lie apart, and how much a loss varies of itself."""
    apart = [abs(a - b) for a, b in zip(one.losses, other.losses, strict=True)]
    jumps = [abs(a - b) for a, b in zip(one.losses, one.losses[1:], strict=False)]
    late = len(apart) // 2
    return {
        "first_step": round(apart[0], 5),
        "mean_difference_of_a_step": round(statistics.mean(apart), 4),
        "largest": round(max(apart), 4),
        "mean_change_from_a_step_to_the_next": round(statistics.mean(jumps), 4),
        "mean_loss_of_the_second_half": [round(statistics.mean(curve.losses[late:]), 4) for curve in (one, other)],
    }


def compare(stage: str, options: argparse.Namespace, folder: Path) -> dict:
    """One stage, in turns."""
    optimisation = getattr(resolve("nursery"), stage).optimisation
    rate = partial(samples_per_s, batch_size=optimisation.batch_size, warm_up=options.warm_up)
    batch_size, given = optimisation.batch_size, (options.data, options.model)
    trials = {}
    for number, way in enumerate(WAYS):
        tried = theirs(stage, *given, folder / f"{stage}-trial{number}", options.trial_steps, way, options.steps)
        trials[str(way)] = (round(rate(tried), 1), way)
        print(stage, "Trainer,", way, trials[str(way)][0], "samples/s", flush=True)
    best = max(trials.values(), key=lambda trial: trial[0])[1]
    rounds, curves = [], []
    for number in range(options.rounds):
        mine = ours(stage, *given, folder / f"{stage}-ours{number}", options.steps, options.ours)
        padded = theirs(stage, *given, folder / f"{stage}-theirs{number}", options.steps, best, options.steps)
        rates = {
            "ours": rate(mine),
            "ours_with_encoding": with_encoding(mine, rate(mine), batch_size, optimisation.steps),
            "trainer": rate(padded),
        }
        times = {f"times_{name}": rates[name] / rates["trainer"] for name in ("ours", "ours_with_encoding")}
        rounds.append({name: round(value, 2) for name, value in (rates | times).items()})
        curves = [mine, padded]
        print(stage, rounds[-1], alike(mine, padded), flush=True)
    exact, plain = folder / f"{stage}-ours-float32", Way(bf16=False, processes=1)
    exactly = (
        ours(stage, *given, exact, _SAME_STEPS, ["precision=no"]),
        theirs(stage, *given, folder / f"{stage}-theirs-float32", _SAME_STEPS, plain, _SAME_STEPS),
    )
    muon = ours(
        stage, *given, folder / f"{stage}-muon", options.steps, options.ours, str(optimisation.matrix_learning_rate)
    )
    return {
        "batch_size": batch_size,
        "samples_per_s_of_trainer_tried": {name: rate for name, (rate, _) in trials.items()},
        "trainer_ran": str(best),
        "rounds": rounds,
        "times_faster": round(statistics.median(turn["times_ours"] for turn in rounds), 2),
        "times_faster_with_encoding": round(statistics.median(turn["times_ours_with_encoding"] for turn in rounds), 2),
        "ours_with_muon_samples_per_s": round(rate(muon), 1),
        "curves_apart": alike(*curves),
        "float32_curves_apart": alike(*exactly),
        "losses": {"ours": curves[0].losses, "trainer": [round(loss, 5) for loss in curves[1].losses]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("demo/data"))
    parser.add_argument("--model", type=Path, default=Path("demo/model"), help="whose stages before are begun with")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--trial-steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=10, help="steps that are not timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stages", nargs="+", choices=COMPARED, default=list(COMPARED))
    parser.add_argument("--ours", nargs="*", default=[], help="settings of our side alone, such as precision=no")
    parser.add_argument("--out", type=Path, help="where the result goes; benchmarks/results by default")
    parser.add_argument("--theirs", nargs=7, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.theirs:
        run_theirs(*options.theirs)
        return
    if options.warm_up >= min(options.steps, options.trial_steps):
        parser.error("--warm-up must be less than --steps and --trial-steps")
    for folder in (options.data, options.model):
        if not folder.is_dir():
            parser.error(f"{folder} is missing: give --data and --model, or run `babyvlm demo --out demo` first")
    with tempfile.TemporaryDirectory() as temporary:
        stages = {stage: compare(stage, options, Path(temporary)) for stage in options.stages}
    result = {
        "date": str(datetime.date.today()),
        "cores": len(os.sched_getaffinity(0)),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_instructions": cpu_has_bf16(),
        "load_average": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "bound": "3 (joint) and 9 (instruction) times the samples a second, same loss curve",
        "steps": options.steps,
        "of_which_not_timed": options.warm_up,
        "knobs_of_ours": options.ours,
        "stages": stages,
    }
    out = options.out or Path(__file__).parent / "results" / f"training_speed-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
