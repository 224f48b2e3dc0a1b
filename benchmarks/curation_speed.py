"""Curation is faster than decoding everything (claims: recordings to clips and frames at 1.3 or more times the speed of
a bare ffmpeg that decodes and scales the same files to the same frames; two workers 1.9 times one).

    python benchmarks/curation_speed.py [VIDEO] [--minutes 2] [--files 8] [--as-is] [--bframes 3] [--name NAME]

VIDEO is repeated to recordings of some minutes, 640x480 at 30 frames a second as SAYCam's are, with libx264's usual
groups and B-frames; by default it is a film of moving noise. With --as-is each recording is VIDEO itself. Speech is
dense: an utterance every two seconds, so that every group of pictures must be decoded. Each side has one core: ffmpeg
is pinned to one, as is curation with one worker. Processor seconds stand beside those of the clock: on a busy machine
only their ratio says something, and of two workers no more than what both do. A film without B-frames (--bframes 0) has
next to nothing to leave out, and no claim is made of it. Needs ffmpeg.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).resolve().parent / "results"
CURATE = "import sys; from pathlib import Path; from babyvlm.curation import curate; "
CURATE += "curate(Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))"


def film(
    out: Path, source: Path | None, minutes: float, *, rate: int = 30, noise: bool = True, bframes: int = 3
) -> None:
    """A recording of so many minutes, 640x480 at so many frames a second; drawn where no source is given."""
    own = f"testsrc2=size=640x480:rate={rate}" + (",noise=alls=12:allf=t" if noise else "")
    given = ["-stream_loop", "-1", "-i", str(source)] if source else ["-f", "lavfi", "-i", own]
    command = ["ffmpeg", "-v", "error", "-y", *given, "-t", str(minutes * 60), "-an"]
    command += ["-vf", f"scale=640:480,fps={rate}"]
    subprocess.run(
        [*command, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-bf", str(bframes), str(out)], check=True
    )


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


class Taken(NamedTuple):
    """What a command took."""

    wall_s: float
    processor_s: float

    def __add__(self, other: tuple[float, ...]) -> Taken:  # type: ignore[override]
        return Taken(*(one + two for one, two in zip(self, other, strict=True)))


def seconds(command: list[str], cores: str) -> Taken:
    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["taskset", "-c", cores, *command], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.monotonic() - began_s, worked_s)


def with_ffmpeg(corpus: Path) -> Taken:
    """What ffmpeg takes to decode every file and scale one frame a second to 224 pixels, one core."""
    total = Taken(0.0, 0.0)
    for path in sorted(corpus.glob("*.mp4")):
        scale = ["-vf", "fps=1,scale=-2:224", "-f", "rawvideo", "-y", os.devnull]
        total += seconds(["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), *scale], "0")
    return total


def with_babyvlm(corpus: Path, out: Path, workers: int) -> Taken:
    """What curation takes from start to end, start of Python included."""
    shutil.rmtree(out, ignore_errors=True)
    cores = ",".join(map(str, range(workers)))
    return seconds([sys.executable, "-c", CURATE, str(corpus), str(out), str(workers)], cores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as-is", action="store_true")
    parser.add_argument("--bframes", type=int, default=3)
    parser.add_argument("--name", help="of the film, for the result's file")
    options = parser.parse_args()
    result: dict[str, object] = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "film": options.name or "noise",
    }
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        folder = Path(temporary)
        if options.as_is:
            shutil.copy(options.video, folder / "film.mp4")
        else:
            film(folder / "film.mp4", options.video, options.minutes, bframes=options.bframes)
        corpus = lay_out(folder / "corpus", folder / "film.mp4", options.files, options.minutes)
        hours = options.files * options.minutes / 60
        rounds = []
        for _ in range(options.rounds):
            taken = {
                "ffmpeg": with_ffmpeg(corpus),
                "one_worker": with_babyvlm(corpus, folder / "one", 1),
                "two_workers": with_babyvlm(corpus, folder / "two", 2),
            }
            row = {f"{side}_s": each.wall_s for side, each in taken.items()}
            row |= {f"{side}_processor_s": each.processor_s for side, each in taken.items()}
            rounds.append({name: round(value, 2) for name, value in row.items()})
            print(rounds[-1], flush=True)

        def ratio(side: str, other: str) -> float:
            return round(statistics.median(row[side] / row[other] for row in rounds), 3)

        one = statistics.median(row["one_worker_processor_s"] for row in rounds)
        result |= {
            "load_average": round(os.getloadavg()[1], 1),
            "hours_of_video": round(hours, 3),
            "rounds": rounds,
            "speed_of_ffmpeg": ratio("ffmpeg_s", "one_worker_s"),
            "speed_of_ffmpeg_by_processor": ratio("ffmpeg_processor_s", "one_worker_processor_s"),
            "two_workers_to_one": ratio("one_worker_s", "two_workers_s"),
            "one_worker_to_two_by_processor": ratio("one_worker_processor_s", "two_workers_processor_s"),
            "core_hours_for_478_hours": round(478 * one / hours / 3600, 1),
            "core_hours_for_10000_hours": round(10_000 * one / hours / 3600, 1),
        }
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"curation_speed{'-' + options.name if options.name else ''}-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
