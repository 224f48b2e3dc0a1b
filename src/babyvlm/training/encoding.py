"""Conversations into samples, some thousands at a time.

    ConversationColumns ── pieces of text and pictures, each distinct one a number ── tokens of all of them at once
                                   └── one gather ── tokens of every sample, flat ── record batches (``encoded.py``)

What a sample is, :class:`babyvlm.model.processing.ConversationEncoder` says; here is the same for many, without a list
for each.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from babyvlm.curation.columns import ConversationColumns, PictureNumbers, conversation_columns
from babyvlm.curation.sets import PretrainingSet
from babyvlm.model.processing import ConversationEncoder, Piece, Template, conversation_pieces
from babyvlm.model.tokenizer import UNK
from babyvlm.records import IMAGE_TOKEN, Conversation, Format
from babyvlm.training.batches import Sample
from babyvlm.training.configuration import MultimodalStage, SampleRules
from babyvlm.training.encoded import Lists, join_samples, sample_batch, samples_of, write_samples
from babyvlm.training.nodes import Place
from babyvlm.training.origins import FindRecordings, recording_finder, words_in
from babyvlm.training.samples import numbered

TOO_LONG = "too long"


def encode_conversations(
    conversations: Iterable[Conversation],
    encoder: ConversationEncoder,
    stage: MultimodalStage,
    *,
    index: Mapping[str, int],
    context: int,
) -> tuple[dict[str, list[Sample]], int]:
    """Samples by source: the task of an instruction sample with any variant, the format of any other.

    Returns:
        The samples, and how many conversations exceed ``context`` tokens: they are left out, or cut, as the stage says.
    """
    rows, counts = list(conversations), Counter[str]()
    numbers_I = np.array([index[image] for row in rows for image in row.images], np.int32)
    sources: dict[str, list[Sample]] = {}
    columns = ConversationColumns.of(rows)
    for source, batch in encoded(columns, numbers_I, encoder, stage, context=context, counts=counts):
        sources.setdefault(source, []).extend(samples_of(batch, encoder.image_token_id, encoder.image_tokens))
    return sources, counts[TOO_LONG]


def write_numbers(folder: Path, numbers: Mapping[Format, PictureNumbers]) -> None:
    """Puts where all processes of a node find them the numbers of the pictures that records show."""
    for format, each in numbers.items():
        np.save(_numbers_of(folder, format), each.numbers_I)
        np.save(_groups_of(folder, format), each.first_of_group)


def encode_share(
    folder: Path,
    data: PretrainingSet,
    encoder: ConversationEncoder,
    stage: MultimodalStage,
    *,
    context: int,
    place: Place,
) -> None:
    """Encodes one process's share of the training records: of each format, some of the file's row groups.

    Args:
        folder: Where :func:`write_numbers` has written, and where the share goes.
        data: The set.
        encoder: Of the model.
        stage: Whose formats, template and rules.
        context: Longest sample, tokens.
        place: Of this process.
    """
    recordings, share, shares = recording_finder(data), place.local_rank, place.local_processes
    for format in stage.formats:
        counts = Counter({TOO_LONG: 0})
        blocks = conversation_columns(data, format, "train", share=share, shares=shares)
        numbered_blocks = _with_numbers(blocks, folder, format)
        part = _part_of(folder, format, share)
        part.mkdir()
        samples = (
            sample
            for columns, numbers_I in numbered_blocks
            for sample in encoded(
                columns, numbers_I, encoder, stage, context=context, counts=counts, recordings=recordings
            )
        )
        write_samples(part, samples, counts)


def _with_numbers(
    blocks: Iterable[tuple[int, ConversationColumns]], folder: Path, format: Format
) -> Iterator[tuple[ConversationColumns, np.ndarray]]:
    """Each block of conversations with the numbers of its pictures."""
    numbers_I = np.load(_numbers_of(folder, format), mmap_mode="r")
    first_of_group = np.load(_groups_of(folder, format))
    before, start = -1, 0
    for group, columns in blocks:
        if group != before:
            before, start = group, int(first_of_group[group])
        end = start + int(columns.first_image_N[-1])
        yield columns, numbers_I[start:end]
        start = end


def join_shares(folder: Path, formats: Sequence[Format], shares: int) -> None:
    """Makes one of the shares of all processes of a node, in the order of the records."""
    join_samples([_part_of(folder, format, share) for format in formats for share in range(shares)], folder)
    for format in formats:
        _numbers_of(folder, format).unlink()
        _groups_of(folder, format).unlink()


def encode_rows(
    folder: Path, rows: Sequence[Conversation], encoder: ConversationEncoder, stage: MultimodalStage, *, context: int
) -> None:
    """Encodes some conversations whose pictures are numbered in the order in which they first appear; nothing is known
    of where they come from."""
    counts = Counter({TOO_LONG: 0})
    index = numbered(image for row in rows for image in row.images)
    numbers_I = np.array([index[image] for row in rows for image in row.images], np.int32)
    columns = ConversationColumns.of(rows)
    write_samples(folder, encoded(columns, numbers_I, encoder, stage, context=context, counts=counts), counts)


def _numbers_of(folder: Path, format: Format) -> Path:
    return folder / f"{format}.numbers.npy"


def _groups_of(folder: Path, format: Format) -> Path:
    return folder / f"{format}.groups.npy"


def _part_of(folder: Path, format: Format, share: int) -> Path:
    return folder / f"{format}.{share}"


def encoded(
    columns: ConversationColumns,
    numbers_I: np.ndarray,
    encoder: ConversationEncoder,
    stage: MultimodalStage,
    *,
    context: int,
    counts: Counter[str],
    recordings: FindRecordings | None = None,
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Samples of some conversations, in order within each source; counts those that are too long.

    Args:
        columns: N conversations.
        numbers_I: Numbers of their pictures in the table, one conversation's behind another's.
        encoder: Of the model.
        stage: Whose template and rules.
        context: Longest sample, tokens.
        counts: Where those that are longer are added.
        recordings: Finds the recordings of each; None where nobody asks where samples come from.
    """
    turns, num_images_N = _under_rules(columns, stage)
    ids, learned, num_tokens_N = _tokens(turns, num_images_N, encoder.compact(), stage.template)
    if not stage.samples.learn_unknown:
        learned &= ids != UNK
    owner = np.repeat(np.arange(len(columns)), num_tokens_N)
    shown = ids == encoder.image_token_id
    length = np.where(shown, encoder.image_tokens, 1)
    length_N = np.bincount(owner, length, len(columns)).astype(np.int64)
    long_N = length_N > context
    counts[TOO_LONG] += int(long_N.sum())
    kept_N = ~long_N if stage.samples.too_long == "leave out" else np.ones(len(columns), bool)
    if (long_N & kept_N).any():
        # Of a sample that is cut, a picture in which the context ends goes with the rest: nothing learned follows it.
        before_N = np.cumsum(length_N) - length_N
        within = np.cumsum(length) - before_N[owner] <= context
        ids, learned, owner, shown = ids[within], learned[within], owner[within], shown[within]
        num_tokens_N = np.bincount(owner, minlength=len(columns))
        placed_N = np.bincount(owner, shown, len(columns)).astype(np.int64)
        num_images_N = np.where(long_N, np.minimum(num_images_N, placed_N), num_images_N)
    found: list[Sequence[int]] = [()] * len(columns) if recordings is None else [
        recordings(*each) for each in columns.conversations
    ]  # fmt: skip
    words_N = _words(columns) if recordings is not None else np.zeros(len(columns), np.int32)
    start_s_N = columns.start_s_N if recordings is not None else np.zeros(len(columns))
    tokens = np.where(learned, ~ids, ids)
    for source, mine_N in _by_source(columns.sources, kept_N):
        chosen = np.flatnonzero(mine_N)
        yield (
            source,
            sample_batch(
                Lists(tokens[mine_N[owner]], num_tokens_N[chosen]),
                Lists(_first_of_each(numbers_I, columns.first_image_N, num_images_N, chosen), num_images_N[chosen]),
                Lists.of([found[number] for number in chosen]),
                start_s_N[chosen],
                words_N[chosen],
            ),
        )


