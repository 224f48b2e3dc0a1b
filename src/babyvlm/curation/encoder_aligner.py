"""A dual encoder that was trained before as the aligner: a contrastive stage of ours, CVCL, CLIP or SigLIP (ours).

    frame ── whole, and parts of it ── encoder ── unit vectors ─┐
    text ───────────────────────────── encoder ── unit vector ──┴─ how much likelier than other texts of the corpus the
                                                                   part that tells most makes the text

What is named is mostly a small part of the frame: scores of parts tell better whether it is in view
(``benchmarks/own_alignment.py``). The most of several is large by chance too, so that what unrelated texts reach is
taken away: as with ``--aligner self`` (``information.py``), exponentials of the score, not yet squashed, average to 1
over frames and unrelated texts, and one threshold means the same for both. A text of which the encoder knows no word
has 0. Unrelated texts are drawn from the training recordings. An encoder knows the pairs it was trained on: what it
should judge must come from other recordings.

N frames, P parts of a frame, itself among them, R reference texts, D width of the common space.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from PIL import Image

from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.configuration import EncoderConfig
from babyvlm.curation.information import REFERENCE_TEXTS, information, squashed
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import InputError
from babyvlm.executors import in_order
from babyvlm.records import content_id

_CLIPS_AT_ONCE, _PICTURES_AT_ONCE = 16, 128
_REFERENCE_RECORDINGS, _REFERENCE_FRAMES = 200, 256
"""Most recordings that unrelated texts are drawn from, and most frames by which it is told what these reach."""
_SIDE = 1.3
"""Sum of the sides of a row of parts, over that of the frame: neighbours overlap."""


class PairEncoder(Protocol):
    """What puts pictures and texts into one space."""

    name: str
    revision: str
    """Hash of the weights, or commit of the hub."""
    scale: float
    """What a cosine is multiplied by, as trained."""

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor: ...

    def placed(self, features_UE: torch.Tensor) -> torch.Tensor:
        """Features as unit vectors, UD."""
        ...

    def text(self, text: str) -> torch.Tensor | None:
        """A text's unit vector, D; None where nothing of it is known."""
        ...


