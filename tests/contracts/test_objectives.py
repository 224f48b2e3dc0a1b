"""What every objective of the vision stage holds: a finite loss that reaches the tower, by seed alone, and a tower."""

import json
import math
from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import vision_config
from babyvlm.model.stem import new_tower
from babyvlm.training.checkpoints import Resume
from babyvlm.training.configuration import saved_settings
from babyvlm.training.distillation import new_objective, train_tower
from babyvlm.training.objectives import DISTILLATION, REGISTRY
from babyvlm.training.run import RunContext, accelerator_for
from tests.extensions import example_names, names_of
from tests.training.tiny import TINY, tiny_recipe

NAMES = names_of(REGISTRY)
STEPS = 5


class Noise:
    """Frames of noise."""

    def __init__(self, number, side):
        generator = torch.Generator().manual_seed(0)
        self.pixels_NCHW = torch.randint(0, 256, (number, 3, side, side), dtype=torch.uint8, generator=generator)

    def __len__(self):
        return len(self.pixels_NCHW)


def recipe_of(name, **settings):
    recipe = tiny_recipe()
    optimisation = replace(recipe.vision.optimisation, steps=STEPS, batch_size=6)
    return replace(recipe, vision=replace(recipe.vision, objective=name, optimisation=optimisation, **settings))


def views(number=6):
    generator = torch.Generator().manual_seed(1)
    sizes = [TINY.image_size] * 2 + [16] * 2
    return [torch.randn(number, 3, size, size, generator=generator) for size in sizes]


@pytest.fixture
def trained(tmp_path):
    def train(name, folder, **settings):
        AcceleratorState._reset_state(True)
        recipe = recipe_of(name, **settings)
        accelerator = accelerator_for(recipe, cpu=True)
        (tmp_path / folder).mkdir()
        run = RunContext(recipe=recipe, accelerator=accelerator, out=tmp_path / folder, data="", tensorboard=False)
        torch.manual_seed(0)
        tower, log = train_tower(Noise(24, 40), run, Resume(tmp_path / folder, "vision", "", accelerator))
        return tower, [json.loads(line) for line in log.splitlines()]

    yield train
    AcceleratorState._reset_state(True)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_finite_and_reaches_every_weight_of_the_tower_that_sees(name):
    torch.manual_seed(0)
    objective = new_objective(recipe_of(name))
    loss, said = objective(views())
    assert loss.ndim == 0 and math.isfinite(loss.item())
    assert said.tokens.shape == (12, TINY.vision_width) and not said.tokens.requires_grad
    loss.backward()
    reached = [parameter.grad is not None for parameter in objective.student.parameters() if parameter.requires_grad]
    assert sum(reached) > 0.9 * len(reached)
    half, _ = objective(views(), None, 0.5)
    assert half.item() == pytest.approx(loss.item() / 2, rel=1e-4)
    assert objective.flops(TINY, 6) > 0 and objective.uniform_loss >= 0


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_train_equal_towers_that_the_next_stage_loads(name, trained):
    tower, lines = trained(name, "one")
    again, same_lines = trained(name, "two")
    state = tower.state_dict()
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in state.items())
    assert [line["loss"] for line in lines] == [line["loss"] for line in same_lines]
    fresh = new_tower(vision_config(TINY))
    assert fresh.state_dict().keys() == state.keys()
    fresh.load_state_dict(state)
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_the_log_is_json_with_the_stages_figures(name, trained):
    _, lines = trained(name, "one")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    for line in lines:
        assert all(math.isfinite(value) for value in line.values() if isinstance(value, float))
        assert line["feature_rank"] >= 1 and line["flop_use"] >= 0


@pytest.mark.parametrize("precision", ["no", "bf16_weights"])
@pytest.mark.parametrize("name", NAMES)
def test_any_precision_leaves_float32(name, precision, trained, monkeypatch):
    whole = recipe_of
    monkeypatch.setitem(
        globals(), "recipe_of", lambda *args, **more: replace(whole(*args, **more), precision=precision)
    )
    tower, _ = trained(name, "one")
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}


def test_an_unknown_objective_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"there is no vision objective 'vicregg'; did you mean 'vicreg'\?"):
        recipe_of("vicregg")


def test_the_published_objective_is_saved_as_before_there_was_a_choice():
    assert "objective" not in saved_settings(recipe_of(DISTILLATION))["vision"]
    assert "objective" not in saved_settings(recipe_of(DISTILLATION).vision)
    for name in example_names(REGISTRY.group):
        assert saved_settings(recipe_of(name))["vision"]["objective"] == name
