"""Image-utterance and clip-utterance pairs as flat arrays: a process's memory is some tens of bytes a pair.

pair n ─┬─ frames_F[first_N[n] : first_N[n + 1]]     numbers of its frames in the table of pictures
        ├─ texts_T[start_N[n] : start_N[n + 1]]      its words or tokens
        └─ group_N[n]                                a number for each text: equal texts, equal numbers
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch

from babyvlm.model.dual_encoder import TextReader
from babyvlm.records import Conversation
from babyvlm.training.origins import NO_ORIGIN, OriginOf, Origins, SampleOrigin, no_origin
from babyvlm.words import words_of

PAIRS = "pairs"
"""The one source of the contrastive stage."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """N pairs."""

    frames_F: np.ndarray
    """int32."""
    first_N: np.ndarray
    """int64, (N + 1,)."""
    texts_T: np.ndarray
    """int32."""
    start_N: np.ndarray
    """int64, (N + 1,)."""
    group_N: np.ndarray
    """int32."""
    origins: Origins | None = None
    """Where they come from; None where nobody asks."""

    @classmethod
    def of(
        cls, rows: Iterable[Conversation], reader: TextReader, index: dict[str, int], origin_of: OriginOf = no_origin
    ) -> tuple[Pairs, int]:
        """The pairs of some conversations.

        Args:
            rows: Of the formats ``image`` and ``video``.
            reader: Makes numbers of texts.
            index: Number of each picture.
            origin_of: Tells where a conversation comes from.

        Returns:
            The pairs, and how many were left out because nothing of their text is known.
        """
        frames: list[Sequence[int]] = []
        texts: list[Sequence[int]] = []
        origins: list[SampleOrigin] = []
        unknown = 0
        for row in rows:
            ids = reader.ids(" ".join(turn.answer for turn in row.turns))
            if ids and row.images:
                frames.append([index[image] for image in row.images])
                texts.append(ids)
                if origin_of is not no_origin:
                    origins.append(origin_of(row))
            else:
                unknown += 1
        numbers: dict[tuple[int, ...], int] = {}
        groups = [numbers.setdefault(tuple(text), len(numbers)) for text in texts]
        pairs = cls(
            frames_F=_flat(frames),
            first_N=_starts(frames),
            texts_T=_flat(texts),
            start_N=_starts(texts),
            group_N=np.array(groups, dtype=np.int32),
            origins=Origins.of(origins) if origins else None,
        )
        return pairs, unknown

    def __len__(self) -> int:
        return len(self.group_N)

    @property
    def by_source(self) -> dict[str, Origins]:
        """Where they come from, as plans and ladders take it."""
        return {PAIRS: self.origins or Origins.of([NO_ORIGIN] * len(self))}

    def frames(self, pairs_B: np.ndarray, shares_B: np.ndarray) -> torch.Tensor:
        """A frame of each pair, as numbers in the table of pictures.

        Args:
            pairs_B: Which pairs.
            shares_B: Where in each clip, from 0 to below 1.
        """
        first_B, counts_B = self.first_N[pairs_B], np.diff(self.first_N)[pairs_B]
        chosen_B = self.frames_F[first_B + (shares_B * counts_B).astype(np.int64)]
        return torch.from_numpy(chosen_B.astype(np.int64))

    def texts(self, pairs_B: np.ndarray, pad: int) -> torch.Tensor:
        """Their texts, filled up to the longest with ``pad``, BL."""
        start_B, lengths_B = self.start_N[pairs_B], np.diff(self.start_N)[pairs_B]
        places_L = np.arange(lengths_B.max())
        there_BL = places_L < lengths_B[:, None]
        taken_BL = np.minimum(start_B[:, None] + places_L, len(self.texts_T) - 1)
        return torch.from_numpy(np.where(there_BL, self.texts_T[taken_BL], pad).astype(np.int64))


def pair_order(pairs: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """The pairs of a step, counted from 0: a new random order of all of them each epoch.

    >>> sorted([*pair_order(4, 2, 0, seed=0).tolist(), *pair_order(4, 2, 1, seed=0).tolist()])
    [0, 1, 2, 3]
    """
    places_B = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs_B, within_B = np.divmod(places_B, pairs)
    taken_B = np.empty(batch_size, dtype=np.int64)
    for epoch in np.unique(epochs_B):
        of_epoch = epochs_B == epoch
        taken_B[of_epoch] = _permutation(pairs, seed, int(epoch))[within_B[of_epoch]]
    return taken_B


@lru_cache(maxsize=2)
def _permutation(pairs: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(pairs)


def frequent_words(texts: Iterable[str], least_count: int) -> list[str]:
    """Words that stand in so many places at least, in alphabetical order.

    >>> frequent_words(["a dog", "a cat", "two dogs"], 2)
    ['a']
    """
    counts = Counter(word for text in texts for word in words_of(text))
    return sorted(word for word, count in counts.items() if count >= least_count)


def _flat(rows: Sequence[Sequence[int]]) -> np.ndarray:
    return np.fromiter((number for row in rows for number in row), dtype=np.int32)


def _starts(rows: Sequence[Sequence[int]]) -> np.ndarray:
    return np.fromiter(accumulate(map(len, rows), initial=0), dtype=np.int64)
