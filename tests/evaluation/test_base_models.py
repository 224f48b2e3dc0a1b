"""Base models, which have no chat template: asked by likelihood, and not to write."""

import shutil

import pytest
import torch
from transformers import AutoModelForImageTextToText

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import AskConfig, choose_respondent
from babyvlm.evaluation.hub import HubModel
from babyvlm.evaluation.hub_processors import load_processor
from tests.evaluation.open_models import BASE_MODELS

BY_LIKELIHOOD = AskConfig(answer="likelihood", batch_size=3)


def answers(respondent, questions, toolbox):
    return {response.item: response.replies for response in respondent.answer(questions, toolbox.image)}


@pytest.mark.parametrize("kind", BASE_MODELS)
def test_it_is_refused_to_write_before_its_weights_load(kind, hub_model, tmp_path, toolbox):
    folder = tmp_path / kind
    shutil.copytree(hub_model(kind), folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no chat template.*--answer likelihood"):
        choose_respondent(f"hf:{folder}", toolbox)


def whole(kind, folder, processor, question, option, toolbox):
    """Log-likelihood of one option, in one pass over prompt and option, as the model's own training would have it."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    words = processor.tokenizer
    pictures = [toolbox.image(name) for name in question.turns[0].images]
    prompt = "<image> How many of ball do you see?" if kind == "paligemma" else "How many of ball do you see?"
    if kind == "paligemma":  # its processor puts the reply behind, with types and end
        inputs = processor(text=prompt, images=[pictures], suffix=option, return_tensors="pt")
        labels = inputs.pop("labels")
    else:
        inputs = processor(text=prompt, images=[pictures], return_tensors="pt")
        inputs.pop("token_type_ids", None)
        if kind == "florence2":
            labels = words(option, return_tensors="pt").input_ids
            with torch.no_grad():
                logs = model(**inputs, labels=labels).logits.log_softmax(-1)
            return float(logs.gather(-1, labels[..., None]).sum())
        tail = torch.tensor([[*words(f" {option}", add_special_tokens=False).input_ids, words.eos_token_id]])
        labels = torch.cat([torch.full_like(inputs["input_ids"], -100), tail], 1)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], tail], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.no_grad():
        logs = model(**inputs).logits[:, :-1].log_softmax(-1)
    wanted = labels[:, 1:]
    counted = wanted != -100
    return float((logs.gather(-1, wanted.clamp(min=0)[..., None])[..., 0] * counted).sum())


@pytest.mark.parametrize("kind", BASE_MODELS)
def test_likelihoods_are_those_of_the_whole_text_in_one_pass(kind, hub_model, toolbox):
    question = next(item.question() for item in toolbox.items if item.task == "object_counting")
    (reply,) = answers(HubModel(str(hub_model(kind)), ask=BY_LIKELIHOOD), [question], toolbox)[question.id]
    processor = load_processor(str(hub_model(kind)))
    options = question.turns[0].options
    expected = [whole(kind, hub_model(kind), processor, question, option, toolbox) for option in options]
    assert reply.scores.sums == pytest.approx(expected, abs=1e-4)
    assert reply.text == options[expected.index(max(expected))]


@pytest.mark.parametrize("kind", BASE_MODELS)
def test_contract_and_batches(kind, hub_model, toolbox, capsys):
    """One picture at a time, or as many as the processor places; the batch changes nothing."""
    respondent = choose_respondent(f"hf:{hub_model(kind)}", toolbox, ask=BY_LIKELIHOOD)
    questions = [item.question() for item in toolbox.items]
    found = answers(respondent, questions, toolbox)
    alone = answers(
        HubModel(str(hub_model(kind)), ask=AskConfig(answer="likelihood", batch_size=1)), questions, toolbox
    )
    assert {name: [r.text for r in replies] for name, replies in found.items()} == {
        name: [r.text for r in replies] for name, replies in alone.items()
    }
    counting = [item.id for item in toolbox.items if item.task == "object_counting"]
    assert all(found[name][0].scores.sums == pytest.approx(alone[name][0].scores.sums, abs=1e-3) for name in counting)
    assert len({found[name][0].scores.sums for name in counting}) > 1  # it sees
    assert "failed; its items are asked one by one" not in capsys.readouterr().err
    if kind != "paligemma":
        many = next(item.id for item in toolbox.items if item.task == "left_right")
        assert found[many][0].text is None and "the model takes 1" in found[many][0].problem


def test_what_reads_no_empty_question_has_no_prompt_corrected_scores(hub_model, toolbox, capsys):
    question = next(item.question() for item in toolbox.items if item.task == "object_counting")
    (reply,) = answers(HubModel(str(hub_model("paligemma")), ask=BY_LIKELIHOOD), [question], toolbox)[question.id]
    assert reply.scores.means and not reply.scores.corrected
    assert capsys.readouterr().err.count("no prompt-corrected scores") == 1
