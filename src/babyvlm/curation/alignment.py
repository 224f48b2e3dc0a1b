"""Image-text alignment scores, and the interface of the models that compute them.

DEVIATION: the paper keeps clips and frames by X-CLIP and CLIP similarity. Those models are trained on adult, web-scale
data and their weights are not shipped, so by default nothing is scored, nothing is filtered, and the best frame of a
clip is its sharpest. With an ``Aligner`` the paper's thresholds (in ``CurationConfig``) apply.

    none     NoAligner, below
    clip     CLIP for frames and X-CLIP for clips, as in the paper          similarity.py
    self     a small dual encoder, trained on the corpus itself             own_encoder.py
    encoder  a dual encoder that was trained before                         encoder_aligner.py

``choose.py`` makes one of them; this module has what they share.
"""

from __future__ import annotations

import contextlib
import functools
import queue
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, overload, runtime_checkable

from PIL import Image

from babyvlm.curation.shards import ClipScores, Shard
from babyvlm.executors import in_order, own_process
from babyvlm.images import ImageStore


@dataclass(frozen=True, kw_only=True)
class ClipTextPair:
    """The pictures of a candidate clip and its text."""

    pictures: Sequence[Image.Image]
    """Those of a shard are decoded when they are asked for, each time, by whichever thread asks."""
    text: str


class StoredPictures(Sequence[Image.Image]):
    """Pictures of a store, decoded when they are asked for.

    Args:
        images: The store.
        ids: Theirs.
    """

    def __init__(self, images: ImageStore, ids: Sequence[str]) -> None:
        self._images, self._ids = images, ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...
    @overload
    def __getitem__(self, index: slice) -> StoredPictures: ...
    def __getitem__(self, index: int | slice) -> Image.Image | StoredPictures:
        if isinstance(index, slice):
            return StoredPictures(self._images, self._ids[index])
        return self._images.read(self._ids[index])


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


@runtime_checkable
class SeveralDevices(Protocol):
    """An aligner that may work on several devices at a time."""

    def for_each_device(self) -> Sequence[Aligner]:
        """An aligner for each device; all give the same scores under the same name."""


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
    """The candidate clips of a shard, their pictures still encoded."""
    images = shard.images()
    for candidate in shard.candidates():
        ids = [frame.image for frame in candidate.frames]
        yield ClipTextPair(pictures=StoredPictures(images, ids), text=candidate.text)


def score_shard(aligner: Aligner, recording: RecordingShard) -> None:
    """Adds an aligner's scores to a shard, unless they are there."""
    if not recording.shard.has_scores(aligner.name):
        recording.shard.write_scores(aligner.name, aligner.score(recording.recording, pictures_of(recording.shard)))


def score_shards(
    aligner: Aligner, recordings: Sequence[RecordingShard], executor: Executor | None, *, ahead: int
) -> Generator[None, None, None]:
    """Adds an aligner's scores to shards, and yields once for each that is done.

    Args:
        aligner: What scores, on one device or several. Each device has a process of its own, which is dealt a recording
            as soon as it has done the one before.
        recordings: The shards.
        executor: Where jobs run; None for this process, and the devices' own.
        ahead: Jobs of the executor that are in work at a time.

    Raises:
        BabyVLMError: A worker died.
    """
    copies = list(aligner.for_each_device()) if isinstance(aligner, SeveralDevices) else [aligner]
    missing = [recording for recording in recordings if not recording.shard.has_scores(aligner.name)]
    yield from (None for _ in range(len(recordings) - len(missing)))
    if executor is not None or min(len(copies), len(missing)) <= 1:
        score = functools.partial(score_shard, copies[0] if executor is None else aligner)
        with contextlib.closing(in_order(score, missing, executor, ahead=ahead)) as done:
            yield from done
        return
    with contextlib.ExitStack() as processes:
        free: queue.SimpleQueue[tuple[Aligner, Executor]] = queue.SimpleQueue()
        for copy in copies[: len(missing)]:
            free.put((copy, processes.enter_context(own_process())))

        def score_on_a_free_device(recording: RecordingShard) -> None:
            device = free.get()
            try:
                device[1].submit(score_shard, device[0], recording).result()
            finally:
                free.put(device)

        dealers = processes.enter_context(ThreadPoolExecutor(len(copies)))
        with contextlib.closing(in_order(score_on_a_free_device, missing, dealers, ahead=2 * len(copies))) as done:
            yield from done