class EncoderAligner:
    """Scores by a dual encoder. Where it is pickled, the other process opens the encoder again.

    Args:
        opened: Opens the encoder; picklable, for clusters.
        config: The settings.
    """

    def __init__(self, opened: Callable[[], PairEncoder], config: EncoderConfig | None = None) -> None:
        self._open, self._config = opened, config or EncoderConfig()
        self._encoder: PairEncoder | None = opened()
        self._known = f"{self._encoder.name}, {self._encoder.revision}"
        self._references: list[str] = []
        self._frames: list[str] = []
        """By which it was told what unrelated texts reach."""
        self._vectors_RD: torch.Tensor | None = None
        self._unrelated = 0.0
        """What unrelated texts reach, nats."""

    @property
    def name(self) -> str:
        return f"encoder: {self._known}, {content_id(self._references, self._frames, self._config.parts)}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoder": None, "_vectors_RD": None}

    @torch.inference_mode()
    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        """Draws the texts that others are compared with, and finds out what they reach; trains nothing.

        Raises:
            InputError: The encoder knows no word of any.
        """
        draw = random.Random(self._config.seed)
        training = [each for each in recordings if each.split == "train"] or list(recordings)
        heard = draw.sample(training, min(_REFERENCE_RECORDINGS, len(training)))
        seen = [(each.shard, one) for each in heard for one in each.shard.candidates()]
        texts = sorted({one.text for _, one in seen})
        known = (text for text in draw.sample(texts, len(texts)) if self._opened().text(text) is not None)
        self._references, self._vectors_RD = list(itertools.islice(known, REFERENCE_TEXTS)), None
        if texts and not self._references:
            raise InputError(
                f"{self._known} knows no word of {len(texts)} different texts of the corpus",
                remedy="Give --encoder.model one that was trained on speech like this, or choose another --aligner",
            )
        frames = [(shard, frame.image) for shard, one in seen for frame in one.frames]
        drawn = draw.sample(frames, min(_REFERENCE_FRAMES, len(frames)))
        self._frames = [image for _, image in drawn]
        reached = []
        for shard, image in drawn:
            placed_PD = self._placed(frame_and_parts(shard.images().read(image), self._config.parts))
            logits_PR = self._opened().scale * placed_PD @ self._reference_vectors().T
            reached.append(information(logits_PR.T, logits_PR).amax(1))
        together = torch.cat(reached) if reached else torch.zeros(1)
        self._unrelated = float(together.logsumexp(0)) - math.log(len(together))

    @torch.inference_mode()
    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        remaining = iter(clips)
        batches = iter(lambda: list(itertools.islice(remaining, _CLIPS_AT_ONCE)), [])
        cut = functools.partial(_cut, parts=self._config.parts)
        with ThreadPoolExecutor(1) as pool, contextlib.closing(in_order(cut, batches, pool, ahead=2)) as ready:
            for batch in ready:
                placed_PD = self._placed([picture for _, seen in batch for picture in seen])
                for text, seen in batch:
                    own_PD, placed_PD = placed_PD[: len(seen)], placed_PD[len(seen) :]
                    yield self._scores(text, own_PD)

    def _placed(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Unit vectors, PD."""
        encoder = self._opened()
        starts = range(0, len(pictures), _PICTURES_AT_ONCE)
        chunks = [encoder.placed(encoder.features(pictures[at : at + _PICTURES_AT_ONCE])) for at in starts]
        return torch.cat(chunks) if chunks else torch.zeros(0, 1)

    def _scores(self, text: str, placed_PD: torch.Tensor) -> ClipScores:
        """Of a clip: the mean of its frames' scores, each that of the part that tells most."""
        if not len(placed_PD):
            return ClipScores(frames=())
        parts = sum(n * n for n in range(1, self._config.parts + 1))
        own_D = self._opened().text(text)
        if own_D is None or not self._references:
            return ClipScores(clip=0.0, frames=(0.0,) * (len(placed_PD) // parts))
        logits_PD = self._opened().scale * placed_PD
        told_P = information(logits_PD @ own_D, logits_PD @ self._reference_vectors().T)
        found = squashed(told_P.unflatten(0, (-1, parts)).amax(1) - self._unrelated)
        return ClipScores(clip=round(sum(found) / len(found), 4), frames=tuple(round(one, 4) for one in found))

    def _reference_vectors(self) -> torch.Tensor:
        """Of the texts that others are compared with, RD."""
        if self._vectors_RD is None:
            found = (self._opened().text(text) for text in self._references)
            self._vectors_RD = torch.stack([vector_D for vector_D in found if vector_D is not None])
        return self._vectors_RD

    def _opened(self) -> PairEncoder:
        if self._encoder is None:
            self._encoder = self._open()
        return self._encoder


def _cut(clips: Sequence[ClipTextPair], parts: int) -> list[tuple[str, list[Image.Image]]]:
    """Texts, each with its frames, whole and in parts, those of a frame next to each other. Runs in a thread."""
    return [(each.text, [seen for frame in each.pictures for seen in frame_and_parts(frame, parts)]) for each in clips]


def frame_and_parts(frame: Image.Image, parts: int) -> list[Image.Image]:
    """The frame, its 2 by 2 parts, and so on up to ``parts`` by ``parts``; neighbours overlap."""
    found = [frame]
    for count in range(2, parts + 1):
        width, height = (max(1, round(side * _SIDE / count)) for side in frame.size)
        for row, column in itertools.product(range(count), repeat=2):
            left = round((frame.width - width) * column / (count - 1))
            top = round((frame.height - height) * row / (count - 1))
            found.append(frame.crop((left, top, left + width, top + height)))
    return found
