"""The probes of ``babyvlm probe`` say what scikit-learn and fastabx say (claim: the same nearest labels, probabilities
of the linear probe within 1e-6, and the same ABX errors but for near ties, which fastabx's single precision tells
otherwise: at most one triple in each pair of labels).

    python benchmarks/probes_beside.py [--python python3.12] [--environment FOLDER]

Features are drawn: labels of clusters that overlap, with the falling spectrum that pictures have. Both learn from the
same features, standardised the same way, with the same penalty. scikit-learn and fastabx run in an environment of
their own; fastabx needs Python 3.12, and where ``--python`` is older ABX is left out and named. Seconds are the
processor's, of one thread.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from babyvlm.probing.judges import abx_errors, fit_linear, linear_labels, nearest_labels

ROOT = Path(__file__).resolve().parents[1]
THERE = Path(__file__).parent / "beside_probes" / "judge_there.py"
NEIGHBOURS, PENALTY = 5, 1.0
CASES = {
    "10 labels, 300 pictures, 64 features": (10, 30, 64),
    "20 labels, 160 pictures, 300 features": (20, 8, 300),
    "170 labels, 1020 pictures, 64 features": (170, 6, 64),
}


def environment(python: str, folder: Path) -> Path:
    """The Python of an environment with scikit-learn, and fastabx where it installs; made where there is none."""
    made = folder / "bin" / "python"
    if not made.exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        install = [str(made), "-m", "pip", "install", "-q"]
        subprocess.run([*install, "scikit-learn"], check=True)
        subprocess.run([*install, "torch==2.13.0", "fastabx"], check=False)  # needs Python 3.12
    return made


def draw(labels: int, per_label: int, width: int) -> dict[str, np.ndarray]:
    """Features to learn from and as many to be told."""
    rng = np.random.default_rng(labels)
    inner = min(width, 400)
    mixing = rng.normal(size=(inner, width)) / np.arange(1, inner + 1)[:, None]
    centres = 0.7 * rng.normal(size=(labels, inner))
    labels_N = np.repeat(np.arange(labels), per_label)

    def drawn() -> np.ndarray:
        return (centres[labels_N] + rng.normal(size=(len(labels_N), inner))) @ mixing + 0.02 * rng.normal(
            size=(len(labels_N), width)
        )

    return {"known": drawn(), "asked": drawn(), "labels": labels_N}


def judge_here(known: np.ndarray, asked: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Labels, probabilities and errors of ours, with processor seconds."""
    began_s = time.process_time()
    found: dict[str, Any] = {"nearest": nearest_labels(known, labels, asked, NEIGHBOURS)}
    found["nearest_s"] = time.process_time() - began_s
    mean, deviation = known.mean(0), known.std(0)
    began_s = time.process_time()
    weights_KD, intercepts_K = fit_linear((known - mean) / deviation, labels, PENALTY)
    found["linear_s"] = time.process_time() - began_s
    sums_MK = torch.from_numpy((asked - mean) / deviation @ weights_KD.T + intercepts_K)
    found["linear"] = sums_MK.softmax(1).numpy()
    assert (linear_labels(known, labels, asked, PENALTY) == found["linear"].argmax(1)).all()
    began_s = time.process_time()
    found["abx"] = abx_errors(known, labels)
    found["abx_s"] = time.process_time() - began_s
    return found


def beside(ours: dict[str, Any], theirs: Any, labels: np.ndarray) -> dict[str, Any]:
    """What both say of one case."""
    nearest_M, linear_M = theirs["nearest"].argmax(1), theirs["linear"].argmax(1)
    said = {
        "nearest: labels that differ": int((ours["nearest"] != nearest_M).sum()),
        "linear: labels that differ": int((ours["linear"].argmax(1) != linear_M).sum()),
        "linear: largest difference of a probability": float(np.abs(ours["linear"] - theirs["linear"]).max()),
        "accuracy, nearest": [float((told == labels).mean()) for told in (ours["nearest"], nearest_M)],
        "accuracy, linear": [float((told == labels).mean()) for told in (ours["linear"].argmax(1), linear_M)],
    }
    if "abx" in theirs:
        per_label = int((labels == 0).sum())
        difference_KK = np.abs(ours["abx"] - theirs["abx"])
        said["ABX: triples of a pair of labels"] = triples = per_label**2 * (per_label - 1)
        said["ABX: triples that differ, at most in a pair"] = round(float(np.nanmax(difference_KK)) * triples, 2)
        said["ABX: difference of the mean"] = float(abs(np.nanmean(ours["abx"]) - np.nanmean(theirs["abx"])))
    else:
        said["ABX"] = "fastabx is not installed: left out"
    parts = [part for part in ("nearest_s", "linear_s", "abx_s") if part in theirs]
    seconds = {part[:-2]: [round(float(judged[part]), 2) for judged in (ours, theirs)] for part in parts}
    return said | {"seconds, ours and theirs": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of the environment, where it has to be made")
    parser.add_argument("--environment", type=Path, default=ROOT / ".probes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    python = environment(given.python, given.environment)
    cases = {}
    for name, sizes in CASES.items():
        drawn = draw(*sizes)
        with tempfile.TemporaryDirectory() as scratch:
            source, out = Path(scratch) / "features.npz", Path(scratch) / "judged.npz"
            np.savez(source, **drawn)
            one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            asked = [str(python), str(THERE), str(source), str(out), str(NEIGHBOURS), str(PENALTY)]
            subprocess.run(asked, check=True, env={**os.environ, **one_thread})
            cases[name] = beside(judge_here(**drawn), np.load(out), drawn["labels"])
        print(name, json.dumps(cases[name], indent=2), flush=True)
    versions = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    there = json.loads(subprocess.run([str(python), "-c", versions], check=True, capture_output=True, text=True).stdout)
    result = {
        "date": str(datetime.date.today()),
        "beside": {name: there.get(name, "not installed") for name in ("scikit-learn", "fastabx")},
        "cores": os.cpu_count(),
        "threads": 1,
        "load_average": round(os.getloadavg()[0], 1),
        "bound": "no label differs; probabilities within 1e-6; ABX within one triple in each pair of labels",
        "neighbours": NEIGHBOURS,
        "penalty": PENALTY,
        "cases": cases,
    }
    target = Path(__file__).parent / "results" / f"probes_beside-{result['date']}.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
