"""Schedules and rates of a tower against those of the public pipelines, written out from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from transformers import ViTConfig, ViTModel

from babyvlm.errors import ConfigError
from babyvlm.training.configuration import VisionStage
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.optimizers import Optimizers, forget_gradient, tower_rates
from babyvlm.training.schedules import cosine, learning_rate_factor, teacher_temperature, weight_decay


def optimisation(**changes: object) -> Optimisation:
    return Optimisation(**{"learning_rate": 1.0, "batch_size": 1, "steps": 40, **changes})  # type: ignore[arg-type]


def test_a_cosine_from_start_to_end_is_dinos() -> None:
    places = np.arange(40)
    expected = 0.4 + 0.5 * (0.04 - 0.4) * (1 + np.cos(np.pi * places / 40))
    settings = optimisation(weight_decay=0.04, weight_decay_end=0.4)
    assert [weight_decay(step, 40, settings) for step in range(40)] == pytest.approx(expected.tolist())
    assert weight_decay(17, 40, optimisation(weight_decay=0.04)) == 0.04
    assert cosine(0.992, 1.0, 40, 40) == 1.0


def test_a_temperature_rises_and_stays() -> None:
    settings = VisionStage(
        optimisation=optimisation(),
        teacher_temperature=0.07,
        teacher_temperature_start=0.04,
        teacher_temperature_rise=0.3,
    )
    expected = [*np.linspace(0.04, 0.07, 13)[:12], *[0.07] * 28]
    assert [teacher_temperature(step, 40, settings) for step in range(40)] == pytest.approx(expected)
    with pytest.raises(ConfigError, match="teacher_temperature_start and teacher_temperature_rise together"):
        VisionStage(optimisation=optimisation(), teacher_temperature_rise=0.3)


def test_a_constant_rate_is_constant_after_its_warm_up() -> None:
    assert {
        learning_rate_factor(step, 40, optimisation(schedule="constant", warmup_fraction=0)) for step in range(40)
    } == {1.0}
    warmed = [
        learning_rate_factor(step, 40, optimisation(schedule="constant", warmup_fraction=0.1)) for step in range(40)
    ]
    assert warmed == [0.25, 0.5, 0.75, *[1.0] * 37]


def test_each_layer_has_the_rate_of_the_public_recipe() -> None:
    """A factor of 0.9 from each layer to the one before; the patch embedding besides at a fifth (DINOv2)."""
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4
    )
    module = nn.ModuleDict({"student": ViTModel(config, add_pooling_layer=False), "student_head": nn.Linear(8, 2)})
    rates = tower_rates(module.named_parameters(), optimisation(layerwise_decay=0.9, patch_embedding_rate=0.2))
    assert rates["student.layernorm.weight"] == 1.0
    for layer in range(3):
        assert rates[f"student.layers.{layer}.mlp.fc2.weight"] == pytest.approx(0.9 ** (3 - layer))
    assert rates["student.embeddings.cls_token"] == pytest.approx(0.9**4)
    assert rates["student.embeddings.patch_embeddings.projection.weight"] == pytest.approx(0.2 * 0.9**4)
    assert not any(name.startswith("student_head") for name in rates)
    assert tower_rates(module.named_parameters(), optimisation()) == {}


def test_decay_follows_its_schedule_where_there_is_any_and_a_forgotten_gradient_moves_nothing() -> None:
    torch.manual_seed(0)
    module = nn.Module()
    module.prototypes, module.bias, module.matrix = (
        nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (3,), (2, 2))
    )
    optimizer = Optimizers(
        module.named_parameters(), optimisation(weight_decay=0.0, weight_decay_end=0.4), {"matrix": 0.5}
    )
    before = module.prototypes.detach().clone()
    for decay in (0.0, 0.4):
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.set_weight_decay(decay)
        forget_gradient(module.named_parameters(), "prototypes")
        optimizer.step()
    assert torch.equal(module.prototypes, before) and torch.equal(module.bias, torch.ones(3))
    assert torch.allclose(module.matrix, torch.full((2, 2), 1 - 0.5 * 0.4))


def test_a_warm_up_and_a_cosine_are_those_of_the_published_scripts() -> None:
    settings = optimisation(warmup_fraction=0.1)
    for step in range(40):
        expected = (step + 1) / 4 if step < 4 else 0.5 * (1 + math.cos(math.pi * (step - 4) / 36))
        assert learning_rate_factor(step, 40, settings) == pytest.approx(expected)
