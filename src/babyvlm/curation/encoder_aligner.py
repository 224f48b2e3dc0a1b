"""A dual encoder that was trained before as the aligner: a contrastive stage of ours, CVCL, CLIP or SigLIP (ours).

    frame ── encoder ── unit vector ─┐
    text ─── encoder ── unit vector ─┴─ how much likelier the frame makes its text than other texts of the corpus

The score is that of ``--aligner self`` (``information.py``), so that one threshold means the same for both; a text of
which the encoder knows no word has 0. The other texts are drawn from the training recordings. An encoder knows the
pairs it was trained on: what it should judge must come from other recordings.

B frames, R reference texts, D width of the common space.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from PIL import Image

from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.information import REFERENCE_TEXTS, squashed_information
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import InputError
from babyvlm.executors import in_order
from babyvlm.records import content_id

_CLIPS_AT_ONCE = 32


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
        seed: Which texts of the corpus others are compared with.
    """

    def __init__(self, opened: Callable[[], PairEncoder], seed: int = 0) -> None:
        self._open, self._seed = opened, seed
        self._encoder: PairEncoder | None = opened()
        self._known = f"{self._encoder.name}, {self._encoder.revision}"
        self._references: list[str] = []
        self._vectors_RD: torch.Tensor | None = None

    @property
    def name(self) -> str:
        return f"encoder: {self._known}, {content_id(self._references)}"

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
                remedy="Give --encoder one that was trained on speech like this, or choose another --aligner",
            )
        self._references = random.Random(self._seed).sample(known, min(REFERENCE_TEXTS, len(known)))
        self._vectors_RD = None

    @torch.inference_mode()
    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        encoder = self._opened()
        if self._vectors_RD is None:
            vectors = [vector_D for text in self._references if (vector_D := encoder.text(text)) is not None]
            self._vectors_RD = torch.stack(vectors) if vectors else None
        remaining = iter(clips)
        batches = iter(lambda: list(itertools.islice(remaining, _CLIPS_AT_ONCE)), [])
        with ThreadPoolExecutor(1) as pool, contextlib.closing(in_order(_decoded, batches, pool, ahead=2)) as decoded:
            for batch in decoded:
                pictures = [picture for _, shown in batch for picture in shown]
                placed_BD = encoder.placed(encoder.features(pictures)) if pictures else None
                taken = 0
                for text, shown in batch:
                    own_D, last = encoder.text(text), taken + len(shown)
                    if placed_BD is None or not shown:
                        yield ClipScores(frames=())
                    elif own_D is None or self._vectors_RD is None:
                        yield ClipScores(clip=0.0, frames=(0.0,) * len(shown))
                    else:
                        frames_BD = encoder.scale * placed_BD[taken:last]
                        found = squashed_information(frames_BD @ own_D, frames_BD @ self._vectors_RD.T)
                        mean = round(sum(found) / len(found), 4)
                        yield ClipScores(clip=mean, frames=tuple(round(one, 4) for one in found))
                    taken = last

    def _opened(self) -> PairEncoder:
        if self._encoder is None:
            self._encoder = self._open()
        return self._encoder


def _decoded(clips: Sequence[ClipTextPair]) -> list[tuple[str, list[Image.Image]]]:
    """Texts, each with its pictures. Runs in a thread."""
    return [(each.text, list(each.pictures)) for each in clips]
