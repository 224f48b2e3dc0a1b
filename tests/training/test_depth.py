"""Layer scale and stochastic depth against residual branches written out."""

from __future__ import annotations

import pytest
import torch
from transformers import ViTConfig, ViTModel

from babyvlm.training.depth import LayerScale, branch_ends, leave_out_branches

CONFIG = ViTConfig(
    hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, image_size=16, patch_size=8
)


@pytest.fixture
def tower() -> ViTModel:
    torch.manual_seed(0)
    return ViTModel(CONFIG, add_pooling_layer=False).eval()


def test_both_branches_of_every_layer_have_an_end(tower: ViTModel) -> None:
    ends = list(branch_ends(tower))
    assert [layer.in_features for layer in ends] == [16, 24] * 3


@torch.no_grad()
def test_scaled_branches_fold_into_a_plain_tower(tower: ViTModel) -> None:
    pixels = torch.randn(2, 3, 16, 16)
    plain = tower(pixels).last_hidden_state
    scale = LayerScale(tower, 1.0)
    torch.testing.assert_close(tower(pixels).last_hidden_state, plain)
    for gamma in scale.gammas:
        gamma.uniform_(-1, 1)
    scaled = tower(pixels).last_hidden_state
    assert not torch.allclose(scaled, plain, atol=1e-3)
    folded = scale.folded(tower)
    torch.testing.assert_close(folded(pixels).last_hidden_state, scaled)
    assert not any(module._forward_hooks for module in folded.modules())
    assert sorted(folded.state_dict()) == sorted(tower.state_dict())


@torch.no_grad()
def test_a_scale_of_nothing_leaves_the_embedding_alone(tower: ViTModel) -> None:
    pixels = torch.randn(2, 3, 16, 16)
    LayerScale(tower, 0.0)
    embedded = tower.layernorm(tower.embeddings(pixels))
    torch.testing.assert_close(tower(pixels).last_hidden_state, embedded)


def test_every_branch_learns_its_scale(tower: ViTModel) -> None:
    scale = LayerScale(tower, 0.1)
    tower(torch.randn(2, 3, 16, 16)).last_hidden_state.square().mean().backward()
    assert len(scale.gammas) == 6 and all(gamma.grad is not None and gamma.grad.any() for gamma in scale.gammas)


@torch.no_grad()
@pytest.mark.parametrize(("uniform", "expected"), [(False, [0, 0, 0.25, 0.25, 0.5, 0.5]), (True, [0.5] * 6)])
def test_branches_are_left_out_as_often_as_asked_and_only_in_training(
    tower: ViTModel, uniform: bool, expected: list[float]
) -> None:
    leave_out_branches(tower, 0.5, uniform=uniform)
    outputs: dict[int, torch.Tensor] = {}
    for number, layer in enumerate(branch_ends(tower)):
        layer.register_forward_hook(lambda _, __, output, number=number: outputs.__setitem__(number, output))
    tower.train()
    tower(torch.randn(400, 3, 16, 16))
    shares = [(outputs[number].abs().amax((1, 2)) == 0).float().mean().item() for number in range(6)]
    assert shares == pytest.approx(expected, abs=0.08)
    tower.eval()
    pixels = torch.randn(2, 3, 16, 16)
    assert torch.equal(tower(pixels).last_hidden_state, tower(pixels).last_hidden_state)


@torch.no_grad()
def test_what_is_kept_counts_for_what_is_not(tower: ViTModel) -> None:
    ends = list(branch_ends(tower))
    given = torch.randn(1, 5, 24).expand(20_000, -1, -1)
    expected = ends[-1](given[:1])
    leave_out_branches(tower, 0.4)
    tower.train()
    torch.testing.assert_close(ends[-1](given).mean(0, keepdim=True), expected, atol=0.02, rtol=0.05)
