"""The Python API answers as the page and the terminal do; folders that hold no whole model are refused."""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ViTModel

import babyvlm
from babyvlm.errors import CheckpointError, DataFolderError, MediaError
from babyvlm.folders import Manifest
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config, processor, train_tokenizer
from babyvlm.model.configuration import vision_config

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=4, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "joint"
    torch.manual_seed(0)
    BabyLlavaForConditionalGeneration(model_config(SHAPE)).save_pretrained(folder)
    processor(SHAPE, train_tokenizer(["how many cups"], 300, 256)).save_pretrained(folder)
    Manifest(kind="checkpoint", configuration={"recipe": "tiny", "stage": "joint"}).write(folder)
    return folder


def test_three_lines_ask_with_pictures_and_a_clip(checkpoint, make_video, tmp_path):
    Image.new("RGB", (20, 10), "red").save(tmp_path / "red.png")
    model = babyvlm.load(checkpoint, max_new_tokens=4)
    said = model.ask("how many?", images=[tmp_path / "red.png"], options=["1", "2"])
    opened = Image.open(tmp_path / "red.png").convert("RGB")
    assert (
        said.reply
        == model.ask("how many?", images=[opened]).reply
        == model.conversation().ask("how many?", [opened]).reply
    )
    assert sum(one.probability for one in said.options) == pytest.approx(1)
    clip = make_video(tmp_path / "clip.mp4", seconds=2)
    assert not model.ask("how many?", [opened], video=clip).problem
    with pytest.raises(MediaError, match=r"none\.png"):
        model.ask("how many?", images=["none.png"])


def broken(checkpoint, tmp_path, change):
    folder = tmp_path / "broken"
    shutil.copytree(checkpoint, folder)
    change(folder)
    return folder


def rewrite(name, **changes):
    def change(folder):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | changes))

    return change


def without_a_tensor(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.language_model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def another_tokenizer(folder):
    train_tokenizer(["how many cups"], 290, 256).save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (rewrite("manifest.json", schema_version=99), DataFolderError, "written with schema 99"),
        (rewrite("manifest.json", kind="toolbox"), DataFolderError, "this is a babyvlm toolbox"),
        (lambda folder: (folder / "model.safetensors").unlink(), CheckpointError, "weights do not load"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 99), CheckpointError, "weights do not load"),
        (lambda folder: (folder / "config.json").unlink(), CheckpointError, "no checkpoint here"),
        (lambda folder: shutil.rmtree(folder), CheckpointError, "no checkpoint here"),
        (without_a_tensor, CheckpointError, "weights do not fit the model: missing_keys: .*norm.weight"),
        (
            another_tokenizer,
            CheckpointError,
            "the tokenizer is not this model's: it has <image> at 290, the model at 300",
        ),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused(change, error, named, checkpoint, tmp_path):
    with pytest.raises(error, match=named):
        babyvlm.load(broken(checkpoint, tmp_path, change))


def test_a_tower_by_itself_is_refused_before_anything_is_made(tmp_path):
    ViTModel(vision_config(SHAPE), add_pooling_layer=False).save_pretrained(tmp_path)
    Manifest(kind="checkpoint").write(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds a model of type vit.*give a later stage"):
        babyvlm.load(tmp_path)
