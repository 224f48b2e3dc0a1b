"""The benchmark for a GPU runs on a CPU in small, and what goes wrong in a row is a row."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    yield importlib.import_module("gpu_saycam")
    AcceleratorState._reset_state(True)


@pytest.fixture
def run(benchmark, tmp_path, monkeypatch):
    def start(*options):
        result = tmp_path / "result.jsonl"
        small = ["--shape", "tiny", "--warm", "1", "--timed", "1", "--result", str(result)]
        monkeypatch.setattr(sys, "argv", ["gpu_saycam.py", *small, *options])
        benchmark.main()
        return [json.loads(line) for line in result.read_text().splitlines()]

    return start


def test_every_stage_has_its_row(run):
    machine, sight, *rows = run("--anywhere", "--rows", "0", "1", "2", "3", "4")
    assert torch.cuda.is_available() or machine["device"].startswith("no GPU")
    assert sight["bf16"] == sight["bf16_weights"] == "sees"
    assert [row["stage"] for row in rows] == ["vision", "joint", "language", "instruction", "alignment"]
    for row in rows:
        assert row["step_s"] > 0 and row["flop_use"] >= 0 and len(row["losses"]) == 3, row


def test_a_row_that_fails_does_not_end_the_others(run, benchmark, monkeypatch):
    real, failing = benchmark.train, {"joint": torch.OutOfMemoryError("CUDA out of memory"), "vision": KeyError("gcc")}

    def train(row, *rest):
        if row.stage in failing:
            raise failing[row.stage]
        return real(row, *rest)

    monkeypatch.setattr(benchmark, "train", train)
    _, _, vision, joint, language = run("--anywhere", "--rows", "0", "1", "2")
    assert joint["out_of_memory"] == "CUDA out of memory" and "KeyError" in vision["error"]
    assert language["step_s"] > 0


def test_it_stops_by_itself_and_names_what_it_left_out(run, benchmark, monkeypatch):
    rows = run("--anywhere", "--seconds", "1.5", "--rows", *["1"] * 200)
    assert 2 < len(rows) <= 202
    assert "cut_short" in rows[-1] or rows[-1].get("left_out") == "no time"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(run, capsys):
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2 and "no GPU" in capsys.readouterr().err
