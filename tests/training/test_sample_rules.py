"""Odd records as the published code treats them, each against the published templates written out."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from babyvlm.errors import CheckpointError
from babyvlm.model import BabyLlavaForConditionalGeneration, ConversationEncoder, model_config, train_tokenizer
from babyvlm.model.modeling import IGNORED
from babyvlm.recipes import saycam_published
from babyvlm.records import Conversation, Turn
from babyvlm.training import Trainer
from babyvlm.training.configuration import SampleRules
from babyvlm.training.connector import take_connector
from babyvlm.training.distribution import Shared
from babyvlm.training.encoding import encode_conversations
from tests.training.tiny import TINY, tiny_recipe, weights

IMAGE, PER_IMAGE = 300, 5
PUBLISHED = saycam_published()


@pytest.fixture(scope="module")
def encoder():
    tokenizer = train_tokenizer(["USER: look at the ball ASSISTANT: a red ball"], 300, 256)
    return ConversationEncoder(tokenizer, image_token_id=IMAGE, image_tokens=PER_IMAGE)


def encoded(encoder, stage, *turns, images=("p",), context=256):
    """The one sample of a conversation, and how many were too long; None where there is none."""
    conversation = Conversation(
        id="c", format="image", images=images, turns=tuple(Turn(prompt=asked, answer=said) for asked, said in turns)
    )
    index = {name: number for number, name in enumerate(images)}
    sources, too_long = encode_conversations([conversation], encoder, stage, index=index, context=context)
    samples = sources.get("image", [None])
    return samples[0], too_long


def test_a_plain_prompt_becomes_the_picture_alone(encoder):
    sample, _ = encoded(encoder, PUBLISHED.alignment, ("look: <image> what is it?", "a ball"))
    assert sample.ids.tolist() == [2, *[IMAGE] * PER_IMAGE, *encoder.text("a ball"), 3]
    ours = replace(PUBLISHED.alignment, samples=SampleRules())
    sample, _ = encoded(encoder, ours, ("look: <image>", "a"))
    assert sample.ids.tolist() == [2, *encoder.text("look: <image>"), *encoder.text("a"), 3]


def test_prompts_are_stripped(encoder):
    sample, _ = encoded(encoder, PUBLISHED.joint, (" \n<image> look \n", "a"))
    assert sample.ids.tolist() == [2, *encoder.text(" USER: <image> look ASSISTANT: a"), 3]


def test_pictures_without_a_place_are_dropped(encoder):
    sample, _ = encoded(encoder, PUBLISHED.joint, ("look", "a"), images=("p", "q"))
    assert sample.images == () and sample.ids.tolist() == [2, *encoder.text(" USER: look ASSISTANT: a"), 3]
    placed, _ = encoded(encoder, PUBLISHED.joint, ("<image><image> look", "a"), images=("p", "q"))
    assert placed.images == (0, 1)


def test_unknown_tokens_of_an_answer_are_not_learned(encoder):
    sample, _ = encoded(encoder, PUBLISHED.joint, ("<image> look", "a <unk> ball"))
    unknown = sample.ids.tolist().index(1)
    assert sample.labels[unknown] == IGNORED
    answer = [*encoder.text(" a <unk> ball"), 3]
    assert sample.labels.tolist()[-len(answer) :] == [IGNORED if token == 1 else token for token in answer]
    plain, _ = encoded(encoder, tiny_recipe().joint, ("<image> look", "a <unk> ball"))
    assert plain.labels[plain.ids.tolist().index(1)] == 1


@pytest.mark.parametrize("context", range(20, 60, 3))
def test_what_is_too_long_is_cut_and_keeps_whole_pictures(encoder, context):
    turns = [("<image> look", "a ball")] * 5
    whole, _ = encoded(encoder, PUBLISHED.joint, *turns, images=tuple("pqrst"))
    cut, too_long = encoded(encoder, PUBLISHED.joint, *turns, images=tuple("pqrst"), context=context)
    assert too_long == 1 and len(whole.ids) > 60
    end = len(cut.ids)
    assert cut.ids.tolist() == whole.ids[:end].tolist() and cut.labels.tolist() == whole.labels[:end].tolist()
    assert context - PER_IMAGE < end <= context
    assert (whole.ids[end:context] == IMAGE).all()  # only the tokens of a picture that does not fit are missing
    assert cut.ids.tolist().count(IMAGE) == PER_IMAGE * len(cut.images)
    assert encoded(encoder, tiny_recipe().joint, *turns, images=tuple("pqrst"), context=context) == (None, 1)


@pytest.mark.parametrize(
    ("clip_norm", "over", "expected"),
    [
        (None, "all", ([300.0, 400.0], [3.0], [1200.0])),
        (65.0, "all", ([15.0, 20.0], [0.15], [60.0])),
        (65.0, "module", ([39.0, 52.0], [0.39], [65.0])),
        (65.0, "parameter", ([39.0, 52.0], [3.0], [65.0])),
    ],
)
def test_gradients_are_clipped_over_what_is_asked(clip_norm, over, expected):
    """The norms of the tower's two and the head's one: 500, 3 and 1200, together 1300."""
    module = torch.nn.ModuleDict({"student": torch.nn.Module(), "student_head": torch.nn.Module()})
    module["student"].a = torch.nn.Parameter(torch.zeros(2))
    module["student"].b = torch.nn.Parameter(torch.zeros(1))
    module["student_head"].c = torch.nn.Parameter(torch.zeros(1))
    gradients = ([300.0, 400.0], [3.0], [1200.0])
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    shared = Shared(module, SimpleNamespace(num_processes=1), precision="no")
    assert float(shared.clip_gradients(clip_norm, over)) == pytest.approx(1300.0, rel=1e-4)
    for parameter, gradient in zip(module.parameters(), expected, strict=True):
        assert parameter.grad.tolist() == pytest.approx(gradient, rel=1e-3)


def test_another_stages_connector_is_put_over_the_last(tmp_path):
    torch.manual_seed(1)
    first, second = (BabyLlavaForConditionalGeneration(model_config(TINY)) for _ in range(2))
    first.save_pretrained(tmp_path / "alignment")
    before = {name: tensor.clone() for name, tensor in second.state_dict().items()}
    take_connector(second, tmp_path / "alignment")
    saved = weights(tmp_path / "alignment")
    for name, tensor in second.state_dict().items():
        assert torch.equal(tensor, saved[name] if "projector" in name else before[name]) or "vision_tower" in name
    assert any(
        "projector" in name and not torch.equal(tensor, before[name])
        for name, tensor in saved.items()
        if name in before
    )
    with pytest.raises(CheckpointError, match="there is none"):
        take_connector(second, tmp_path / "absent")


def test_a_run_with_the_published_rules_trains(data, trained, tmp_path):
    recipe = tiny_recipe()
    changed = {
        name: replace(
            getattr(recipe, name),
            samples=PUBLISHED.joint.samples,
            optimisation=replace(getattr(recipe, name).optimisation, clip_norm=None),
            cache_vision_features=False,
        )
        for name in ("alignment", "joint", "instruction")
    }
    changed["instruction"] = replace(changed["instruction"], connector_from="alignment")
    Trainer(replace(recipe, **changed), data, tmp_path / "run").run()
    assert (tmp_path / "run" / "instruction" / "model.safetensors").is_file()
