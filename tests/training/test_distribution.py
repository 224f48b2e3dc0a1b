"""Several processes: torchrun, shards, and what they leave in common with one process."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from babyvlm.curation import PretrainingSet
from babyvlm.curation.sets import write_conversations
from babyvlm.errors import ConfigError
from babyvlm.model import BabyLlavaForConditionalGeneration, model_config
from babyvlm.recipes import nursery, saycam
from babyvlm.records import Turn
from babyvlm.training import Trainer, checkpoints, unused_gpus
from babyvlm.training.distribution import units_of
from babyvlm.training.inputs import data_digest
from tests.training.ranks import start_ranks
from tests.training.tiny import TINY, tiny_recipe, weights

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
import sys
from pathlib import Path
from tests.training.ranks import kill_at
from tests.training.test_distribution import plain_recipe
from babyvlm.training import train_in_process
kill_at(int(sys.argv[4]))
train_in_process(plain_recipe(sharding=sys.argv[5]), Path(sys.argv[1]), Path(sys.argv[2]), [sys.argv[3]])
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
@pytest.mark.parametrize(("sharding", "nodes"), [("ddp", 1), ("fsdp", 1), ("hybrid", 2)])
def test_several_processes_lose_what_one_loses_and_a_killed_run_resumes(sharding, nodes, data, trained, tmp_path):
    """Two processes with copies or shards; four on two nodes, in shards within a node and copies between them."""
    stage, before = "instruction", "joint"  # in which every part learns
    one = begun(trained, tmp_path / "one", plain_recipe(), data, with_stages=[before])
    Trainer(plain_recipe(), data, one).run([stage])
    script, recipe = tmp_path / "start.py", plain_recipe(sharding=sharding)
    script.write_text(START)
    runs = {}
    for name, killed_at in (("undisturbed", 0), ("killed", 2)):
        runs[name] = begun(trained, tmp_path / name, recipe, data, with_stages=[before])
        done = start_ranks(script, data.folder, runs[name], stage, killed_at, sharding, nodes=nodes)
        assert any(each.returncode for each in done) == bool(killed_at), done[0].stderr[-2000:]
    assert not (runs["killed"] / stage).exists()
    held = runs["killed"] / f".{stage}.resume"
    sizes = [path.stat().st_size for path in sorted(held.glob("rank-*.safetensors"))]
    assert len(sizes) == 2 * nodes and max(sizes[:2]) < 0.6 * sum(sizes), "each process writes its share"
    done = start_ranks(script, data.folder, runs["killed"], stage, 0, sharding, nodes=nodes)
    assert not any(each.returncode for each in done), done[0].stderr[-2000:]
    # float32, four steps of AdamW: what is left is the order of additions.
    assert losses(runs["undisturbed"] / stage) == pytest.approx(losses(one / stage), abs=2e-4)
    several, resumed = weights(runs["undisturbed"] / stage), weights(runs["killed"] / stage)
    assert several.keys() == weights(one / stage).keys()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in several.items())
    files = {path.name for path in (one / stage).iterdir()}
    assert files == {path.name for path in (runs["undisturbed"] / stage).iterdir()}


GATHERS = """
import json, os, sys
from pathlib import Path
import torch.distributed
from tests.training.tiny import *
from tests.training.test_distribution import plain_recipe
from babyvlm.training import train_in_process
gathered = []
for name in ("all_gather_single", "all_gather_into_tensor"):  # as versions of torch call it
    if hasattr(torch.distributed, name):
        def noted(*arguments, real=getattr(torch.distributed, name), **options):
            output = options.get("output_tensor", options.get("output", arguments[0] if arguments else None))
            gathered.append(output.numel())
            return real(*arguments, **options)
        setattr(torch.distributed, name, noted)
