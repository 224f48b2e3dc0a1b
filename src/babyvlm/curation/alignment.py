"""Image-text alignment scores, and the interface of the models that compute them.

DEVIATION: the paper keeps clips and frames by X-CLIP and CLIP similarity. Those models are trained on adult, web-scale
data and their weights are not shipped, so by default nothing is scored, nothing is filtered, and the best frame of a
clip is its sharpest. With an ``Aligner`` the paper's thresholds (in ``CurationConfig``) apply.

    none   NoAligner, below
    clip   CLIP for frames and X-CLIP for clips, as in the paper            similarity.py
    self   a small dual encoder, trained on the corpus itself               own_encoder.py

``choose.py`` makes one of them; this module has what they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from babyvlm.curation.shards import ClipScores, Shard


@dataclass(frozen=True, kw_only=True)
class ClipTextPair:
    """The pictures of a candidate clip and its text."""

    pictures: tuple[Image.Image, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class RecordingShard:
    """A recording's shard, and whose it is."""

    recording: str
    split: str
    shard: Shard


class Aligner(Protocol):
    """Scores the candidate clips of a recording against their texts. It is picklable, to run in other processes."""

    @property
    def name(self) -> str:
        """Identifies its scores: kind, model, seed, and training data."""

    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        """Trains on the corpus before scoring, if the aligner needs training."""

    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        """Similarity of each clip, and of each of its frames, to its text, in order; None where there is no score."""


class NoAligner:
    """Scores nothing; every clip is kept."""

    name = "none"

    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        return None

    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        for _ in clips:
            yield ClipScores()


FRAME_THRESHOLD, CLIP_THRESHOLD = "min_frame_alignment", "min_clip_alignment"


def aligner_thresholds(aligner: Aligner) -> tuple[str, ...]:
    """The thresholds of similarity that an aligner leaves without effect, since it does not score what they filter."""
    return (FRAME_THRESHOLD, CLIP_THRESHOLD) if isinstance(aligner, NoAligner) else ()


def pictures_of(shard: Shard) -> Iterator[ClipTextPair]:
    """The candidate clips of a shard with their pictures decoded, one clip in memory at a time."""
    images = shard.images()
    for candidate in shard.candidates():
        yield ClipTextPair(pictures=tuple(images.read(frame.image) for frame in candidate.frames), text=candidate.text)


def score_shard(aligner: Aligner, recording: RecordingShard) -> None:
    """Adds an aligner's scores to a shard, unless they are there."""
    if not recording.shard.has_scores(aligner.name):
        recording.shard.write_scores(aligner.name, aligner.score(recording.recording, pictures_of(recording.shard)))
