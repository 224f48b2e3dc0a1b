"""``model.py`` of a submission, beside a stand-in for lmms-eval: the published prompts, our model's computation.

The oracle writes the published templates as text, splits it at the pictures, and computes with our own model whole
conversations, from the beginning each time.
"""

import ast
import json
import sys
from dataclasses import replace

import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer

from babyvlm.folders import Manifest
from babyvlm.leaderboard import standalone_model_file
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config, processor, train_tokenizer
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.weights.convert import convert
from tests.leaderboard.runner import Request, taken_class
from tests.weights.published_weights import (
    published_tokenizer,
    scaled_tower,
    torchvision_tower,
    whole_model,
    write_whole_model,
)

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=64, vision_layers=2, vision_heads=2, text_width=32, text_layers=2,
    text_heads=4, text_kv_heads=2, text_intermediate=48, vocabulary=300, context=256,
)  # fmt: skip
PROMPT = "<image> Point at the ball. Is it in the (A) top left or (B) top right?"
FIRST_THREE = "<image><image><image>\n Touch it. (A) the first image"


@pytest.fixture(scope="module", params=["ours", "stem", "deep stem", "converted"])
def checkpoint(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "converted":
        write_whole_model(folder / "published", whole_model(scaled_tower(torchvision_tower())), published_tokenizer())
        convert(str(folder / "published"), folder / "model")
        return folder / "model"
    torch.manual_seed(3)
    stems = {"stem": {"stem": (6, 8)}, "deep stem": {"stem": (6, 8, 8)}}
    shape = replace(SHAPE, **stems.get(request.param, {}))
    model = BabyLlavaForConditionalGeneration(model_config(shape))
    for parameter in model.parameters():  # far enough from uniform that replies differ
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder / "model")
    texts = ["Touch the new image. (A) (B) Let's try more.", "Point at the ball. USER: ASSISTANT: A B red car"]
    processor(shape, train_tokenizer(texts, 300, 256)).save_pretrained(folder / "model")
    Manifest(kind="checkpoint").write(folder / "model")
    return folder / "model"


class Oracle:
    """Our model, asked with the published templates written out."""

    def __init__(self, checkpoint):
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self.model = BabyLlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()
        config = self.model.config
        self.image, self.per_image = config.image_token_index, config.image_seq_length
        self.context, self.size = config.text_config.max_position_embeddings, config.vision_config.image_size

    def ids(self, text):
        ids = [2]
        for number, piece in enumerate(text.split("<image>")):
            ids += [self.image] * self.per_image if number else []
            ids += self.tokenizer.encode(piece, add_special_tokens=False)
        return ids

    @torch.inference_mode()
    def logits(self, ids, pictures):
        pixels = normalise(torch.stack([torch.tensor(square_pixels(one, self.size)) for one in pictures]))
        return self.model(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0]

    def reply(self, text, pictures, longest):
        """Greedy, all of it computed again for every token."""
        ids, written = self.ids(text), []
        while len(written) < longest:
            token = int(self.logits(ids + written, pictures)[-1].argmax())
            if token == 3:
                break
            written.append(token)
        return self.tokenizer.decode(written, skip_special_tokens=True)

    def loss(self, context, continuation, pictures):
        scored = len(self.ids(context + continuation)) - len(self.ids(context))
        ids = self.ids(context + continuation)
        logits = self.logits(ids, pictures)[-scored - 1 : -1]
        wanted = torch.tensor(ids[-scored:])
        return float(torch.nn.functional.cross_entropy(logits, wanted)), bool((logits.argmax(-1) == wanted).all())


@pytest.fixture(scope="module")
def oracle(checkpoint):
    return Oracle(checkpoint)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = torch.Generator().manual_seed(1)
    found = []
    for number, (width, height) in enumerate([(60, 40), (20, 50), (32, 32), (90, 31), (40, 40)]):
        pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
        found.append(folder / f"{number}.png")
    return found


@pytest.fixture
def model(checkpoint, monkeypatch):
    return taken_class(standalone_model_file(), monkeypatch)(str(checkpoint), conv_template="baby_v1", batch_size=16)


def asked(model, prompt, paths, **settings):
    model.task_dict = {"task": {"test": [{"image": [str(path) for path in paths]}]}}
    return Request((prompt, settings, lambda doc: [Image.open(path) for path in doc["image"]], 0, "task", "test"))


def opened(paths):
    return [Image.open(path) for path in paths]


def test_it_is_one_class_that_needs_neither_babyvlm_nor_a_new_python():
    tree = ast.parse(standalone_model_file().read_text(encoding="utf-8"), feature_version=(3, 8))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [one.name for one in classes] == ["BabyVLM"]
    methods = {node.name for node in classes[0].body if isinstance(node, ast.FunctionDef)}
    assert {"generate_until", "generate_until_multi_round", "loglikelihood"} <= methods
    modules = set()
    for node in ast.walk(tree):
        modules |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        modules |= {node.module} if isinstance(node, ast.ImportFrom) else set()
    outside = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert outside == {
        "PIL", "huggingface_hub", "lmms_eval", "loguru", "numpy", "safetensors", "tokenizers", "torch", "tqdm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "written", "shown"),
    [
        (PROMPT, PROMPT, 1),
        ("Which one has more?", "<image> <image>\nWhich one has more?", 2),
        ("", "<image>\n", 1),
        (FIRST_THREE, FIRST_THREE, 3),
    ],
)
def test_single_replies_are_our_models_on_the_published_prompt(model, oracle, pictures, prompt, written, shown):
    paths = pictures[:shown]
    text = f" USER: {written} ASSISTANT:"
    expected = oracle.reply(text, opened(paths), 6)
    assert model.generate_until([asked(model, prompt, paths, max_new_tokens=6)]) == [expected]
    read_on = type(model).write.__globals__["read_on"]
    embedded = model.embeddings(model.token_ids(text), model.features(opened(paths)))
    logits = read_on(model._model, model.config, embedded, [])
    torch.testing.assert_close(logits, oracle.logits(oracle.ids(text), opened(paths)), atol=1e-5, rtol=1e-5)


