"""The disk that decoded pictures take on each node, asked for before anything is begun.

A run's own cache holds one stage's pictures at a time, a cache that is kept holds those of all stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import ConfigError
from babyvlm.names import STAGES, StageName
from babyvlm.records import Format
from babyvlm.training.configuration import MultimodalStage, Recipe
from babyvlm.training.nodes import WHOLE, default_folder
from babyvlm.training.pictures import free_bytes, record_bytes
from babyvlm.training.samples import evenly, training_frames


def table_formats(recipe: Recipe, stage: StageName, stages: Sequence[StageName]) -> tuple[Format, ...]:
    """The formats whose pictures a stage decodes: its own, and those of a later stage that begins with the same.

    Args:
        recipe: The resolved configuration.
        stage: Which.
        stages: Those to run; pictures are decoded for no other.
    """
    longest = _formats(recipe, stage)
    for later in STAGES[STAGES.index(stage) + 1 :]:
        formats = _formats(recipe, later)
        if longest and later in stages and formats[: len(longest)] == longest:
            longest = formats
    return longest


def _formats(recipe: Recipe, stage: StageName) -> tuple[Format, ...]:
    settings = getattr(recipe, stage)
    return settings.formats if isinstance(settings, MultimodalStage) else ()


def held_out_pairs(data: PretrainingSet, recipe: Recipe) -> list[str]:
    """Some frames of the validation split for the vision stage; none where no loss on them is asked for."""
    images = data.picture_ids("image", "validation") if recipe.validations else []
    return evenly(images, recipe.validation_samples)


def picture_bytes(recipe: Recipe, data: PretrainingSet, stage: StageName, stages: Sequence[StageName]) -> int:
    """What a stage's decoded pictures take on a node's disk, without the few held-out ones."""
    if stage == "vision":
        return len(training_frames(data, recipe.vision.frames)) * record_bytes(recipe.vision.source_size)
    size = recipe.model.image_size
    if stage == "contrastive":
        formats: tuple[Format, ...] = recipe.contrastive.formats
        size = recipe.vision.source_size if "vision" in recipe.contrastive.trains else size
    else:
        formats = table_formats(recipe, stage, stages)
    return len({image for name in formats for image in data.picture_ids(name, "train")}) * record_bytes(size)


def require_room(
    recipe: Recipe, data: PretrainingSet, stages: Sequence[StageName], out: Path, cache: Path | None, nodes: int
) -> None:
    """Refuses a run whose decoded pictures have no room on this machine.

    Args:
        recipe: The resolved configuration.
        data: The curated set.
        stages: Those to run.
        out: The run's folder.
        cache: As the command was given it.
        nodes: How many machines the run has.

    Raises:
        ConfigError: There is less room than a stage takes; says how much there is and what to do.
    """
    folder = cache or default_folder(out, nodes)
    sizes = {
        table_formats(recipe, stage, stages) or stage: picture_bytes(recipe, data, stage, stages)
        for stage in stages
        if not (out / stage).exists()
    }
    if not sizes:
        return
    needed = sum(sizes.values()) if cache else max(sizes.values())
    there = free_bytes(folder)
    if needed > there:
        there += _held_bytes(folder)  # of this data perhaps: what is not will be told when its stage begins
    if needed > there:
        raise ConfigError(
            f"{folder}: too little room for decoded pictures: {needed / 1e9:.2f} GB are needed and "
            f"{there / 1e9:.2f} GB are free. Give --cache a folder on a disk of this machine with that much room"
            + ("" if nodes == 1 else ", or set TMPDIR to one")
            + "; nothing was started"
        )


def _held_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/*") if (path.parent / WHOLE).is_file())
