"""A killed curation loses nothing and doubles nothing (claim: 200 SIGKILLs at random moments of a curation of the
nursery, each run gone on with to its end, give the bytes of one that nobody disturbed).

    python benchmarks/curation_kills.py [CORPUS] [--kills 200] [--recordings 6]

CORPUS is a rendered nursery, by default that of the demonstration; some recordings of it are linked into a corpus of
their own. Each round forks a process that curates, kills it at a random moment, and again until it ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

from babyvlm.curation import curate
from babyvlm.errors import OutputExistsError

ROOT = Path(__file__).resolve().parents[1]


def digest(folder: Path) -> str:
    """One hash of every file's name and bytes."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(str(path.relative_to(folder)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def curate_in_a_fork(corpus: Path, out: Path, kill_after_s: float | None) -> bool:
    """Curates in a process of its own; whether it came to its end."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with contextlib.suppress(OutputExistsError):  # killed right after its end, the set is whole
            curate(corpus, out, workers=1)
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=ROOT / "demo/corpus")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--recordings", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "corpus").mkdir()
        for video in sorted(options.corpus.rglob("*.mp4"))[: options.recordings]:
            for suffix in (".mp4", ".vtt"):
                shutil.copy(video.with_suffix(suffix), folder / "corpus")
        began_s = time.monotonic()
        curate_in_a_fork(folder / "corpus", folder / "whole", None)
        lasts_s = time.monotonic() - began_s
        expected = digest(folder / "whole")
        kills = runs = same = left_over = 0
        while kills < options.kills:
            out = folder / "killed"
            while not curate_in_a_fork(folder / "corpus", out, draw.uniform(0, 1.05 * lasts_s)):
                kills += 1
            runs += 1
            same += digest(out) == expected
            left_over += sum(path.name.startswith(".killed") for path in folder.iterdir())
            print(f"{kills} kills, {same} of {runs} runs with the same bytes", flush=True)
            shutil.rmtree(out)
    result = {
        "date": str(datetime.date.today()),
        "recordings": options.recordings,
        "undisturbed_s": round(lasts_s, 2),
        "kills": kills,
        "runs_to_the_end": runs,
        "runs_with_the_same_bytes": same,
        "folders_left_over": left_over,
    }
    out = Path(__file__).parent / "results" / f"curation_kills-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    if same != runs or left_over:
        raise SystemExit("a killed curation came out different")


if __name__ == "__main__":
    main()