recipe = plain_recipe(sharding="fsdp")
train_in_process(recipe, Path(sys.argv[1]), Path(sys.argv[2]), ["instruction"])
print("gathered", json.dumps([max(gathered), len(gathered)]))
"""


def test_shards_of_layers_lose_what_one_process_loses_though_some_rows_have_no_picture(data, trained, tmp_path):
    """The tower's layers are gathered one by one, also where only one of two processes has a picture in its row."""
    mixed = tmp_path / "data"
    shutil.copytree(data.folder, mixed)
    rows = [
        row if number % 3 else row.model_copy(update={"images": (), "turns": (Turn(prompt="How many?", answer="2"),)})
        for number, row in enumerate(data.conversations("instruction", "train"))
    ]
    write_conversations(mixed / "instruction" / "instruction.parquet", rows)
    kept, recipe, stage = PretrainingSet(mixed), plain_recipe(), "instruction"
    runs = {}
    for name, sharding in (("one", "ddp"), ("shards", "fsdp")):
        Trainer.claim(tmp_path / name, plain_recipe(sharding=sharding), kept)
        runs[name] = tmp_path / name
        digest = data_digest(runs[name])
        for part in ("tokenizer", "joint"):
            shutil.copytree(trained / part, runs[name] / part)
            manifest = runs[name] / part / "manifest.json"
            held = json.loads(manifest.read_text())
            manifest.write_text(json.dumps(held | {"inputs": held["inputs"] | {"data": digest}}))
    Trainer(recipe, kept, runs["one"]).run([stage])
    script = tmp_path / "gathers.py"
    script.write_text(GATHERS)
    done = start_ranks(script, mixed, runs["shards"])
    assert not any(each.returncode for each in done), done[0].stderr[-2000:]
    assert losses(runs["shards"] / stage) == pytest.approx(losses(runs["one"] / stage), abs=2e-4)
    model = BabyLlavaForConditionalGeneration(model_config(TINY))
    sizes, rest = _sizes(model, shares=2)
    for each in done:
        largest, times = json.loads(each.stdout.split("gathered ")[1])
        assert times > 0 and largest == max(*sizes, rest)


def _sizes(model, shares=1):
    """Numbers in each unit, and in what is left; each share of a parameter has as many of its rows."""

    def size(parameters):
        return sum(shares * math.ceil(len(each) / shares) * each[0].numel() for each in parameters)

    units = [unit if isinstance(unit, list) else [unit] for unit in units_of(model)]
    held = [{parameter for part in unit for parameter in part.parameters()} for unit in units]
    return [size(unit) for unit in held], size(set(model.parameters()).difference(*held))


@pytest.mark.parametrize("tied", [False, True])
def test_at_full_size_nothing_larger_than_a_layer_or_the_embeddings_is_gathered(tied):
    shape = replace(saycam().model, tie_embeddings=tied)
    with torch.device("meta"):
        model = BabyLlavaForConditionalGeneration(model_config(shape))
    sizes, rest = _sizes(model)
    assert len(sizes) == shape.vision_layers + 3 + shape.text_layers + (1 if tied else 2)
    layer = sum(each.numel() for each in model.model.language_model.layers[0].parameters())
    embeddings = model.get_input_embeddings().weight.numel()
    assert max(*sizes, rest) <= max(layer, embeddings)


LAGS = """
import os, sys
from pathlib import Path
from tests.training.tiny import *
from tests.training.test_distribution import plain_recipe
from babyvlm.training import train_in_process
if os.environ["RANK"] == "1":  # its machine does not see what was made a moment ago
    for look in ("exists", "is_file", "is_dir"):
        real = getattr(Path, look)
        def lagging(self, *rest, real=real, **options):
            return Path(sys.argv[2]) not in self.parents and real(self, *rest, **options)
        setattr(Path, look, lagging)
train_in_process(plain_recipe(), Path(sys.argv[1]), Path(sys.argv[2]), ["joint", "instruction"])
"""


