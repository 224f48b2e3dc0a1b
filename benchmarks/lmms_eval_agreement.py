"""lmms-eval asks the same items and finds the same (claim: every reply and every score of a checkpoint agrees).

Makes an environment of its own for lmms-eval, asks the same items of the same checkpoint there and with ``babyvlm
evaluate``, and compares reply by reply and figure by figure. lmms-eval depends on torchvision, which goes once the rest
is installed; babyvlm goes in without its dependencies, which are there.

    python benchmarks/lmms_eval_agreement.py CHECKPOINT TOOLBOX [--limit N] [--environment FOLDER]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from babyvlm.evaluation import evaluate
from babyvlm.evaluation.local import LocalModel
from babyvlm.leaderboard.tasks import LWL_IN_WORDS, WINOGROUND, write_lmms_tasks
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox import TASKS, open_toolbox

ROOT = Path(__file__).resolve().parents[1]
LMMS_EVAL = "lmms-eval==0.7.3"


def environment(folder: Path) -> Path:
    """The Python of an environment with lmms-eval and this package; made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*install, "torch==2.13.0", "torchvision==0.28.0", LMMS_EVAL], check=True)
        subprocess.run([str(python), "-m", "pip", "uninstall", "-q", "-y", "torchvision"], check=True)
        subprocess.run([*install, "tyro", "tensorboard"], check=True)
        subprocess.run([*install, "--no-deps", "-e", str(ROOT)], check=True)
    return python


def lmms_samples(logs: Path, tasks: Path, names: list[str]) -> dict[str, list[str]]:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", default=ROOT / "demo/model/instruction")
    parser.add_argument("toolbox", type=Path, nargs="?", default=ROOT / "demo/toolbox")
    parser.add_argument("--limit", type=int, default=10, help="items a task")
    parser.add_argument("--environment", type=Path, default=ROOT / ".lmms")
    given = parser.parse_args()
    python = environment(given.environment)
    toolbox = open_toolbox(given.toolbox)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        names = write_lmms_tasks(toolbox, work / "tasks", limit=given.limit)
        command = [str(python), "-m", "lmms_eval", "--model", "babyvlm"]
        command += ["--model_args", f"pretrained={given.checkpoint.resolve()}", "--include_path", str(work / "tasks")]
        command += ["--tasks", ",".join(names), "--batch_size", "32", "--output_path", str(work / "logs")]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run([*command, "--log_samples"], env=environ, capture_output=True, text=True, check=False)
        results = sorted((work / "logs").rglob("*_results.json"))
        if not results:
            sys.exit(f"lmms-eval wrote no results (exit code {done.returncode}):\n{done.stderr[-3000:]}")
        theirs = json.loads(results[-1].read_text(encoding="utf-8"))["results"]
        there = lmms_samples(work / "logs", work / "tasks", names)
        scores = evaluate(LocalModel(given.checkpoint), toolbox, work / "run", limit=given.limit)
        responses = list(read_jsonl(work / "run" / "responses.jsonl", Response))
    same = sum([reply.text for reply in response.replies] == there.get(response.item) for response in responses)
    figures = {}
    for task in scores.tasks:
        key = LWL_IN_WORDS if task.task == "looking_while_listening" else TASKS[task.task].leaderboard_key
        for metric, value in task.metrics.items():
            figures[f"{key} {metric}"] = {"babyvlm": value, "lmms_eval": theirs[key].get(f"{metric},none")}
    apart = [name for name, pair in figures.items() if abs(pair["babyvlm"] - (pair["lmms_eval"] or 0)) > 1e-9]
    result = {
        "date": str(datetime.date.today()),
        "lmms_eval": LMMS_EVAL,
        "items": len(responses),
        "items_with_equal_replies": same,
        "figures": figures,
        "figures_apart": apart,
        "winoground_by_likelihood": {
            key: value for key, value in theirs.get(WINOGROUND, {}).items() if key.endswith("_score,none")
        },
    }
    target = Path(__file__).parent / "results" / f"lmms_eval_agreement-{result['date']}.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    equal = len(figures) - len(apart)
    print(f"{same} of {len(responses)} items with equal replies; {equal} of {len(figures)} figures equal")
    print(f"written to {target}")
    sys.exit(same < len(responses) or bool(apart))


if __name__ == "__main__":
    main()
