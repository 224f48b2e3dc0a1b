"""Sparing the last layer all but the last token changes neither logits nor what is kept for later rounds."""

import pytest
import torch

from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.last_layer import last_token_only
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=3,
    text_heads=4, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256, initial_std=0.2,
)  # fmt: skip
# Tokens of each row, read in this order; 0 is padding on the left.
PADDED = [[[0, 0, 5, 6, 7], [8, 9, 10, 11, 12]], [[0, 13], [14, 15]], [[16], [17]]]
WHOLE = [[[5, 6, 7], [8, 9, 10]], [[13], [14]], [[15, 16], [17, 18]]]


@pytest.fixture(params=["sdpa", "eager"])
def model(request):
    torch.manual_seed(0)
    config = model_config(SHAPE)
    config._attn_implementation = request.param
    return BabyLlavaForConditionalGeneration(config).eval()


def read(model, rounds):
    """Logits after each round, and the cache at the end."""
    cache, mask_BP, found = kv_cache.growing_cache(), torch.zeros((2, 0), dtype=torch.long), []
    for rows in rounds:
        ids_BL = torch.tensor(rows)
        mask_BP = torch.cat([mask_BP, (ids_BL != 0).long()], dim=1)
        positions_BL = (mask_BP.cumsum(1) - 1).clamp(min=0)[:, -ids_BL.shape[1] :]
        given = {kv_cache.argument(type(model)): cache, "use_cache": True, "logits_to_keep": 1}
        logits_B1V = model(input_ids=ids_BL, attention_mask=mask_BP, position_ids=positions_BL, **given).logits
        found.append(logits_B1V[:, -1])
    return torch.stack(found), cache


@pytest.mark.parametrize("rounds", [PADDED, WHOLE], ids=["padded", "whole"])
@torch.inference_mode()
def test_logits_and_cache_are_those_of_the_whole_layer(model, rounds):
    expected, whole = read(model, rounds)
    with last_token_only(model.model.language_model):
        found, spared = read(model, rounds)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    counted_BP = torch.tensor([[token != 0 for rows in rounds for token in rows[row]] for row in range(2)])
    for ours, theirs in zip(spared.layers, whole.layers, strict=True):
        for kept, other in ((ours.keys, theirs.keys), (ours.values, theirs.values)):
            assert kept.shape == other.shape
            theirs_ND = other.transpose(1, 2)[counted_BP]
            torch.testing.assert_close(kept.transpose(1, 2)[counted_BP], theirs_ND, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_afterwards_the_layer_returns_every_token_again(model):
    ids_BL = torch.tensor([[5, 6, 7]])
    before = model(input_ids=ids_BL).logits
    with pytest.raises(KeyError), last_token_only(model.model.language_model):
        raise KeyError
    assert torch.equal(model(input_ids=ids_BL).logits, before) and before.shape[1] == 3
