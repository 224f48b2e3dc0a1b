"""An item longer than the context fails, or is cut there and answered from what is left, as the published code does."""

import json
import shutil

import pytest
import torch
from transformers import AutoTokenizer

from babyvlm.evaluation import AskConfig, choose_respondent
from babyvlm.evaluation.local import LocalModel
from babyvlm.model import BabyLlavaForConditionalGeneration, ConversationEncoder
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.toolbox import score

CONTEXT = 333


@pytest.fixture(scope="module")
def short(checkpoint, tmp_path_factory):
    """The same weights with a context that takes some rounds of Memory, and ends within a picture."""
    folder = tmp_path_factory.mktemp("short") / "model"
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = CONTEXT
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def remembered(toolbox):
    return next(item for item in toolbox.items if item.task == "memory")


def only(model, item, toolbox):
    (response,) = model.answer([item.question()], toolbox.image)
    return response


@pytest.mark.parametrize("answer", ["generate", "likelihood"])
def test_rounds_that_fit_are_answered_as_ever_and_the_rest_from_the_cut(short, checkpoint, toolbox, remembered, answer):
    ask = AskConfig(too_long="cut", max_new_tokens=2, answer=answer)
    cut = only(choose_respondent(str(short), toolbox, ask=ask), remembered, toolbox)
    whole = only(LocalModel(checkpoint, max_new_tokens=2, answer=answer), remembered, toolbox)
    model = BabyLlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()
    tokenizer, config = AutoTokenizer.from_pretrained(checkpoint), model.config
    encoder = ConversationEncoder(
        tokenizer, image_token_id=config.image_token_index, image_tokens=config.image_seq_length
    )
    ids, pictures, lengths = [], [], []
    for number, (turn, reply) in enumerate(zip(remembered.turns, cut.replies, strict=True)):
        ids += encoder.user(turn.prompt, first=number == 0)
        pictures += [torch.tensor(square_pixels(toolbox.image(name), 32)) for name in turn.images]
        lengths.append(len(ids))
        if answer == "likelihood":
            ids += [*encoder.text(f" {reply.text}"), 3]
            continue
        with torch.inference_mode():  # nothing behind the cut is seen from before it
            pixels = normalise(torch.stack(pictures))
            logits = model(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0, : len(ids)]
        token = int(logits[min(len(ids), CONTEXT) - 1].argmax())
        assert reply.text == ("" if token == 3 else tokenizer.decode([token]).strip())
        ids += [token, 3] if reply.text else []
    fitting = sum(length <= CONTEXT for length in lengths)
    assert 2 < fitting < 15
    assert [r.text for r in cut.replies[:fitting]] == [r.text for r in whole.replies[:fitting]]
    assert len({reply.text for reply in cut.replies[fitting:]}) == 1
    assert [f"cut to the context of {CONTEXT}" in reply.problem for reply in cut.replies] == [
        number >= fitting and ("cut off" not in cut.replies[number].problem) for number in range(15)
    ]
    assert score([remembered], [cut]).tasks[0].scored == 1


def test_otherwise_it_fails_and_says_what_to_do(short, toolbox, remembered):
    response = only(LocalModel(short), remembered, toolbox)
    assert {reply.text for reply in response.replies} == {None}
    assert "context too short" in response.replies[0].problem and "--too-long cut" in response.replies[0].problem


def test_a_run_is_resumed_only_with_the_same_choice():
    assert AskConfig().deciding() == AskConfig(too_long="fail").deciding()
    assert AskConfig(too_long="cut").deciding() != AskConfig().deciding()
