"""A set of 768,000 pairs opens at once (claim: first page under 1 s, search under 1 s, memory bounded).

    python benchmarks/explorer_speed.py [--pairs 768000]

A synthetic set of that size is written (pictures of a few bytes, utterances of six words from a vocabulary with a long
tail), indexed, and served by ``babyvlm explore`` in a process of its own, whose pages are timed over HTTP. Each page is
asked for five times; the slowest counts, and the first is said beside it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from babyvlm.curation.sets import CONVERSATION_SCHEMA, UTTERANCE_SCHEMA, RowWriter
from babyvlm.explorer.index import open_index
from babyvlm.explorer.sources import find_sources
from babyvlm.folders import Manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Recording, write_jsonl

RECORDINGS = 400
PAGES = {
    "first page of all pairs": "/records",
    "overview": "/",
    "a common word": "/records?q=word1",
    "a rare word": "/records?q=word9000",
    "two words, one split": "/records?q=word1+word2&split=test",
    "a common word in one recording": "/records?q=word1&recording=R0007",
    "utterances with a common word": "/utterances?q=word1",
    "a timeline": "/recordings/1/R0007",
    "what training held of a word": "/words/word3",
    "a page far down": "/records?after=700000",
}


def write_set(folder: Path, pairs: int, draw: random.Random) -> None:
    """A curated set as curation writes it."""
    folder.mkdir()
    words = [f"word{number}" for number in range(1, 10_001)]
    weights = [1 / rank for rank in range(1, 10_001)]
    with (
        ImageStoreWriter(folder / "images") as images,
        RowWriter(folder / "image.parquet", CONVERSATION_SCHEMA) as rows,
        RowWriter(folder / "utterances.parquet", UTTERANCE_SCHEMA) as utterances,
    ):
        for number in range(pairs):
            said = " ".join(draw.choices(words, weights, k=6))
            where = {"recording": f"R{number % RECORDINGS:04d}", "start_s": number / RECORDINGS}
            where |= {"end_s": where["start_s"] + 1, "split": "test" if number % 10 == 0 else "train"}
            images.add(f"frame_{number}", b"\xff\xd8\xff\xd9")
            pair = {
                "id": str(number),
                "format": "image",
                "images": [f"frame_{number}"],
                "task": "",
                "variant": "published",
            }
            rows.add(pair | {"turns": [{"prompt": "<image>", "answer": said}]} | where)
            if number % 3 == 0:
                utterances.add({"speaker": "mother", "text": said} | where)
    recordings = [
        Recording(id=f"R{number:04d}", child="S", media="x.mp4", duration_s=pairs / RECORDINGS + 2)
        for number in range(RECORDINGS)
    ]
    write_jsonl(folder / "recordings.jsonl", recordings)
    Manifest(kind="pretraining-set").write(folder)


def fetch_s(address: str) -> float:
    """Seconds to a whole page."""
    began_s = time.perf_counter()
    with urllib.request.urlopen(address, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - began_s


def peak_mib(process: int) -> float:
    """Most memory a process has held, MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=768_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, cache = Path(folder) / "data", Path(folder) / "cache"
        write_set(data, options.pairs, random.Random(0))
        began_s = time.perf_counter()
        index = open_index(find_sources(data), cache)
        indexed_s = time.perf_counter() - began_s
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [
            sys.executable, "-m", "babyvlm.cli", "explore", str(data), "--cache", str(cache), "--port", str(port),
        ]  # fmt: skip
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            base = f"http://127.0.0.1:{port}"
            while True:
                try:
                    fetch_s(base + "/explorer.css")
                    break
                except OSError:
                    time.sleep(0.05)
            times = {name: [fetch_s(base + path) for _ in range(5)] for name, path in PAGES.items()}
            peak = peak_mib(server.pid)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
        result = {
            "date": str(datetime.date.today()),
            "cores": os.cpu_count(),
            "pairs": options.pairs,
            "index_made_in_s": round(indexed_s, 1),
            "index_mib": round(index.stat().st_size / 2**20),
            "peak_memory_of_indexing_mib": round(peak_mib(os.getpid())),
            "peak_memory_of_serving_mib": round(peak),
            "pages_s": {
                name: {"first": round(taken[0], 3), "slowest": round(max(taken), 3)} for name, taken in times.items()
            },
        }
    out = Path(__file__).parent / "results" / f"explorer_speed-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
