"""Dual encoders of transformers and CVCL's layout; figures against transformers' own."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import AskConfig, choose_respondent
from babyvlm.evaluation.clip_encoder import TransformersDualEncoder
from babyvlm.evaluation.cvcl import CvclEncoder, ResNeXt50
from babyvlm.evaluation.dual_encoder import DualEncoderModel
from babyvlm.evaluation.hub_processors import load_processor
from babyvlm.records import Question, QuestionTurn
from babyvlm.toolbox import score
from tests.evaluation.open_models import DUAL_ENCODERS, gpt2

WORDS = ("ball", "new image", "try")
PICTURES = ("00.jpg", "01.jpg", "02.jpg")


def asked(word):
    turn = QuestionTurn(prompt=f"Touch the image of '{word}'", images=PICTURES, options=("A", "B", "C"))
    return Question(id=word, task="picture_vocabulary", turns=(turn,))


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-6), ("float32", 1e-5)])
@pytest.mark.parametrize("kind", DUAL_ENCODERS)
def test_scores_are_the_logits_of_transformers(kind, precision, tolerance, hub_model, toolbox):
    """In double precision, for in single a batch of texts differs from each text alone by as much."""
    folder, dtype = str(hub_model(kind)), getattr(torch, precision)
    respondent = choose_respondent(f"clip:{folder}", toolbox)
    respondent.encoder.model.to(dtype)
    found = [response.replies[0] for response in respondent.answer([asked(word) for word in WORDS], toolbox.image)]
    processor, model = load_processor(folder), AutoModel.from_pretrained(folder, dtype=dtype).eval()
    padding = {"padding": True} if kind == "clip" else {"padding": "max_length", "max_length": 40}
    pictures = [toolbox.image(name) for name in PICTURES]
    inputs = processor(text=list(WORDS), images=pictures, return_tensors="pt", **padding)
    with torch.no_grad():
        output = model(**{**inputs, "pixel_values": inputs["pixel_values"].to(dtype)})
    assert torch.equal(output.logits_per_image, output.logits_per_text.T)
    for reply, expected in zip(found, output.logits_per_text.tolist(), strict=True):
        assert reply.scores.kind == "similarity"
        assert reply.scores.sums == pytest.approx(expected, abs=tolerance)
        assert reply.text == "ABC"[expected.index(max(expected))]


@pytest.mark.parametrize("kind", DUAL_ENCODERS)
def test_contract(kind, hub_model, toolbox):
    respondent = choose_respondent(f"clip:{hub_model(kind)}", toolbox)
    questions = [item.question() for item in toolbox.items]
    found = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    again = {response.item: response for response in respondent.answer(questions[::-1], toolbox.image)}
    assert {name: [r.text for r in one.replies] for name, one in found.items()} == {
        name: [r.text for r in one.replies] for name, one in again.items()
    }
    assert all(reply.scores is not None for one in found.values() for reply in one.replies)
    assert respondent.family == "open-source" and respondent.name == f"tiny-{kind}" and len(respondent.revision) == 16
    assert not respondent.takes("object_counting") and respondent.takes("memory.hard")
    matching = [item for item in toolbox.items if item.task == "left_right"]
    assert score(matching, [found[item.id] for item in matching]).task("left_right").value == 1.0


def test_other_precision_and_devices(hub_model, toolbox):
    ask = AskConfig(dtype="bfloat16", device_map="cpu")
    encoder = TransformersDualEncoder(str(hub_model("clip")), ask=ask)
    assert encoder.model.dtype == torch.bfloat16
    (response,) = DualEncoderModel(encoder).answer([asked("ball")], toolbox.image)
    (exact,) = choose_respondent(f"clip:{hub_model('clip')}", toolbox).answer([asked("ball")], toolbox.image)
    assert response.replies[0].scores.sums == pytest.approx(exact.replies[0].scores.sums, abs=0.5)
    assert response.replies[0].scores != exact.replies[0].scores


def test_what_is_no_dual_encoder_is_named_before_its_weights_load(hub_model, tmp_path, toolbox):
    gpt2(tmp_path / "gpt2")
    (tmp_path / "gpt2" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"type gpt2 is not a dual encoder.*lm: a language model"):
        choose_respondent(f"clip:{tmp_path / 'gpt2'}", toolbox)


def test_a_dual_encoder_named_without_its_kind_is_told_it(hub_model, toolbox):
    with pytest.raises(CheckpointError, match="A dual encoder is asked as clip:NAME"):
        choose_respondent(str(hub_model("clip")), toolbox)


def test_missing_weights_are_refused(hub_model, tmp_path, toolbox):
    from safetensors.torch import load_file

    folder = tmp_path / "torn"
    DUAL_ENCODERS["clip"](folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 weights .* such as visual_projection"):
        choose_respondent(f"clip:{folder}", toolbox)


VOCABULARY = ["<pad>", "<unk>", "<sos>", "<eos>", "ball", "cup"]


@pytest.fixture(scope="module")
def cvcl(tmp_path_factory):
    """A folder in CVCL's layout, with random weights."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("cvcl")
    vision = ResNeXt50(16).state_dict()
    weights = {f"vision_encoder.model.{name}": value for name, value in vision.items()}
    weights |= {f"model.image_embed.model.{name}": value.clone() for name, value in vision.items()}
    weights["text_encoder.embedding.weight"] = torch.randn(len(VOCABULARY), 16)
    weights["model.logit_neg_log_temperature"] = torch.tensor(0.07).log().neg()
    torch.save({"state_dict": weights, "epoch": 3}, folder / "weights.ckpt")
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(VOCABULARY)}))
    return folder


