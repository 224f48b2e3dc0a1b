"""What a recipe learns from: hours of film, and instruction items by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from babyvlm.curation.sets import INSTRUCTION, PretrainingSet
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.names import MaterialName
from babyvlm.toolbox.instruction import KIND, InstructionConfig, published_amounts
from babyvlm.training.configuration import Recipe


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a recipe learns from."""

    hours: float
    """Recordings: to render for the nursery's recipes, of the corpus itself for the published size."""
    items: Mapping[str, int]
    """Instruction items by task. The nursery's are not in the published proportions: a model that sees each item a few
    times at most needs different ones most where the nursery's hours hold few arrangements, and has no time for many
    memory items of fifteen rounds."""
    easy_matching: int
    easy_words: int
    easy_memory: int
    max_crops: int

    def instruction(self, config: InstructionConfig) -> InstructionConfig:
        """Settings of the instruction set with this material's amounts, each where the default stands; what was set
        otherwise stays as it is."""
        usual = InstructionConfig()
        names = ("easy_matching", "easy_words", "easy_memory", "max_crops")
        changes = {name: getattr(self, name) for name in names if getattr(config, name) == getattr(usual, name)}
        items = {  # in the tasks' order, whatever the order here
            task: self.items.get(task, amount) if config.items[task] == amount else config.items[task]
            for task, amount in usual.items.items()
            if task in config.items
        }
        return replace(config, items=items, **changes)


MATERIAL: dict[str, Material] = {
    "demo": Material(
        hours=0.8,
        items={
            "object_counting": 6000,
            "who_has_more_naturalistic": 5000,
            "who_has_more_synthetic": 2000,
            "picture_vocabulary": 500,
            "localization": 6000,
            "left_right": 1500,
            "spatial_details": 3500,
            "visual_delayed_response_binary": 1500,
            "visual_delayed_response_open": 1900,
            "memory": 400,
        },
        easy_matching=1500,
        easy_words=0,
        easy_memory=700,
        max_crops=6000,
    ),
    "nursery": Material(
        hours=2.0,
        items={
            "object_counting": 30000,
            "who_has_more_naturalistic": 14000,
            "who_has_more_synthetic": 3000,
            "picture_vocabulary": 30000,
            "localization": 16000,
            "left_right": 4000,
            "spatial_details": 22000,
            "visual_delayed_response_binary": 3000,
            "visual_delayed_response_open": 5000,
            "memory": 800,
        },
        easy_matching=3000,
        easy_words=10000,
        easy_memory=3000,
        max_crops=28000,
    ),
}
"""By recipe: those whose recordings are rendered."""
PUBLISHED = Material(
    hours=478,  # paper: of recordings
    items=published_amounts(),  # the published training files, as they are counted in toolbox/tasks.py
    easy_matching=0,
    easy_words=0,
    easy_memory=0,
    max_crops=56_000,  # ours: about as many items turn on a crop as with the default amounts
)
"""What the published system learned from, SAYCam; for ``saycam`` and ``saycam-published``."""


def material_of(recipe: MaterialName) -> Material:
    """What a recipe learns from."""
    return PUBLISHED if recipe == "saycam" else MATERIAL[recipe]


def few_items(recipe: Recipe, data: PretrainingSet) -> str:
    """What to know where a set holds far fewer training items than the published size is meant for; empty elsewhere."""
    if not recipe.name.startswith("saycam") or not (data.folder / INSTRUCTION / MANIFEST).is_file():
        return ""
    counts = read_manifest(data.folder / INSTRUCTION, KIND).counts
    held = sum(count for name, count in counts.items() if name.startswith("train: "))
    published = sum(PUBLISHED.items.values())
    if held >= published / 2:
        return ""
    return (
        f"the instruction set holds {held:,} training items, the published one {published:,}: "
        "babyvlm curate --recipe saycam makes as many, where the boxes yield them"
    )
