from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from babyvlm.curation.sets import PretrainingSet
from babyvlm.folders import Manifest
from babyvlm.recipes import resolve
from babyvlm.recipes.material import MATERIAL, few_items, material_of
from babyvlm.reports.published import PUBLISHED_SIZES
from babyvlm.toolbox import InstructionConfig


def test_saycam_learns_from_as_many_items_as_were_published() -> None:
    made = material_of("saycam").instruction(InstructionConfig(seed=3))
    published = {task: count for task, count in PUBLISHED_SIZES["SAYCam, training"].items() if count}
    assert made.items == published and sum(made.items.values()) == 113_211
    assert made.seed == 3 and made.max_crops > 9 * InstructionConfig.max_crops


def test_what_was_set_stays() -> None:
    given = InstructionConfig(items={"memory": 5}, easy_words=7)
    made = material_of("nursery").instruction(given)
    ours = MATERIAL["nursery"]
    assert made == replace(
        given, easy_matching=ours.easy_matching, easy_memory=ours.easy_memory, max_crops=ours.max_crops
    )


def test_one_amount_that_is_set_leaves_the_others_to_the_recipe() -> None:
    given = InstructionConfig(items=InstructionConfig().items | {"memory": 5})
    made = material_of("nursery").instruction(given)
    assert made.items == {**MATERIAL["nursery"].items, "memory": 5}


@pytest.mark.parametrize("name", MATERIAL)
def test_items_come_in_the_tasks_order(name: str) -> None:
    made = MATERIAL[name].instruction(InstructionConfig())
    assert made.items == MATERIAL[name].items and list(made.items) == list(InstructionConfig().items)


@pytest.mark.parametrize(("recipe", "held", "said"), [
    ("saycam", 12_000, True), ("saycam-published", 12_000, True), ("saycam", 100_000, False), ("nursery", 10, False),
])  # fmt: skip
def test_too_few_items_for_the_published_size_are_told(tmp_path: Path, recipe: str, held: int, said: bool) -> None:
    (tmp_path / "instruction" / "images").mkdir(parents=True)
    (tmp_path / "images").mkdir()
    Manifest(kind="pretraining-set").write(tmp_path)
    counts = {"train: memory": held - 1, "train: localization": 1, "validation: memory": 10**6}
    Manifest(kind="instruction-set", counts=counts).write(tmp_path / "instruction")
    told = few_items(resolve(recipe), PretrainingSet(tmp_path))
    assert (
        told
        == (
            f"the instruction set holds {held:,} training items, the published one 113,211: "
            "babyvlm curate --recipe saycam makes as many, where the boxes yield them"
        )
        * said
    )


def test_a_set_without_instruction_items_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Manifest(kind="pretraining-set").write(tmp_path)
    assert few_items(resolve("saycam"), PretrainingSet(tmp_path)) == ""
