"""What a process holds of the data, and how soon training starts (claim: 768,000 image-utterance pairs with the video
and interleaved records of the same recordings start within 60 s of one process's time, or of waiting for two that
share the work, and a process beside the first takes less than 300 MiB more).

    python benchmarks/training_start.py [--pairs 768000]

The set is drawn: utterances of a small vocabulary, pictures of one pixel that all but a few ids share, for decoding is
timed elsewhere. One process prepares the joint stage's samples as training does; another one then opens them; then two
together make the same bytes once more. Each draws and packs a few steps. Memory is what a process has to itself
(``Private_*`` of smaps_rollup): mapped files are shared by all of them.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import Accelerator

from babyvlm.curation import PretrainingSet
from babyvlm.curation.sets import CONVERSATION_SCHEMA
from babyvlm.folders import Manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.model.processing import ConversationEncoder
from babyvlm.model.tokenizer import train_tokenizer
from babyvlm.recipes import saycam
from babyvlm.records import Recording, write_jsonl
from babyvlm.training.batches import BatchPlan, pack
from babyvlm.training.nodes import NodeCache
from babyvlm.training.processes import run_in_processes
from babyvlm.training.samples import collate
from babyvlm.training.stage_data import StageData

RESULTS = Path(__file__).parent / "results"
WORDS = ["look", "at", "the", "red", "ball", "where", "is", "it", "do", "you", "want", "some", "more", "milk", "dog"]
RECORDING = len("S_20130301_17_00")
"""Letters of a frame's name that are its recording's."""
SYLLABLES = [first + second for first in "bdgklmnpst" for second in "aeiou"]


def draw_set(folder: Path, pairs: int) -> None:
    """Records in the proportions of a corpus of 478 hours."""
    draw = np.random.default_rng(0)
    words = np.array(WORDS + [a + b for a in SYLLABLES for b in SYLLABLES])

    def utterance() -> str:
        return " ".join(words[draw.integers(0, len(words), max(1, int(draw.gamma(3, 2))))])

    def frame(number: int) -> str:
        return f"S_201303{number % 28 + 1:02d}_17_{number % 40:02d}_{number * 100}_{number * 100 + 2000}_frame_1"

    for form, count in (("image", pairs), ("video", pairs * 181 // 768), ("interleaved", pairs * 63 // 768)):
        with pq.ParquetWriter(folder / f"{form}.parquet", CONVERSATION_SCHEMA, compression="zstd") as writer:
            for start in range(0, count, 2048):
                rows = []
                for number in range(start, min(count, start + 2048)):
                    shown = 1 if form == "image" else int(draw.integers(*((2, 5) if form == "video" else (4, 9))))
                    others = [frame(int(each)) for each in draw.integers(0, pairs, shown)]
                    images = [frame(number)] if form == "image" else others
                    turns = [{"prompt": "<image>" * shown, "answer": utterance()}]
                    if form == "interleaved":
                        turns = [{"prompt": "<image>", "answer": utterance()} for _ in images]
                    rows.append({
                        "id": f"{form}{number}", "format": form, "images": images, "turns": turns, "split": "train",
                        "recording": images[0][:RECORDING], "start_s": 0.0, "end_s": 2.0, "task": "",
                        "variant": "published",
                    })  # fmt: skip
                writer.write_table(pa.Table.from_pylist(rows, schema=CONVERSATION_SCHEMA))
    with ImageStoreWriter(folder / "images") as store:
        for number in range(pairs):
            store.add(frame(number), b"\xff\xd8\xff")
    ids = sorted({frame(number)[:RECORDING] for number in range(min(pairs, 28 * 40))})
    write_jsonl(
        folder / "recordings.jsonl",
        [Recording(id=each, child="S", age_months=11, media=f"{each}.mp4", duration_s=6000) for each in ids],
    )
    Manifest(kind="pretraining-set").write(folder)


class _Undecoded(StageData):
    """Prepares samples alone."""

    def _pictures(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
        return None


def own_mib() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def one_process(folder: Path, cache: Path, found: Any) -> None:
    recipe, accelerator = saycam(), Accelerator(cpu=True)
    words = [" ".join(a + b for b in SYLLABLES) for a in SYLLABLES] + [" ".join(WORDS)]
    tokenizer = train_tokenizer(words, recipe.model.vocabulary, recipe.model.context)
    gc.collect()
    before_mib, began_s, began_cpu_s = own_mib(), time.perf_counter(), time.process_time()
    cache_of_node = NodeCache(cache, accelerator, kept=True)
    data = _Undecoded(recipe, PretrainingSet(folder), cache_of_node, accelerator, "")
    made = data.samples("joint", tokenizer, ["joint"])
    sizes = {name: len(samples) for name, samples in made.sources.items()}
    settings = recipe.joint.optimisation
    steps = settings.epochs * sum(sizes.values()) // settings.batch_size
    plan = BatchPlan(sizes, recipe.joint.mixture, settings.batch_size, int(steps), 0)
    ready_s, ready_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    for step in range(5):
        samples = [made.sources[source][place] for source, place in plan.step(step)]
        for row in pack(samples, recipe.joint.micro_batch_tokens):
            collate(row)
    gc.collect()
    own = round(own_mib() - before_mib)
    found.put({
        "seconds": round(ready_s, 1), "processor seconds": round(ready_cpu_s, 1), "own MiB": own, "samples": sizes,
    })  # fmt: skip


def several(folder: Path, cache: Path, processes: int) -> list[dict[str, Any]]:
    """What each of some processes found that started together."""
    found = multiprocessing.get_context("spawn").Queue()
    run_in_processes(one_process, (folder, cache, found), processes)
    return [found.get() for _ in range(processes)]


def check(folder: Path) -> None:
    """Some samples, against the encoder itself."""
    recipe = saycam()
    words = [" ".join(a + b for b in SYLLABLES) for a in SYLLABLES] + [" ".join(WORDS)]
    tokenizer = train_tokenizer(words, recipe.model.vocabulary, recipe.model.context)
    accelerator, opened = Accelerator(cpu=True), PretrainingSet(folder)
    cache = NodeCache(folder / "cache", accelerator, kept=True)
    samples = _Undecoded(recipe, opened, cache, accelerator, "").samples("joint", tokenizer, ["joint"]).sources
    shape = recipe.model
    encoder = ConversationEncoder(tokenizer, image_token_id=shape.vocabulary, image_tokens=shape.image_tokens)
    for form, members in samples.items():
        for place, row in zip(range(50), opened.each_conversation(form, "train"), strict=False):  # type: ignore[arg-type]
            ids, labels = encoder.conversation(row.turns, num_images=len(row.images), template=recipe.joint.template)
            assert members[place].ids.tolist() == ids and members[place].labels.tolist() == labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=768_000)
    options = parser.parse_args()
    result: dict[str, Any] = {
        "date": str(datetime.date.today()), "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        "load before": round(os.getloadavg()[0], 1), "pairs": options.pairs,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw_set(folder, options.pairs)
        for name, cache, processes in (
            ("first process", "cache", 1),
            ("second process", "cache", 1),
            ("two", "both", 2),
        ):
            found = several(folder, folder / cache, processes)
            result[name] = found if processes > 1 else found[0]
            print(name, result[name], flush=True)
        check(folder)
        alone, both = (
            {path.name: path.read_bytes() for path in (folder / cache).rglob("*.arrow")} for cache in ("cache", "both")
        )
        result["two write what one writes"] = alone == both
        result["samples on disk, MB"] = round(sum(map(len, alone.values())) / 1e6)
        result["load after"] = round(os.getloadavg()[0], 1)
    path = RESULTS / f"training_start-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    soon = result["first process"]["processor seconds"] <= 60 or max(one["seconds"] for one in result["two"]) <= 60
    small = result["second process"]["own MiB"] < 300
    sys.exit(not (soon and small and alone == both))


if __name__ == "__main__":
    main()
