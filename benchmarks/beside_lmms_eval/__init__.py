"""lmms-eval beside ``babyvlm evaluate``: an environment for it, and the same items asked there.

lmms-eval depends on torchvision, which goes once the rest is installed, and looks into filelock, of which it knows no
version 4; babyvlm goes in without its dependencies, which are there. ``ask_one_by_one.py`` runs in that
environment alone.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LMMS_EVAL = "lmms-eval==0.7.3"
_RUNNER = Path(__file__).parent / "ask_one_by_one.py"


def environment(folder: Path) -> Path:
    """The Python of an environment with lmms-eval and this package; made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*install, "torch==2.13.0", "torchvision==0.28.0", LMMS_EVAL], check=True)
        subprocess.run([str(python), "-m", "pip", "uninstall", "-q", "-y", "torchvision"], check=True)
        subprocess.run([*install, "tyro", "tensorboard", "filelock<4"], check=True)
        subprocess.run([*install, "--no-deps", "-e", str(ROOT)], check=True)
    return python


@dataclass(frozen=True, kw_only=True)
class AskedThere:
    """One run of lmms-eval."""

    results: dict[str, Any]
    """Its figures by task."""
    replies: dict[str, list[str]]
    """By item id, one for each round; items asked by likelihood are absent."""
    whole_s: float
    """From the start of the process to its end."""
    asking_s: float
    """In the model class alone; start, task files and scoring left out."""
    cpu_s: float
    """Processor time of the whole process, all its threads."""


def ask_there(
    python: Path, checkpoint: Path, tasks: Path, names: list[str], work: Path, *, model: str, batch_size: int = 32
) -> AskedThere:
    """Lets lmms-eval ask a checkpoint.

    Args:
        python: Of its environment.
        checkpoint: Who is asked.
        tasks: Folder written by ``write_lmms_tasks``.
        names: The tasks to ask.
        work: Where it logs; absent.
        model: ``babyvlm``, our plug-in, or ``one_by_one``, a model class in the way of the packaged ones.
        batch_size: Its ``--batch_size``.
    """
    seconds = work.with_suffix(".seconds")
    command = [str(python), str(_RUNNER), "--model", model]
    command += ["--model_args", f"pretrained={checkpoint.resolve()}", "--include_path", str(tasks)]
    command += ["--tasks", ",".join(names), "--batch_size", str(batch_size), "--output_path", str(work)]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "benchmarks")])
    environ = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "ASKING_SECONDS": str(seconds)}
    began_s, began_cpu_s = time.monotonic(), children_cpu_s()
    done = subprocess.run([*command, "--log_samples"], env=environ, capture_output=True, text=True, check=False)
    whole_s, cpu_s = time.monotonic() - began_s, children_cpu_s() - began_cpu_s
    written = sorted(work.rglob("*_results.json"))
    if not written:
        sys.exit(f"lmms-eval wrote no results (exit code {done.returncode}):\n{done.stderr[-3000:]}")
    return AskedThere(
        results=json.loads(written[-1].read_text(encoding="utf-8"))["results"],
        replies=_logged_replies(work, tasks, names),
        whole_s=whole_s,
        asking_s=sum(map(float, seconds.read_text(encoding="utf-8").split())),
        cpu_s=cpu_s,
    )


def children_cpu_s() -> float:
    """Processor time of every process started and ended so far, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _logged_replies(logs: Path, tasks: Path, names: list[str]) -> dict[str, list[str]]:
    """What lmms-eval logged as each item's replies; it logs a document by its place in the task's file."""
    replies = {}
    for name in names:
        documents = json.loads((tasks / f"{name}.json").read_text(encoding="utf-8"))
        for path in logs.rglob(f"*_samples_{name}.jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                sample = json.loads(line)
                document, text = documents[sample["doc_id"]], sample["filtered_resps"]
                if "item" in document:
                    text = text[0] if isinstance(text, list) else text
                    replies[document["id"]] = json.loads(text) if len(document["pictures_by_round"]) > 1 else [text]
    return replies
