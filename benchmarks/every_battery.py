"""Six batteries by five kinds of respondent: every cell has a figure, or says why it has none.

    python benchmarks/every_battery.py MODEL WORK --data FOLDER

MODEL is a run of ``babyvlm train`` on the nursery with the stages instruction and contrastive. FOLDER holds
``devbench`` (Looking While Listening with its pictures), ``emoji`` and ``zorro``, which are not part of the project.
The other three batteries are built from half an hour of the nursery: the twelve sub-tasks as published, balanced, and
hard.

Claim: 30 cells, each filled or refused with a reason, in at most 10 minutes on two cores with models of the nursery's
size. The language model has drawn weights: its figures mean nothing, its time does. Writes a dated result beside this
script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

RESULTS = Path(__file__).resolve().parent / "results"
MAX_MINUTES = 10.0
COLOURS = '''import numpy as np

class Colours:
    """Knows the colours of a few things."""
    KNOWN = {"apple": (200, 30, 30), "banana": (240, 210, 60), "frog": (60, 160, 60), "ball": (200, 60, 60)}

    def score(self, texts, images):
        means = np.array([np.asarray(image).mean((0, 1)) for image in images])
        wanted = np.array([self.KNOWN.get(text, (128, 128, 128)) for text in texts])
        return -np.linalg.norm(wanted[:, None] - means[None], axis=-1)
'''


def babyvlm(*words: object) -> str:
    """Runs a command; empty where it went well, otherwise its error."""
    command = [sys.executable, "-m", "babyvlm", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if "error:" in line]
    return "" if done.returncode == 0 else lines[-1].partition("error: ")[2] if lines else done.stderr[-300:]


def must(*words: object) -> None:
    if problem := babyvlm(*words):
        raise SystemExit(f"babyvlm {' '.join(map(str, words))}: {problem}")


def write_language_model(folder: Path) -> None:
    """A small GPT-2 with drawn weights, over the bytes of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate([*alphabet, "<|end|>"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(vocabulary), n_positions=2048, n_embd=128, n_layer=4, n_head=4)
    GPT2LMHeadModel(config).save_pretrained(folder)


def toolboxes(work: Path, data: Path) -> dict[str, Path]:
    """The six, made where they are absent."""
    film = work / "film"
    if not film.exists():
        must("corpus", "render", "--out", film, "--hours", 0.5, "--seed", 1900, "--speech", "silence")
    build = ("toolbox", "build", film, "--items-per-task", 60, "--items", "memory", 12, "--seed", 1900)
    imports = ("toolbox", "import")
    made = {
        "published": build,
        "balanced": (*build, "--construction", "balanced"),
        "hard": (*build, "--variants", "hard", "--tasks", "left_right", "spatial_details", "memory"),
        "devbench": (*imports, data / "devbench", "--battery", "devbench", "--max-unusable", 1),
        "words": (*imports, data / "emoji", "--battery", "words"),
        "minimal pairs": (*imports, data / "zorro", "--battery", "minimal-pairs"),
    }
    found = {}
    for name, command in made.items():
        found[name] = work / "toolboxes" / name.replace(" ", "-")
        if not found[name].exists():
            must(*command, "--out", found[name])
    return found


def cell(respondent: tuple[object, ...], toolbox: Path, run: Path) -> dict:
    """One respondent asked one battery."""
    began_s = time.monotonic()
    problem = babyvlm("evaluate", respondent[0], toolbox, "--out", run, *respondent[1:])
    found: dict = {"seconds": round(time.monotonic() - began_s, 1)}
    if problem:
        return {**found, "refused": problem}
    scores = json.loads((run / "scores.json").read_text())["babyvlm"]
    left_out = json.loads((run / "run.json").read_text()).get("cannot_answer", [])
    tasks = {task["task"]: round(100 * task["value"], 1) for task in scores["tasks"] if task["value"] is not None}
    return {**found, "percent": tasks, "cannot_answer": left_out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    work = arguments.work
    (work / "runs").mkdir(parents=True, exist_ok=True)
    write_language_model(work / "language-model")
    (work / "colours.py").write_text(COLOURS)
    respondents = {
        "baseline": ("baseline:majority",),
        "ours": (arguments.model / "instruction", "--answer", "likelihood"),
        "clip": (f"clip:{arguments.model / 'contrastive'}",),
        "lm": (f"lm:{work / 'language-model'}",),
        "python": (f"python:{work / 'colours.py'}:Colours",),
    }
    boxes = toolboxes(work, arguments.data)
    began_s = time.monotonic()
    cells = {}
    for battery, toolbox in boxes.items():
        for kind, respondent in respondents.items():
            name = f"{battery} x {kind}"
            cells[name] = cell(respondent, toolbox, work / "runs" / name.replace(" ", "-"))
            print(name, json.dumps(cells[name]), flush=True)
    minutes = (time.monotonic() - began_s) / 60
    result = {
        "date": f"{datetime.date.today()}",
        "machine": f"{os.cpu_count()} cores",
        "minutes": round(minutes, 2),
        "bound_minutes": MAX_MINUTES,
        "filled": sum("percent" in one for one in cells.values()),
        "refused": sum("refused" in one for one in cells.values()),
        "cells": cells,
    }
    path = RESULTS / f"every_battery-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{result['filled']} filled, {result['refused']} refused, {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
