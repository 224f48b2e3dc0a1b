"""Models of transformers, tiny and random, saved by the test."""

import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import AskConfig, choose_respondent
from babyvlm.evaluation.hub import HubModel
from babyvlm.folders import MANIFEST

TEXT = {
    "model_type": "llama", "vocab_size": 301, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 1024, "pad_token_id": 0,
    "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
VISION = {
    "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": 32, "patch_size": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def llava(checkpoint, tmp_path_factory):
    """A plain LLaVA with our tests' tokenizer and chat template, and no file of ours."""
    import shutil

    folder = tmp_path_factory.mktemp("llava") / "tiny-llava"
    shutil.copytree(checkpoint, folder)
    (folder / MANIFEST).unlink()
    config = LlavaConfig(
        text_config=TEXT, vision_config=VISION, image_token_index=300, image_seq_length=5,
        vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    torch.manual_seed(5)
    model = LlavaForConditionalGeneration(config)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config.eos_token_id = 3
    model.save_pretrained(folder)
    return folder


def texts(respondent, questions, toolbox):
    answered = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    return {name: [(r.text, r.problem) for r in response.replies] for name, response in answered.items()}


@pytest.mark.parametrize("mode", ["generate", "likelihood"])
def test_replies_do_not_depend_on_batch_or_cache(llava, toolbox, mode):
    questions = [item.question() for item in toolbox.items]
    kept = HubModel(str(llava), ask=AskConfig(batch_size=7, answer=mode, max_new_tokens=6))
    anew = HubModel(str(llava), ask=AskConfig(batch_size=1, answer=mode, max_new_tokens=6))
    anew._keeps_cache = False
    found = texts(kept, questions, toolbox)
    assert found == texts(anew, questions, toolbox)
    assert kept._keeps_cache and kept._checked
    assert all(not problem for said in found.values() for _, problem in said)
    assert len({str(said) for said in found.values()}) > 1


def test_a_template_that_rewrites_earlier_rounds_is_noticed_once(llava, toolbox, capsys):
    question = next(item.question() for item in toolbox.items if item.task == "memory")
    plain = HubModel(str(llava), ask=AskConfig(max_new_tokens=4))
    plain._processor.chat_template = plain._processor.chat_template.replace(
        "{{ ' ' }}{% for", "{{ messages | length }}{% for"
    )
    list(plain.answer([question], toolbox.image))
    assert capsys.readouterr().err.count("encodes the whole conversation") == 1


def test_too_many_pictures_or_too_short_a_context_fails_that_item_alone(llava, toolbox):
    questions = [item.question() for item in toolbox.items]
    one = texts(HubModel(str(llava), ask=AskConfig(max_images=1, max_new_tokens=2)), questions, toolbox)
    short = HubModel(str(llava), ask=AskConfig(max_new_tokens=2))
    short._context = 200
    short = texts(short, questions, toolbox)
    for item in toolbox.items:
        assert ("pictures" in one[item.id][0][1]) == (item.task != "object_counting")
        assert ("context too short" in short[item.id][0][1]) == (item.task == "memory")


def test_the_command_line_knows_it_by_folder(llava, toolbox, tmp_path):
    assert choose_respondent(str(llava), toolbox).family == "open-source"
    assert choose_respondent(f"hf:{llava}", toolbox).name == "tiny-llava"
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="does not load"):
        choose_respondent(str(tmp_path), toolbox)
