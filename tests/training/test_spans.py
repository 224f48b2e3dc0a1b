"""A tower that learns in the first steps of a stage and is frozen then, its output kept."""

import json
from dataclasses import replace

import pytest
import torch

from babyvlm.errors import ConfigError
from babyvlm.model.loading import load_exactly
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.training import Trainer, run_in_processes, train_in_process
from babyvlm.training import loop as training_loop
from tests.training.tiny import fork, tiny_recipe, weights

pytestmark = pytest.mark.usefixtures("another_precision")


class Killed(BaseException):
    pass


def seeing_first(*, begin_again=False, **changes):
    """The tower learns in two steps of four."""
    recipe = tiny_recipe(**changes)
    instruction = replace(recipe.instruction, vision_until=0.5, cache_vision_features=True, begin_again=begin_again)
    return replace(recipe, instruction=instruction)


def tower_of(folder):
    return load_exactly(BabyLlavaForConditionalGeneration, folder).model.vision_tower.state_dict()


@pytest.mark.parametrize("precision", ["no", "bf16_weights"])
def test_the_tower_learns_until_the_step_and_is_encoded_as_it_is_then(precision, data, trained, tmp_path, monkeypatch):
    encoded = []
    real = training_loop.encode_pictures

    def encode(model, pictures, run):
        state = model.model.vision_tower.state_dict()
        encoded.append({name: value.clone() for name, value in state.items()})
        return real(model, pictures, run)

    monkeypatch.setattr(training_loop, "encode_pictures", encode)
    recipe = seeing_first(precision=precision)
    run = fork(trained, tmp_path / "run", recipe, data, without="instruction")
    Trainer(recipe, data, run).run(["instruction"])
    (kept,) = encoded
    before, after = tower_of(run / "joint"), tower_of(run / "instruction")
    assert all(torch.equal(kept[name], value) for name, value in after.items())
    assert any(not torch.equal(before[name], value) for name, value in after.items())
    lines = [json.loads(line) for line in (run / "instruction" / "metrics.jsonl").open()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]


def test_the_steps_before_are_those_of_a_stage_whose_tower_learns_throughout(data, trained, tmp_path):
    """Loss and rate of the first two steps, and the loss of the third, which the second's weights decide."""
    first = seeing_first(precision="no")
    throughout = replace(first, instruction=replace(first.instruction, vision_until=1.0, cache_vision_features=False))
    rows = []
    for number, recipe in enumerate((first, throughout)):
        run = fork(trained, tmp_path / str(number), recipe, data, without="instruction")
        Trainer(recipe, data, run).run(["instruction"])
        rows.append([json.loads(line) for line in (run / "instruction" / "metrics.jsonl").open()])
    for one, other in zip(rows[0][:3], rows[1][:3], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["learning_rate"] == other["learning_rate"]


def test_all_but_the_tower_begins_again_where_that_is_asked_for(data, trained, tmp_path, monkeypatch):
    """The language model with the weights of the stage before, at the first step's rate; the connector whitened, as
    the embeddings are spread, for the tower as it is now."""
    there = {}
    real = training_loop.encode_pictures

    def encode(model, pictures, run):
        there.update({name: value.clone() for name, value in model.state_dict().items()})
        encoded = real(model, pictures, run)
        tokens = model.model.multi_modal_projector(encoded.float()).flatten(0, 1)
        there["means"], there["spread"] = tokens.mean(0).abs().max(), tokens.std() / tokens.mean().abs()
        return encoded

    monkeypatch.setattr(training_loop, "encode_pictures", encode)
    recipe = seeing_first(begin_again=True, precision="no")
    run = fork(trained, tmp_path / "run", recipe, data, without="instruction")
    Trainer(recipe, data, run).run(["instruction"])
    before = load_exactly(BabyLlavaForConditionalGeneration, run / "joint").state_dict()
    language = [name for name in before if training_loop.part_of(name) == "language"]
    assert language and all(torch.equal(before[name], there[name]) for name in language)
    assert there["means"] < 1e-3 and there["spread"] > 100
    rates = [json.loads(line)["learning_rate"] for line in (run / "instruction" / "metrics.jsonl").open()]
    assert rates[:2] == rates[2:]


@pytest.mark.parametrize(("precision", "begin_again"), [("no", False), ("bf16_weights", False), ("bf16_weights", True)])
@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_an_interrupted_stage_ends_with_the_same_weights(precision, begin_again, killed_at, data, trained, tmp_path):
    recipe = seeing_first(begin_again=begin_again, precision=precision, checkpoint_every_s=0.0)
    whole, broken = (
        fork(trained, tmp_path / name, recipe, data, without="instruction") for name in ("whole", "broken")
    )
    Trainer(recipe, data, whole).run(["instruction"])

    def die(step):
        if step == killed_at:
            raise Killed

    trainer = Trainer(recipe, data, broken)
    trainer.context = replace(trainer.context, before_step=die)
    with pytest.raises(Killed):
        trainer.run(["instruction"])
    Trainer(recipe, data, broken).run(["instruction"])
    expected, found = weights(whole / "instruction"), weights(broken / "instruction")
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.slow
def test_two_processes_train_as_one_does(data, trained, tmp_path):
    """Up to the order of additions, which AdamW's first steps enlarge."""
    recipe = seeing_first(begin_again=True, precision="no")
    runs = [fork(trained, tmp_path / str(n), recipe, data, without="instruction") for n in (1, 2)]
    Trainer(recipe, data, runs[0]).run(["instruction"])
    run_in_processes(train_in_process, (recipe, data.folder, runs[1], ["instruction"], None), 2)
    one, two = (weights(run / "instruction") for run in runs)
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 2e-3
    start = weights(runs[0] / "joint")
    assert any((one[name] - start[name]).abs().max() > 1e-2 for name in one)  # or the comparison would say nothing


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vision_until": 0.0}, "must be in"),
        ({"trains": ("language",), "cache_vision_features": False}, "vision in trains"),
        ({"vision_until": 1.0}, "see vision_until"),
        ({"trains": ("vision",)}, "nothing would learn once the tower is frozen"),
        ({"vision_until": 1.0, "cache_vision_features": False, "begin_again": True}, "begin_again goes with"),
    ],
)
def test_what_cannot_be_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        replace(seeing_first().instruction, **changes)


def test_in_shards_it_is_refused():
    recipe = seeing_first()
    stages = {
        stage: replace(
            getattr(recipe, stage),
            optimisation=replace(getattr(recipe, stage).optimisation, matrix_learning_rate=None),
        )
        for stage in ("language", "alignment", "joint", "instruction")
    }
    with pytest.raises(ConfigError, match="vision_until goes with sharding=ddp"):
        replace(recipe, sharding="fsdp", **stages)
