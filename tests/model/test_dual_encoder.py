"""The dual encoder: texts and pictures into one space, saved and loaded like any other model."""

import math

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModel

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.model import BabyLlavaForConditionalGeneration, DualEncoder, DualEncoderConfig
from babyvlm.model.configuration import ModelShape, model_config, vision_config
from babyvlm.model.dual_encoder import TextReader, load_dual_encoder
from babyvlm.model.stem import ConvolutionalStem, new_tower

TINY = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=64,
)  # fmt: skip
WORDS = ["a", "ball", "cat", "that's"]


def config(*, language=False, stem=(), **more):
    shape = ModelShape(**{**TINY.__dict__, "stem": stem})
    text = model_config(shape).text_config.to_dict() if language else None
    return DualEncoderConfig(
        vision_config=vision_config(shape).to_dict(), text_config=text, words=[] if language else WORDS, width=8, **more
    )


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return DualEncoder(config()).eval()


def test_a_text_is_the_gated_mean_of_its_words_brought_to_length_one(encoder):
    with torch.no_grad():
        encoder.word_gates.weight[2] = 1.0
        vectors = encoder.word_vectors.weight
        expected = (vectors[1] + math.e * vectors[2]) / (1 + math.e)
        found = encoder.read(torch.tensor([[1, 2, 0, 0]]))[0]
    assert torch.allclose(found, expected / expected.norm(), atol=1e-6)


def test_padding_changes_nothing_and_a_text_of_no_known_word_is_zero(encoder):
    with torch.no_grad():
        alone, padded = encoder.read(torch.tensor([[3]])), encoder.read(torch.tensor([[3, 0, 0]]))
        nothing = encoder.read(torch.tensor([[0, 0]]))
    assert torch.equal(alone, padded) and not nothing.any()


def test_words_are_known_in_any_case_and_unknown_ones_are_left_out():
    reader = TextReader(config())
    assert reader.ids("That's A dog, a Ball!") == [4, 1, 1, 2]
    assert reader.batch([[4, 1], [2]]).tolist() == [[4, 1], [2, 0]]
    assert reader.batch([[]]).tolist() == [[0]]


@pytest.mark.parametrize("language", [False, True])
def test_pictures_and_texts_are_unit_vectors_of_one_space(language):
    torch.manual_seed(0)
    encoder = DualEncoder(config(language=language)).eval()
    texts = torch.tensor([[5, 6, 7], [8, -1, -1]]) if language else torch.tensor([[1, 2], [3, 0]])
    with torch.no_grad():
        cosines = encoder(torch.randn(3, 3, 32, 32), texts)
        read, alone = encoder.read(texts), encoder.read(texts[1:, :1])
    assert cosines.shape == (3, 2) and cosines.abs().max() <= 1 + 1e-6
    assert torch.allclose(read.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(read[1:], alone, atol=1e-5)  # what fills a row up is not read


def test_patches_averaged_by_gates_may_stand_for_a_picture():
    torch.manual_seed(0)
    encoder, pixels = DualEncoder(config(pool="patches")).eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        patches = encoder.vision_tower(pixel_values=pixels).last_hidden_state[:, 1:]  # behind the class token
        assert torch.allclose(encoder.features(pixels), sum(patches[:, place] for place in range(4)) / 4, atol=1e-6)
        encoder.patch_gates.weight.normal_()
        gates = (patches @ encoder.patch_gates.weight[0] + encoder.patch_gates.bias).exp()
        expected = sum(gates[:, place, None] * patches[:, place] for place in range(4)) / gates.sum(1, keepdim=True)
        assert torch.allclose(encoder.features(pixels), expected, atol=1e-5)


def test_a_stem_keeps_the_side_where_channels_stay():
    torch.manual_seed(0)
    stem, pixels = ConvolutionalStem((3, 4, 4, 8), 32, 16), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        x = pixels
        for convolution, stride in zip(stem.halvings, [2, 1, 2], strict=True):
            x = F.gelu(F.conv2d(x, convolution.weight, convolution.bias, stride=stride, padding=1))
        expected = F.conv2d(x, stem.patches.weight, stem.patches.bias, stride=4)
        assert torch.allclose(stem(pixels), expected, atol=1e-6)
    assert expected.shape == (2, 32, 2, 2)


@pytest.mark.parametrize("whole", [False, True])
def test_a_stem_that_keeps_spread_is_drawn_by_its_inputs(whole):
    """By He et al.: a deviation of the square root of 2 over the numbers that a place takes in."""
    torch.manual_seed(0)
    shape = ModelShape(**{**TINY.__dict__, "stem": (64, 64), "stem_keeps_spread": True})
    tower = (
        BabyLlavaForConditionalGeneration(model_config(shape)).model.vision_tower
        if whole
        else new_tower(vision_config(shape))
    )
    second = tower.embeddings.patch_embeddings.projection.halvings[1]
    assert float(second.weight.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02) and not second.bias.any()
    other = new_tower(vision_config(ModelShape(**{**TINY.__dict__, "stem": (64, 64)})))
    plain = other.embeddings.patch_embeddings.projection.halvings[1]
    assert float(plain.weight.std()) == pytest.approx(TINY.initial_std, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stem": (4, 8, 8), "patch_size": 2, "image_size": 32}, r"shrink to 1/4"),
        ({"stem": (4, 0)}, "numbers of channels"),
    ],
)
def test_a_stem_that_fits_no_patch_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ModelShape(**{**TINY.__dict__, **settings})


@pytest.mark.parametrize("stem", [(), (4, 8), (4, 4, 8)])
def test_it_is_saved_and_loaded_like_any_other_model(tmp_path, stem):
    torch.manual_seed(0)
    encoder = DualEncoder(config(stem=stem, pool="patches")).eval()
    encoder.save_pretrained(tmp_path)
    loaded, reader = load_dual_encoder(tmp_path)
    pixels, texts = torch.randn(2, 3, 32, 32), torch.tensor([[1, 2], [3, 4]])
    with torch.no_grad():
        assert torch.equal(loaded.eval()(pixels, texts), encoder(pixels, texts))
        assert torch.equal(AutoModel.from_pretrained(tmp_path).eval()(pixels, texts), encoder(pixels, texts))
    assert reader.ids("cat ball") == [3, 2]


def test_another_model_is_refused(tmp_path):
    model_config(TINY).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="babyllava, not a dual encoder"):
        load_dual_encoder(tmp_path)
