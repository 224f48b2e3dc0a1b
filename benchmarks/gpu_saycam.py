"""Where the time and the memory of a full-size step go on one GPU (claims: `saycam` uses an H100 at 50% or more in the
vision and joint stages; the estimate of memory is within a tenth of the peak).

    python benchmarks/gpu_saycam.py --seconds 520 --result saycam.jsonl
    python benchmarks/gpu_saycam.py --shape tiny --anywhere --result tiny.jsonl     the same code, on a processor

Each row is a stage of ``saycam`` as one of eight processes trains it, by the package's own loops: a process's share of
the batch, the lengths of the published formats and sub-tasks, noise for pictures. A JSON line is written after each:

    step_s          wall time of a step, the GPU waited for at both ends of several steps
    host_s          processor time of the training thread in a step
    busy_share      kernel time of one step (torch.profiler) over its wall time; kernels: the ten longest
    host_waits      how often a step makes the host wait for the GPU (torch.cuda.set_sync_debug_mode), and where
    peak_gib        most memory allocated, beside what ``training/memory.py`` estimates
    flop_use        model FLOPs (``training/flops.py``) over time and the data sheet's peak
    losses          of the first steps: rows of one stage begin with the same weights and samples

An error, of memory too, is a row. What does not fit into ``--seconds`` is named as left out. Without a GPU it says so
and ends with exit code 2.
"""

from __future__ import annotations

import argparse
import collections
import gc
import itertools
import json
import math
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")

import accelerate
import numpy as np
import torch
import transformers
from accelerate.state import AcceleratorState

from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape
from babyvlm.model.configuration import model_config
from babyvlm.model.modeling import IGNORED
from babyvlm.model.sight import require_sight
from babyvlm.model.tokenizer import EOS, SOS
from babyvlm.names import STAGES
from babyvlm.recipes import saycam
from babyvlm.training import memory
from babyvlm.training.batches import Sample
from babyvlm.training.checkpoints import Resume
from babyvlm.training.configuration import MultimodalStage, Recipe
from babyvlm.training.distillation import train_tower
from babyvlm.training.kernels import attention_of
from babyvlm.training.loop import train_language_model
from babyvlm.training.run import RunContext, accelerator_for

PROCESSES = 8
TINY = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=2, vision_heads=2, text_width=32, text_layers=2,
    text_heads=4, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=1024,
)  # fmt: skip
PICTURES = 512
LEAST_ROW_S = {"full": 20.0, "tiny": 0.0}
SUBTASKS = {  # samples of the instruction set, and pictures of one
    "object_counting": (13695, 1, 1),
    "memory": (12000, 29, 29),
    "visual_delayed_response": (5168, 5, 10),
    "localization": (12250, 1, 1),
    "left_right": (12250, 4, 4),
    "picture_vocabulary": (22426, 4, 4),
    "spatial_details": (11818, 4, 4),
    "who_has_more": (23604, 2, 2),
}
FORMATS = {"image": 768, "video": 181, "interleaved": 63}
"""Thousands of conversations."""


@dataclass(frozen=True)
class Row:
    """A stage, and how it differs from the recipe."""

    stage: str
    changes: dict[str, Any] = field(default_factory=dict)


NEW, OLD = {"precision": "bf16_weights", "compile": False}, {"precision": "bf16", "compile": False}
ROWS = (
    Row("vision", NEW),
    Row("joint", NEW),
    Row("language", NEW),
    Row("instruction", NEW),
    Row("alignment", NEW),
    Row("joint", NEW | {"compile": True}),
    Row("vision", NEW | {"compile": True}),
    Row("joint", OLD | {"attention": "sdpa"}),
    Row("vision", OLD),
    Row("joint", OLD),
    Row("language", NEW | {"compile": True}),
    Row("instruction", NEW | {"compile": True}),
    Row("joint", NEW | {"attention": "sdpa"}),
    Row("language", OLD),
    Row("instruction", OLD),
    Row("alignment", NEW | {"compile": True}),
)


class OutOfTimeError(Exception):
    """The seconds are up."""