def _by_source(sources: Sequence[str], kept_N: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Which of those that are kept are of each source."""
    names = list(dict.fromkeys(source for source, kept in zip(sources, kept_N, strict=True) if kept))
    if len(names) == 1:
        yield names[0], kept_N
        return
    numbers = {name: number for number, name in enumerate(names)}
    number_N = np.array([numbers.get(source, -1) for source in sources], np.int64)
    for name, number in numbers.items():
        yield name, kept_N & (number_N == number)


def _under_rules(
    columns: ConversationColumns, stage: MultimodalStage
) -> tuple[list[Sequence[tuple[str, str]]], np.ndarray]:
    """The turns of each conversation, and the number of its pictures, as the stage's rules have them."""
    rules: SampleRules = stage.samples
    bare = rules.bare_prompts and stage.template == "baby_plain"
    every = columns.turns
    if bare:
        every = [(IMAGE_TOKEN, answer) for _, answer in every]
    if rules.strip_prompts:
        every = [(prompt.strip(), answer) for prompt, answer in every]
    first_N = columns.first_turn_N.tolist()
    turns = [every[begin:end] for begin, end in itertools.pairwise(first_N)]
    num_images_N = np.diff(columns.first_image_N)
    if bare:
        num_images_N = np.minimum(num_images_N, np.diff(columns.first_turn_N))
    if rules.unplaced_pictures == "drop":
        placed_N = [any(IMAGE_TOKEN in prompt for prompt, _ in each) for each in turns]
        num_images_N = np.where(placed_N, num_images_N, 0)
    return turns, num_images_N


def _tokens(
    conversations: Sequence[Sequence[tuple[str, str]]],
    num_images_N: np.ndarray,
    encoder: ConversationEncoder,
    template: Template,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens of N conversations one behind another, whether each is learned, and how many each conversation has."""
    numbers: dict[Piece, int] = {}
    laid: list[int] = []
    """Numbers of the pieces, complements of those that are learned."""
    pieces_N: list[int] = []
    for turns, num_images in zip(conversations, num_images_N.tolist(), strict=True):
        before = len(laid)
        for learned, pieces in conversation_pieces(turns, num_images=num_images, template=template):
            if learned:
                laid += [~numbers.setdefault(piece, len(numbers)) for piece in pieces]
            else:
                laid += [numbers.setdefault(piece, len(numbers)) for piece in pieces]
        pieces_N.append(len(laid) - before)
    ids = encoder.ids_of(list(numbers))
    counts_P = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = np.fromiter((token for piece in ids for token in piece), np.int32, int(counts_P.sum()))
    laid_K = np.array(laid, np.int64)
    learned_K = laid_K < 0
    laid_K = np.where(learned_K, ~laid_K, laid_K)
    counts_K = counts_P[laid_K]
    ends_K, ends_P = np.cumsum(counts_K), np.cumsum(counts_P)
    gathered = np.arange(ends_K[-1] if len(ends_K) else 0) + np.repeat(
        (ends_P - counts_P)[laid_K] - ends_K + counts_K, counts_K
    )
    owner_K = np.repeat(np.arange(len(pieces_N)), pieces_N)
    num_tokens_N = np.bincount(owner_K, counts_K, len(pieces_N)).astype(np.int64)
    return flat[gathered], np.repeat(learned_K, counts_K), num_tokens_N


def _words(columns: ConversationColumns) -> np.ndarray:
    """Words of the prompts and answers of each conversation."""
    words_T = np.fromiter((words_in(*turn) for turn in columns.turns), np.int64, len(columns.turns))
    owner_T = np.repeat(np.arange(len(columns)), np.diff(columns.first_turn_N))
    return np.bincount(owner_T, words_T, len(columns)).astype(np.int32)


def _first_of_each(numbers_I: np.ndarray, first_N: np.ndarray, counts_N: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The first so many numbers of some conversations."""
    counts = counts_N[chosen]
    ends = np.cumsum(counts)
    places = np.arange(counts.sum()) + np.repeat(first_N[chosen] - ends + counts, counts)
    return numbers_I[places]