def test_a_reply_ends_where_the_request_says(model, oracle, pictures):
    whole = oracle.reply(f" USER: {PROMPT} ASSISTANT:", opened(pictures[:1]), 6)
    end = whole[2]
    (reply,) = model.generate_until([asked(model, PROMPT, pictures[:1], max_new_tokens=6, until=end)])
    assert reply == whole.split(end)[0]


@pytest.mark.parametrize(
    ("context", "asks"), [("", "<image>\n"), ("What is it?", "<image>\nWhat is it?"), (PROMPT, PROMPT)]
)
def test_losses_are_of_the_published_wrappers_tokens(model, oracle, pictures, context, asks):
    request = asked(model, context, pictures[:1])
    requests = [Request((context, phrase, *request.args[2:])) for phrase in (" red car", " ball")]
    found = model.loglikelihood(requests)
    for (loss, greedy), phrase in zip(found, (" red car", " ball"), strict=True):
        # Two blanks: the template's, and the one that lmms-eval puts before a choice.
        expected = oracle.loss(f" USER: {asks} ASSISTANT:", f" {phrase}<eos>", opened(pictures[:1]))
        assert loss == pytest.approx(expected[0], abs=1e-5) and greedy == expected[1]


def rounds_of(paths):
    turns = [{"from": "human", "value": "Touch the new image. (A) <image>"}, {"from": "gpt", "value": "A"}]
    for _ in range(len(paths) // 2):
        turns += [{"from": "human", "value": "Let's try more. Touch it. (A) <image> (B) <image>"}, turns[1]]
    return {"image": [str(path) for path in paths], "conversations": turns}


def test_rounds_see_what_was_replied_before(model, oracle, pictures):
    doc = rounds_of(pictures)
    model.task_dict = {"memory": {"test": [doc]}}
    (found,) = model.generate_until_multi_round([Request(("", {"max_new_tokens": 3}, None, None, 0, "memory", "test"))])
    text, replies, shown = " ", [], 0
    for turn in doc["conversations"][::2]:
        shown += turn["value"].count("<image>")
        text += f"USER: {turn['value']} ASSISTANT:"
        replies.append(oracle.reply(text, opened(pictures[:shown]), 3).strip())
        text += f" {replies[-1]}<eos>" if replies[-1] else ""
    assert json.loads(found) == replies and len(replies) == 3


def test_what_is_longer_than_the_context_is_cut_there_and_answered(model, oracle, pictures):
    prompt = PROMPT + " Point at the ball." * 200
    text = f" USER: {prompt} ASSISTANT:"
    assert len(oracle.ids(text)) > oracle.context
    cut = oracle.ids(text)[: oracle.context]
    first = int(oracle.logits(cut, opened(pictures[:1]))[-1].argmax())
    expected = "" if first == 3 else oracle.tokenizer.decode([first], skip_special_tokens=True)
    assert model.generate_until([asked(model, prompt, pictures[:1], max_new_tokens=1)]) == [expected]


def test_one_record_that_fails_has_an_empty_reply_and_all_that_fail_are_an_error(model, pictures):
    good, bad = asked(model, PROMPT, pictures[:1], max_new_tokens=2), asked(model, PROMPT, [], max_new_tokens=2)
    model.task_dict = {"task": {"test": [{"image": [str(pictures[0])]}, {"image": [str(pictures[0])] * 3}]}}
    bad = Request((*good.args[:3], 1, "task", "test"))
    replies = model.generate_until([good, bad])
    assert replies[1] == "" and replies[0]
    with pytest.raises(RuntimeError, match="every one of 1 records failed"):
        model.generate_until([bad])


def test_other_arguments_are_refused(checkpoint, monkeypatch):
    kind = taken_class(standalone_model_file(), monkeypatch)
    with pytest.raises(ValueError, match="vicuna"):
        kind(str(checkpoint), conv_template="vicuna_v1")
    with pytest.raises(ValueError, match="colour"):
        kind(str(checkpoint), colour="red")


def test_older_names_of_weights_and_merges_are_read(checkpoint, model, monkeypatch, tmp_path):
    """Other versions of transformers save other names, and newer ones of tokenizers pairs of merges."""
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    renamed = {}
    for name, tensor in weights.items():
        for old, new in (
            ("encoder.layer.", "layers."), ("attention.attention.query", "attention.q_proj"),
            ("attention.attention.key", "attention.k_proj"), ("attention.attention.value", "attention.v_proj"),
            ("attention.output.dense", "attention.o_proj"), ("intermediate.dense", "mlp.fc1"),
            ("output.dense", "mlp.fc2"), ("model.language_model.", "language_model.model."),
            ("lm_head.", "language_model.lm_head."),
        ):  # fmt: skip
            name = name.replace(old, new)
        renamed[name.replace("model.vision_tower", "vision_tower").replace("model.multi", "multi")] = tensor
    assert set(renamed) != set(weights)
    for file in checkpoint.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    save_file(renamed, tmp_path / "model.safetensors")
    other = taken_class(standalone_model_file(), monkeypatch)(str(tmp_path))
    assert {name: tensor.sum() for name, tensor in other._model.items()} == {
        name: tensor.sum() for name, tensor in model._model.items()
    }
