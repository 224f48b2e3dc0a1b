"""TensorBoard by default, Weights & Biases on request."""

import sys
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from babyvlm.errors import MissingExtraError
from babyvlm.training import STAGES, Trainer
from tests.training.tiny import fork, tiny_recipe


def test_every_stage_leaves_event_files(trained):
    for stage in STAGES:
        events = EventAccumulator(str(trained / "tensorboard" / stage)).Reload()
        assert {"loss", "tokens_per_s", "gradient_norm"} <= set(events.Tags()["scalars"])
        assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
        assert {"flop_use", "data_wait"} <= set(events.Tags()["scalars"])


def test_figures_go_to_a_project_where_one_is_named(data, trained, tmp_path, monkeypatch):
    runs = []

    class Run:
        def __init__(self, **settings):
            self.settings, self.steps, self.finished = settings, {}, False
            runs.append(self)

        def log(self, figures, step):
            self.steps[step] = figures

        def finish(self):
            self.finished = True

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=Run))
    recipe = tiny_recipe()
    out = fork(trained, tmp_path / "model", recipe, data, without="joint")
    Trainer(recipe, data, out, "babies").run(["joint"])
    (run,) = runs
    assert run.settings["project"] == "babies" and run.settings["config"]["name"] == "tiny" and run.finished
    assert sorted(run.steps) == [1, 2, 3, 4] and run.steps[4]["loss"] > 0


def test_without_wandb_nothing_is_begun(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"\[wandb\]"):
        Trainer(tiny_recipe(), data, tmp_path / "model", "babies")
    assert not (tmp_path / "model").exists()
