"""Asking costs next to nothing beside answering (claims: at most 1 ms an item; 100,000 items in bounded memory; at most
10 s from the command to the first item answered).

    python benchmarks/harness.py [--items 100000] [--checkpoint FOLDER]

An instant respondent says A to everything, so that what is left is the harness: opening the toolbox, making questions,
writing responses, reading them back and scoring. Each number of items runs in a process of its own, whose largest
memory is noted when the toolbox is open and at the end. The start is that of ``babyvlm evaluate CHECKPOINT TOOLBOX``,
three times, from the start of the process to the first line of ``responses.jsonl``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from babyvlm.evaluation import evaluate
from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.records import Question, Reply, Response
from babyvlm.toolbox import open_toolbox
from drawn import counting_item, draw_pictures, memory_item, write_checkpoint, write_toolbox

BABYVLM = [sys.executable, "-c", "from babyvlm.cli import main; main()"]
LONGEST_START_S = 300


class Instant:
    """Says A at once, without a look."""

    name, sends_data_out = "instant", False
    family: Family = "baseline"

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        said = Reply(text="A")
        for question in questions:
            yield Response(item=question.id, replies=(said,) * len(question.turns))


def peak_mib() -> float:
    """The most memory this process has held, MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # elsewhere, what the process that started this one held is counted in as well
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 2**10, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1)


def measure(toolbox_folder: Path, out: Path) -> dict:
    """One run of the instant respondent, in this process."""
    before_mib, began_s, began_cpu_s = peak_mib(), time.monotonic(), time.process_time()
    toolbox = open_toolbox(toolbox_folder)
    opened_s, opened_mib = time.monotonic(), peak_mib()
    evaluate(Instant(), toolbox, out)
    done_s, done_cpu_s, items = time.monotonic(), time.process_time(), len(toolbox.items)
    return {
        "items": items,
        "ms_an_item": round(1000 * (done_s - began_s) / items, 3),
        "cpu_ms_an_item": round(1000 * (done_cpu_s - began_cpu_s) / items, 3),
        "of_which_opening": round(1000 * (opened_s - began_s) / items, 3),
        "peak_mib": {"before": before_mib, "toolbox open": opened_mib, "at the end": peak_mib()},
        "kib_an_item": {
            "toolbox open": round(1024 * (opened_mib - before_mib) / items, 2),
            "evaluate on top": round(1024 * (peak_mib() - opened_mib) / items, 2),
        },
    }


def cpu_s(process: int) -> float | None:
    """CPU seconds of another process so far; None where there is no /proc to ask."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.is_file():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def start(checkpoint: Path, toolbox: Path, out: Path) -> dict:
    """Seconds from the start of the process to the first line of its responses."""
    began_s = time.monotonic()
    client = subprocess.Popen(
        [*BABYVLM, "evaluate", str(checkpoint), str(toolbox), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    responses = out / "responses.jsonl"
    while not (responses.is_file() and responses.stat().st_size) and client.poll() is None:
        if time.monotonic() - began_s > LONGEST_START_S:
            client.kill()
            raise SystemExit(f"no item answered within {LONGEST_START_S} s")
        time.sleep(0.01)
    took = {"seconds": round(time.monotonic() - began_s, 2), "cpu_seconds": cpu_s(client.pid)}
    _, said = client.communicate()
    if client.returncode:
        raise SystemExit(f"babyvlm evaluate ended with {client.returncode}: {said[-1000:]}")
    return took


def draw(folder: Path, items: int) -> None:
    pictures = draw_pictures(folder, 50, 32)
    write_toolbox(folder, [counting_item(number, pictures[number % 50]) for number in range(items)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000, help="a tenth as many run beside it")
    parser.add_argument("--checkpoint", type=Path, help="whose start is timed; one of drawn weights by default")
    parser.add_argument("--measure", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    runs, starts = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in (options.items // 10, options.items):
            draw(folder / f"toolbox{number}", number)
            command = [sys.executable, __file__, "--measure", folder / f"toolbox{number}", folder / f"run{number}"]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
            print(runs[-1], flush=True)
        checkpoint = options.checkpoint or folder / "model"
        if not options.checkpoint:
            write_checkpoint(checkpoint, image_size=64, width=128, layers=4, context=1536)
        pictures = draw_pictures(folder / "toolbox", 64, 64)
        items = [counting_item(number, pictures[number]) for number in range(64)]
        write_toolbox(folder / "toolbox", [*items, memory_item(pictures[:15])])
        for number in range(3):
            starts.append(start(checkpoint, folder / "toolbox", folder / f"start{number}"))
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "bounds": "1 ms an item; 10 s to the first item",
        "instant_respondent": runs,
        "to_the_first_item": starts,
    }
    out = Path(__file__).parent / "results" / f"harness-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
