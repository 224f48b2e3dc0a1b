"""The dual encoder: texts and pictures into one space, saved and loaded like any other model."""

import math

import pytest
import torch
from transformers import AutoModel

from babyvlm.errors import CheckpointError
from babyvlm.model import DualEncoder, DualEncoderConfig
from babyvlm.model.configuration import ModelShape, model_config, vision_config
from babyvlm.model.dual_encoder import TextReader, load_dual_encoder

TINY = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=64,
)  # fmt: skip
WORDS = ["a", "ball", "cat", "that's"]


def config(*, language=False, stem=()):
    shape = ModelShape(**{**TINY.__dict__, "stem": stem})
    text = model_config(shape).text_config.to_dict() if language else None
    return DualEncoderConfig(
        vision_config=vision_config(shape).to_dict(), text_config=text, words=[] if language else WORDS, width=8
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


@pytest.mark.parametrize("stem", [(), (4, 8)])
def test_it_is_saved_and_loaded_like_any_other_model(tmp_path, stem):
    torch.manual_seed(0)
    encoder = DualEncoder(config(stem=stem)).eval()
    encoder.save_pretrained(tmp_path)
    loaded, reader = load_dual_encoder(tmp_path)
    pixels, texts = torch.randn(2, 3, 32, 32), torch.tensor([[1, 2], [3, 4]])
    with torch.no_grad():
        assert torch.equal(loaded.eval()(pixels, texts), encoder(pixels, texts))
        assert torch.equal(AutoModel.from_pretrained(tmp_path).eval()(pixels, texts), encoder(pixels, texts))
    assert reader.ids("cat") == [3]


def test_another_model_is_refused(tmp_path):
    model_config(TINY).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="babyllava, not a dual encoder"):
        load_dual_encoder(tmp_path)
