"""Items are answered faster than by lmms-eval (claim: at least 10 times the items a second of lmms-eval 0.7.3 asking
the same items of the same checkpoint, with the same replies, of all kinds of items and of memory items alone).

    python benchmarks/lmms_eval_throughput.py CHECKPOINT TOOLBOX [--limit N] [--threads T] [--environment FOLDER]
    python benchmarks/lmms_eval_throughput.py --drawn     a model of the nursery's size with drawn weights, drawn items
    python benchmarks/lmms_eval_throughput.py --drawn memory                   the same with memory items alone

One after the other, each in a process of its own, and all of them again ``--repeat`` times:

    babyvlm evaluate        batches of 32, its default
    lmms-eval, one_by_one   a model class in the way of the packaged LLaVA ones (``ask_one_by_one.py``),
                            at a batch size of 1 and at the largest given; compared with is the better of the two
    lmms-eval, babyvlm      our plug-in, which answers with the code of ``babyvlm evaluate`` inside; no part of the
                            claim, it tells what lmms-eval itself adds

Two times are taken of each: the asking alone, from the first picture read to the last reply, and the whole command,
with start, task files and scoring; and the processor's time of the whole command. Figures are medians over the repeats.
On a machine that others use too, compare the processor's time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from babyvlm.leaderboard.tasks import WINOGROUND, write_lmms_tasks
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox import open_toolbox
from beside_lmms_eval import LMMS_EVAL, ROOT, ask_there, children_cpu_s, environment
from drawn import counting_item, draw_pictures, memory_item, write_checkpoint, write_toolbox

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


def draw(folder: Path, single_rounds: int) -> None:
    """A checkpoint of the nursery's shape with drawn weights, so many items of one round, and 32 of fifteen."""
    write_checkpoint(folder / "model", image_size=64, width=128, layers=4, context=1536)
    pictures = draw_pictures(folder / "toolbox", 32 * 15 + 64, 64)
    items = [memory_item(pictures[15 * number : 15 * number + 15]) for number in range(32)]
    items += [counting_item(number, pictures[32 * 15 + number % 64]) for number in range(single_rounds)]
    write_toolbox(folder / "toolbox", items)


def medians(repeats: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The middle of each time of each way."""
    return {
        way: {part: statistics.median(times[way][part] for times in repeats) for part in parts}
        for way, parts in repeats[0].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=ROOT / "demo/model/instruction")
    parser.add_argument("toolbox", type=Path, nargs="?", default=ROOT / "demo/toolbox")
    parser.add_argument(
        "--drawn", nargs="?", const="all", choices=("all", "memory"), help="draw both on the spot; memory items alone"
    )
    parser.add_argument("--limit", type=int, help="items a sub-task; all when not given")
    parser.add_argument("--batch-size", type=int, default=32, help="the larger one of one_by_one")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch, in every process")
    parser.add_argument("--repeat", type=int, default=3, help="times that every way is taken, in turn")
    parser.add_argument("--environment", type=Path, default=ROOT / ".lmms")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    python = environment(given.environment)
    repeats: list[dict[str, dict[str, float]]] = []
    same = {}
    ours = "babyvlm evaluate, batches of 32"
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        if given.drawn:
            draw(work, single_rounds=320 if given.drawn == "all" else 0)
            given.checkpoint, given.toolbox = work / "model", work / "toolbox"
        written = write_lmms_tasks(open_toolbox(given.toolbox), work / "tasks", limit=given.limit)
        names = [name for name in written if name != WINOGROUND]  # by likelihood, which babyvlm evaluate does not ask
        for repeat in range(given.repeat):
            times: dict[str, dict[str, float]] = {}
            times[ours], replies = asked_here(given.checkpoint, given.toolbox, work / f"run{repeat}", given.limit)
            print(ours, times[ours], flush=True)
            for model, batch_size in (("one_by_one", 1), ("one_by_one", given.batch_size), ("babyvlm", 32)):
                way = f"lmms-eval, {model}, batches of {batch_size}"
                there = ask_there(
                    python, given.checkpoint, work / "tasks", names, work / f"{model}{batch_size}-{repeat}",
                    model=model, batch_size=batch_size,
                )  # fmt: skip
                times[way] = {"whole_s": there.whole_s, "asking_s": there.asking_s, "cpu_s": there.cpu_s}
                equal = sum(there.replies.get(item) == texts for item, texts in replies.items())
                same[way] = f"{equal} of {len(replies)}"
                print(way, times[way], same[way], flush=True)
            repeats.append(times)
    times = medians(repeats)

    def faster(part: str, model: str) -> float:
        return round(min(took[part] for way, took in times.items() if model in way) / times[ours][part], 2)

    def all_faster(model: str) -> dict[str, float]:
        parts = {"asking": "asking_s", "whole command": "whole_s", "processor time": "cpu_s"}
        return {said: faster(part, model) for said, part in parts.items()}

    result = {
        "date": str(datetime.date.today()),
        "lmms_eval": LMMS_EVAL,
        "cores": os.cpu_count(),
        "threads": given.threads,
        "load_average": round(os.getloadavg()[0], 1),
        "checkpoint": "drawn weights of the nursery's shape" if given.drawn else "trained",
        "items": len(replies),
        "rounds": sum(map(len, replies.values())),
        "repeats": given.repeat,
        "bound": "asking, 10 times the better of one_by_one",
        "seconds": {way: {part: round(took[part], 1) for part in took} for way, took in times.items()},
        "items_a_second": {
            way: {part[:-2]: round(len(replies) / took[part], 1) for part in ("asking_s", "whole_s")}
            for way, took in times.items()
        },
        "times_faster": all_faster("one_by_one"),
        "asking_seconds_in_each_repeat": {way: [round(each[way]["asking_s"], 1) for each in repeats] for way in times},
        "times_faster_than_our_plug_in": all_faster(", babyvlm"),
        "items_with_the_same_replies": same,
    }
    kind = {None: "", "all": "drawn-", "memory": "drawn-memory-"}[given.drawn]
    target = Path(__file__).parent / "results" / f"lmms_eval_throughput-{kind}{result['date']}.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
