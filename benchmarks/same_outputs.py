"""Whether two revisions make the same files from the same inputs: for changes that are meant to change no output.

    python benchmarks/same_outputs.py REVISION [--here PYTHON] [--there PYTHON]

Clones the revision, and runs the same commands in both checkouts: a corpus is rendered, curated, indexed, exported,
built into a toolbox, which is audited and asked two baselines, which are scored, compared and reported. Every file is
compared byte by byte, JSON files with their keys in order. What names the revision, the day, the clock or a folder is
masked before (a manifest's `code_revision` and times, latencies of replies, paths). Pages and cards are listed apart,
since their texts are messages.

Claim: no file differs but pages. Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "corpus render --out corpus --hours 0.1 --seed 0 --speech silence",
    "corpus index corpus",
    "curate corpus --out data --seed 0 --workers 1 --instruction.items.memory 4 --instruction.items.object-counting 20",
    "corpus card data --out card.html",
    "corpus export data --out llava --layout llava",
    "toolbox build corpus --out toolbox --training data --seed 0 --items-per-task 10",
    "toolbox audit toolbox --out audit",
    "toolbox export toolbox --out exported",
    "evaluate baseline:majority toolbox --out runs/majority",
    "evaluate baseline:blind-match toolbox --out runs/blind-match",
    "score runs/majority --scoring reference",
    "score runs/majority",
    "compare runs/majority runs/blind-match --out compared.json",
    "train demo vision.optimisation.steps=3 language.optimisation.steps=3 vision.optimisation.batch_size=8 "
    "cpu_processes=1 precision=no validations=0 --data data --out model --stage vision language",
    "report runs/blind-match runs/majority --out report.html",
)
MASKS = (
    (rb'"(code_revision|created|started|finished|hardware)": ?"[^"]*"', rb'"\1":""'),
    (rb'"(latency_s|seconds|data_wait|samples_per_s|tokens_per_s|flop_use)": ?[0-9.e-]+', rb'"\1":0'),
)
PAGES = (".html", ".css", ".md")
CLOCKED = (".pdf", "tensorboard", ".lock")
"""A PDF says when it was drawn, event files are all times, a lock names its process."""


def run_all(source: Path, python: str, folder: Path) -> dict[str, str]:
    """Runs the commands; returns what came of each that is not zero."""
    environment = os.environ | {"PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": "0"}
    failed = {}
    for command in COMMANDS:
        words = [python, "-m", "babyvlm", *command.split()]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            failed[command] = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(done.returncode)
    return failed


def masked(path: Path, folder: Path) -> bytes:
    """A file's content without what cannot be the same."""
    content = path.read_bytes().replace(str(folder).encode(), b"FOLDER")
    if path.suffix == ".json":
        content = json.dumps(json.loads(content), sort_keys=True).encode()
    if path.suffix in (".json", ".jsonl", ".csv"):
        for pattern, replacement in MASKS:
            content = re.sub(pattern, replacement, content)
    return content


def files_of(folder: Path) -> dict[str, str]:
    """Digest of every file, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(masked(path, folder)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(word in str(path) for word in CLOCKED)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("--here", default=sys.executable, help="Python for this checkout")
    parser.add_argument("--there", default=sys.executable, help="Python for the other revision")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", arguments.revision], check=True)
        folders = {name: Path(temporary) / name / "made" for name in ("here", "there")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        failed = {
            "here": run_all(ROOT, arguments.here, folders["here"]),
            "there": run_all(clone, arguments.there, folders["there"]),
        }
        here, there = (files_of(folders[name]) for name in ("here", "there"))
    differing = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    text = json.dumps(
        {
            "revisions": [head.stdout.strip(), arguments.revision],
            "files_compared": len(here.keys() & there.keys()),
            "differing": [name for name in differing if not name.endswith(PAGES)],
            "differing_pages": [name for name in differing if name.endswith(PAGES)],
            "failed_commands": failed,
        },
        indent=2,
    )
    path = Path(__file__).parent / "results" / f"same_outputs-{datetime.date.today()}.json"
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
