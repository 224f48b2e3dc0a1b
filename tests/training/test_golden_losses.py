"""Twenty steps of every stage lose what they lost when these numbers were committed.

A change that is meant to leave the numbers alone shows here that it did. One that is meant to change them writes them
again, and says so: ``BABYVLM_GOLDEN=write python -m pytest -n 0 tests/training/test_golden_losses.py``.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babyvlm.training import STAGES, Trainer
from tests.training.tiny import tiny_recipe

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = (1, 2, 5, 10, 15, 20)
TOLERANCE = 2e-3
"""Relative. Processors add in other orders; a constant rate in place of the cosine moves each stage by 60 times it."""


def golden_recipe():
    """float32 and AdamW throughout: Muon computes in bfloat16 on some processors, where rounding shows."""
    recipe = tiny_recipe(precision="no", seed=3)
    for stage in STAGES:
        settings = getattr(recipe, stage)
        longer = replace(settings.optimisation, steps=max(STEPS), matrix_learning_rate=None)
        recipe = replace(recipe, **{stage: replace(settings, optimisation=longer)})
    return recipe


def losses_of(folder):
    found = {}
    for stage in STAGES:
        lines = [json.loads(line) for line in (folder / stage / "metrics.jsonl").read_text().splitlines()]
        found[stage] = [line["loss"] for line in lines if line["step"] in STEPS]
    return found


@pytest.mark.usefixtures("another_precision")
def test_every_stage_loses_what_it_lost(data, tmp_path):
    Trainer(golden_recipe(), data, tmp_path / "run").run()
    found = losses_of(tmp_path / "run")
    if os.environ.get("BABYVLM_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    golden = json.loads(GOLDEN.read_text())
    for stage in STAGES:
        assert found[stage] == pytest.approx(golden[stage], rel=TOLERANCE), stage
        assert np.ptp(golden[stage]) > 5 * TOLERANCE * golden[stage][0], f"{stage} learns nothing that could be told"
