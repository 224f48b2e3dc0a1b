"""Models of transformers, tiny and random, of several kinds; each against transformers' own way of asking it."""

import importlib.util
import json
import shutil

import pytest
import torch
from transformers import AutoModelForImageTextToText

from babyvlm.cli import main
from babyvlm.errors import CheckpointError
from babyvlm.evaluation import AskConfig, choose_respondent
from babyvlm.evaluation.hub import HubModel, load_processor
from babyvlm.records import Response, read_jsonl
from tests.evaluation.hub_models import USUAL_KINDS

KEEPS_CACHE = {"llava", "idefics3", "smolvlm"}
"""The others count positions, or let the tokens of a picture see each other, from a whole conversation only."""


@pytest.fixture(scope="module")
def questions(toolbox):
    """One with one picture, two with four, one of fifteen rounds, of each task some more for a batch."""
    items = {task: [item for item in toolbox.items if item.task == task] for task in toolbox.tasks}
    return [
        item.question() for task, count in (("object_counting", 3), ("left_right", 4), ("memory", 1))
        for item in items[task][:count]
    ]  # fmt: skip


def texts(respondent, questions, toolbox):
    answered = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    return {name: [(r.text, r.problem) for r in response.replies] for name, response in answered.items()}


@pytest.mark.parametrize("kind", USUAL_KINDS)
def test_contract(kind, hub_model, questions, toolbox):
    respondent = choose_respondent(f"hf:{hub_model(kind)}", toolbox, ask=AskConfig(max_new_tokens=3))
    found = texts(respondent, questions, toolbox)
    assert {name: len(said) for name, said in found.items()} == {q.id: len(q.turns) for q in questions}
    assert all(text is not None for said in found.values() for text, _ in said)
    assert texts(respondent, questions[::-1], toolbox) == found
    assert (respondent.family, respondent.sends_data_out) == ("open-source", False) and respondent.revision
    assert list(respondent.answer([], toolbox.image)) == []


@pytest.mark.parametrize("kind", USUAL_KINDS)
@pytest.mark.parametrize("mode", ["generate", "likelihood"])
def test_replies_do_not_depend_on_batch_or_cache(kind, mode, hub_model, questions, toolbox):
    folder = str(hub_model(kind))
    kept = HubModel(folder, ask=AskConfig(batch_size=3, answer=mode, max_new_tokens=4))
    from_scratch = HubModel(folder, ask=AskConfig(batch_size=1, answer=mode, max_new_tokens=4))
    from_scratch.keeps_cache = False
    found = texts(kept, questions, toolbox)
    assert found == texts(from_scratch, questions, toolbox)
    assert (kept.keeps_cache and kept.checked) == (kind in KEEPS_CACHE)
    assert len({str(said) for said in found.values()}) > (3 if mode == "generate" else 2)


def messages(question, said, toolbox):
    """A conversation as transformers takes it, up to the round after those answered."""
    found = []
    for number, turn in enumerate(question.turns[: len(said) + 1]):
        pieces, pictures, content = turn.prompt.split("<image>"), iter(turn.images), []
        for place, piece in enumerate(pieces):
            content += [{"type": "image", "image": toolbox.image(next(pictures))}] if place else []
            content += [{"type": "text", "text": piece.strip()}] if piece.strip() else []
        found.append({"role": "user", "content": content})
        if number < len(said):
            found.append({"role": "assistant", "content": [{"type": "text", "text": said[number]}]})
    return found


