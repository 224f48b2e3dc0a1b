"""The model: ``train``, ``config``, ``convert``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from babyvlm.cli.apps import Stage, app


@app.command(name="train")
def train(
    recipe: Positional[str],
    changes: Positional[tuple[str, ...]] = (),
    *,
    data: Path,
    out: Path,
    stage: tuple[Stage, ...] = (),
    start: Path | None = None,
    wandb: str | None = None,
    cache: Path | None = None,
) -> None:
    """Train one or all stages of a recipe. Interrupted, the same command goes on where it stopped.

    On several GPUs or machines: torchrun --nproc-per-node 8 -m babyvlm train saycam ... (sharding=fsdp for shards).

    Args:
        recipe: ``nursery``, ``saycam``, ``saycam-published`` or ``demo``.
        changes: Knobs to change, as key=value; ``babyvlm config RECIPE`` lists them.
        data: Folder written by ``babyvlm curate``.
        out: Folder of the run.
        stage: Stages to run; all that the data allow when not given.
        start: Checkpoint to begin with, in place of the stage it is of and those before: a finished stage's folder of
            another run, or what ``babyvlm convert`` wrote.
        wandb: Project at Weights & Biases that gets the figures too; TensorBoard's files are always written.
        cache: Folder on a disk of this machine for decoded pictures, kept for other runs on the same data; by default
            in the run's folder, on several machines in the folder for temporary files, and removed after use.
    """
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.errors import ConfigError
    from babyvlm.recipes import resolve
    from babyvlm.training import (
        Trainer,
        possible_stages,
        processes_started,
        read_start,
        require_memory,
        require_room,
        run_in_processes,
        train_in_process,
        unused_gpus,
        worth_starting,
    )

    resolved, opened = resolve(recipe, changes), PretrainingSet(data)
    stages = stage or possible_stages(opened)
    if start:
        later = read_start(start, resolved).later_stages
        if before := [one for one in stage if one not in later]:
            raise ConfigError(f"--start stands for the {before[0]} stage already; leave it out of --stage")
        stages = tuple(one for one in stages if one in later)
        if not stages:
            raise ConfigError(f"{data}: no instruction samples, and no other stage comes after that of --start")
    processes = worth_starting(resolved.cpu_processes)
    require_memory(resolved, stages, processes_started() or processes)
    if not processes_started():  # several ask on their own machines
        require_room(resolved, opened, stages, out, cache, 1)
    if said := unused_gpus():
        print(f"babyvlm: {said}", file=sys.stderr)
    if processes == 1:
        Trainer(resolved, opened, out, wandb, start, cache).run(stages)
    else:
        Trainer.claim(out, resolved, opened, start)
        run_in_processes(train_in_process, (resolved, data, out, stages, wandb, cache), processes)


@app.command(name="config")
def config(recipe: Positional[str], changes: Positional[tuple[str, ...]] = ()) -> None:
    """Print every resolved knob of a recipe, with its meaning, unit and source.

    Args:
        recipe: ``nursery``, ``saycam``, ``saycam-published`` or ``demo``.
        changes: Knobs to change, as key=value.
    """
    from babyvlm.recipes import describe, resolve

    print(describe(resolve(recipe, changes)))


@app.command(name="convert")
def convert_command(
    source: Positional[str], *, out: Path, stage: Literal["joint", "instruction"] = "instruction"
) -> None:
    """Convert published BabyLLaVA-V2 weights to a checkpoint of ours, every key accounted for.

    Args:
        source: A vision backbone (.pth, .bin or .safetensors), the folder of a whole model, or a model on the hub
            (owner/name).
        out: Folder to write.
        stage: Which stage a whole model comes from; it is named after it.
    """
    from babyvlm.weights.convert import ACCOUNT, convert, summary

    print("\n".join(summary(convert(source, out, stage=stage))))
    print(f"{out}: {ACCOUNT} in it accounts for every key")
