"""Whitening the connector: what the language model is handed afterwards."""

from types import SimpleNamespace

import torch

from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config
from babyvlm.model.processing import normalise
from babyvlm.training.connector import whiten_connector

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip


class Pictures(SimpleNamespace):
    def __len__(self):
        return len(self.pixels_NCHW)


def outputs(model, pixels_NCHW):
    tower = model.model.vision_tower(pixel_values=normalise(pixels_NCHW))
    return model.model.multi_modal_projector(tower.last_hidden_state).flatten(0, 1).detach()


def test_outputs_are_centred_spread_and_as_long_as_word_vectors():
    torch.manual_seed(0)
    model = BabyLlavaForConditionalGeneration(model_config(SHAPE))
    pixels_NCHW = torch.randint(0, 256, (200, 3, 32, 32), generator=torch.Generator().manual_seed(1)).byte()
    with torch.no_grad():
        model.model.multi_modal_projector.linear_2.bias += 3.0  # what all pictures have in common
    before_SD = outputs(model, pixels_NCHW)
    whiten_connector(model, Pictures(pixels_NCHW=pixels_NCHW), seed=0)
    after_SD = outputs(model, pixels_NCHW)

    assert before_SD.mean(dim=0).abs().max() > 2
    assert after_SD.mean(dim=0).abs().max() < 1e-4
    word_std = model.get_input_embeddings().weight.std()
    assert torch.isclose(after_SD.std(), word_std, rtol=0.01)
    spread = [torch.linalg.eigvalsh(torch.cov(x.T)).clamp(min=0) for x in (before_SD, after_SD)]
    # Participation ratio: over how many directions the variance is spread.
    before, after = (float(values.sum() ** 2 / values.square().sum()) for values in spread)
    assert after > 1.5 * before


def test_the_seed_chooses_the_pictures_and_nothing_else_changes():
    torch.manual_seed(0)
    first = BabyLlavaForConditionalGeneration(model_config(SHAPE))
    second = BabyLlavaForConditionalGeneration(model_config(SHAPE))
    second.load_state_dict(first.state_dict())
    pictures = Pictures(pixels_NCHW=torch.randint(0, 256, (20, 3, 32, 32)).byte())
    whiten_connector(first, pictures, seed=3)
    kept = {name: tensor for name, tensor in second.state_dict().items() if "linear_2" not in name}
    assert all(torch.equal(tensor, first.state_dict()[name]) for name, tensor in kept.items())
    whiten_connector(second, pictures, seed=3)
    assert all(torch.equal(tensor, first.state_dict()[name]) for name, tensor in second.state_dict().items())