@pytest.mark.parametrize("kind", USUAL_KINDS)
def test_replies_are_those_of_transformers_own_generate(kind, hub_model, questions, toolbox):
    """One picture, four, and a round late in a memory item with the replies before it as they were."""
    folder = str(hub_model(kind))
    found = texts(HubModel(folder, ask=AskConfig(max_new_tokens=4)), questions, toolbox)
    processor, model = load_processor(folder), AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    for question, last in ((questions[0], 0), (questions[4], 0), (questions[-1], 3)):
        said = [text for text, _ in found[question.id]]
        inputs = processor.apply_chat_template(
            messages(question, said[:last], toolbox), add_generation_prompt=True, tokenize=True, return_dict=True,
            return_tensors="pt",
        )  # fmt: skip
        written = model.generate(**inputs, max_new_tokens=4, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert processor.tokenizer.decode(written, skip_special_tokens=True).strip() == said[last]


@pytest.mark.parametrize("kind", USUAL_KINDS)
def test_likelihoods_are_those_of_each_option_alone(kind, hub_model, questions, toolbox):
    """Against the whole conversation with the option in it, in one pass without a cache."""
    folder = str(hub_model(kind))
    responses = HubModel(folder, ask=AskConfig(answer="likelihood", batch_size=3)).answer(questions, toolbox.image)
    found = {response.item: response.replies for response in responses}
    processor, model = load_processor(folder), AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    for question, last in ((questions[0], 0), (questions[4], 0), (questions[-1], 2)):
        said, scores = [reply.text for reply in found[question.id]], found[question.id][last].scores
        likelihoods = {}
        for option in question.turns[last].options:
            whole, prompt = (
                processor.apply_chat_template(
                    messages(question, answered, toolbox)[: 2 * last + 1 + told], add_generation_prompt=not told,
                    tokenize=True, return_dict=True, return_tensors="pt",
                )
                for answered, told in (([*said[:last], option], 1), (said[:last], 0))
            )  # fmt: skip
            with torch.no_grad():
                logs = model(**whole).logits[0].log_softmax(-1)
            start = prompt["input_ids"].shape[1]
            ids = whole["input_ids"][0]
            likelihoods[option] = float(sum(logs[place - 1, ids[place]] for place in range(start, len(ids))))
        assert said[last] == max(likelihoods, key=likelihoods.get)
        assert scores.sums == pytest.approx(list(likelihoods.values()), abs=1e-3)


def test_options_by_themselves_stand_behind_an_empty_question(hub_model, questions, toolbox):
    folder = str(hub_model("llava"))
    (response,) = HubModel(folder, ask=AskConfig(answer="likelihood")).answer(questions[:1], toolbox.image)
    scores, options = response.replies[0].scores, questions[0].turns[0].options
    words, model = load_processor(folder).tokenizer, AutoModelForImageTextToText.from_pretrained(folder)
    before = words("User: <|end|>Assistant:").input_ids
    for option, total, mean, corrected in zip(options, scores.sums, scores.means, scores.corrected, strict=True):
        ids = words(f"User: <|end|>Assistant: {option}<|end|>").input_ids
        with torch.no_grad():
            logs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        alone = sum(float(logs[place - 1, ids[place]]) for place in range(len(before), len(ids)))
        assert ids[: len(before)] == before and corrected == pytest.approx(total - alone, abs=1e-3)
        assert mean == pytest.approx(total / (len(ids) - len(before)), abs=1e-4)


def test_a_template_that_rewrites_earlier_rounds_is_noticed_once(hub_model, toolbox, capsys):
    question = next(item.question() for item in toolbox.items if item.task == "memory")
    plain = HubModel(str(hub_model("llava")), ask=AskConfig(max_new_tokens=4))
    plain.processor.chat_template = "{{ messages | length }}" + plain.processor.chat_template
    list(plain.answer([question], toolbox.image))
    assert capsys.readouterr().err.count("encodes the whole conversation") == 1


def test_too_many_pictures_or_too_short_a_context_fails_that_item_alone(hub_model, toolbox):
    questions, folder = [item.question() for item in toolbox.items], str(hub_model("llava"))
    one = texts(HubModel(folder, ask=AskConfig(max_images=1, max_new_tokens=2)), questions, toolbox)
    short = HubModel(folder, ask=AskConfig(max_new_tokens=2))
    short.context = 200
    short = texts(short, questions, toolbox)
    for item in toolbox.items:
        assert ("pictures" in one[item.id][0][1]) == (item.task != "object_counting")
        assert ("context too short" in short[item.id][0][1]) == (item.task == "memory")


def test_the_command_asks_it_by_folder(hub_model, toolbox, tmp_path, capsys):
    folder = hub_model("qwen2_vl")
    assert choose_respondent(str(folder), toolbox).name == "tiny-qwen2_vl"
    typed = ["evaluate", f"hf:{folder}", str(toolbox.folder), "--out", str(tmp_path / "run"), "--limit", "1"]
    main([*typed, "--max-new-tokens", "3", "--answer", "likelihood"])
    assert len(list(read_jsonl(tmp_path / "run" / "responses.jsonl", Response))) == 3
    assert "failed" not in capsys.readouterr().out
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="does not load"):
        choose_respondent(str(tmp_path), toolbox)


