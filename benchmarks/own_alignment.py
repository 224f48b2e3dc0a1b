"""A dual encoder tells what is named in view: the corpus's own, or one trained before (claim: ROC AUC above chance on
recordings it never saw, where the truth is known; no figure is promised).

    python benchmarks/own_alignment.py [CORPUS] [--steps 1500] [--folds 3]
    python benchmarks/own_alignment.py CORPUS --encoder MODEL/contrastive      # of another nursery

CORPUS is a rendered nursery with boxes (``babyvlm corpus render --hours 3``), by default that of the demonstration. A
frame's text names something in view where it holds the label of a box of the nearest annotated moment, as a word or
its plural. By ``--aligner self`` every frame is scored by a model that saw nothing of its recording's fold; with
``--encoder``, by ``--aligner encoder``. Beside the scores stand those of the same frames with texts of other clips of
their recording, and the number of words as a score, which needs no eyes.
"""

from __future__ import annotations

import argparse
import bisect
import datetime
import json
import os
import random
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from babyvlm.corpus import Corpus, open_corpus
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.curation.alignment import Aligner
from babyvlm.curation.configuration import EncoderConfig, OwnEncoderConfig
from babyvlm.curation.encoder_aligner import EncoderAligner
from babyvlm.curation.own_encoder import OwnAligner
from babyvlm.curation.utterances import words_of
from babyvlm.evaluation.choose import open_pair_encoder
from babyvlm.records import BoxedFrame, Recording

ROOT = Path(__file__).resolve().parents[1]


def auc(scores: list[float], truth: list[bool]) -> float:
    """Probability that a positive scores above a negative, ties counting half."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    values = np.asarray(scores)[order]
    starts = np.r_[0, np.flatnonzero(np.diff(values)) + 1, len(values)]
    for start, end in pairwise(starts):
        ranks[order[start:end]] = (start + end + 1) / 2
    positive = np.asarray(truth)
    above = ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(above / (positive.sum() * (~positive).sum()))


def in_view(corpus: Corpus, recording: Recording) -> tuple[list[float], tuple[BoxedFrame, ...]]:
    frames = corpus.boxed_frames(recording)
    return [frame.time_s or 0.0 for frame in frames], frames


def names(text: str, frame: BoxedFrame) -> bool:
    said = f" {' '.join(words_of(text))} "
    return any(f" {box.label}{ending} " in said for box in frame.boxes for ending in ("", "s", "es"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=ROOT / "demo/corpus")
    parser.add_argument("--steps", type=int, default=OwnEncoderConfig.steps)
    parser.add_argument("--folds", type=int, default=OwnEncoderConfig.folds)
    parser.add_argument("--encoder", default="", help="as --encoder.model of curate; trained on other recordings")
    parser.add_argument("--parts", type=int, default=EncoderConfig.parts, help="as --encoder.parts of curate")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        aligner: Aligner
        if options.encoder:
            config = EncoderConfig(model=options.encoder, parts=options.parts)
            aligner = EncoderAligner(partial(open_pair_encoder, options.encoder), config)
        else:
            aligner = OwnAligner(OwnEncoderConfig(steps=options.steps, folds=options.folds))
        keeping_all = CurationConfig(min_clip_alignment=-2, min_frame_alignment=-2)
        curate(corpus, Path(folder) / "set", keeping_all, aligner=aligner)
        candidates = list(PretrainingSet(Path(folder) / "set").candidates())
    scores: list[float] = []
    words: list[float] = []
    named: list[bool] = []
    elsewhere: list[bool] = []
    by_recording: dict[str, list[str]] = {}
    for candidate in candidates:
        by_recording.setdefault(candidate.recording, []).append(candidate.text)
    seen: dict[str, tuple[list[float], tuple[BoxedFrame, ...]]] = {}
    draw = random.Random(0)
    for candidate in candidates:
        if candidate.recording not in seen:
            seen = {candidate.recording: in_view(corpus, corpus.recording(candidate.recording))}
        times, frames = seen[candidate.recording]
        for frame, time_s in zip(candidate.frames, candidate.clip.frame_times_s(1.0), strict=False):
            boxed = frames[min(bisect.bisect_left(times, time_s - 0.1), len(frames) - 1)]
            scores.append(frame.score or 0.0)
            words.append(len(words_of(candidate.text)))
            named.append(names(candidate.text, boxed))
            elsewhere.append(names(draw.choice(by_recording[candidate.recording]), boxed))
    result = {
        "date": str(datetime.date.today()),
        "corpus_hours": round(sum(recording.duration_s for recording in corpus.recordings) / 3600, 2),
        "cores": os.cpu_count(),
        **(
            {"encoder": aligner.name, "parts": options.parts}
            if options.encoder
            else {"steps": options.steps, "folds": options.folds}
        ),
        "frames": len(scores),
        "frames_whose_text_names_something_in_view": round(sum(named) / len(named), 3),
        "same_with_another_text_of_the_recording": round(sum(elsewhere) / len(elsewhere), 3),
        "auc_aligner": round(auc(scores, named), 3),
        "auc_number_of_words": round(auc(words, named), 3),
        "share_kept_above_0.2": round(sum(score > 0.2 for score in scores) / len(scores), 3),
        "named_among_those_kept": round(
            sum(name for name, score in zip(named, scores, strict=True) if score > 0.2)
            / max(1, sum(score > 0.2 for score in scores)),
            3,
        ),
        "minutes": round((time.monotonic() - began_s) / 60, 1),
    }
    out = (
        Path(__file__).parent
        / "results"
        / f"own_alignment-{f'encoder-{options.parts}-' if options.encoder else ''}{datetime.date.today()}.json"
    )
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
