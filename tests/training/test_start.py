"""Runs that begin with another's stage: they go on as that one did, and refuse what does not fit."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from babyvlm.errors import CheckpointError, ConfigError, DataFolderError
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.model import train_tokenizer
from babyvlm.training import Trainer
from tests.training.tiny import TINY, tiny_recipe, weights


def test_a_run_goes_on_from_anothers_stage_as_that_one_did(data, trained, tmp_path):
    start, run = trained / "joint", tmp_path / "run"
    Trainer(tiny_recipe(), data, run, start=start).run(["instruction"])
    for name, tensor in weights(trained / "instruction").items():
        assert torch.equal(tensor, weights(run / "instruction")[name]), name
    assert not (run / "vision").exists()
    assert "It began with the joint stage of `tiny` (manifest digest" in (run / "instruction" / "README.md").read_text()
    made = read_manifest(run / "instruction", "checkpoint")
    assert made.inputs["start"] == json.loads((run / "start.json").read_text())["digest"]
    Trainer(tiny_recipe(), data, run, start=start)  # given again, as after an interruption
    with pytest.raises(ConfigError, match=r"began with the joint stage .*, not with .*alignment"):
        Trainer(tiny_recipe(), data, run, start=trained / "alignment")


def test_a_tower_to_begin_with_goes_into_the_model(data, trained, tmp_path):
    run = tmp_path / "run"
    Trainer(tiny_recipe(), data, run, start=trained / "vision").run(["language"])
    for name, tensor in weights(trained / "language").items():
        assert torch.equal(tensor, weights(run / "language")[name]), name


def test_licences_of_what_was_begun_with_stay(data, trained, tmp_path):
    start, run = tmp_path / "start", tmp_path / "run"
    shutil.copytree(trained / "joint", start)
    manifest = json.loads((start / MANIFEST).read_text())
    for licences, told in ((["restricted: SAYCam"], "restricted: SAYCam"), (None, "does not say")):
        manifest["configuration"] |= {"licences": licences} if licences else {}
        if not licences:
            del manifest["configuration"]["licences"]
        (start / MANIFEST).write_text(json.dumps(manifest))
        Trainer(tiny_recipe(), data, run, start=start).run(["instruction"])
        card = (run / "instruction" / "README.md").read_text()
        assert told in card and "derived-from-restricted-recordings" in card
        shutil.rmtree(run)


def another_size(recipe):
    return replace(recipe, model=replace(TINY, text_intermediate=96, text_norm_eps=1e-6))


def test_what_does_not_fit_is_refused_before_anything_is_written(data, trained, tmp_path):
    run = tmp_path / "run"
    told = r"text_intermediate is 96 here and 64 there.*Set model\.text_intermediate=64 model\.text_norm_eps=1e-05"
    for recipe, start, error, match in (
        (another_size(tiny_recipe()), trained / "joint", ConfigError, told),
        (tiny_recipe(), trained / "instruction", ConfigError, "no stage comes after"),
        (tiny_recipe(), data.folder, DataFolderError, "this is a babyvlm pretraining-set"),
        (tiny_recipe(), tmp_path, DataFolderError, "no manifest.json"),
    ):
        with pytest.raises(error, match=match):
            Trainer(recipe, data, run, start=start)
        assert not run.exists()


def test_weights_and_tokenizer_must_be_the_models(data, trained, tmp_path):
    start, run = tmp_path / "start", tmp_path / "run"
    shutil.copytree(trained / "joint", start)
    tensors = weights(start)
    train_tokenizer(["a ball"], 290, 256).save_pretrained(start)
    with pytest.raises(CheckpointError, match="the tokenizer is not this model's"):
        Trainer(tiny_recipe(), data, run, start=start)
    del tensors["model.multi_modal_projector.linear_1.weight"]
    save_file(tensors, start / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="missing_keys"):
        Trainer(tiny_recipe(), data, run, start=start)
    assert not (run / "joint").exists() and not (run / "tokenizer").exists()


def test_a_run_with_stages_of_its_own_takes_no_other_start(data, trained, tmp_path):
    run = tmp_path / "run"
    Trainer(tiny_recipe(), data, run)
    shutil.copytree(trained / "vision", run / "vision")
    with pytest.raises(ConfigError, match="a vision stage of its own"):
        Trainer(tiny_recipe(), data, run, start=trained / "joint")
