"""The published size uses a GPU well (claim: the joint stage of ``saycam`` at 45% model-FLOP use or more, one H100).

    python benchmarks/gpu_training.py [--attention varlen] [--compile] [--micro-batch-tokens 16384]
    python benchmarks/gpu_training.py --shape tiny --steps 4 --anywhere      the same code, on a processor

Ours is the training loop of ``babyvlm train`` on rows of packed samples; beside it stands Hugging Face's ``Trainer``
on padded batches (``padded_trainer.py``), with the same weights, samples, optimiser and precision, in the published
batches of 32, two of them a step, with sdpa attention. They run in turns. Operations are counted as
``babyvlm/training/flops.py`` says, for both the same: those of the tokens that are not padding.

There is no corpus here: pictures are noise, and samples have the published formats in the published proportions
(image-utterance 768k, video-utterance 181k with 2 frames, interleaved 63k with 4 to 8), each utterance 4 to 20 tokens,
8 in the middle. Without a GPU it says so and ends with exit code 2.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape
from babyvlm.model.configuration import model_config
from babyvlm.model.modeling import IGNORED
from babyvlm.model.packed_attention import packed
from babyvlm.model.tokenizer import EOS, SOS
from babyvlm.recipes import saycam
from babyvlm.training.batches import BatchPlan, Sample
from babyvlm.training.configuration import MixturePhase, Recipe
from babyvlm.training.flops import StepFlops, peak_flops
from babyvlm.training.kernels import tower_attention
from babyvlm.training.loop import train_language_model
from babyvlm.training.optimizers import part_of
from babyvlm.training.run import RunContext
from padded_trainer import PlainLlava, train_padded

TINY = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=1024,
)  # fmt: skip
FORMATS = {"image": 768, "video": 181, "interleaved": 63}
BATCH_SIZE, MICRO_BATCH = 64, 32
WARM_UP_STEPS = 2


class Noise:
    """Pictures of nothing, in place of the corpus's."""

    def __init__(self, number: int, side: int) -> None:
        self.pixels_NCHW = torch.randint(0, 256, (number, 3, side, side), dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self.pixels_NCHW)


def draw_samples(shape: ModelShape, number: int, pictures: int) -> dict[str, list[Sample]]:
    """Samples by format, in the published proportions."""
    rng = np.random.default_rng(0)
    drawn: dict[str, list[Sample]] = {name: [] for name in FORMATS}
    shares = np.array(list(FORMATS.values())) / sum(FORMATS.values())
    for name in rng.choice(list(FORMATS), size=number, p=shares):
        turns = {"image": 1, "video": 1, "interleaved": int(rng.integers(4, 9))}[name]
        frames = 2 if name == "video" else 1
        ids, labels = [SOS], [IGNORED]
        for _ in range(turns):
            asked = [shape.vocabulary] * (shape.image_tokens * frames) + [5] * 6
            said = [*rng.integers(4, shape.vocabulary, int(np.clip(rng.gamma(4, 2.2), 4, 20))).tolist(), EOS]
            ids += asked + said
            labels += [IGNORED] * len(asked) + said
        images = tuple(int(image) for image in rng.integers(0, pictures, turns * frames))
        drawn[name].append(Sample(ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), images=images))
    return drawn


def fresh(kind: type, recipe: Recipe, attention: str | dict[str, str], device: torch.device) -> torch.nn.Module:
    """A model of drawn weights, the same for every kind."""
    torch.manual_seed(0)
    config = model_config(recipe.model)
    config._attn_implementation = attention
    model = kind(config).to(device)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in recipe.joint.trains)
    return model


def peak_gib(device: torch.device) -> float | None:
    return round(torch.cuda.max_memory_allocated(device) / 2**30, 1) if device.type == "cuda" else None


