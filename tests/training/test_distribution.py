"""Several processes: torchrun, shards, and what they leave in common with one process."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from babyvlm.errors import ConfigError
from babyvlm.recipes import nursery
from babyvlm.training import Trainer
from tests.training.tiny import tiny_recipe, weights

pytestmark = pytest.mark.usefixtures("another_precision")


def plain_recipe(**changes):
    """In float32 with AdamW, so that runs differ by the order of additions alone; rows too small for a share."""
    recipe = tiny_recipe(precision="no", checkpoint_every_s=0.0)
    for stage in ("language", "joint", "instruction"):
        settings = getattr(recipe, stage)
        adamw = replace(settings.optimisation, matrix_learning_rate=None)
        recipe = replace(recipe, **{stage: replace(settings, optimisation=adamw, micro_batch_tokens=128)})
    return replace(recipe, **changes)


START = """
import json, os, signal, sys
from pathlib import Path
from tests.training.tiny import *
from tests.training.test_distribution import plain_recipe
from babyvlm.training import train_in_process, checkpoints
stage, killed_at = sys.argv[3], int(sys.argv[4])
real, saved = checkpoints.torch.save, []
def kill_at(value, path):
    saved.append(path)
    real(value, path)
    if len(saved) == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.torch.save = kill_at
train_in_process(plain_recipe(sharding="fsdp"), Path(sys.argv[1]), Path(sys.argv[2]), [stage])
"""


def torchrun(*arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", *arguments]
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def begun(done, out, recipe, data, *, with_stages):
    """A run that has some finished stages of another."""
    Trainer.claim(out, recipe, data)
    for name in ("tokenizer", *with_stages):
        shutil.copytree(done / name, out / name)
    return out


@pytest.mark.slow
def test_shards_lose_what_one_process_loses_and_a_killed_run_goes_on(data, trained, tmp_path):
    stage, before = "instruction", "joint"  # in which every part learns
    one = begun(trained, tmp_path / "one", plain_recipe(), data, with_stages=[before])
    Trainer(plain_recipe(), data, one).run([stage])
    script = tmp_path / "start.py"
    script.write_text(START)
    runs = {}
    for name, killed_at in (("undisturbed", 0), ("killed", 2)):
        runs[name] = begun(trained, tmp_path / name, plain_recipe(sharding="fsdp"), data, with_stages=[before])
        done = torchrun(script, data.folder, runs[name], stage, killed_at)
        assert (done.returncode != 0) == bool(killed_at), done.stderr[-2000:]
    assert not (runs["killed"] / stage).exists()
    done = torchrun(script, data.folder, runs["killed"], stage, 0)
    assert done.returncode == 0, done.stderr[-2000:]
    # float32, four steps of AdamW: what is left is the order of additions.
    assert losses(runs["undisturbed"] / stage) == pytest.approx(losses(one / stage), abs=2e-4)
    sharded, resumed = weights(runs["undisturbed"] / stage), weights(runs["killed"] / stage)
    assert sharded.keys() == weights(one / stage).keys()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in sharded.items())
    files = {path.name for path in (one / stage).iterdir()}
    assert files == {path.name for path in (runs["undisturbed"] / stage).iterdir()}


@pytest.mark.slow
def test_torchrun_trains_by_the_command_with_copies(data, trained, tmp_path):
    changes = ["joint.optimisation.steps=2", "alignment.optimisation.steps=2", "precision=no"]
    out = tmp_path / "model"
    # The recipe's own shape: the stages before are trained too.
    small = ["model.image_size=32", "model.vision_width=32", "model.vision_layers=1", "model.text_width=32"]
    small += ["model.text_layers=1", "model.text_intermediate=64", "model.vocabulary=300", "vision.local_size=16"]
    small += ["vision.micro_batch=9", "vision.masked_patch_weight=1"]
    stages = [f"{name}.optimisation.steps=2" for name in ("vision", "language")]
    done = torchrun(
        "-m", "babyvlm", "train", "nursery", *changes, *small, *stages,
        "--data", data.folder, "--out", out, "--stage", "vision", "language", "alignment", "joint",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(losses(out / "joint")) == 1
    assert "joint: " in done.stdout


@pytest.mark.parametrize(
    "changes", [{"gradient_checkpointing": True}, pytest.param({"compile": True}, marks=pytest.mark.slow)]
)
def test_checkpointing_and_compilation_change_no_loss(changes, data, trained, tmp_path):
    found = {}
    for name, settings in (("plain", {}), ("changed", changes)):
        run = begun(trained, tmp_path / name, plain_recipe(**settings), data, with_stages=["joint"])
        Trainer(plain_recipe(**settings), data, run).run(["instruction"])
        found[name] = losses(run / "instruction")
    assert found["changed"] == pytest.approx(found["plain"], abs=2e-4)


def test_muon_with_shards_is_refused():
    with pytest.raises(ConfigError, match=r"language\.optimisation\.matrix_learning_rate=none"):
        replace(nursery(), sharding="fsdp")


def test_more_processes_than_samples_are_refused(data, trained, tmp_path, monkeypatch):
    recipe = plain_recipe()
    run = begun(trained, tmp_path / "run", recipe, data, with_stages=["joint"])
    trainer = Trainer(recipe, data, run)
    monkeypatch.setattr(type(trainer.accelerator), "num_processes", 8)
    with pytest.raises(ConfigError, match="without a sample"):
        trainer.run(["instruction"])