def test_resnext_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in ResNeXt50(1000).parameters()) == 25_028_904


def test_resnext_is_that_of_torchvision():
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    torch.manual_seed(0)
    theirs = models.resnext50_32x4d(weights=None, num_classes=16).eval()
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 1.5)
    ours = ResNeXt50(16).eval()
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours(pixels), theirs(pixels), atol=1e-6)


def test_cvcl_compares_averaged_words_with_pictures(cvcl, toolbox):
    respondent = choose_respondent(f"clip:{cvcl}", toolbox)
    (response,) = respondent.answer([asked("cup")], toolbox.image)
    encoder = CvclEncoder(cvcl)
    vectors = torch.load(cvcl / "weights.ckpt", weights_only=True)["state_dict"]["text_encoder.embedding.weight"]
    text = torch.nn.functional.normalize((vectors[2] + vectors[5] + vectors[3]) / 3, dim=0)
    with torch.no_grad():
        pictures = encoder.placed(encoder.features([toolbox.image(name) for name in PICTURES]))
    assert response.replies[0].scores.sums == pytest.approx((pictures @ text / 0.07).tolist(), abs=1e-4)
    assert encoder.text("walrus") is None and respondent.family == "baby model"


def test_a_checkpoint_that_holds_code_is_refused_with_what_to_save(cvcl, tmp_path, toolbox):
    (tmp_path / "vocab.json").write_text((cvcl / "vocab.json").read_text())
    torch.save({"state_dict": {}, "hyper_parameters": {"made": CvclEncoder}}, tmp_path / "published.ckpt")
    with pytest.raises(CheckpointError, match=r"would run code.*save its weights alone"):
        choose_respondent(f"clip:{tmp_path}", toolbox)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("model.logit_neg_log_temperature"), "without model.logit_neg_log_temperature"),
        (lambda weights: weights.update({"text_encoder.lstm.weight": torch.zeros(1)}), "another kind .*lstm"),
        (lambda weights: weights.update({"audio.weight": torch.zeros(1)}), "no part that is known, such as audio"),
        (lambda weights: weights.pop("vision_encoder.model.layer1.0.conv1.weight"), "not CVCL's ResNeXt-50"),
        (lambda weights: weights.update({"text_encoder.embedding.weight": torch.zeros(9, 16)}), "each of 9 words"),
    ],
)  # fmt: skip
def test_other_layouts_are_named(change, message, cvcl, tmp_path):
    weights = dict(torch.load(cvcl / "weights.ckpt", weights_only=True)["state_dict"])
    change(weights)
    torch.save({"state_dict": weights}, tmp_path / "weights.ckpt")
    (tmp_path / "vocab.json").write_text((cvcl / "vocab.json").read_text())
    with pytest.raises(CheckpointError, match=message):
        CvclEncoder(tmp_path)