def test_a_package_that_a_kind_needs_is_named(hub_model, tmp_path, toolbox):
    """SmolVLM's own processor spells numbers out; without its package, that is what to install."""
    if importlib.util.find_spec("num2words"):
        pytest.skip("num2words is installed here")
    folder = tmp_path / "smolvlm2"
    shutil.copytree(hub_model("smolvlm"), folder)
    said = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps(said | {"processor_class": "SmolVLMProcessor"}))
    with pytest.raises(CheckpointError, match="It needs num2words: pip install num2words"):
        choose_respondent(f"hf:{folder}", toolbox)


@pytest.mark.case("shared trouble")
def test_a_base_model_is_refused_before_its_weights_load(hub_model, toolbox, tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(hub_model("llava"), folder)
    (folder / "chat_template.jinja").unlink()
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(CheckpointError, match=r"no chat template.*instruction-tuned"):
        HubModel(str(folder))


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("torn", ["config.json", "tokenizer.json", "model.safetensors", "preprocessor_config.json"])
def test_a_damaged_model_is_an_error_that_names_it(torn, hub_model, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(hub_model("llava"), folder)
    path = folder / torn if (folder / torn).exists() else folder / "processor_config.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=str(folder)):
        HubModel(str(folder))


def test_every_different_warning_is_said_once(capsys):
    model = HubModel.__new__(HubModel)
    model.name, model.said = "m", set()
    for what in ("one", "two", "one"):
        model.say(what)
    assert capsys.readouterr().err == "babyvlm: m: one\nbabyvlm: m: two\n"


@pytest.mark.filterwarnings("error::FutureWarning")
def test_asking_uses_no_deprecated_argument(hub_model, checkpoint, questions, toolbox):
    for model in (f"hf:{hub_model('llava')}", str(checkpoint)):
        respondent = choose_respondent(model, toolbox, ask=AskConfig(max_new_tokens=2))
        assert all(
            r.replies[0].text is not None for r in respondent.answer(questions[:1] + questions[-1:], toolbox.image)
        )


@pytest.mark.case("shared trouble")
def test_a_reply_that_ends_at_the_limit_says_so(hub_model, questions, toolbox):
    """Greedy, so that a longer limit goes on where a shorter one stopped."""
    folder = str(hub_model("llava"))
    short, long = (texts(HubModel(folder, ask=AskConfig(max_new_tokens=n)), questions[:3], toolbox) for n in (2, 40))
    for name, ((text, problem),) in short.items():
        ((whole, _),) = long[name]
        assert problem.startswith("cut off (after 2 tokens") == (whole != text)


@pytest.mark.case("versions")
def test_a_model_of_the_hub_that_does_not_see_is_refused(hub_model, toolbox, monkeypatch):
    def forgets_pictures(self, turn_texts, images):
        found = encode(self, turn_texts, images)
        return found | {"pixel_values": torch.zeros_like(found["pixel_values"])} if "pixel_values" in found else found

    encode = HubModel._encode
    monkeypatch.setattr(HubModel, "_encode", forgets_pictures)
    with pytest.raises(CheckpointError, match="does not see: two different pictures leave its output the same"):
        HubModel(str(hub_model("llava")))
