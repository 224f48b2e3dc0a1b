"""The model: ``train``, ``config``, ``convert``."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

import babyvlm
from babyvlm.cli.shared import Overrides, closing
from babyvlm.names import StageName, WholeStage


def train(
    recipe: Positional[str],
    overrides: Positional[Overrides] = (),
    *,
    data: Path,
    out: Path,
    stage: tuple[StageName, ...] = (),
    start: Path | None = None,
    wandb: str | None = None,
    cache: Path | None = None,
) -> str:
    """Train one or all stages of a recipe. Interrupted, the same command resumes where it stopped.

    On several GPUs or machines: torchrun --nproc-per-node 8 -m babyvlm train saycam ... (sharding=fsdp for shards).

    Args:
        recipe: ``nursery``, ``saycam``, ``saycam-published`` or ``demo``.
        overrides: Settings to override, as key=value; ``babyvlm config RECIPE`` lists them.
        data: Folder written by ``babyvlm curate``.
        out: Folder of the run.
        stage: Stages to run; all that the data allow when not given.
        start: Checkpoint to begin with, in place of the stage it is of and those before: a finished stage's folder of
            another run, or what ``babyvlm convert`` wrote.
        wandb: Project at Weights & Biases that gets the figures too; TensorBoard's files are always written.
        cache: Folder on a disk of this machine for decoded pictures, kept for other runs on the same data; by default
            in the run's folder, on several machines in the folder for temporary files, and removed after use.
    """
    from babyvlm.training import part_from_others

    trained = babyvlm.train(recipe, data, out, overrides=overrides, stages=stage, start=start, wandb=wandb, cache=cache)
    part_from_others()
    last = trained[-1]
    if last.name in ("joint", "instruction"):
        return closing(f"{last} is trained", "evaluate", last, "TOOLBOX", "--out", "RUN")
    return closing(f"{last} is trained", "train", recipe, "--data", data, "--out", out)


def config(recipe: Positional[str], overrides: Positional[Overrides] = ()) -> str:
    """Print every resolved setting of a recipe, with its meaning, unit and source.

    Args:
        recipe: ``nursery``, ``saycam``, ``saycam-published`` or ``demo``.
        overrides: Settings to override, as key=value.
    """
    from babyvlm.recipes import describe, resolve

    print(describe(resolve(recipe, overrides)))
    return closing("any of these can be changed", "train", recipe, "key=value", "--data", "SET", "--out", "MODEL")


def convert(source: Positional[str], *, out: Path, stage: WholeStage = "instruction") -> str:
    """Convert published BabyLLaVA-V2 weights to a checkpoint of ours, every key accounted for.

    Args:
        source: A vision backbone (.pth, .bin or .safetensors), the folder of a whole model, or a model on the hub
            (owner/name).
        out: Folder to write.
        stage: Which stage a whole model comes from; it is named after it.
    """
    converted = babyvlm.convert(source, out, stage=stage)
    from babyvlm.weights.convert import ACCOUNT, summary

    print("\n".join(summary(converted)))
    print(f"{out}: {ACCOUNT} in it accounts for every key")
    if converted.stage == "vision":
        return closing(
            f"{out} is a vision backbone", "train", "RECIPE", "--start", out, "--data", "SET", "--out", "MODEL"
        )
    return closing(f"{out} is a checkpoint", "evaluate", out, "TOOLBOX", "--out", "RUN")
