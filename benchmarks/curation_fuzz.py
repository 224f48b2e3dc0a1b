"""Damaged input neither crashes nor hangs curation (claim: of 1,000 fuzzed transcripts and 200 damaged videos every one
is either used or counted with its reason).

    python benchmarks/curation_fuzz.py [--transcripts 1000] [--videos 200]

Transcripts: one of each format, with bytes flipped, cut out, doubled, exchanged between files, or cut short. Videos: a
small film in four containers, cut short, with bits flipped or stretches zeroed, with another suffix, or empty. Each is
opened and read as a user's corpus is, in a process of its own that is given a minute.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from babyvlm.corpus import index, open_corpus, read_transcript
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.errors import InputError, TranscriptError

_TIME_LIMIT_S = 60
_VTT = (
    "WEBVTT\nLanguage: en\n\nNOTE by hand\n\n1\n00:01.000 --> 00:02.500\n<v Mother>look &amp; see</v> <v Child>ba\n\n"
)
_VTT += "00:03.000 --> 00:04.000\nagain\n"
_SRT = "1\n00:00:01,000 --> 00:00:02,500\nMother: look\n\n2\n00:00:03,000 --> 00:00:04,000\nagain\n"
_CHAT = "@Begin\n@Languages:\teng\n@Participants:\tCHI Target_Child, MOT Mother\n*MOT:\tlook at <the> [/] the dog .\n"
_CHAT += "\tnow \x151000_2500\x15\n%mor:\tv|look\n*CHI:\tba . \x153000_4000\x15\n@End\n"
_ELAN = '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" '
_ELAN += (
    'TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="2500"/></TIME_ORDER><TIER TIER_ID="FA1"><ANNOTATION>'
)
_ELAN += '<ALIGNABLE_ANNOTATION ANNOTATION_ID="1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>look'
_ELAN += "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>\n"
_WHISPER = {
    "language": "en",
    "segments": [{"start": 1.0, "end": 2.5, "text": "look"}, {"start": 3, "end": 4, "text": ""}],
}
_SPOKEN = [{"RecognitionStatus": "Success", "Offset": 10_000_000, "Duration": 15_000_000, "DisplayText": "Look."}]
_BATCH = {"recognizedPhrases": [{"offsetInTicks": 1e7, "durationInTicks": 1e7, "nBest": [{"display": "Look."}]}]}
SEEDS = {
    ".vtt": _VTT, ".srt": _SRT, ".cha": _CHAT, ".eaf": _ELAN, ".json": json.dumps(_WHISPER, indent=1),
    ".spoken.json": json.dumps(_SPOKEN), ".batch.json": json.dumps(_BATCH),
    ".csv": "start,end,speaker,text\n1,2.5,MOT,look\n3,4,CHI,ba\n", ".tsv": "start\tend\ttext\n1000\t2500\tlook\n",
}  # fmt: skip


def damage(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """The bytes with a few faults."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        until = min(len(data), at + draw.randint(1, 40))
        kind = draw.randrange(7)
        if kind == 0:
            data = data[:at] + bytes(draw.randrange(256) for _ in range(draw.randint(1, 8))) + data[until:]
        elif kind == 1:
            data = data[:at] + data[until:]
        elif kind == 2:
            data = data[:until] + data[at:until] + data[until:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            data = data[:at] + other[draw.randrange(len(other)) :]
        elif kind == 5:
            digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
            for place in draw.sample(digits, min(3, len(digits))):
                data = data[:place] + bytes([draw.randrange(48, 58)]) + data[place + 1 :]
        else:
            data = data.decode("utf-8", "replace").encode(draw.choice(["utf-16", "latin-1", "utf-8-sig"]), "replace")
    return data


def read_one_transcript(path: Path) -> str:
    try:
        found = read_transcript(path, recording="r", duration_s=10.0)
    except TranscriptError:
        return "refused with its reason"
    if found.utterances:
        return "used, with problems counted" if found.problems else "used"
    return "no utterance, counted"


def curate_one_video(path: Path) -> str:
    config = CurationConfig(on_problem="skip", max_skipped_fraction=1.0, min_window=1)
    try:
        index(open_corpus(path.parent))
        curate(path.parent, path.parent.parent / "out", config, workers=1)
    except InputError:
        return "refused with its reason"
    skipped = PretrainingSet(path.parent.parent / "out").manifest.skipped
    return "used in part, the rest counted" if skipped else "used"


def judged(function: Callable[[Path], str], path: Path, results: multiprocessing.Queue) -> None:
    try:
        results.put(function(path))
    except BaseException as error:
        results.put(f"CRASHED: {type(error).__name__}: {error}"[:300])


def outcome(function: Callable[[Path], str], path: Path) -> str:
    """What becomes of one file in a process of its own."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=judged, args=(function, path, results))
    process.start()
    process.join(_TIME_LIMIT_S)
    if process.is_alive():
        process.kill()
        return "HUNG"
    return results.get() if process.exitcode == 0 else f"CRASHED: exit {process.exitcode}"


def film(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(60):
            picture = noise.integers(0, 255, (8, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def damage_video(data: bytes, draw: random.Random) -> bytes:
    kind = draw.randrange(5)
    if kind == 0:
        return data[: draw.randrange(len(data))]
    if kind == 1:
        flipped = bytearray(data)
        for _ in range(draw.choice([1, 10, 100])):
            flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return bytes(flipped)
    if kind == 2:
        at = draw.randrange(len(data))
        return data[:at] + bytes(draw.randint(1, 4000)) + data[at + 4000 :]
    return b"" if kind == 3 else bytes(draw.randrange(256) for _ in range(2000))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transcripts", type=int, default=1000)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    transcripts: Counter[str] = Counter()
    videos: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(options.transcripts):
            suffix = draw.choice(list(SEEDS))
            other = SEEDS[draw.choice(list(SEEDS))].encode()
            path = (folder / f"t{number}.x").with_suffix(Path(f"t{suffix}").suffix)
            path.write_bytes(damage(SEEDS[suffix].encode(), other, draw))
            transcripts[outcome(read_one_transcript, path)] += 1
        for number in range(options.videos):
            suffix = draw.choice([".mp4", ".mkv", ".avi", ".mov"])
            film(folder / f"whole{suffix}")
            corpus = folder / f"v{number}" / "corpus"
            corpus.mkdir(parents=True)
            named = suffix if draw.random() < 0.8 else draw.choice([".mp4", ".mkv", ".avi", ".webm", ".mpg"])
            (corpus / f"a{named}").write_bytes(damage_video((folder / f"whole{suffix}").read_bytes(), draw))
            (corpus / "a.vtt").write_text("WEBVTT\n\n00:00.500 --> 00:02.000\nlook\n\n00:03.000 --> 00:05.500\nhere\n")
            videos[outcome(curate_one_video, corpus / f"a{named}")] += 1
    result = {
        "date": str(datetime.date.today()),
        "transcripts": dict(transcripts.most_common()),
        "videos": dict(videos.most_common()),
    }
    out = Path(__file__).parent / "results" / f"curation_fuzz-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    if any(name.startswith(("CRASHED", "HUNG")) for name in (*transcripts, *videos)):
        raise SystemExit("something crashed or hung")


if __name__ == "__main__":
    main()
