"""lmms-eval asks the same items and finds the same (claim: every reply and every score of a checkpoint agrees).

Makes an environment of its own for lmms-eval (``beside_lmms_eval``), asks the same items of the same checkpoint there
and with ``babyvlm evaluate``, and compares reply by reply and figure by figure.

    python benchmarks/lmms_eval_agreement.py CHECKPOINT TOOLBOX [--limit N] [--environment FOLDER]
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from pathlib import Path

from babyvlm.evaluation import evaluate
from babyvlm.evaluation.local import LocalModel
from babyvlm.leaderboard.tasks import LWL_IN_WORDS, WINOGROUND, write_lmms_tasks
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox import TASKS, open_toolbox
from beside_lmms_eval import LMMS_EVAL, ROOT, ask_there, environment


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
        there = ask_there(python, given.checkpoint, work / "tasks", names, work / "logs", model="babyvlm")
        scores = evaluate(LocalModel(given.checkpoint), toolbox, work / "run", limit=given.limit)
        responses = list(read_jsonl(work / "run" / "responses.jsonl", Response))
    same = sum([reply.text for reply in response.replies] == there.replies.get(response.item) for response in responses)
    figures = {}
    for task in scores.tasks:
        key = LWL_IN_WORDS if task.task == "looking_while_listening" else TASKS[task.task].leaderboard_key
        for metric, value in task.metrics.items():
            figures[f"{key} {metric}"] = {"babyvlm": value, "lmms_eval": there.results[key].get(f"{metric},none")}
    apart = [name for name, pair in figures.items() if abs(pair["babyvlm"] - (pair["lmms_eval"] or 0)) > 1e-9]
    result = {
        "date": str(datetime.date.today()),
        "lmms_eval": LMMS_EVAL,
        "items": len(responses),
        "items_with_equal_replies": same,
        "figures": figures,
        "figures_apart": apart,
        "winoground_by_likelihood": {
            key: value for key, value in there.results.get(WINOGROUND, {}).items() if key.endswith("_score,none")
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