class Noise:
    """Pictures of nothing, in place of the corpus's."""

    def __init__(self, number: int, side: int) -> None:
        rng = np.random.default_rng(0)
        self.pixels_NCHW = torch.from_numpy(rng.integers(0, 256, (number, 3, side, side), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.pixels_NCHW)


class Samples:
    """Draws conversations of a stage as the published sets have them, by their number of tokens and pictures."""

    def __init__(self, recipe: Recipe) -> None:
        self._shape, self._rng = recipe.model, np.random.default_rng(0)
        self._packed = recipe.language.packed_tokens

    def of(self, stage: str, number: int) -> list[Sample]:
        return [getattr(self, f"_{stage}")() for _ in range(number)]

    def _turns(self, turns: int, pictures: int, asked: int, answered: int | None = None) -> Sample:
        ids, labels = [SOS], [IGNORED]
        for _ in range(turns):
            # Utterances have 8 tokens in the middle, few have more than 20.
            said = answered or int(np.clip(self._rng.gamma(4, 2.2), 3, 40))
            prompt = [self._shape.vocabulary] * (self._shape.image_tokens * pictures) + [5] * asked
            answer = [*self._rng.integers(4, self._shape.vocabulary, said).tolist(), EOS]
            ids += prompt + answer
            labels += [IGNORED] * len(prompt) + answer
        images = tuple(self._rng.integers(0, PICTURES, turns * pictures).tolist())
        return Sample(ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), images=images)

    def _alignment(self) -> Sample:
        return self._turns(1, 1, 0)

    def _joint(self) -> Sample:
        shares = np.array(list(FORMATS.values()))
        match self._rng.choice(list(FORMATS), p=shares / shares.sum()):
            case "image":
                return self._turns(1, 1, 7)
            case "video":
                return self._turns(1, int(self._rng.choice([2, 3, 4], p=[0.5, 0.25, 0.25])), 7)
        return self._turns(int(self._rng.integers(4, 9)), 1, 7)

    def _instruction(self) -> Sample:
        shares = np.array([number for number, _, _ in SUBTASKS.values()])
        task = self._rng.choice(list(SUBTASKS), p=shares / shares.sum())
        _, least, most = SUBTASKS[task]
        if task == "memory":
            return self._turns(least, 1, 14, 1)
        return self._turns(1, int(self._rng.integers(least, most + 1)), 35, 1)

    def _language(self) -> Sample:
        ids = self._rng.integers(4, self._shape.vocabulary, self._packed).astype(np.int32)
        return Sample(ids=ids, labels=ids.copy(), images=())


class Meter:
    """Measures steps from the hook before each of them: some for warmth, several timed, one profiled, one for waits."""

    def __init__(self, device: torch.device, warm: int, timed: int, check: Callable[[], None]) -> None:
        self._cuda, self._device, self._check = device.type == "cuda", device, check
        self._begin, self._end = warm, warm + timed
        self.steps = warm + timed + 3
        self.found: dict[str, Any] = {}
        self._at_s: list[float] = []
        self._host_s = self._began_s = 0.0
        self._profiler: Any = None
        self._caught: Any = None
        self._warnings: list[warnings.WarningMessage] = []

    def before_step(self, step: int) -> None:
        self._check()
        if step in (self._begin, self._end, self._end + 1, self._end + 2):
            self._wait()
        self._at_s.append(time.perf_counter())
        if step == self._begin:
            self._host_s = time.thread_time()
        elif step == self._end:
            timed = self._end - self._begin
            self.found["step_s"] = round((self._at_s[self._end] - self._at_s[self._begin]) / timed, 4)
            self.found["host_s"] = round((time.thread_time() - self._host_s) / timed, 4)
            self._profile()
        elif step == self._end + 1:
            self._profiled()
            self._watch_waits()
        elif step == self._end + 2:
            self._waits()

    def weights(self) -> list[float]:
        """Wall time of each timed step, as seen from the host."""
        ends = self._at_s[self._begin : self._end + 1]
        return [after - before for before, after in itertools.pairwise(ends)]

    def timed(self, lines: list[dict]) -> list[dict]:
        return lines[self._begin : self._end]

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize(self._device)

    def _profile(self) -> None:
        if self._cuda:
            self._profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
            self._profiler.start()
            self._began_s = time.perf_counter()

    def _profiled(self) -> None:
        if self._profiler is None:
            return
        wall_s = time.perf_counter() - self._began_s
        self._profiler.stop()
        times_us: collections.Counter[str] = collections.Counter()
        calls: collections.Counter[str] = collections.Counter()
        for event in self._profiler.events():
            if event.device_type == torch.autograd.DeviceType.CUDA and not event.name.startswith("Optimizer."):
                times_us[event.name[:90]] += event.time_range.elapsed_us()
                calls[event.name[:90]] += 1
        busy_s = sum(times_us.values()) / 1e6
        self.found |= {
            "busy_s": round(busy_s, 4),
            "busy_share": round(busy_s / self.found["step_s"], 3),
            "profiled_step_s": round(wall_s, 4),
            "launches": sum(calls.values()),
            "kernels": [[name, round(us / 1e3, 2), calls[name]] for name, us in times_us.most_common(16)],
        }

    def _watch_waits(self) -> None:
        if self._cuda:
            self._caught = warnings.catch_warnings(record=True)
            self._warnings = self._caught.__enter__()
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")

    def _waits(self) -> None:
        if self._caught is None:
            return
        torch.cuda.set_sync_debug_mode("default")
        self._caught.__exit__(None, None, None)
        places = collections.Counter(
            f"{Path(each.filename).name}:{each.lineno}" for each in self._warnings if "synchroniz" in str(each.message)
        )
        self.found |= {"host_waits": sum(places.values()), "host_waits_at": places.most_common(8)}
        self._caught = None

    def close(self) -> None:
        if self._cuda:
            torch.cuda.set_sync_debug_mode("default")
        if self._caught is not None:
            self._caught.__exit__(None, None, None)


