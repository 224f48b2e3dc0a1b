"""What pictures and utterances alone teach: words found among pictures after two hours of the nursery, no label given.

    python benchmarks/words_from_experience.py WORK [--seeds 0 1 2] [--hours 2] [--steps N]

For each seed: a nursery of so many hours, its set, the vision and contrastive stages of the recipe ``experience``,
which see no instruction item, and the word tasks of a nursery of another seed, whose things and rooms were never filmed
in training. Also asked, where ``--emoji FOLDER`` names drawings by four hands: the battery
``words``.

Claim: at least 75% of four pictures and 88% of two, means over three seeds, after at most 10 minutes of training on two
cores; chance 25 and 50. WORK keeps every part, so that an interrupted run resumes. Writes a dated result beside this
script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from babyvlm.recipes import resolve
from babyvlm.toolbox import wilson_interval

RESULTS = Path(__file__).resolve().parent / "results"
MIN_FOUR, MIN_TWO, MAX_MINUTES = 0.75, 0.88, 10.0
ITEMS_SEED = 1900
FPS = 3  # more views of what is talked about than the published one frame a second


def babyvlm(*words: object) -> None:
    print("babyvlm", *words, flush=True)
    subprocess.run([sys.executable, "-m", "babyvlm", "--quiet", *map(str, words)], check=True)


def once(done: Path, *words: object) -> None:
    """Runs a command unless what it leaves is there."""
    if not done.exists():
        babyvlm(*words)


def accuracies(run: Path) -> dict[str, dict[str, float]]:
    tasks = json.loads((run / "scores.json").read_text())["babyvlm"]["tasks"]
    return {task["task"]: {key: task[key] for key in ("value", "low", "high", "items")} for task in tasks}


def by_hand(toolbox: Path, run: Path, model: Path) -> dict[str, dict[str, float]]:
    """Accuracy on each hand's drawings of the words that the model knows, with a 95% interval over words."""
    settings = json.loads((model / "config.json").read_text())
    known = {*settings["words"], *settings["forms"]}
    right: dict[str, list[float]] = {}
    chosen = {}
    for line in (run / "responses.jsonl").read_text().splitlines():
        response = json.loads(line)
        chosen[response["item"]] = response["replies"][0]["text"]
    for line in (toolbox / "items.jsonl").read_text().splitlines():
        item = json.loads(line)
        turn = item["turns"][0]
        place = turn["options"].index(turn["gold"])
        if all(word in known for word in turn["labels"][place].split()):
            hand = turn["origins"][place]["source"].partition("/")[0]
            right.setdefault(hand, []).append(float(chosen[item["id"]] == turn["gold"]))
    found = {}
    for hand, words in sorted(right.items()):
        low, high = wilson_interval(statistics.mean(words), len(words))
        found[hand] = {"value": statistics.mean(words), "low": low, "high": high, "words": len(words)}
    return found


def of_seed(work: Path, seed: int, hours: float, steps: int | None, emoji: Path | None) -> dict:
    film, data, model = work / f"film-{seed}", work / f"set-{seed}", work / f"model-{seed}-{steps or 'recipe'}"
    once(film / "manifest.json", "corpus", "render", "--out", film, "--hours", hours, "--seed", seed,
         "--speech", "silence")  # fmt: skip
    once(data / "manifest.json", "curate", film, "--out", data, "--seed", seed, "--fps", FPS)
    timed = model / "seconds.json"
    if not timed.exists():
        began_s = time.monotonic()
        settings = [f"seed={seed}", *([f"contrastive.optimisation.steps={steps}"] if steps else [])]
        babyvlm("train", "experience", *settings, "--data", data, "--out", model, "--stage", "vision", "contrastive")
        timed.write_text(json.dumps(time.monotonic() - began_s))
    toolbox = work / "toolbox"
    run = work / f"run-{seed}-{steps or 'recipe'}"
    once(run / "scores.json", "evaluate", f"clip:{model / 'contrastive'}", toolbox, "--out", run)
    found = {"seed": seed, "training_minutes": json.loads(timed.read_text()) / 60, **accuracies(run)}
    if emoji is not None:
        drawn, asked = work / "emoji", work / f"emoji-{seed}-{steps or 'recipe'}"
        once(drawn / "manifest.json", "toolbox", "import", emoji, "--battery", "words", "--out", drawn)
        once(asked / "scores.json", "evaluate", f"clip:{model / 'contrastive'}", drawn, "--out", asked)
        found |= accuracies(asked)
        found["known_words_by_hand"] = by_hand(drawn, asked, model / "contrastive")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--steps", type=int, help="of the contrastive stage; the recipe's where not given")
    parser.add_argument("--emoji", type=Path)
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    film = work / "film-of-items"
    once(film / "manifest.json", "corpus", "render", "--out", film, "--hours", 0.8, "--seed", ITEMS_SEED,
         "--speech", "silence")  # fmt: skip
    once(work / "toolbox" / "manifest.json", "toolbox", "build", film, "--out", work / "toolbox", "--seed", ITEMS_SEED,
         "--items-per-task", 400, "--tasks", "picture_vocabulary", "looking_while_listening")  # fmt: skip
    rows = []
    for seed in arguments.seeds:
        rows.append(of_seed(work, seed, arguments.hours, arguments.steps, arguments.emoji))
        print(json.dumps(rows[-1]), flush=True)
    means = {}
    for task in ("picture_vocabulary", "looking_while_listening", "word_pictures"):
        values = [row[task]["value"] for row in rows if task in row]
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else None
            means[task] = {"mean": statistics.mean(values), "standard_deviation": deviation, "seeds": len(values)}
    result = {
        "date": f"{datetime.date.today()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "hours": arguments.hours,
        "steps": arguments.steps or resolve("experience").contrastive.optimisation.steps,
        "frames_per_s": FPS,
        "bounds": {"four_pictures": MIN_FOUR, "two_pictures": MIN_TWO, "training_minutes": MAX_MINUTES},
        "means": means,
        "seeds": rows,
    }
    path = RESULTS / f"words_from_experience-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(means, indent=2))


if __name__ == "__main__":
    main()
