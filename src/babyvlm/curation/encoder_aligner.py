"""A dual encoder that was trained before as the aligner: a contrastive stage of ours, CVCL, CLIP or SigLIP (ours).

    frame ── whole, and parts of it ── encoder ── unit vectors ─┐
    text ───────────────────────────── encoder ── unit vector ──┴─ how much likelier than other texts of the corpus the
                                                                   part that tells most makes the text

The score is that of ``--aligner self`` (``information.py``), so that one threshold means the same for both; a text of
which the encoder knows no word has 0. What is named is mostly a small part of the frame: scores of parts tell better
whether it is in view (``benchmarks/own_alignment.py``). The other texts are drawn from the training recordings. An
encoder knows the pairs it was trained on: what it should judge must come from other recordings.

P whole frames and parts of them, R reference texts, D width of the common space.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from PIL import Image

from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.configuration import EncoderConfig
from babyvlm.curation.information import REFERENCE_TEXTS, squashed_information
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import InputError
from babyvlm.executors import in_order
from babyvlm.records import content_id

_CLIPS_AT_ONCE, _PICTURES_AT_ONCE = 16, 128
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
        self._vectors_RD: torch.Tensor | None = None

    @property
    def name(self) -> str:
        return f"encoder: {self._known}, {content_id(self._references, self._config.parts)}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoder": None, "_vectors_RD": None}

    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        """Draws the texts that others are compared with; trains nothing.

        Raises:
            InputError: The encoder knows no word of any.
        """
        training = [each for each in recordings if each.split == "train"] or list(recordings)
        texts = sorted({one.text for each in training for one in each.shard.candidates()})
        known = [text for text in texts if self._opened().text(text) is not None]
        if texts and not known:
            raise InputError(
                f"{self._known} knows no word of the corpus's {len(texts)} different texts",
                remedy="Give --encoder.model one that was trained on speech like this, or choose another --aligner",
            )
        self._references = random.Random(self._config.seed).sample(known, min(REFERENCE_TEXTS, len(known)))
        self._vectors_RD = None

    @torch.inference_mode()
    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        if self._vectors_RD is None:
            found = (self._opened().text(text) for text in self._references)
            vectors = [vector_D for vector_D in found if vector_D is not None]
            self._vectors_RD = torch.stack(vectors) if vectors else None
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
        if own_D is None or self._vectors_RD is None:
            return ClipScores(clip=0.0, frames=(0.0,) * (len(placed_PD) // parts))
        logits_PD = self._opened().scale * placed_PD
        found = squashed_information(logits_PD @ own_D, logits_PD @ self._vectors_RD.T)
        frames = tuple(round(max(found[at : at + parts]), 4) for at in range(0, len(found), parts))
        return ClipScores(clip=round(sum(frames) / len(frames), 4), frames=frames)

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
