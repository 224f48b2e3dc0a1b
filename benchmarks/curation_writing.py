"""Putting a set together copies no frames, is shared among workers, and is not begun anew (claims: a tenth of the bytes
written and half of the seconds of copying; with workers, a tenth of one process's processor time at most is left to the
process that strings the rows together, so that two can be 1.8 times as fast as one; a kill changes no byte, and what
was selected before it is not selected again).

    python benchmarks/curation_writing.py [--recordings 40] [--frames 600] [--kills 6]

Finished recordings with so many frames of 20 kB each, three to a clip, are put together into a set in each round: with
their files linked, with them copied, and by two workers that are running already, as they are after decoding; sides
alternate, and the cache is warm. The ratio of two workers to one by the clock says something on idle cores alone. Then
processes that put the set together are killed at drawn moments and run again. Bytes are those that the process hands to
the system. The frames are random bytes, which nothing here decodes.
"""

from __future__ import annotations

import argparse
import datetime
import filecmp
import json
import os
import random
import shutil
import signal
import statistics
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path

from babyvlm import images
from babyvlm.corpus import Corpus, open_corpus
from babyvlm.curation import CurationConfig, NoAligner
from babyvlm.curation.candidates import Candidate, CandidateFrame, RecordingSpeech
from babyvlm.curation.pipeline import _Made, _select, _write
from babyvlm.curation.shards import Shard
from babyvlm.curation.tally import Tally
from babyvlm.executors import process_pool
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Recording, Utterance, write_jsonl
from curation_speed import RESULTS

FRAME_BYTES, FRAMES_A_CLIP = 20_000, 3


def finished(folder: Path, recording: Recording, frames: int) -> Shard:
    """The shard of a recording, as decoding leaves it."""
    draw = random.Random(recording.id)
    candidates: list[Candidate] = []
    with ImageStoreWriter(folder / "images") as store:
        for clip in range(frames // FRAMES_A_CLIP):
            ids = [f"{recording.id}_{clip}_{number}" for number in range(FRAMES_A_CLIP)]
            for image in ids:
                store.add(image, draw.randbytes(FRAME_BYTES))
            seen = tuple(
                CandidateFrame(image=image, number=number, sharpness=100, looks=f"{draw.getrandbits(64):016x}")
                for number, image in enumerate(ids, start=1)
            )
            times = {"start_ms": 3000 * clip, "end_ms": 3000 * clip + 3000}
            candidates.append(Candidate(recording=recording.id, text="look at the ball", frames=seen, **times))
    write_jsonl(folder / "candidates.jsonl", candidates)
    said = tuple(
        Utterance(recording=recording.id, start_s=each.start_ms / 1000, end_s=each.end_ms / 1000, text=each.text)
        for each in candidates
    )
    (folder / "heard.json").write_text(RecordingSpeech(utterances=said, clips=()).model_dump_json())
    return Shard(folder=folder)


def written_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def put_together(out: Path, made: list[_Made], corpus: Corpus, run: Executor | None = None) -> None:
    """Puts a set together, of which nothing is there, or what a killed process left."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    _select(made, CurationConfig(), NoAligner(), run, 4)
    _write(out, made, CurationConfig(), NoAligner(), Tally(CurationConfig(), corpus))


def forget(made: list[_Made]) -> None:
    for each in made:
        for rows in each.shard.folder.glob("rows-*"):
            shutil.rmtree(rows)


def same_files(one: Path, other: Path) -> bool:
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    return names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file()) and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names
    )


def killed(out: Path, made: list[_Made], corpus: Corpus, after_s: float) -> tuple[int, float]:
    """Kills a process that puts the set together; recordings whose rows it left, and the rest's processor seconds."""
    forget(made)
    child = os.fork()
    if child == 0:
        put_together(out, made, corpus)
        os._exit(0)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    left = sum(any(each.shard.folder.glob("rows-*")) for each in made)
    busy_s = time.process_time()
    put_together(out, made, corpus)
    return left, time.process_time() - busy_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=6)
    options = parser.parse_args()
    usual = images.LINKED_BYTES
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        folder = Path(temporary)
        (folder / "corpus").mkdir()
        film = ["-f", "lavfi", "-i", "testsrc2=size=160x120", "-t", "1", str(folder / "corpus" / "r.mp4")]
        os.spawnlp(os.P_WAIT, "ffmpeg", "ffmpeg", "-v", "error", *film)
        corpus = open_corpus(folder / "corpus")
        recordings = [
            Recording(id=f"r{number:04}", child="S", media="r.mp4", duration_s=options.frames, split="train")
            for number in range(options.recordings)
        ]
        made = [_Made(recording=each, shard=finished(folder / each.id, each, options.frames)) for each in recordings]
        for _ in range(options.rounds):
            row: dict[str, float] = {}
            for side, size in (("linked", usual), ("copied", 2**62)):
                images.LINKED_BYTES = size
                forget(made)
                before, began_s, busy_s = written_bytes(), time.monotonic(), time.process_time()
                put_together(folder / side, made, corpus)
                row[f"{side}_s"] = round(time.monotonic() - began_s, 2)
                row[f"{side}_processor_s"] = round(time.process_time() - busy_s, 2)
                row[f"{side}_mb"] = round((written_bytes() - before) / 1e6, 1)
            images.LINKED_BYTES = usual
            forget(made)
            with process_pool(2, 2) as run:
                assert run is not None
                _select(made[:8], CurationConfig(), NoAligner(), run, 4)  # both are up
                forget(made)
                began_s, busy_s = time.monotonic(), time.process_time()
                put_together(folder / "shared", made, corpus, run)
                row["two_workers_s"] = round(time.monotonic() - began_s, 2)
                row["two_workers_own_processor_s"] = round(time.process_time() - busy_s, 2)
            assert same_files(folder / "linked", folder / "shared")
            rounds.append(row)
            print(row, flush=True)
        held = [images.ImageStore(folder / side / "images").ids for side in ("linked", "copied")]
        assert held[0] == held[1]
        usual_s, whole_s = (statistics.median(row[f"linked_{kind}"] for row in rounds) for kind in ("s", "processor_s"))
        draw, kills = random.Random(0), []
        for _ in range(options.kills):
            share = draw.uniform(0.1, 0.95)
            left, rest_s = killed(folder / "killed", made, corpus, share * usual_s)
            kills.append({"after": round(share, 2), "recordings_left": left, "rest": round(rest_s / whole_s, 2)})
            print(kills[-1], flush=True)
            assert same_files(folder / "linked", folder / "killed")
    frames = options.recordings * (options.frames - options.frames % FRAMES_A_CLIP)
    median_s = statistics.median(row["linked_processor_s"] for row in rounds)
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "frames": frames,
        "rounds": rounds,
        "bytes_linked_to_copied": round(statistics.median(row["linked_mb"] / row["copied_mb"] for row in rounds), 4),
        "kills": kills,
        "two_workers_to_one": round(statistics.median(row["linked_s"] / row["two_workers_s"] for row in rounds), 3),
        "not_shared": round(
            statistics.median(row["two_workers_own_processor_s"] / row["linked_processor_s"] for row in rounds), 3
        ),
        "seconds_linked_to_copied": round(statistics.median(row["linked_s"] / row["copied_s"] for row in rounds), 3),
        "us_a_frame": round(median_s * 1e6 / frames, 1),
        "minutes_for_10000_hours": round(median_s / frames * 22.7e6 / 60, 1),  # 1,085k frames in 478 hours
    }
    out = RESULTS / f"curation_writing-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
