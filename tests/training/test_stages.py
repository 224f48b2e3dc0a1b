"""The five stages on a few seconds of drawn data: what learns, what is frozen, what is refused."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from babyvlm.curation import PretrainingSet
from babyvlm.errors import CheckpointError, ConfigError, TrainingError
from babyvlm.recipes import resolve
from babyvlm.training import STAGES, Trainer, possible_stages, run_in_processes, train_in_process
from babyvlm.training import loop as training_loop
from babyvlm.training.batches import BatchPlan
from babyvlm.training.configuration import MixturePhase
from tests.training.tiny import fork, tiny_recipe, weights


def changed_parts(before, after):
    first, second = weights(before), weights(after)
    assert first.keys() == second.keys()
    return {training_loop.part_of(f"model.{name}") for name in first if not torch.equal(first[name], second[name])}


def test_each_stage_trains_its_parts_and_no_other(trained):
    tower = weights(trained / "vision")
    within = weights(trained / "language")
    assert all(torch.equal(tensor, within[f"model.vision_tower.{name}"]) for name, tensor in tower.items())
    assert changed_parts(trained / "language", trained / "alignment") == {"connector"}
    assert changed_parts(trained / "alignment", trained / "joint") == {"connector", "language"}
    assert changed_parts(trained / "joint", trained / "instruction") == {"vision", "connector", "language"}


def test_the_log_tells_every_step(trained):
    for stage in STAGES:
        lines = [json.loads(line) for line in (trained / stage / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2, 3, 4]
        assert all(line["loss"] > 0 and line["tokens_per_s"] > 0 for line in lines)


def test_a_source_that_the_data_lack_is_said_and_left_out(data, trained, tmp_path, capsys):
    recipe = tiny_recipe()
    mixture = (
        MixturePhase(until=0.5, weights={"left_right.easy": 1.0}),
        MixturePhase(weights={"object_counting": 0.5, "left_right.easy": 0.5}),
    )
    recipe = replace(recipe, instruction=replace(recipe.instruction, mixture=mixture))
    run = fork(trained, tmp_path / "run", recipe, data, without="instruction")
    Trainer(recipe, data, run).run(["instruction"])
    assert "hold no left_right.easy" in capsys.readouterr().out
    rows = [json.loads(line) for line in (run / "instruction" / "metrics.jsonl").open()]
    assert all(row["loss"] > 0 for row in rows)


def test_instruction_tuning_on_one_task_takes_no_other(data, trained, tmp_path, monkeypatch):
    """Task-specific tuning is a mixture of one source, given on the command line as any setting is."""
    recipe = tiny_recipe()
    setting = "instruction.mixture=[{'weights': {'object_counting': 1}}]"
    recipe = replace(
        recipe, instruction=replace(recipe.instruction, mixture=resolve("nursery", [setting]).instruction.mixture)
    )
    run = fork(trained, tmp_path / "run", recipe, data, without="instruction")
    real, drawn = BatchPlan.step, set()

    def step(self, number):
        batch = real(self, number)
        drawn.update(source for source, _ in batch)
        return batch

    rows = data.conversations("instruction")
    two_tasks = [
        row.model_copy(update={"task": ("left_right", "object_counting")[n % 2]}) for n, row in enumerate(rows)
    ]
    monkeypatch.setattr(PretrainingSet, "conversations", lambda self, *_: two_tasks)
    monkeypatch.setattr(BatchPlan, "step", step)
    Trainer(recipe, data, run).run(["instruction"])
    assert drawn == {"object_counting"}


def test_a_loss_that_is_not_finite_stops_with_the_setting(data, trained, tmp_path):
    recipe = tiny_recipe()
    broken = replace(recipe.instruction.optimisation, learning_rate=1e30, vision_learning_rate=1e30, clip_norm=1e30)
    recipe = replace(recipe, instruction=replace(recipe.instruction, optimisation=broken))
    run = fork(trained, tmp_path / "model", recipe, data, without="instruction")
    with pytest.raises(TrainingError, match="learning_rate"):
        Trainer(recipe, data, run).run(["instruction"])
    assert not (run / "instruction").exists()


def test_a_stage_without_its_input_is_refused(data, tmp_path):
    with pytest.raises(CheckpointError, match="--stage joint"):
        Trainer(tiny_recipe(), data, tmp_path / "model").run(["instruction"])


def test_another_recipe_or_folder_is_refused(data, trained, tmp_path):
    with pytest.raises(ConfigError, match="another recipe"):
        Trainer(tiny_recipe(seed=1), data, trained)
    (tmp_path / "letter.txt").write_text("dear diary")
    with pytest.raises(ConfigError, match=r"letter\.txt"):
        Trainer(tiny_recipe(), data, tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear diary"


def test_without_instruction_data_four_stages_are_possible(data, monkeypatch):
    recipe = tiny_recipe()
    assert possible_stages(data, recipe) == ("vision", "language", "alignment", "joint", "instruction")
    with_pairs = replace(recipe, contrastive=replace(recipe.contrastive, included=True))
    assert possible_stages(data, with_pairs) == STAGES
    monkeypatch.setattr(PretrainingSet, "has_instruction", False)
    assert possible_stages(data, recipe) == ("vision", "language", "alignment", "joint")


def test_two_processes_train_as_one_does(data, tmp_path):
    """Each takes half of every batch; in float32 the weights agree up to the order of additions."""
    recipe = tiny_recipe(precision="no", cpu_processes=2)
    every = ("vision", "language", "alignment", "joint")
    run_in_processes(train_in_process, (recipe, data.folder, tmp_path / "one", every), 1)
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("alignment", "joint"))
    run_in_processes(train_in_process, (recipe, data.folder, tmp_path / "two", ("alignment", "joint")), 2)
    one, two = weights(tmp_path / "one" / "joint"), weights(tmp_path / "two" / "joint")
    start = weights(tmp_path / "one" / "language")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-3, rtol=0, msg=name)
    assert any((one[name] - start[name]).abs().max() > 1e-2 for name in one)  # or the comparison would say nothing


@pytest.mark.slow
def test_an_error_in_a_process_ends_all_of_them(data, tmp_path, capfd):
    recipe = tiny_recipe(cpu_processes=2)
    with pytest.raises(SystemExit):
        run_in_processes(train_in_process, (recipe, data.folder, tmp_path / "run", ("joint",)), 2)
    assert "--stage alignment" in capfd.readouterr().err
