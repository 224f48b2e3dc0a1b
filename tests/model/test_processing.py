"""Templates token by token, and pictures pixel by pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from babyvlm.model import ConversationEncoder, ModelShape, image_processor, processor, train_tokenizer
from babyvlm.model.modeling import IGNORED
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.records import Turn

SHAPE = ModelShape(image_size=32, patch_size=16, vocabulary=400, context=256)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["look at the ball", "Touch the new image. USER: ASSISTANT:"] * 5, 400, 256)


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return ConversationEncoder(tokenizer, image_token_id=400, image_tokens=5)


def learned(tokenizer, ids, labels):
    return tokenizer.decode([i for i, label in zip(ids, labels, strict=True) if label != IGNORED])


def test_special_tokens_have_their_published_ids(tokenizer):
    assert tokenizer.convert_tokens_to_ids(["<pad>", "<unk>", "<sos>", "<eos>", "<image>"]) == [0, 1, 2, 3, 400]
    assert tokenizer("ball").input_ids[0] == 2
    assert tokenizer.decode(tokenizer("Look at THE ﬁsh!", add_special_tokens=False).input_ids) == "look at the fish!"


def test_plain_template_learns_the_utterance_alone(tokenizer, encoder):
    ids, labels = encoder.conversation([Turn(prompt="<image>", answer="a ball")], num_images=1, template="baby_plain")
    assert tokenizer.decode(ids) == "<sos>" + "<image>" * 5 + "a ball<eos>"
    assert learned(tokenizer, ids, labels) == "a ball<eos>"


def test_conversation_template_is_word_for_word(tokenizer, encoder):
    turns = [Turn(prompt="<image>", answer="Hello"), Turn(prompt="what?", answer="a ball")]
    ids, labels = encoder.conversation(turns, num_images=1, template="baby_v1")
    pictures = "<image>" * 5
    assert tokenizer.decode(ids) == f"<sos> user: {pictures} assistant: hello<eos>user: what? assistant: a ball<eos>"
    assert learned(tokenizer, ids, labels) == " hello<eos> a ball<eos>"
    assert len(ids) == len(labels)


def test_pictures_without_placeholder_come_first_as_the_published_wrapper_puts_them(tokenizer, encoder):
    ids, _ = encoder.conversation([Turn(prompt="which?", answer="a")], num_images=2, template="baby_v1")
    picture = "<image>" * 5
    assert tokenizer.decode(ids).startswith(f"<sos> user: {picture} {picture}\nwhich?")
    ids, _ = encoder.conversation([Turn(prompt="which?", answer="a")], num_images=2, template="baby_plain")
    assert tokenizer.decode(ids).startswith("<sos>" + picture * 2 + "which?")


def test_what_is_generated_from_is_what_was_trained_on(encoder):
    ids, _ = encoder.conversation([Turn(prompt="<image> which?", answer="A")], num_images=1, template="baby_v1")
    prompt = encoder.user("<image> which?", first=True)
    assert ids[: len(prompt)] == prompt


def test_saved_processor_agrees_with_training(tokenizer, encoder):
    saved = processor(SHAPE, tokenizer)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " which?"}]}
    text = saved.apply_chat_template([message], add_generation_prompt=True)
    inputs = saved(text=text, images=[picture], return_tensors="pt")
    assert inputs.input_ids[0].tolist() == encoder.user("<image> which?", first=True)
    ours = normalise(torch.tensor(square_pixels(picture, 32))[None])
    assert (inputs.pixel_values - ours).abs().max() < 1e-5


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("size", [(64, 64), (60, 40), (30, 90)])
def test_pixels_are_those_of_the_image_processor(size, fit):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    expected = image_processor(32, fit)(picture, return_tensors="pt").pixel_values
    found = normalise(torch.tensor(square_pixels(picture, 32, fit))[None])
    assert (found - expected).abs().max() < 1e-5
