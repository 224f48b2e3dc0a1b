"""Processors without instructions for bfloat16 compute in float32, and outputs say so."""

import json

import pytest
import torch

from babyvlm.reports.curves import read_training
from babyvlm.training import Trainer, precision
from babyvlm.training.optimizers import orthogonalise
from tests.training.tiny import tiny_recipe

pytestmark = pytest.mark.usefixtures("another_precision")


@pytest.mark.parametrize(("has", "asked", "computed"), [
    (False, "bf16", "no"), (False, "bf16_weights", "no"), (False, "no", "no"), (True, "bf16_weights", "bf16_weights")
])  # fmt: skip
def test_the_processor_decides_and_the_run_says_so(has, asked, computed, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    trainer = Trainer(tiny_recipe(precision=asked, validations=0), data, tmp_path / "run")
    trainer.run(["vision"])
    assert ("no instructions for bfloat16" in capsys.readouterr().out) == (asked != computed)
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["precision"] == asked
    manifest = json.loads((tmp_path / "run" / "vision" / "manifest.json").read_text())
    assert manifest["configuration"]["precision"] == computed
    told = "float32" if computed == "no" else "bfloat16 with float32 weights"
    assert read_training(tmp_path / "run").precision == told


def test_a_gpu_keeps_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)
    recipe = tiny_recipe(precision="bf16_weights")
    assert precision.on_this_machine(recipe, torch.device("cuda")) is recipe


@pytest.mark.parametrize("has", [False, True])
def test_muon_orthogonalises_either_way(has, monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    matrices = torch.randn(3, 16, 8, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(matrices)
    assert found.dtype == torch.float32
    assert (torch.linalg.svdvals(found) - 1).abs().max() < 0.5