def forget(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def ours(recipe: Recipe, sources: dict, pictures: Noise, out: Path, accelerator: Accelerator) -> dict:
    forget(accelerator.device)
    attention = {"text_config": packed(recipe.attention), "vision_config": tower_attention(recipe)}
    log = train_language_model(
        fresh(BabyLlavaForConditionalGeneration, recipe, attention, accelerator.device),
        sources,
        pictures,
        run=RunContext(recipe=recipe, accelerator=accelerator, out=out, data="noise"),
        stage="joint",
        optimisation=recipe.joint.optimisation,
        trains=recipe.joint.trains,
        mixture=recipe.joint.mixture,
        micro_batch_tokens=recipe.joint.micro_batch_tokens,
        cache_vision_features=False,
    )
    lines = [json.loads(line) for line in log.splitlines()][WARM_UP_STEPS:]
    figures = ("samples_per_s", "tokens_per_s", "flop_use")
    rates = {name: statistics.median(line[name] for line in lines) for name in figures}
    return rates | {"peak_gib": peak_gib(accelerator.device)}


def theirs(recipe: Recipe, sources: dict, pictures: Noise, out: Path, device: torch.device) -> dict:
    forget(device)
    optimisation = recipe.joint.optimisation
    assert optimisation.steps is not None
    model = fresh(PlainLlava, recipe, "sdpa", device)
    count = StepFlops(model, recipe.model, recipe.joint.trains, cached_features=False)
    sizes = {name: len(samples) for name, samples in sources.items()}
    plan = BatchPlan(sizes, (MixturePhase(),), optimisation.batch_size, optimisation.steps, recipe.seed)
    steps = [[sources[source][index] for source, index in plan.step(step)] for step in range(optimisation.steps)]
    curve = train_padded(
        model,
        [sample for step in steps for sample in sorted(step, key=len, reverse=True)],
        pictures.pixels_NCHW,
        optimisation,
        out=str(out),
        steps=optimisation.steps,
        schedule_steps=optimisation.steps,
        micro_batch=MICRO_BATCH,
        bf16=True,
        gradient_checkpointing=recipe.gradient_checkpointing,
    )
    rates = []
    for number in range(WARM_UP_STEPS, len(steps)):
        took_s, step = curve.ends_s[number] - curve.ends_s[number - 1], steps[number]
        operations = count(step, sum(len(sample.images) for sample in step))
        use = operations / took_s / peak_flops(device, "bf16")
        rates.append((len(step) / took_s, sum(map(len, step)) / took_s, use))
    samples, tokens, use = (statistics.median(column) for column in zip(*rates, strict=True))
    return {
        "samples_per_s": round(samples, 1),
        "tokens_per_s": round(tokens),
        "flop_use": round(use, 4),
        "peak_gib": peak_gib(device),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=("full", "tiny"), default="full")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--attention", choices=("sdpa", "varlen", "eager"), default="sdpa")
    parser.add_argument("--micro-batch-tokens", type=int, default=16384)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--anywhere", action="store_true", help="run without a GPU too, to see that it runs")
    parser.add_argument("--out", type=Path, help="where the result goes; benchmarks/results by default")
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.anywhere:
        print("gpu_training: there is no GPU here; nothing was measured", file=sys.stderr)
        raise SystemExit(2)
    accelerator = Accelerator(mixed_precision="bf16", cpu=not torch.cuda.is_available())
    recipe = saycam()
    if options.shape == "tiny":
        recipe = replace(recipe, model=TINY, language=replace(recipe.language, packed_tokens=256))
        recipe = replace(recipe, vision=replace(recipe.vision, local_size=16))
    optimisation = replace(recipe.joint.optimisation, batch_size=BATCH_SIZE, steps=options.steps, epochs=None)
    recipe = replace(
        recipe,
        joint=replace(recipe.joint, optimisation=optimisation, micro_batch_tokens=options.micro_batch_tokens),
        attention=options.attention,
        precision="bf16",
        compile=options.compile,
        gradient_checkpointing=options.gradient_checkpointing,
        log_every_steps=1,
        checkpoint_every_s=1e9,
    )
    side, pictures = recipe.model.image_size, 512
    noise = Noise(pictures, side)
    sources = draw_samples(recipe.model, BATCH_SIZE * options.steps, pictures)
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(options.rounds):
            folder = Path(temporary) / str(number)
            turn = {
                "ours": ours(recipe, sources, noise, folder / "ours", accelerator),
                "trainer": theirs(recipe, sources, noise, folder / "trainer", accelerator.device),
            }
            turn["times"] = round(turn["ours"]["samples_per_s"] / turn["trainer"]["samples_per_s"], 2)
            rounds.append(turn)
            print(turn, flush=True)
    on_gpu = accelerator.device.type == "cuda"
    result = {
        "date": str(datetime.date.today()),
        "device": torch.cuda.get_device_name() if on_gpu else "no GPU: says nothing about the claim",
        "torch": torch.__version__,
        "peak_flops": peak_flops(accelerator.device, "bf16"),
        "bound": "flop_use at least 0.45 on an H100",
        "options": {name: str(value) for name, value in vars(options).items()},
        "rounds": rounds,
    }
    kind = "" if on_gpu and options.shape == "full" else f"-{options.shape}"
    out = options.out or Path(__file__).parent / "results" / f"gpu_training{kind}-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