def recipe_of(shape: str, row: Row, steps: int) -> Recipe:
    """``saycam`` with one process's share of each batch."""
    recipe = saycam()
    if shape == "tiny":
        language = replace(recipe.language, packed_tokens=64, micro_batch_tokens=256)
        small = {"prototypes": 32, "head_width": 16, "bottleneck": 8, "source_size": 40, "local_size": 16}
        vision = replace(recipe.vision, local_views=2, micro_batch=4, **small)
        vision = replace(vision, optimisation=replace(vision.optimisation, batch_size=8 * PROCESSES))
        recipe = replace(recipe, model=TINY, language=language, vision=vision)
    stages = {}
    for stage in STAGES:
        settings = getattr(recipe, stage)
        optimisation = settings.optimisation
        share = optimisation.batch_size // PROCESSES
        optimisation = replace(optimisation, batch_size=share, steps=steps, epochs=None)
        stages[stage] = replace(settings, optimisation=optimisation)
    return replace(recipe, **stages, **row.changes, log_every_steps=1, checkpoint_every_s=math.inf)


def train(row: Row, recipe: Recipe, meter: Meter, folder: Path) -> list[dict]:
    """Trains for the meter's steps; returns the lines of the log."""
    AcceleratorState._reset_state(True)  # a process keeps one precision otherwise
    accelerator = accelerator_for(recipe, cpu=not torch.cuda.is_available())
    run = RunContext(
        recipe=recipe, accelerator=accelerator, out=folder, data="noise", tensorboard=False,
        before_step=meter.before_step,
    )  # fmt: skip
    torch.manual_seed(0)
    if row.stage == "vision":
        frames = Noise(PICTURES, recipe.vision.source_size)
        _, log = train_tower(frames, run, Resume(folder, "vision", "", accelerator))
        return [json.loads(line) for line in log.splitlines()]
    settings = getattr(recipe, row.stage)
    sees = isinstance(settings, MultimodalStage)
    log = train_language_model(
        new_model(recipe, accelerator.device),
        {"all": Samples(recipe).of(row.stage, settings.optimisation.batch_size * meter.steps)},
        Noise(PICTURES, recipe.model.image_size) if sees else None,
        run=run,
        stage=row.stage,
        optimisation=settings.optimisation,
        trains=settings.trains if sees else ("language",),
        mixture=settings.mixture if sees else saycam().joint.mixture,
        micro_batch_tokens=settings.micro_batch_tokens,
        cache_vision_features=False,
    )
    return [json.loads(line) for line in log.splitlines()]


