"""Curation is about as fast as decoding (claims: recordings to clips and frames at 0.8 or more of the speed of a bare
ffmpeg that decodes and scales the same files to the same frames; two workers 1.7 times one).

    python benchmarks/curation_speed.py [VIDEO] [--minutes 2] [--files 8]

VIDEO is repeated to recordings of some minutes, 640x480 at 30 frames a second as SAYCam's are; by default it is a film
of moving noise. Speech is dense: an utterance every two seconds, so that every frame must be decoded. Each side has one
core: ffmpeg is pinned to one, as is curation with one worker. Needs ffmpeg.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
CURATE = "import sys; from pathlib import Path; from babyvlm.curation import curate; "
CURATE += "curate(Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))"


def film(out: Path, source: Path | None, minutes: float, *, rate: int = 30, noise: bool = True) -> None:
    """A recording of so many minutes, 640x480 at so many frames a second; drawn where no source is given."""
    own = f"testsrc2=size=640x480:rate={rate}" + (",noise=alls=12:allf=t" if noise else "")
    given = ["-stream_loop", "-1", "-i", str(source)] if source else ["-f", "lavfi", "-i", own]
    command = ["ffmpeg", "-v", "error", "-y", *given, "-t", str(minutes * 60), "-an"]
    command += ["-vf", f"scale=640:480,fps={rate}"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", str(out)], check=True)


def lay_out(folder: Path, video: Path, files: int, minutes: float) -> Path:
    """So many recordings, each a link to the same film, with an utterance every two seconds."""
    folder.mkdir()
    cues = []
    for second in range(0, int(minutes * 60) - 2, 2):
        stamps = [f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000" for at in (second, second + 2)]
        cues.append(f"{stamps[0]} --> {stamps[1]}\nlook at number {second}\n")
    for number in range(files):
        os.link(video, folder / f"r{number:04}.mp4")
        (folder / f"r{number:04}.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    rows = [f"r{number:04},train" for number in range(files)]
    (folder / "recordings.csv").write_text("\n".join(["recording,split", *rows]))
    return folder


def seconds(command: list[str], cores: str) -> float:
    began_s = time.monotonic()
    subprocess.run(["taskset", "-c", cores, *command], check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began_s


def with_ffmpeg(corpus: Path) -> float:
    """Seconds that ffmpeg takes to decode every file and scale one frame a second to 224 pixels, one core."""
    total_s = 0.0
    for path in sorted(corpus.glob("*.mp4")):
        scale = ["-vf", "fps=1,scale=-2:224", "-f", "rawvideo", "-y", os.devnull]
        total_s += seconds(["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), *scale], "0")
    return total_s


def with_babyvlm(corpus: Path, out: Path, workers: int) -> float:
    """Seconds that curation takes from start to end, start of Python included."""
    shutil.rmtree(out, ignore_errors=True)
    cores = ",".join(map(str, range(workers)))
    return seconds([sys.executable, "-c", CURATE, str(corpus), str(out), str(workers)], cores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result: dict[str, object] = {"date": str(datetime.date.today()), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        folder = Path(temporary)
        film(folder / "film.mp4", options.video, options.minutes)
        corpus = lay_out(folder / "corpus", folder / "film.mp4", options.files, options.minutes)
        hours = options.files * options.minutes / 60
        rounds = []
        for _ in range(options.rounds):
            row = {
                "ffmpeg_s": with_ffmpeg(corpus),
                "one_worker_s": with_babyvlm(corpus, folder / "one", 1),
                "two_workers_s": with_babyvlm(corpus, folder / "two", 2),
            }
            rounds.append({name: round(value, 2) for name, value in row.items()})
            print(rounds[-1], flush=True)
        one = statistics.median(row["one_worker_s"] for row in rounds)
        result |= {
            "hours_of_video": round(hours, 3),
            "rounds": rounds,
            "speed_of_ffmpeg": round(statistics.median(r["ffmpeg_s"] / r["one_worker_s"] for r in rounds), 3),
            "two_workers_to_one": round(statistics.median(r["one_worker_s"] / r["two_workers_s"] for r in rounds), 3),
            "core_hours_for_478_hours": round(478 * one / hours / 3600, 1),
            "core_hours_for_10000_hours": round(10_000 * one / hours / 3600, 1),
        }
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"curation_speed-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
