"""Layers that take fewer passes over memory, and a last one for the last token alone, give the same logits and leave
the same for later rounds."""

import pytest
import torch

from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.lean_layers import lean_layers
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
    """Logits after the last token of each round, and the cache at the end."""
    cache, mask_BP, found = kv_cache.growing_cache(), torch.zeros((2, 0), dtype=torch.long), []
    for rows in rounds:
        ids_BL = torch.tensor(rows)
        mask_BP = torch.cat([mask_BP, (ids_BL != 0).long()], dim=1)
        positions_BL = (mask_BP.cumsum(1) - 1).clamp(min=0)[:, -ids_BL.shape[1] :]
        given = {kv_cache.argument(type(model)): cache, "use_cache": True, "logits_to_keep": 1}
        logits_B1V = model(input_ids=ids_BL, attention_mask=mask_BP, position_ids=positions_BL, **given).logits
        found.append(logits_B1V[:, -1])
    return torch.stack(found), cache


@pytest.mark.parametrize("last_token_only", [True, False])
@pytest.mark.parametrize("rounds", [PADDED, WHOLE], ids=["padded", "whole"])
@torch.inference_mode()
def test_logits_and_cache_are_those_of_the_plain_layers(model, rounds, last_token_only):
    expected, whole = read(model, rounds)
    with lean_layers(model.model.language_model, last_token_only=last_token_only):
        found, spared = read(model, rounds)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    counted_BP = torch.tensor([[token != 0 for rows in rounds for token in rows[row]] for row in range(2)])
    for ours, theirs in zip(spared.layers, whole.layers, strict=True):
        for kept, other in ((ours.keys, theirs.keys), (ours.values, theirs.values)):
            assert kept.shape == other.shape
            theirs_ND = other.transpose(1, 2)[counted_BP]
            torch.testing.assert_close(kept.transpose(1, 2)[counted_BP], theirs_ND, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_every_token_where_all_are_wanted(model):
    ids_BL = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    expected = model(input_ids=ids_BL).logits
    with lean_layers(model.model.language_model):
        found = model(input_ids=ids_BL, **{kv_cache.argument(type(model)): kv_cache.growing_cache()}).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_afterwards_the_layers_are_transformers_own(model):
    ids_BL = torch.tensor([[5, 6, 7]])
    before = model(input_ids=ids_BL).logits
    with pytest.raises(KeyError), lean_layers(model.model.language_model, last_token_only=True):
        raise KeyError
    assert torch.equal(model(input_ids=ids_BL).logits, before) and before.shape[1] == 3


@torch.inference_mode()
def test_room_kept_from_the_start_changes_nothing():
    wanted, grown, roomy = [], kv_cache.growing_cache(), kv_cache.growing_cache(room=5)
    for length in (3, 1, 4):  # the last goes beyond the room
        states_BHLC = torch.randn(2, 4, length, 8)
        wanted.append(states_BHLC)
        for cache in (grown, roomy):
            keys, values = cache.update(states_BHLC, -states_BHLC, 0)
            assert torch.equal(keys, torch.cat(wanted, dim=2)) and torch.equal(values, -torch.cat(wanted, dim=2))
