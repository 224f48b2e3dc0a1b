"""Shards that compute in bfloat16 (``sharding=fsdp precision=bf16_weights``), on two processes."""

import shutil
from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState

from babyvlm.curation import PretrainingSet
from babyvlm.curation.sets import write_conversations
from babyvlm.records import Turn
from babyvlm.training import Trainer
from tests.training.ranks import start_ranks
from tests.training.test_distribution import losses, plain_recipe
from tests.training.tiny import weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("another_precision")]

STAGES = ["language", "alignment", "joint", "instruction"]
START = """
import sys
from pathlib import Path
from tests.training.ranks import kill_at
from tests.training.test_half_shards import half_recipe
from babyvlm.training import train_in_process
kill_at(int(sys.argv[4]))
train_in_process(half_recipe(sys.argv[3]), Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[5:])
"""


def half_recipe(sharding):
    """Several rows a step in every stage, also where each process has a share of them."""
    recipe = plain_recipe(precision="bf16_weights", sharding=sharding)
    for stage in STAGES:
        settings = getattr(recipe, stage)
        optimisation = replace(settings.optimisation, matrix_learning_rate=None, batch_size=8)
        recipe = replace(recipe, **{stage: replace(settings, optimisation=optimisation, micro_batch_tokens=40)})
    return recipe


@pytest.fixture(scope="module")
def mixed(data, tmp_path_factory):
    """A set in which two of three instruction samples have no picture."""
    folder = tmp_path_factory.mktemp("mixed") / "data"
    shutil.copytree(data.folder, folder)
    rows = [
        row if number % 3 else row.model_copy(update={"images": (), "turns": (Turn(prompt="How many?", answer="2"),)})
        for number, row in enumerate(data.conversations("instruction", "train"))
    ]
    write_conversations(folder / "instruction" / "instruction.parquet", rows)
    return PretrainingSet(folder)


@pytest.fixture(scope="module")
def one(mixed, tmp_path_factory):
    """All stages by one process."""
    AcceleratorState._reset_state()  # a test before may have left another precision
    out = tmp_path_factory.mktemp("one") / "run"
    Trainer(half_recipe("ddp"), mixed, out).run(["vision", *STAGES])
    return out


def begun(one, out, mixed):
    Trainer.claim(out, half_recipe("fsdp"), mixed)
    for name in ("tokenizer", "vision"):
        shutil.copytree(one / name, out / name)
    return out


def test_shards_in_bfloat16_lose_what_one_process_loses_and_a_killed_run_resumes(one, mixed, tmp_path):
    script = tmp_path / "start.py"
    script.write_text(START)
    runs = {name: begun(one, tmp_path / name, mixed) for name in ("undisturbed", "killed")}
    done = start_ranks(script, mixed.folder, runs["undisturbed"], "fsdp", 0, *STAGES)
    assert not any(each.returncode for each in done), done[0].stderr[-3000:]
    for stage in STAGES:
        assert losses(runs["undisturbed"] / stage) == pytest.approx(losses(one / stage), abs=0.02), stage
        several, alone = weights(runs["undisturbed"] / stage), weights(one / stage)
        assert several.keys() == alone.keys()
        assert {tensor.dtype for tensor in several.values()} == {torch.float32}
    done = start_ranks(script, mixed.folder, runs["killed"], "fsdp", 2, *STAGES)
    assert any(each.returncode for each in done)
    done = start_ranks(script, mixed.folder, runs["killed"], "fsdp", 0, *STAGES)
    assert not any(each.returncode for each in done), done[0].stderr[-3000:]
    for stage in STAGES:
        first, second = weights(runs["undisturbed"] / stage), weights(runs["killed"] / stage)
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items()), stage
