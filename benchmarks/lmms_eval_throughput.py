"""Items are answered faster than by lmms-eval (claim: at least 2 times the items a second of lmms-eval 0.7.3 asking the
same items of the same checkpoint, with the same replies).

    python benchmarks/lmms_eval_throughput.py CHECKPOINT TOOLBOX [--limit N] [--threads T] [--environment FOLDER]

One after the other, each in a process of its own:

    babyvlm evaluate        batches of 32, its default
    lmms-eval, one_by_one   a model class in the way of the packaged LLaVA ones (``ask_one_by_one.py``),
                            at a batch size of 1 and at the largest given; compared with is the better of the two
    lmms-eval, babyvlm      our plug-in, which answers with the code of ``babyvlm evaluate`` inside; no part of the
                            claim, it tells what lmms-eval itself adds

Two times are taken of each: the asking alone, from the first picture read to the last reply, and the whole command,
with start, task files and scoring.
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

from babyvlm.leaderboard.tasks import WINOGROUND, write_lmms_tasks
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox import open_toolbox
from beside_lmms_eval import LMMS_EVAL, ROOT, ask_there, children_cpu_s, environment

BABYVLM = [sys.executable, "-c", "from babyvlm.cli import main; main()"]


def asked_here(checkpoint: Path, toolbox: Path, out: Path, limit: int | None) -> tuple[dict[str, float], dict]:
    """Times of ``babyvlm evaluate`` as typed, and its replies by item."""
    command = [*BABYVLM, "evaluate", str(checkpoint), str(toolbox), "--out", str(out)]
    began_s, began_cpu_s = time.monotonic(), children_cpu_s()
    subprocess.run([*command, *(["--limit", str(limit)] if limit else [])], check=True, capture_output=True)
    whole_s, cpu_s = time.monotonic() - began_s, children_cpu_s() - began_cpu_s
    responses = list(read_jsonl(out / "responses.jsonl", Response))
    # A batch's time is shared out evenly among its replies.
    asking_s = sum(reply.latency_s for response in responses for reply in response.replies)
    times = {"whole_s": whole_s, "asking_s": asking_s, "cpu_s": cpu_s}
    return times, {response.item: [reply.text for reply in response.replies] for response in responses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=ROOT / "demo/model/instruction")
    parser.add_argument("toolbox", type=Path, nargs="?", default=ROOT / "demo/toolbox")
    parser.add_argument("--limit", type=int, help="items a sub-task; all when not given")
    parser.add_argument("--batch-size", type=int, default=32, help="the larger one of one_by_one")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch, in every process")
    parser.add_argument("--environment", type=Path, default=ROOT / ".lmms")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    python = environment(given.environment)
    times, same = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        written = write_lmms_tasks(open_toolbox(given.toolbox), work / "tasks", limit=given.limit)
        names = [name for name in written if name != WINOGROUND]  # by likelihood, which babyvlm evaluate does not ask
        ours = "babyvlm evaluate, batches of 32"
        times[ours], replies = asked_here(given.checkpoint, given.toolbox, work / "run", given.limit)
        for model, batch_size in (("one_by_one", 1), ("one_by_one", given.batch_size), ("babyvlm", 32)):
            way = f"lmms-eval, {model}, batches of {batch_size}"
            there = ask_there(
                python, given.checkpoint, work / "tasks", names, work / f"{model}{batch_size}", model=model,
                batch_size=batch_size,
            )  # fmt: skip
            times[way] = {"whole_s": there.whole_s, "asking_s": there.asking_s, "cpu_s": there.cpu_s}
            same[way] = f"{sum(there.replies.get(item) == texts for item, texts in replies.items())} of {len(replies)}"
            print(way, times[way], same[way], flush=True)

    def faster(part: str, model: str) -> float:
        return round(min(took[part] for way, took in times.items() if model in way) / times[ours][part], 2)

    result = {
        "date": str(datetime.date.today()),
        "lmms_eval": LMMS_EVAL,
        "cores": os.cpu_count(),
        "threads": given.threads,
        "load_average": round(os.getloadavg()[0], 1),
        "items": len(replies),
        "rounds": sum(map(len, replies.values())),
        "bound": "2 times the better of one_by_one, in both parts",
        "seconds": {way: {part: round(took[part], 1) for part in took} for way, took in times.items()},
        "items_a_second": {
            way: {part[:-2]: round(len(replies) / took[part], 1) for part in ("asking_s", "whole_s")}
            for way, took in times.items()
        },
        "times_faster": {"asking": faster("asking_s", "one_by_one"), "whole command": faster("whole_s", "one_by_one")},
        "times_faster_than_our_plug_in": {
            "asking": faster("asking_s", ", babyvlm"),
            "whole command": faster("whole_s", ", babyvlm"),
        },
        "items_with_the_same_replies": same,
    }
    target = Path(__file__).parent / "results" / f"lmms_eval_throughput-{result['date']}.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
