"""Converted weights compute what the published ones do; every key is accounted for; what does not fit is named."""

import argparse
import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoTokenizer, ViTModel

import babyvlm
from babyvlm.cli import main
from babyvlm.errors import CheckpointError, OutputExistsError
from babyvlm.folders import read_manifest
from babyvlm.model import ConversationEncoder
from babyvlm.weights.convert import convert
from tests.weights.published_weights import (
    SMALL,
    TOWER,
    multimodal_logits,
    published_tokenizer,
    scaled_tower,
    timm_tower,
    torchvision_tower,
    tower_tokens,
    whole_model,
    write_whole_model,
)

LAYOUTS = {"torchvision": lambda tower: tower, "timm": timm_tower, "timm with layer scale": scaled_tower}
PROMPT = " USER: <image> How many cups <image>of milk do you see? ASSISTANT:"


@pytest.fixture(scope="module")
def tower():
    return torchvision_tower()


@pytest.fixture(scope="module")
def pixels():
    return torch.randn((2, 3, SMALL.side, SMALL.side), generator=torch.Generator().manual_seed(3))


@pytest.fixture()
def published(tower, tmp_path):
    """A whole model as published, torchvision layout."""
    write_whole_model(tmp_path / "published", whole_model(tower), published_tokenizer())
    return tmp_path / "published"


