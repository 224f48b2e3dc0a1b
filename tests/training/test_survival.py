"""Killed at any moment, the same command goes on and ends with the same weights."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import nn

from babyvlm.errors import CheckpointError, DataFolderError, TrainingError
from babyvlm.training import Trainer, run_in_processes, shards, train_in_process
from babyvlm.training import checkpoints as training_checkpoints
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.metrics_logger import MetricsLogger
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.optimizers import Optimizers
from babyvlm.training.shards import Piece, Pieces, own_pieces, write_pieces
from tests.training.tiny import fork, tiny_recipe, weights


def train_until_killed(recipe, data, out, stage, step):
    """In a process of its own: the kill comes while the checkpoint of ``step`` is being written."""
    saved = []
    real = training_checkpoints.write_pieces

    def kill_at(path, pieces):
        saved.append(path)
        real(path, pieces)
        if len(saved) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    training_checkpoints.write_pieces = kill_at
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


OPTIMISATION = Optimisation(learning_rate=1e-3, batch_size=1, steps=1)


def filled(value):
    module = nn.Linear(2, 2)
    nn.init.constant_(module.weight, value)
    optimizer = Optimizers(module.named_parameters(), OPTIMISATION)
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
        def call(*arguments, **settings):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise Killed
            return function(*arguments, **settings)

        return call

    old, new = filled(1.0), filled(2.0)
    found, limit = set(), 0
    while True:
        resume.clear()
        resume.save({"model": old[0]}, old[1], ResumePoint(step=1))
        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(training_checkpoints.shutil, "rmtree", deadly(shutil.rmtree, limit))
            patch.setattr(shards, "save_file", deadly(shards.save_file, limit))
            patch.setattr(shards.os, "fsync", deadly(os.fsync, limit))
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
        moments, held = (state.tensors() for state in (optimizer, expected[1]))
        assert moments.keys() == held.keys() and all(torch.equal(moments[name], held[name]) for name in held)
        found.add(point.step)
        limit += 1
        if not killed:
            break
    assert found == {1, 2} and limit > 8


def test_a_state_of_other_settings_is_refused(tmp_path):
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

    monkeypatch.setattr(shards, "save_file", no_room)
    with pytest.raises(DataFolderError, match="no room left"):
        resume.save({"model": module}, optimizer, ResumePoint(step=2))
    assert resume.load({"model": module}).step == 1


def test_an_error_in_the_thread_that_writes_stops_the_run(data, trained, tmp_path, monkeypatch):
    def no_room(*arguments):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(shards, "save_file", no_room)
    recipe = tiny_recipe(checkpoint_every_s=0.0)
    run = fork(trained, tmp_path / "model", recipe, data, without="instruction")
    with pytest.raises(DataFolderError, match=r"instruction.*no room left to write \(No space left on device\)"):
        Trainer(recipe, data, run).run(["instruction"])
    assert not (run / "instruction").exists()


def test_training_goes_on_while_a_checkpoint_is_written_and_the_next_waits(data, trained, tmp_path, monkeypatch):
    """What is written is the state of its moment, however long it takes."""
    told = []
    real = training_checkpoints.write_pieces

    def slowly(path, pieces):
        told.append(("begins", threading.current_thread() is threading.main_thread()))
        time.sleep(0.3)
        real(path, pieces)
        told.append(("ends", float(sum(piece.rows.double().abs().sum() for piece in pieces.values()))))

    monkeypatch.setattr(training_checkpoints, "write_pieces", slowly)
    recipe = tiny_recipe(checkpoint_every_s=0.0)
    run = fork(trained, tmp_path / "model", recipe, data, without="instruction")
    Trainer(recipe, data, run).run(["instruction"])
    assert [word for word, _ in told] == ["begins", "ends"] * 3
    assert not any(in_main for word, in_main in told if word == "begins")
    assert len({size for word, size in told if word == "ends"}) == 3
    assert all(torch.equal(tensor, weights(run / "instruction")[name]) for name, tensor in
               weights(trained / "instruction").items())  # fmt: skip


def test_what_is_saved_and_what_is_read_lie_on_the_cpu(tmp_path, monkeypatch):
    """Or every process of a machine would put its copy on the GPU that the state was saved from."""
    kept = {}
    monkeypatch.setattr(training_checkpoints, "write_pieces", lambda path, pieces: kept.update(pieces))
    module = nn.Linear(3, 2, device="meta")
    copied = []
    real = torch.Tensor.to

    def to(self, *arguments, **options):
        copied.append((arguments, options))
        return torch.ones(self.shape) if self.is_meta else real(self, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "to", to)
    resume = Resume(tmp_path, "joint", "one", Accelerator(cpu=True))
    resume.begin({"model": module}, Optimizers([], OPTIMISATION), ResumePoint(step=1))
    assert kept and all(piece.rows.device.type == "cpu" for piece in kept.values())
    assert all(arguments == ("cpu",) and options == {"copy": True} for arguments, options in copied)
    write_pieces(tmp_path / "pieces", kept)
    assert Pieces([tmp_path / "pieces"]).read("model/weight").device.type == "cpu"


def test_the_copies_of_several_processes_are_written_once_by_all_of_them_and_read_by_any(tmp_path):
    tensors = {name: torch.randn(size, 3) for name, size in (("a", 40), ("b", 20), ("c", 21), ("d", 1))}
    tensors["step"] = torch.tensor(7.0)
    shares = [own_pieces(tensors, process, 3) for process in range(3)]
    sizes = [sum(piece.rows.numel() for piece in share.values()) for share in shares]
    assert sum(sizes) == sum(tensor.numel() for tensor in tensors.values()) and max(sizes) == 120
    paths = [tmp_path / f"rank-{process}" for process in range(3)]
    for path, share in zip(paths, shares, strict=True):
        write_pieces(path, share)
    found = Pieces(paths)
    assert found.shapes == {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert all(torch.equal(found.read(name), tensor) for name, tensor in tensors.items())
    assert torch.equal(found.read("a", 5, 9), tensors["a"][5:9])


def test_pieces_without_some_rows_are_refused(tmp_path):
    rows = {"a": Piece(rows=torch.ones(2, 3), start=2, shape=(4, 3))}
    write_pieces(tmp_path / "one", rows)
    with pytest.raises(ValueError, match="rows are missing"):
        Pieces([tmp_path / "one"])


def metrics(**settings):
    return MetricsLogger(
        "joint", 100, 1, uniform_loss=6.0, peak_flops=1e9, begin=ResumePoint(), silent=True, **settings
    )


@pytest.mark.parametrize(
    "figures", [{"loss": float("nan"), "gradient_norm": 1.0}, {"loss": 1.0, "gradient_norm": float("inf")}]
)
def test_what_is_not_finite_stops_before_the_weights_change(figures):
    with pytest.raises(
        TrainingError, match=r"joint stage became (nan|inf) at step 7.*joint\.optimisation\.learning_rate"
    ):
        metrics().check(7, **figures)


def test_a_loss_far_above_guessing_stops_and_a_single_bad_step_does_not():
    kept = metrics()
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
