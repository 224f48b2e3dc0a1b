"""From a curated set on disk to samples and pixels in memory.

PretrainingSet ── conversations ── ConversationEncoder ── Sample (ids, labels, picture numbers)
               └─ pictures ─────── square_pixels ──────── pixels_NCHW, uint8
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import DataFolderError
from babyvlm.folders import is_no_room, no_room
from babyvlm.model.llava_config import Fit
from babyvlm.model.modeling import IGNORED
from babyvlm.model.processing import ConversationEncoder, square_pixels
from babyvlm.model.tokenizer import EOS, SOS, UNK
from babyvlm.progress import progress
from babyvlm.records import IMAGE_TOKEN, Conversation, Turn, Utterance
from babyvlm.training.batches import Row, Sample
from babyvlm.training.configuration import MultimodalStage

ThingT = TypeVar("ThingT")


class Pictures(Protocol):
    """Pictures at one size."""

    pixels_NCHW: torch.Tensor
    """uint8, on the CPU."""

    def __len__(self) -> int:
        """How many."""


class PixelTable:
    """Pictures at the model's size, each decoded once, in a file that all processes of a machine map.

    Args:
        data: Where the pictures are.
        image_ids: Pictures to hold; repeats are dropped.
        size: Side, pixels.
        fit: How a picture becomes square.
        path: The file, made anew; it may be removed once the table is no longer used.
        accelerator: The processes that share the work.
    """

    def __init__(
        self,
        data: PretrainingSet,
        image_ids: Iterable[str],
        *,
        size: int,
        fit: Fit,
        path: Path,
        accelerator: Accelerator,
    ) -> None:
        self.index = {image_id: number for number, image_id in enumerate(dict.fromkeys(image_ids))}
        shape = (len(self.index), 3, size, size)
        if accelerator.is_main_process:
            path.unlink(missing_ok=True)
            np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
            _take_room(path)
        accelerator.wait_for_everyone()
        table_NCHW = np.lib.format.open_memmap(path, mode="r+")

        aspects_N = torch.zeros(len(self.index))

        def load(image_id: str) -> None:
            image, place = data.read_image(image_id), self.index[image_id]
            aspects_N[place] = image.width / image.height
            table_NCHW[place] = square_pixels(image, size, fit)

        mine = list(self.index)[accelerator.process_index :: accelerator.num_processes]
        with ThreadPoolExecutor(1 if accelerator.num_processes > 1 else None) as pool:
            for _ in progress(
                pool.map(load, mine), description="pictures", total=len(mine), unit="img",
                silent=not accelerator.is_main_process,
            ):  # fmt: skip
                pass
        table_NCHW.flush()
        accelerator.wait_for_everyone()
        self.pixels_NCHW = torch.from_numpy(table_NCHW)
        self.aspects_N = accelerator.reduce(aspects_N.to(accelerator.device), "sum").cpu()
        """Width over height of each picture before it became square."""

    def __len__(self) -> int:
        return len(self.index)


def training_frames(data: PretrainingSet, kind: Literal["pairs", "candidates"]) -> list[str]:
    """Images of the training recordings: those of image-utterance pairs, or every candidate frame, each once."""
    if kind == "pairs":
        return list(dict.fromkeys(image for row in data.conversations("image", "train") for image in row.images))
    chosen = {recording.id for recording in data.recordings if recording.split == "train"}
    frames = (frame.image for each in data.candidates() if each.recording in chosen for frame in each.frames)
    return list(dict.fromkeys(frames))


def encode_conversations(
    conversations: Sequence[Conversation],
    encoder: ConversationEncoder,
    stage: MultimodalStage,
    *,
    index: dict[str, int],
    context: int,
) -> tuple[dict[str, list[Sample]], int]:
    """Samples by source: the task of an instruction sample with any variant, the format of any other.

    Returns:
        The samples, and how many conversations exceed ``context`` tokens: they are left out, or cut, as the stage says.
    """
    rules = stage.samples
    sources: dict[str, list[Sample]] = {}
    too_long = 0
    for conversation in conversations:
        turns, images = _under_rules(conversation, stage)
        ids, labels = encoder.conversation(turns, num_images=len(images), template=stage.template)
        if not rules.learn_unknown:
            labels = [IGNORED if label == UNK else label for label in labels]
        if len(ids) > context:
            too_long += 1
            if rules.too_long == "leave out":
                continue
            ids, labels, images = _cut(ids, labels, images, encoder, context)
        sample = Sample(
            ids=np.array(ids, dtype=np.int32),
            labels=np.array(labels, dtype=np.int32),
            images=tuple(index[image] for image in images),
        )
        sources.setdefault(conversation.source, []).append(sample)
    return sources, too_long


def _under_rules(conversation: Conversation, stage: MultimodalStage) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
    """The turns and pictures of a conversation as the stage's rules have them."""
    rules, turns, images = stage.samples, conversation.turns, conversation.images
    if rules.bare_prompts and stage.template == "baby_plain":
        turns = tuple(turn.model_copy(update={"prompt": IMAGE_TOKEN}) for turn in turns)
        images = images[: len(turns)]
    if rules.strip_prompts:
        turns = tuple(turn.model_copy(update={"prompt": turn.prompt.strip()}) for turn in turns)
    if rules.unplaced_pictures == "drop" and not any(IMAGE_TOKEN in turn.prompt for turn in turns):
        images = ()
    return turns, images


def _cut(
    ids: list[int], labels: list[int], images: tuple[str, ...], encoder: ConversationEncoder, context: int
) -> tuple[list[int], list[int], tuple[str, ...]]:
    """The beginning of a sample. A picture in which the context ends goes with the rest: nothing learned follows it."""
    ids, labels = ids[:context], labels[:context]
    whole, part = divmod(ids.count(encoder.image_token_id), encoder.image_tokens)
    if part:
        ids, labels = ids[:-part], labels[:-part]
    return ids, labels, images[:whole]


def pack_utterances(
    utterances: Sequence[Utterance], tokenizer: PreTrainedTokenizerBase, packed_tokens: int
) -> list[Sample]:
    """Utterances, in order, packed into sequences of ``packed_tokens``: ``<sos>...<eos><sos>...<eos>``; all learned.

    Raises:
        DataFolderError: There is no utterance.
    """
    stream: list[int] = []
    for utterance in utterances:
        stream += [SOS, *tokenizer.encode(utterance.text, add_special_tokens=False), EOS]
    if not stream:
        raise DataFolderError("the language corpus holds no training utterance")
    samples = []
    for start in range(0, len(stream), packed_tokens):
        ids = np.array(stream[start : start + packed_tokens], dtype=np.int32)
        if len(ids) > 1:
            samples.append(Sample(ids=ids, labels=ids.copy(), images=()))
    return samples


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
    distinct = {image: number for number, image in enumerate(dict.fromkeys(placed))}
    index_N = torch.tensor([distinct[image] for image in placed], dtype=torch.long)
    return torch.from_numpy(ids_T)[None], torch.from_numpy(labels_T)[None], list(distinct), index_N


def evenly(items: Sequence[ThingT], most: int) -> list[ThingT]:
    """At most so many of the items, evenly over the list.

    >>> evenly(range(10), 4)
    [0, 2, 5, 7]
    """
    return [items[math.floor(place * len(items) / most)] for place in range(most)] if len(items) > most else list(items)


def _take_room(path: Path) -> None:
    """Has the disk hold all of a file that was made with holes: a full one would kill whoever writes into them."""
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        if is_no_room(error):
            path.unlink()
            raise no_room(path, error) from error
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot
            raise
