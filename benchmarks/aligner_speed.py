"""What feeds CLIP works beside it (claim: with a model that only waits, as for a GPU, scoring takes no longer than
preparing alone does, 10% at most above it; two threads prepare at least 1.6 times as fast as one on two idle cores).

    python benchmarks/aligner_speed.py [--frames 1500] [--rounds 3]

No GPU is needed, and none is measured: frames of 299x224, as curation stores them, are decoded and prepared by CLIP's
image processor at 224 pixels. The model is stood in for by one that sleeps as long as preparing its batch takes one
thread. Sides alternate, with one round of each in turn; the load is noted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor

from babyvlm.curation import similarity
from babyvlm.curation.alignment import ClipTextPair, StoredPictures
from babyvlm.curation.configuration import ClipModels
from babyvlm.curation.similarity import ClipAligner
from babyvlm.images import ImageStore, ImageStoreWriter
from curation_speed import RESULTS

FRAMES_A_CLIP = 3


def stored(folder: Path, frames: int) -> ImageStore:
    """So many frames of smooth noise, which compress about as film does."""
    draw = np.random.default_rng(0)
    with ImageStoreWriter(folder) as writer:
        for number in range(frames):
            coarse = Image.fromarray(draw.integers(0, 255, (28, 37, 3), dtype=np.uint8))
            writer.add(f"f{number}", coarse.resize((299, 224), Image.Resampling.BICUBIC))
    return ImageStore(folder)


def pairs(store: ImageStore, frames: int) -> list[ClipTextPair]:
    ids = [f"f{number}" for number in range(frames)]
    return [
        ClipTextPair(pictures=StoredPictures(store, ids[at : at + FRAMES_A_CLIP]), text="look at the ball")
        for at in range(0, frames, FRAMES_A_CLIP)
    ]


def seconds(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    waits_s = [0.0]

    class Waiting:
        """Stands in for CLIP on a GPU: the thread that asks it waits, and the cores are free."""

        config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))

        def __call__(self, pixel_values: torch.Tensor, **_: Any) -> SimpleNamespace:
            time.sleep(waits_s[0] * len(pixel_values))
            return SimpleNamespace(image_embeds=torch.ones(len(pixel_values), 4), text_embeds=torch.ones(clips_now, 4))

    clips_now = 16
    tokens = lambda texts, **_: {name: torch.zeros(len(texts), 1) for name in ("input_ids", "attention_mask")}  # noqa: E731
    loaded = similarity._Loaded(
        model=Waiting(), tokenizer=tokens, image_processor=CLIPImageProcessor(), device=torch.device("cpu")
    )
    similarity._load = lambda *_: loaded  # type: ignore[assignment]
    frames = options.frames - options.frames % (FRAMES_A_CLIP * clips_now)

    def score(store: ImageStore, threads: int) -> None:
        models = ClipModels(clip="stand-in", x_clip="", preparing=threads, clips_at_once=clips_now)
        scores = list(ClipAligner(models, "cpu").score("r", pairs(store, frames)))
        assert sum(len(each.frames or ()) for each in scores) == frames

    rows = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = stored(Path(folder) / "store", frames)
        for _ in range(options.rounds):
            waits_s[0] = 0.0
            row = {"one_thread_s": seconds(lambda: score(store, 1)), "two_threads_s": seconds(lambda: score(store, 2))}
            waits_s[0] = row["one_thread_s"] / frames
            row["one_thread_and_a_model_that_waits_as_long_s"] = seconds(lambda: score(store, 1))
            rows.append({name: round(value, 2) for name, value in row.items()})
            print(rows[-1], flush=True)
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "frames": frames,
        "rounds": rows,
        "ms_a_frame_one_thread": round(statistics.median(row["one_thread_s"] for row in rows) * 1000 / frames, 2),
        "two_threads_to_one": round(statistics.median(row["one_thread_s"] / row["two_threads_s"] for row in rows), 2),
        "model_and_preparing_to_preparing": round(
            statistics.median(row["one_thread_and_a_model_that_waits_as_long_s"] / row["one_thread_s"] for row in rows),
            2,
        ),
    }
    out = RESULTS / f"aligner_speed-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
