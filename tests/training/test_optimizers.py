"""Muon, and how parameters are shared out between the two optimizers."""

import pytest
import torch
from torch import nn

from babyvlm.training.optimisation import Optimisation
from babyvlm.training.optimizers import Muon, Optimizers, orthogonalise


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 16, 6), (2, 6, 16)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    found = orthogonalise(matrices)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.linalg.svdvals(found).sub(1).abs().max() < 0.5
    # The nearest orthogonal matrix is U V^T; up to the spread of singular values, that is what comes out.
    similarity = nn.functional.cosine_similarity(found.flatten(1), (left @ right).flatten(1))
    assert similarity.min() > 0.95


def test_matrices_stepped_together_are_stepped_as_if_alone():
    torch.manual_seed(0)
    together = [nn.Parameter(torch.randn(8, 4)) for _ in range(3)]
    alone = [nn.Parameter(parameter.detach().clone()) for parameter in together]
    one = Muon([{"params": together, "lr": 0.1}])
    each = [Muon([{"params": [parameter], "lr": 0.1}]) for parameter in alone]
    for _ in range(3):
        for left, right in zip(together, alone, strict=True):
            left.grad = torch.randn(8, 4)
            right.grad = left.grad.clone()
        one.step()
        for optimizer in each:
            optimizer.step()
    for left, right in zip(together, alone, strict=True):
        torch.testing.assert_close(left, right, atol=0.02, rtol=0.02)  # bfloat16 products differ by grouping


def test_blocks_go_to_muon_and_the_rest_to_adamw_at_their_rates():
    names = {
        "model.vision_tower.layers.0.mlp.fc1.weight": (4, 4),
        "model.language_model.layers.0.mlp.up_proj.weight": (4, 4),
        "model.language_model.embed_tokens.weight": (9, 4),
        "lm_head.weight": (9, 4),
        "model.multi_modal_projector.linear_1.bias": (4,),
    }
    parameters = [(name, nn.Parameter(torch.zeros(shape))) for name, shape in names.items()]
    settings = Optimisation(
        learning_rate=1e-3,
        vision_learning_rate=1e-4,
        matrix_learning_rate=0.01,
        weight_decay=0.1,
        batch_size=1,
        steps=1,
    )
    adamw, muon = Optimizers(parameters, settings).optimizers
    assert [len(group["params"]) for group in muon.param_groups] == [1, 1]
    assert sorted(group["lr"] for group in muon.param_groups) == pytest.approx([0.001, 0.01])
    assert sum(len(group["params"]) for group in adamw.param_groups) == 3
    assert [group["weight_decay"] for group in adamw.param_groups if group["params"][0].ndim == 1] == [0.0]
    plain = Optimizers(parameters, Optimisation(learning_rate=1e-3, batch_size=1, steps=1))
    assert len(plain.optimizers) == 1
