"""A checkpoint whose files were damaged on the way: named with its folder, whatever the library says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from babyvlm.errors import CheckpointError, DataFolderError
from babyvlm.evaluation.local import LocalModel
from babyvlm.folders import Manifest
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config, processor, train_tokenizer

SHAPE = ModelShape(
    image_size=16, vision_width=16, vision_layers=1, vision_heads=2, text_width=16, text_layers=1, text_heads=2,
    text_kv_heads=2, text_intermediate=32, vocabulary=300, context=64,
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    BabyLlavaForConditionalGeneration(model_config(SHAPE)).save_pretrained(folder)
    processor(SHAPE, train_tokenizer(["look at the ball"], 300, 64)).save_pretrained(folder)
    Manifest(kind="checkpoint").write(folder)
    LocalModel(folder)
    return folder


DAMAGE = {
    "not UTF-8": b"\xff\xfe\x00{",
    "cut short": b'{"a": ',
    "deep": b"[" * 100_000,
    "another type": b"[1, 2]",
}
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "manifest.json")


@pytest.mark.case("one datum")
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_with_its_checkpoint(whole: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(whole, folder)
    (folder / name).write_bytes(DAMAGE[damage])
    with pytest.raises((CheckpointError, DataFolderError), match=str(folder)):
        LocalModel(folder)
