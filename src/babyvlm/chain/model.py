"""The model: trained, converted from published weights, asked.

curated set + recipe ──> run folder, one checkpoint for each stage ──> load ──> ask
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place, maybe_path
from babyvlm.errors import ConfigError

if TYPE_CHECKING:
    from babyvlm.chat.checkpoint import TalkingCheckpoint
    from babyvlm.names import StageName, WholeStage
    from babyvlm.training import Recipe
    from babyvlm.weights.convert import Conversion


def train(
    recipe: str | Recipe,
    data: Place,
    out: Place,
    *,
    overrides: Sequence[str] = (),
    stages: Sequence[StageName] = (),
    start: Place | None = None,
    wandb: str | None = None,
    cache: Place | None = None,
) -> tuple[Path, ...]:
    """Trains one or all stages of a recipe. Called again after an interruption it resumes where it stopped.

    Args:
        recipe: A name such as ``nursery`` or ``saycam``, or a complete recipe.
        data: Folder that `curate` wrote.
        out: Folder of the run.
        overrides: Settings to override, as ``key=value``; ``babyvlm config RECIPE`` lists them.
        stages: Stages to run (paper); all that the data allow when empty.
        start: Checkpoint to begin with, in place of the stage it is of and those before.
        wandb: Project at Weights & Biases that gets the figures too.
        cache: Folder on a disk of this machine for decoded pictures, kept for other runs on the same data; by default
            in the run's folder, on several machines in the folder for temporary files, and removed after use.

    Returns:
        The checkpoint folders of the stages, in order.

    Raises:
        ConfigError: An unknown recipe or setting, stages that do not go with ``start``, or too little memory.
        DataFolderError: ``data`` is no whole set, or ``out`` is another run.
        TrainingError: The loss is not finite.
    """
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.recipes import resolve
    from babyvlm.recipes.material import few_items
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

    data, out, start, cache = Path(data), Path(out), maybe_path(start), maybe_path(cache)
    if isinstance(recipe, str):
        recipe = resolve(recipe, overrides)
    elif overrides:
        raise ConfigError("overrides are for a recipe by name; a complete one is changed with dataclasses.replace")
    opened = PretrainingSet(data)
    wanted = tuple(stages) or possible_stages(opened, recipe)
    if start:
        later = read_start(start, recipe).later_stages
        if before := [one for one in stages if one not in later]:
            raise ConfigError(f"--start stands for the {before[0]} stage already; leave it out of --stage")
        wanted = tuple(one for one in wanted if one in later)
        if not wanted:
            raise ConfigError(f"{data}: no instruction samples, and no other stage comes after that of --start")
    processes = worth_starting(recipe.cpu_processes)
    require_memory(recipe, wanted, processes_started() or processes)
    if not processes_started():  # several ask on their own machines
        require_room(recipe, opened, wanted, out, cache, 1)
    if unused := unused_gpus():
        print(f"babyvlm: {unused}", file=sys.stderr)
    if "instruction" in wanted and (few := few_items(recipe, opened)):
        print(f"babyvlm: {few}", file=sys.stderr)
    if processes == 1:
        Trainer(recipe, opened, out, wandb, start, cache).run(wanted)
    else:
        Trainer.claim(out, recipe, opened, start)
        run_in_processes(train_in_process, (recipe, data, out, wanted, wandb, cache), processes)
    return tuple(out / stage for stage in wanted)


def convert(source: Place, out: Place, *, stage: WholeStage = "instruction") -> Conversion:
    """Converts published BabyLLaVA-V2 weights to a checkpoint of ours, every key accounted for (paper, artefacts).

    Args:
        source: A vision backbone (.pth, .bin or .safetensors), the folder of a whole model, or a model on the hub
            (``owner/name``).
        out: Folder to write; absent or empty.
        stage: Which stage a whole model comes from; it is named after it.

    Returns:
        What was converted, key by key; ``conversion.json`` in ``out`` has the same.

    Raises:
        CheckpointError: The source is no such checkpoint, or does not fit exactly. Nothing is written then.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.weights.convert import convert

    return convert(str(source), Path(out), stage=stage)


def load(checkpoint: Place, *, device: str = "", max_new_tokens: int = 64) -> TalkingCheckpoint:
    """Opens a checkpoint to ask it things, as ``babyvlm chat`` does.

    Args:
        checkpoint: A folder written by ``babyvlm train`` or ``babyvlm convert``.
        device: Where it runs; a GPU where there is one, when empty.
        max_new_tokens: Longest reply, tokens.

    Returns:
        The checkpoint, with a method ``ask``.

    Raises:
        CheckpointError: The folder is no checkpoint of ours, or not whole.
    """
    from babyvlm.chat.checkpoint import TalkingCheckpoint

    return TalkingCheckpoint(Path(checkpoint), device=device, max_new_tokens=max_new_tokens)
