"""Curation holds no more of a long corpus than of a short one (claim: the same peak memory for 1 and for 20 hours).

    python benchmarks/curation_memory.py [VIDEO] [--minutes 5] [--hours 20]

Recordings as in ``curation_speed.py``, but of 10 frames a second and without noise, which take time and no memory; an
utterance every two seconds, curated by one worker. Memory is the peak of what the processes of a curation hold for
themselves (anonymous resident memory), sampled five times a second; pages of mapped files, which the system may drop,
are left out. Needs ffmpeg, and the time that decoding the hours takes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from curation_speed import CURATE, RESULTS, film, lay_out


def own_mib(process: int) -> float:
    """What a process and those below it hold for themselves now, MiB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        below = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0.0
    held_kib = next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
    return held_kib / 1024 + sum(own_mib(int(child)) for child in below)


def peak_mib(corpus: Path, out: Path) -> float:
    """The peak of a curation with one worker, MiB."""
    process = subprocess.Popen([sys.executable, "-c", CURATE, str(corpus), str(out), "1"], stderr=subprocess.DEVNULL)
    peaks = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peaks.append(own_mib(process.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    if process.wait():
        raise SystemExit("curation failed")
    watcher.join()
    return max(peaks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--hours", type=float, default=20)
    options = parser.parse_args()
    result: dict[str, object] = {"date": str(datetime.date.today()), "minutes_a_recording": options.minutes}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        folder = Path(temporary)
        film(folder / "film.mp4", options.video, options.minutes, rate=10, noise=False)
        for hours in (1.0, options.hours):
            files = round(hours * 60 / options.minutes)
            corpus = lay_out(folder / "corpus", folder / "film.mp4", files, options.minutes)
            result[f"peak_mib_of_{hours:g}_hours"] = round(peak_mib(corpus, folder / "out"), 1)
            shutil.rmtree(folder / "out")
            shutil.rmtree(corpus)
    out = RESULTS / f"curation_memory-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
