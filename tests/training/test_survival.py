"""Killed at any moment, the same command goes on and ends with the same weights."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from tiny import fork, tiny_recipe, weights
from torch import nn

from babyvlm.errors import CheckpointError, DataFolderError, TrainingError
from babyvlm.training import Trainer, run_in_processes, train_in_process
from babyvlm.training import checkpoints as training_checkpoints
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.configuration import Optimisation
from babyvlm.training.journal import Journal
from babyvlm.training.optimizers import Optimizers


def train_until_killed(recipe, data, out, stage, step):
    """In a process of its own: the kill comes while the checkpoint of ``step`` is being written."""
    saved = []
    real = training_checkpoints.torch.save

    def kill_at(value, path):
        saved.append(path)
        real(value, path)
        if len(saved) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    training_checkpoints.torch.save = kill_at
    train_in_process(recipe, data, out, [stage])


@pytest.mark.parametrize(
    "stage",
    [
        "vision",
        *(pytest.param(stage, marks=pytest.mark.slow) for stage in ("language", "joint")),
        "instruction",
    ],
)
def test_a_killed_stage_ends_with_the_weights_of_an_undisturbed_one(stage, data, trained, tmp_path):
    recipe = tiny_recipe(checkpoint_every_s=0.0)
    run = fork(trained, tmp_path / "model", recipe, data, without=stage)
    step = random.randint(1, 3)
    started = multiprocessing.get_context("spawn").Process(
        target=train_until_killed, args=(recipe, data.folder, run, stage, step)
    )
    started.start()
    started.join()
    assert started.exitcode == -signal.SIGKILL
    assert not (run / stage).exists()
    Trainer(recipe, data, run).run([stage])
    for name, tensor in weights(trained / stage).items():
        assert torch.equal(tensor, weights(run / stage)[name]), (name, step)
    assert not list(run.glob(".*resume*"))
    steps = [json.loads(line)["step"] for line in (run / stage / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4], step


def test_what_a_kill_right_after_a_stage_left_is_cleared_up_by_the_same_command(data, trained, tmp_path):
    run = fork(trained, tmp_path / "model", tiny_recipe(), data, without="nothing")
    for name in (".vision.resume", ".instruction.resume", ".instruction.resume.old"):
        (run / name).mkdir()
        (run / name / "state.json").write_text("{}")
    (run / ".cache" / "pictures-0").mkdir(parents=True)
    Trainer(tiny_recipe(), data, run).run()
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]


def filled(value):
    module = nn.Linear(2, 2)
    nn.init.constant_(module.weight, value)
    knobs = Optimisation(learning_rate=1e-3, batch_size=1, steps=1)
    optimizer = Optimizers(module.named_parameters(), knobs)
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, value)
    optimizer.step()
    return module, optimizer


class Killed(BaseException):
    pass


def test_a_checkpoint_is_the_old_one_or_the_new_one_wherever_the_kill_comes(tmp_path, monkeypatch):
    resume = Resume(tmp_path, "joint", "same", Accelerator(cpu=True))
    calls = 0

    def deadly(function, limit):
        def call(*arguments, **knobs):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise Killed
            return function(*arguments, **knobs)

        return call

    old, new = filled(1.0), filled(2.0)
    found, limit = set(), 0
    while True:
        resume.clear()
        resume.save({"model": old[0]}, old[1], ResumePoint(step=1))
        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(training_checkpoints.shutil, "rmtree", deadly(shutil.rmtree, limit))
            patch.setattr(training_checkpoints, "save_file", deadly(training_checkpoints.save_file, limit))
            patch.setattr(training_checkpoints.torch, "save", deadly(torch.save, limit))
            for method in ("rename", "write_text", "mkdir"):
                patch.setattr(Path, method, deadly(getattr(Path, method), limit))
            try:
                resume.save({"model": new[0]}, new[1], ResumePoint(step=2))
                killed = False
            except Killed:
                killed = True
        module, optimizer = filled(3.0)
        point = resume.load({"model": module})
        resume.load_optimizer(optimizer)
        expected = {1: old, 2: new}[point.step]
        assert torch.equal(module.weight, expected[0].weight)
        moments, held = (state.state_dict()["0"]["state"][0] for state in (optimizer, expected[1]))
        assert torch.equal(moments["exp_avg"], held["exp_avg"])
        found.add(point.step)
        limit += 1
        if not killed:
            break
    assert found == {1, 2} and limit > 8


def test_a_state_of_other_knobs_is_refused(tmp_path):
    module, optimizer = filled(1.0)
    Resume(tmp_path, "joint", "one", Accelerator(cpu=True)).save({"model": module}, optimizer, ResumePoint(step=1))
    with pytest.raises(CheckpointError, match="another configuration"):
        Resume(tmp_path, "joint", "other", Accelerator(cpu=True)).load({"model": module})


def test_a_full_disk_is_named_and_leaves_the_state_before(tmp_path, monkeypatch):
    module, optimizer = filled(1.0)
    resume = Resume(tmp_path, "joint", "one", Accelerator(cpu=True))
    resume.save({"model": module}, optimizer, ResumePoint(step=1))

    def no_room(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_checkpoints.torch, "save", no_room)
    with pytest.raises(DataFolderError, match="no room left"):
        resume.save({"model": module}, optimizer, ResumePoint(step=2))
    assert resume.load({"model": module}).step == 1


def journal(**knobs):
    return Journal("joint", 100, 1, uniform_loss=6.0, peak_flops=1e9, begin=ResumePoint(), silent=True, **knobs)


@pytest.mark.parametrize(
    "figures", [{"loss": float("nan"), "gradient_norm": 1.0}, {"loss": 1.0, "gradient_norm": float("inf")}]
)
def test_what_is_not_finite_stops_before_the_weights_change(figures):
    with pytest.raises(
        TrainingError, match=r"joint stage became (nan|inf) at step 7.*joint\.optimisation\.learning_rate"
    ):
        journal().check(7, **figures)


def test_a_loss_far_above_guessing_stops_and_a_single_bad_step_does_not():
    kept = journal()
    for step, loss in enumerate([6.0, 3.0, 30.0, 2.0, 2.0], start=1):
        kept.check(step, loss=loss, gradient_norm=1.0)
    with pytest.raises(TrainingError, match="diverged: at step"):
        for step in range(6, 40):
            kept.check(step, loss=20.0, gradient_norm=1.0)


def linger(folder):
    """A rank that says who it is, and then does nothing for long."""
    (folder / f"rank{os.environ['RANK']}-{os.getpid()}").touch()
    time.sleep(600)


def start_lingering(folder):
    run_in_processes(linger, (folder,), 2)


@pytest.mark.slow
def test_no_process_outlives_the_one_that_started_it(tmp_path):
    started = multiprocessing.get_context("spawn").Process(target=start_lingering, args=(tmp_path,))
    started.start()
    deadline_s = time.monotonic() + 120
    while len(ranks := list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert len(ranks) == 2
    os.kill(started.pid, signal.SIGKILL)
    started.join()
    running = [Path("/proc") / path.name.partition("-")[2] for path in ranks]
    while any(path.exists() for path in running) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not any(path.exists() for path in running)
