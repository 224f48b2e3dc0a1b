"""Memory is estimated and asked for before anything begins."""

from dataclasses import replace

import pytest

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import model_config
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration, parameter_counts
from babyvlm.recipes import nursery, saycam
from babyvlm.training import STAGES, memory, require_memory


def test_parameters_are_those_of_the_model():
    shape = nursery().model
    counted = parameter_counts(BabyLlavaForConditionalGeneration(model_config(shape)))
    for part, number in memory.parameters(shape).items():
        assert number == counted[part]
    assert sum(memory.parameters(saycam().model).values()) == pytest.approx(1_303_153_664, rel=0.001)


def test_the_full_size_is_refused_where_it_does_not_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_gib", lambda processes: 20.0)
    with pytest.raises(ConfigError, match=r"about \d+\.\d GiB in the \w+ stage.*20\.0 GiB"):
        require_memory(saycam(), STAGES, 1)
    require_memory(nursery(), STAGES, 2)


def test_the_full_size_fits_a_gpu_of_80_gb_by_the_estimate():
    assert max(memory.needed(saycam(), stage, 1).total_gib for stage in STAGES) < 75


def test_shards_and_checkpointing_need_less():
    recipe = saycam()
    alone = memory.needed(recipe, "joint", 1)
    lean = memory.needed(replace(recipe, gradient_checkpointing=True), "joint", 1)
    shards = memory.needed(replace(recipe, sharding="fsdp"), "joint", 8)
    assert shards.weights_gib == pytest.approx(alone.weights_gib / 8)
    assert lean.activations_gib < alone.activations_gib / 5
    frames = replace(recipe, vision=replace(recipe.vision, micro_batch=None))
    assert memory.needed(recipe, "vision", 1).activations_gib == pytest.approx(
        memory.needed(frames, "vision", 1).activations_gib / 32
    )
    assert memory.needed(recipe, "joint", 8).total_gib == pytest.approx(alone.total_gib)  # a copy each
