"""A model that does not see is stopped before it trains or answers."""

import pytest
import torch

from babyvlm.errors import CheckpointError
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape
from babyvlm.model.configuration import model_config
from babyvlm.model.packed_attention import packed
from babyvlm.model.sight import require_sight

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=64, text_layers=1,
    text_heads=4, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip


def drawn(attention="sdpa"):
    torch.manual_seed(0)
    config = model_config(SHAPE)
    config._attn_implementation = {"text_config": attention, "vision_config": "sdpa"}
    return BabyLlavaForConditionalGeneration(config)


@pytest.mark.case("versions")
@pytest.mark.parametrize("attention", ["eager", "sdpa", packed("eager"), packed("sdpa")])
def test_two_pictures_give_two_losses(attention):
    model = drawn(attention).train()
    require_sight(model, "here")
    assert model.training, "the model is left as it was"
    ids = torch.tensor([[2, *[300] * 5, 7, 8, 9, 3]])
    pictures = torch.randn(2, 1, 3, 32, 32)
    index = torch.tensor([0])
    losses = [model(input_ids=ids, labels=ids, pixel_values=each, image_index=index).loss.item() for each in pictures]
    assert losses[0] != losses[1]


@pytest.mark.case("versions")
@pytest.mark.parametrize("fault", ["pictures are dropped", "the connector is dead", "the tower is constant"])
def test_a_blind_model_is_refused(fault, monkeypatch):
    model = drawn()
    if fault == "pictures are dropped":  # as by a version that does not know how they are handed over
        monkeypatch.setattr(model, "_embeddings", lambda ids, *_: model.get_input_embeddings()(ids))
    elif fault == "the connector is dead":
        for parameter in model.model.multi_modal_projector.parameters():
            torch.nn.init.zeros_(parameter)
    else:
        for parameter in model.model.vision_tower.layernorm.parameters():
            torch.nn.init.zeros_(parameter)
    with pytest.raises(CheckpointError, match=r"my-model: the model does not see.*transformers"):
        require_sight(model, "my-model")


@pytest.mark.case("versions")
@pytest.mark.parametrize("placeholders", [4, 6, 10])
def test_placeholders_that_are_not_the_pictures_are_refused(placeholders):
    ids = torch.tensor([[2, *[300] * placeholders, 7]])
    with pytest.raises(ValueError, match=f"{placeholders} placeholders in input_ids for 5 picture tokens"):
        drawn().eval()(input_ids=ids, pixel_values=torch.randn(1, 3, 32, 32))