def backbone(tower, layout, place):
    """A vision backbone's file, as that layout is distributed."""
    tensors = {f"backbone.{key}": tensor for key, tensor in LAYOUTS[layout](tower).items()}
    if layout == "torchvision":
        torch.save(LAYOUTS[layout](tower), place)
    elif layout == "timm":
        head = {"head.mlp.0.weight": torch.zeros(4, 4), "head.last_layer.weight_g": torch.ones(4, 1)}
        args = argparse.Namespace(arch="vit_large", out_dim=65536)
        torch.save(
            {
                "teacher": tensors | head,
                "student": {"module.x": torch.ones(1)},
                "epoch": 3,
                "it": 9,
                "amp_state": {},
                "args": args,
            },
            place,
        )
    else:
        torch.save({"teacher": tensors | {"dino_head.mlp.0.weight": torch.zeros(4, 4)}}, place)
    return place


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_backbone_gives_the_published_tokens(layout, tower, pixels, tmp_path):
    file = backbone(tower, layout, tmp_path / "tower.pth")
    conversion = convert(str(file), tmp_path / "vision")
    assert (conversion.stage, conversion.tower_layout) == ("vision", layout)
    stored = torch.load(file, weights_only=False)
    assert sorted(use.key for use in conversion.keys) == sorted(stored.get("teacher", stored))
    left_out = {"student", "epoch", "it", "amp_state", "args"} if layout == "timm" else set()
    assert set(conversion.entries_left_out) == left_out
    loaded = ViTModel.from_pretrained(tmp_path / "vision", add_pooling_layer=False).eval()
    found = loaded(pixel_values=pixels).last_hidden_state
    assert found.shape == (2, (SMALL.side // SMALL.patch) ** 2 + 1, SMALL.width)
    torch.testing.assert_close(found, tower_tokens(tower, pixels), atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("parts", [1, 3])
@torch.inference_mode()
def test_a_whole_model_gives_the_published_logits(layout, parts, tower, pixels, tmp_path):
    model = whole_model(LAYOUTS[layout](tower))
    if parts == 3:
        model["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)  # as older transformers saved it
    write_whole_model(tmp_path / "published", model, published_tokenizer(), parts=parts)
    conversion = convert(str(tmp_path / "published"), tmp_path / "ours")
    assert sorted(use.key for use in conversion.keys) == sorted(model)
    assert all(use.becomes or use.fate == "ignored" for use in conversion.keys)
    assert {use.key for use in conversion.keys if use.fate == "ignored"} <= {
        f"{TOWER}mask_token", f"{TOWER}register_tokens", "model.layers.0.self_attn.rotary_emb.inv_freq"
    }  # fmt: skip

    expected_LV = multimodal_logits(model, tower, published_tokenizer(), PROMPT, pixels)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ours")
    encoder = ConversationEncoder(
        tokenizer, image_token_id=SMALL.vocabulary, image_tokens=loaded.config.image_seq_length
    )
    ids_BL = torch.tensor([encoder.user("<image> How many cups <image>of milk do you see?", first=True)])
    found_LV = loaded(input_ids=ids_BL, pixel_values=pixels).logits[0]
    torch.testing.assert_close(found_LV[:, : SMALL.vocabulary], expected_LV, atol=1e-4, rtol=0)
    assert expected_LV.abs().max() > 1, "logits that say nothing would agree in any case"
    assert (found_LV[:, SMALL.vocabulary] == -torch.inf).all(), "the published model cannot say the placeholder"

    without = loaded.generate(input_ids=ids_BL, pixel_values=pixels, max_new_tokens=12, use_cache=False)
    cached = loaded.generate(input_ids=ids_BL, pixel_values=pixels, max_new_tokens=12)
    assert torch.equal(cached, without) and SMALL.vocabulary not in cached[0, ids_BL.shape[1] :]


def test_it_is_a_checkpoint_like_any_other(published, tmp_path, capsys):
    main(["convert", str(published), "--out", str(tmp_path / "joint"), "--stage", "joint"])
    said = capsys.readouterr().out
    assert "   2 mapped   model.layers.N.mlp.up_proj.weight" in said and "split in three" in said
    manifest = read_manifest(tmp_path / "joint", "checkpoint")
    assert manifest.configuration["stage"] == "joint" and set(manifest.inputs) >= {"model.safetensors", "config.json"}
    account = json.loads((tmp_path / "joint" / "conversion.json").read_text())
    assert len(account["keys"]) == sum(manifest.counts.values())
    model = babyvlm.load(tmp_path / "joint")
    assert model.respondent.name == "BabyLLaVA-V2 published, joint stage"
    said = model.ask("How many cups do you see?", options=["1", "2"])
    assert sum(one.probability for one in said.options) == pytest.approx(1)
    with pytest.raises(OutputExistsError):
        convert(str(published), tmp_path / "joint")


def changed(published, tmp_path, change):
    """The whole model with its tensors changed, beside the first."""
    tensors = whole_model(torchvision_tower())
    change(tensors)
    save_file(tensors, published / "model.safetensors")
    return str(published), tmp_path / "ours"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.pop("model.norm.weight"), "1 missing: model.language_model.norm.weight"),
        (lambda t: t.pop(f"{TOWER}encoder.ln.bias"), "1 missing: model.vision_tower.layernorm.bias"),
        (lambda t: t.pop(f"{TOWER}conv_proj.weight"), "lacks model.vision_tower.embeddings.patch_embeddings"),
        (lambda t: t.update({"model.image_newline": torch.ones(4)}), "1 keys.*: model.image_newline"),
        (lambda t: t.update({f"{TOWER}cls_token": torch.ones(4)}), "1 keys.*cls_token"),
        (lambda t: t.update({"model.layers.2.mlp.up_proj.weight": torch.ones(4, 4)}), "1 of no use: .*layers.2.mlp"),
        (lambda t: t.update({"model.norm.weight": torch.ones(4)}), r"1 misshapen: .*norm.weight \[4\] for \[64\]"),
        (lambda t: t.update({"lm_head.weight": torch.ones(299, 64)}), r"misshapen: lm_head.weight \[300, 64\]"),
        (lambda t: t.update({f"{TOWER}encoder.pos_embedding": torch.ones(1, 9, SMALL.width)}), "no shapes of a vision"),
    ],
)
def test_keys_that_do_not_fit_are_named(change, named, published, tmp_path):
    with pytest.raises(CheckpointError, match=named):
        convert(*changed(published, tmp_path, change))
    assert not (tmp_path / "ours").exists()


def test_a_layer_scale_that_does_not_fit_is_named(tower, tmp_path):
    tensors = scaled_tower(tower) | {"blocks.5.ls1.gamma": torch.ones(SMALL.width)}
    torch.save(tensors, tmp_path / "tower.pth")
    with pytest.raises(CheckpointError, match=r"of no use: layers\.5\.attention\.o_proj\.layer_scale"):
        convert(str(tmp_path / "tower.pth"), tmp_path / "ours")
    torch.save(scaled_tower(tower) | {"blocks.0.ls1.gamma": torch.ones(3)}, tmp_path / "tower.pth")
    with pytest.raises(CheckpointError, match=r"of no use: layers\.0\.attention\.o_proj\.layer_scale"):
        convert(str(tmp_path / "tower.pth"), tmp_path / "ours")


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"mm_projector_type": "linear"}, "mm_projector_type"),
        ({"image_aspect_ratio": "anyres"}, "image_aspect_ratio"),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "rope_scaling"),
        ({"vocab_size": 6000}, "tokenizer has 300 entries, and the embedding 6000 rows"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers"),
    ],
)
def test_another_configuration_is_refused(config, named, published, tmp_path):
    told = json.loads((published / "config.json").read_text())
    (published / "config.json").write_text(json.dumps(told | config))
    with pytest.raises(CheckpointError, match=named):
        convert(str(published), tmp_path / "ours")