def new_model(recipe: Recipe, device: torch.device) -> BabyLlavaForConditionalGeneration:
    config = model_config(recipe.model)
    config._attn_implementation = attention_of(recipe, device)
    with device:
        return BabyLlavaForConditionalGeneration(config)


def measure(row: Row, recipe: Recipe, meter: Meter) -> dict[str, Any]:
    """One row; what went wrong is part of it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    began_s, wrong = time.monotonic(), {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            lines = train(row, recipe, meter, Path(folder))
        timed, weights = meter.timed(lines), meter.weights()
        use = sum(line["flop_use"] * weight for line, weight in zip(timed, weights, strict=True)) / sum(weights)
        meter.found |= {"flop_use": round(use, 4), "losses": [line["loss"] for line in lines[:3]]}
        meter.found |= {"data_wait": round(sum(line["data_wait"] for line in timed) / len(timed), 4)}
        meter.found |= {name: timed[-1][name] for name in ("teacher_entropy", "feature_rank") if name in timed[-1]}
    except torch.OutOfMemoryError as error:
        wrong = {"out_of_memory": str(error)[:300]}
    except OutOfTimeError:
        wrong = {"cut_short": "the seconds are up"}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-3:]
        wrong = {
            "error": f"{type(error).__name__}: {str(error)[:600]}",
            "at": [f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in where],
        }
    finally:
        meter.close()
    estimate = memory.needed(recipe, row.stage, 1)
    result = meter.found | wrong | {"estimate_gib": round(estimate.total_gib, 1)}
    if device.type == "cuda":
        result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
        result["reserved_gib"] = round(torch.cuda.max_memory_reserved() / 2**30, 1)
    return result | {"row_s": round(time.monotonic() - began_s, 1)}


def sight(shape: str) -> dict[str, Any]:
    """Two pictures must give two outputs, in each precision."""
    found: dict[str, Any] = {}
    for precision in ("bf16", "bf16_weights"):
        recipe = recipe_of(shape, Row("joint", {"precision": precision}), 1)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = new_model(recipe, device)
            if precision == "bf16_weights":
                model.bfloat16()
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                require_sight(model, "drawn weights")
            found[precision] = "sees"
        except Exception as error:
            found[precision] = f"{type(error).__name__}: {str(error)[:600]}"
    return found


def machine() -> dict[str, Any]:
    on_gpu = torch.cuda.is_available()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if on_gpu else "no GPU: says nothing about the claims",
        "gib": round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1) if on_gpu else None,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=("full", "tiny"), default="full")
    parser.add_argument("--anywhere", action="store_true", help="run without a GPU too, to see that it runs")
    parser.add_argument("--seconds", type=float, default=520.0, help="when to stop, counted from the start")
    parser.add_argument("--result", type=Path, required=True, help="JSON lines; an earlier file is replaced")
    parser.add_argument("--warm", type=int, default=5, help="steps before those that are timed")
    parser.add_argument("--timed", type=int, default=8)
    parser.add_argument("--rows", nargs="+", type=int, help="numbers of the rows to run, from 0; all by default")
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.anywhere:
        print("gpu_saycam: there is no GPU here; nothing was measured", file=sys.stderr)
        raise SystemExit(2)
    deadline_s = time.monotonic() + options.seconds

    def check(*_: object) -> None:
        if time.monotonic() >= deadline_s:
            raise OutOfTimeError

    signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, options.seconds + 0.01)
    with options.result.open("w", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
            print(json.dumps(line), flush=True)

        try:
            write(machine())
            write({"row": "two pictures"} | sight(options.shape))
            for number in options.rows or range(len(ROWS)):
                row = ROWS[number]
                named = {"row": number, "stage": row.stage} | row.changes
                if deadline_s - time.monotonic() < LEAST_ROW_S[options.shape]:
                    write(named | {"left_out": "no time"})
                    continue
                device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
                meter = Meter(device, options.warm, options.timed, check)
                write(named | measure(row, recipe_of(options.shape, row, meter.steps), meter))
        except OutOfTimeError:
            write({"row": "end", "cut_short": "the seconds are up"})
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
