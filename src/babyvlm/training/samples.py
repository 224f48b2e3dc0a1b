"""From a curated set on disk to samples in memory; their pictures are in ``pictures.py``.

PretrainingSet ── conversations ── ConversationEncoder ── Sample (ids, labels, picture numbers)
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import DataFolderError
from babyvlm.model.modeling import IGNORED
from babyvlm.model.tokenizer import EOS, SOS
from babyvlm.records import Utterance
from babyvlm.training.batches import Row, Sample
from babyvlm.training.origins import SampleOrigin
from babyvlm.words import words_of

ThingT = TypeVar("ThingT")
NameT = TypeVar("NameT", str, int)


class Pictures(Protocol):
    """Pictures at one size."""

    pixels_NCHW: torch.Tensor
    """uint8, on the CPU."""

    def __len__(self) -> int:
        """How many."""


def training_frames(data: PretrainingSet, kind: Literal["pairs", "candidates"]) -> list[str]:
    """Images of the training recordings: those of image-utterance pairs, or every candidate frame, each once."""
    if kind == "pairs":
        return list(dict.fromkeys(data.picture_ids("image", "train")))
    chosen = {recording.id for recording in data.recordings if recording.split == "train"}
    return list(dict.fromkeys(data.candidate_pictures(chosen)))


def pack_utterances(
    utterances: Sequence[Utterance], tokenizer: PreTrainedTokenizerBase, packed_tokens: int
) -> list[Sample]:
    """Utterances, in order, packed into sequences of ``packed_tokens``: ``<sos>...<eos><sos>...<eos>``; all learned.

    Raises:
        DataFolderError: There is no utterance.
    """
    return [sample for sample, _ in packed_utterances(utterances, tokenizer, packed_tokens, {})]


def packed_utterances(
    utterances: Sequence[Utterance],
    tokenizer: PreTrainedTokenizerBase,
    packed_tokens: int,
    numbers: Mapping[str, int],
) -> list[tuple[Sample, SampleOrigin]]:
    """The same, each with the recordings of all utterances in it and the words of those that begin in it.

    Args:
        utterances: In the order in which they are packed.
        tokenizer: The run's.
        packed_tokens: Length of a sequence.
        numbers: Place of each recording in the set; origins are empty without it.

    Raises:
        DataFolderError: There is no utterance.
    """
    stream: list[int] = []
    begins: list[int] = []
    for utterance in utterances:
        begins.append(len(stream))
        stream += [SOS, *tokenizer.encode(utterance.text, add_special_tokens=False), EOS]
    if not stream:
        raise DataFolderError("the language corpus holds no training utterance")
    packed = []
    for start in range(0, len(stream), packed_tokens):
        ids = np.array(stream[start : start + packed_tokens], dtype=np.int32)
        if len(ids) > 1:
            begun, end = bisect.bisect_left(begins, start), bisect.bisect_left(begins, start + len(ids))
            touched = utterances[bisect.bisect_right(begins, start) - 1 : end]
            origin = SampleOrigin(
                recordings=sorted({numbers[one.recording] for one in touched if one.recording in numbers}),
                start_s=touched[0].start_s,
                words=sum(len(words_of(one.text)) for one in utterances[begun:end]),
            )
            packed.append((Sample(ids=ids, labels=ids.copy(), images=()), origin))
    return packed


def collate(row: Row, pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor, list[int], torch.Tensor]:
    """Lays a row's samples one behind the other, padding each group to its longest.

    Returns:
        ids_1T, labels_1T, the distinct pictures' numbers (U), and for each placed picture its place among them (N).
    """
    ids_T = np.full(row.num_tokens, pad_id, dtype=np.int64)
    labels_T = np.full(row.num_tokens, IGNORED, dtype=np.int64)
    start = 0
    # Behind the groups' blocks there may be one that fills the row up.
    for group, (_, length) in zip(row.groups, row.blocks[: len(row.groups)], strict=True):
        for sample in group:
            ids_T[start : start + len(sample)] = sample.ids
            labels_T[start + 1 : start + len(sample)] = sample.labels[1:]  # before the first there is nothing
            start += length
    placed = [image for group in row.groups for sample in group for image in sample.images]
    distinct = numbered(placed)
    index_N = torch.tensor([distinct[image] for image in placed], dtype=torch.long)
    return torch.from_numpy(ids_T)[None], torch.from_numpy(labels_T)[None], list(distinct), index_N


def numbered(images: Iterable[NameT]) -> dict[NameT, int]:
    """A number for each distinct picture, in the order of their first appearance.

    >>> numbered("cabac")
    {'c': 0, 'a': 1, 'b': 2}
    """
    return {image: number for number, image in enumerate(dict.fromkeys(images))}


def evenly(items: Sequence[ThingT], most: int) -> list[ThingT]:
    """At most so many of the items, evenly over the list.

    >>> evenly(range(10), 4)
    [0, 2, 5, 7]
    """
    return [items[math.floor(place * len(items) / most)] for place in range(most)] if len(items) > most else list(items)