def test_a_tokenizer_that_does_not_match_is_refused(published, tmp_path):
    path, out = published / "tokenizer.json", tmp_path / "ours"
    published_tokenizer(280).save(str(path))
    with pytest.raises(CheckpointError, match="280 entries, and the embedding 300 rows"):
        convert(str(published), out)
    other = json.loads(published_tokenizer().to_str().replace("<sos>", "<bos>"))
    path.write_text(json.dumps(other))
    with pytest.raises(CheckpointError, match=r"<pad>, <unk>, <sos>, <eos> have the ids \[0, 1, None, 3\]"):
        convert(str(published), out)
    silent = published_tokenizer()
    silent.post_processor = None
    silent.save(str(path))
    with pytest.raises(CheckpointError, match="does not begin a text with <sos>"):
        convert(str(published), out)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="no tokenizer"):
        convert(str(published), out)
    path.unlink()
    with pytest.raises(CheckpointError, match="tokenizer is missing"):
        convert(str(published), out)


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(("by", "said"), [("torch", r"it asks for _?io\.open"), ("pickle", "it is beyond")])
def test_a_pickle_that_runs_code_is_not_read(by, said, tower, tmp_path):
    file, touched = tmp_path / "tower.pth", tmp_path / "touched"
    content = {"teacher": timm_tower(tower), "args": Hostile(touched)}
    torch.save(content, file) if by == "torch" else file.write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=f"may run code when it is read: {said}"):
        convert(str(file), tmp_path / "ours")
    assert not touched.exists() and not (tmp_path / "ours").exists()


def test_what_is_no_checkpoint_is_refused(published, tmp_path):
    out = tmp_path / "ours"
    (tmp_path / "empty").mkdir()
    for name, content in (("notes.pth", b"these are notes"), ("empty.pth", b""), ("cut.safetensors", b"\x08\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="or a damaged one"):
            convert(str(tmp_path / name), out)
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    torch.save({"teacher": {}, "mystery": 1}, tmp_path / "mystery.pth")
    torch.save({"weight": torch.ones(1)}, tmp_path / "other.pth")
    for name, named in (("empty", "no weights here; it holds nothing"), ("list.pth", "holds a list"),
                        ("absent.pth", "no such file or folder"), ("mystery.pth", "no tensor in it"),
                        ("other.pth", "in none of the published layouts: weight")):  # fmt: skip
        with pytest.raises(CheckpointError, match=named):
            convert(str(tmp_path / name), out)
    convert(str(published), out)
    with pytest.raises(CheckpointError, match="written by babyvlm"):
        convert(str(out), tmp_path / "again")
    (published / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        convert(str(published), tmp_path / "again")


def test_a_cut_file_of_torch_is_refused(tower, tmp_path):
    file = backbone(tower, "timm", tmp_path / "tower.pth")
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="or a damaged one"):
        convert(str(file), tmp_path / "ours")
