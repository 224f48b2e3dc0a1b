"""A second index of unchanged recordings reads none of them, and no later start reads their headers (claims: no video
is opened; a second index of 10,000 recordings takes a fifth of the first at most, as does opening the corpus).

    python benchmarks/corpus_index.py [--files 10000] [--workers 2]

The recordings are hard links to one film of ten seconds, 160x120, so that what is measured is the cost of each file and
not of its bytes: with recordings of half an hour a first index takes far longer, a later one does not. Each step is a
process of its own. Opened videos are counted in a further run, under ``strace`` where that is installed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from curation_speed import RESULTS

STEPS = {
    "index": "babyvlm.index_corpus(sys.argv[1], workers=int(sys.argv[2]))",
    "open": "from babyvlm.corpus import open_corpus; open_corpus(Path(sys.argv[1]))",
}


def lay_out(folder: Path, files: int) -> None:
    """So many recordings, which were last changed a day ago."""
    folder.mkdir()
    film = folder / "r00000.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30", "-t", "10", "-c:v", "libx264"]
    subprocess.run(["ffmpeg", "-v", "error", *source, str(film)], check=True)
    os.utime(film, (time.time() - 86_400,) * 2)
    for number in range(1, files):
        os.link(film, folder / f"r{number:05}.mp4")


def command(step: str, corpus: Path, workers: int) -> list[str]:
    code = f"import sys; from pathlib import Path; import babyvlm\nif __name__ == '__main__': {STEPS[step]}"
    script = corpus.parent / f"{step}.py"  # a file, so that workers can be spawned from it
    script.write_text(code.replace(": babyvlm", ":\n    babyvlm").replace(": from", ":\n    from"))
    return [sys.executable, str(script), str(corpus), str(workers)]


def seconds(step: str, corpus: Path, workers: int) -> float:
    began_s = time.monotonic()
    subprocess.run(command(step, corpus, workers), check=True, stderr=subprocess.DEVNULL)
    return round(time.monotonic() - began_s, 2)


def videos_opened(step: str, corpus: Path) -> int | None:
    """How many times a step opens a video; None where ``strace`` is not installed."""
    if shutil.which("strace") is None:
        return None
    log = corpus.parent / "strace"
    traced = ["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", str(log), *command(step, corpus, 1)]
    subprocess.run(traced, check=True, stderr=subprocess.DEVNULL)
    return sum('.mp4"' in line for line in log.read_text(errors="replace").splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        os.environ["XDG_CACHE_HOME"] = f"{temporary}/cache"
        corpus = Path(temporary) / "corpus"
        lay_out(corpus, options.files)
        result: dict[str, object] = {
            "date": str(datetime.date.today()),
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 1),
            "files": options.files,
        }
        result["open_without_an_index_s"] = seconds("open", corpus, 1)
        result["first_index_one_worker_s"] = seconds("index", corpus, 1)
        shutil.rmtree(f"{temporary}/cache")
        result[f"first_index_{options.workers}_workers_s"] = seconds("index", corpus, options.workers)
        result["second_index_s"] = seconds("index", corpus, options.workers)
        result["open_with_an_index_s"] = seconds("open", corpus, 1)
        result["bytes_remembered"] = sum(p.stat().st_size for p in Path(temporary, "cache").rglob("*.jsonl"))
        result["videos_opened_by_second_index"] = videos_opened("index", corpus)
        result["videos_opened_by_opening"] = videos_opened("open", corpus)
        result["load_average_after"] = round(os.getloadavg()[0], 1)
    out = RESULTS / f"corpus_index-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