def test_one_process_decides_what_is_there_and_two_resume_what_one_began(data, trained, tmp_path, monkeypatch):
    recipe, stage = plain_recipe(), "instruction"
    one = begun(trained, tmp_path / "one", recipe, data, with_stages=["joint"])
    Trainer(recipe, data, one).run([stage])
    run = begun(trained, tmp_path / "run", recipe, data, with_stages=["joint"])
    finish, finished = checkpoints.Resume.finish, []

    def killed(self):
        finish(self)
        finished.append(self._point.step)
        if finished[-1] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.Resume, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        Trainer(recipe, data, run).run([stage])
    script = tmp_path / "lags.py"
    script.write_text(LAGS)
    done = start_ranks(script, data.folder, run)
    assert not any(each.returncode for each in done), done[1].stderr[-2000:]
    assert "resumes after step 2" in done[0].stdout
    assert losses(run / stage) == pytest.approx(losses(one / stage), abs=2e-4)


ENDS = """
import os, sys
from pathlib import Path
from tests.training.tiny import *
from tests.training.test_distribution import plain_recipe
from babyvlm import cli
from babyvlm.training import checkpoints, loop, train_in_process
how, rank = sys.argv[3], os.environ["RANK"]
recipe = plain_recipe(checkpoint_every_s=0.0)
if how == "nan":
    fast = replace(recipe.instruction.optimisation, learning_rate=1e30, vision_learning_rate=1e30, clip_norm=1e30)
    recipe = replace(recipe, instruction=replace(recipe.instruction, optimisation=fast))
if how == "full disk" and rank == "1":
    def full(path, pieces):
        raise OSError(28, "No space left on device")
    checkpoints.write_pieces = full
if how == "lost" and rank == "1":
    loop.measured_every = lambda *_: os._exit(9)
cli.run = lambda words: train_in_process(recipe, Path(sys.argv[1]), Path(sys.argv[2]), ["instruction"])
cli.main(["train", "demo", "--data", sys.argv[1], "--out", sys.argv[2]])
"""


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        pytest.param("nan", r"instruction stage became (nan|inf) at step .*learning_rate", marks=pytest.mark.slow),
        ("full disk", r"rank-1\.safetensors: no room left to write \(No space left on device\)"),
        pytest.param("lost", "lost another process.* the same command resumes", marks=pytest.mark.slow),
    ],
)
def test_what_ends_one_process_ends_all_with_a_sentence_of_the_first(how, sentence, data, trained, tmp_path):
    recipe = plain_recipe(checkpoint_every_s=0.0)
    if how == "nan":
        fast = replace(recipe.instruction.optimisation, learning_rate=1e30, vision_learning_rate=1e30, clip_norm=1e30)
        recipe = replace(recipe, instruction=replace(recipe.instruction, optimisation=fast))
    run = begun(trained, tmp_path / "run", recipe, data, with_stages=["joint"])
    script = tmp_path / "ends.py"
    script.write_text(ENDS)
    first, other = start_ranks(script, data.folder, run, how)
    assert first.returncode == 2 and other.returncode != 0
    said = [line for line in first.stderr.splitlines() if "babyvlm: error:" in line]
    assert len(said) == 1 and re.search(sentence, said[0]), first.stderr[-2000:]
    assert "error:" not in other.stderr or how == "lost"


def test_a_command_that_leaves_gpus_idle_says_how_to_use_them(monkeypatch):
    assert unused_gpus() == ""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert "torchrun --nproc-per-node 8 -m babyvlm train" in unused_gpus()
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert unused_gpus() == ""


@pytest.mark.slow
def test_torchrun_trains_by_the_command_with_copies(data, trained, tmp_path):
    changes = ["joint.optimisation.steps=2", "alignment.optimisation.steps=2", "precision=no"]
    out = tmp_path / "model"
    # The recipe's own shape: the stages before are trained too.
    small = ["model.image_size=32", "model.vision_width=32", "model.vision_layers=1", "model.text_width=32"]
    small += ["model.text_layers=1", "model.text_intermediate=64", "model.vocabulary=300", "vision.local_size=16"]
    small += ["vision.micro_batch=9", "vision.masked_patch_weight=1", "tower_from=vision"]
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
