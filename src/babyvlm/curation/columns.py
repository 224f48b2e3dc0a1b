"""Conversations column by column, for work on a million of them at once; what a record must be holds of each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from pydantic import ValidationError

from babyvlm.curation.sets import CONVERSATION_SCHEMA, PretrainingSet, invalid_conversation, reading_parquet
from babyvlm.records import IMAGE_TOKEN, Conversation, Format, Split, source_of

_ROWS = 2048
_MAY_BE_ABSENT = ("start_s", "end_s")
_KINDS = {name: get_args(Conversation.model_fields[name].annotation) for name in ("format", "split", "variant")}


@dataclass(frozen=True, kw_only=True)
class ConversationColumns:
    """N conversations."""

    conversations: Sequence[tuple[str, str, str]]
    """Id, format and recording of each."""
    sources: Sequence[str]
    """As :attr:`babyvlm.records.Conversation.source`."""
    turns: Sequence[tuple[str, str]]
    """Prompts and answers of all turns."""
    first_turn_N: np.ndarray
    """Where those of a conversation begin, (N + 1,)."""
    first_image_N: np.ndarray
    """Where its pictures begin among all of them, (N + 1,)."""
    start_s_N: np.ndarray
    """float64; 0 where none is known."""

    def __len__(self) -> int:
        return len(self.sources)

    @classmethod
    def of(cls, conversations: Iterable[Conversation]) -> ConversationColumns:
        """Of single ones."""
        rows = [each.model_dump() for each in conversations]
        return cls._of_batch(pa.RecordBatch.from_pylist(rows, schema=CONVERSATION_SCHEMA))

    @classmethod
    def of_rows(cls, batch: pa.RecordBatch, path: Path) -> ConversationColumns:
        """Of rows of a file.

        Raises:
            DataFolderError: A row is no valid conversation.
        """
        if not _is_plainly_valid(batch):
            try:  # the record says what is wrong
                for row in batch.to_pylist():
                    Conversation.model_validate(row)
            except ValidationError as error:
                raise invalid_conversation(error, path) from error
        return cls._of_batch(batch)

    @classmethod
    def _of_batch(cls, batch: pa.RecordBatch) -> ConversationColumns:
        turns = batch.column("turns").flatten()
        tasks, variants = _values(batch.column("task")), _values(batch.column("variant"))
        formats = _values(batch.column("format"))
        return cls(
            conversations=list(
                zip(_values(batch.column("id")), formats, _values(batch.column("recording")), strict=True)
            ),
            sources=list(map(source_of, formats, tasks, variants)),
            turns=list(zip(_values(turns.field("prompt")), _values(turns.field("answer")), strict=True)),
            first_turn_N=_starts(batch.column("turns")),
            first_image_N=_starts(batch.column("images")),
            start_s_N=batch.column("start_s").fill_null(0.0).to_numpy(zero_copy_only=False),
        )


def conversation_columns(
    data: PretrainingSet, format: Format, split: Split, *, share: int = 0, shares: int = 1
) -> Iterator[tuple[int, ConversationColumns]]:
    """The records of one format and split in order, some thousands at a time.

    Args:
        data: The set.
        format: Which.
        split: Which.
        share: Which share of the file's row groups is read.
        shares: How many there are.

    Yields:
        The row group that the rows begin with, and the rows; a group that has none of the split's is passed by.

    Raises:
        DataFolderError: They are missing, or the file holds something else.
    """
    for group, table in _row_groups(data, format, split, share=share, shares=shares):
        for batch in table.combine_chunks().to_batches(max_chunksize=_ROWS):
            yield group, ConversationColumns.of_rows(batch, data.conversations_path(format))


@dataclass(frozen=True, kw_only=True)
class PictureNumbers:
    """Which pictures the records of one format and split show."""

    numbers_I: np.ndarray
    """int32, in order, repeats included."""
    first_of_group: np.ndarray
    """Where those of each of the file's row groups begin in it."""


def picture_numbers(
    data: PretrainingSet, formats: Sequence[Format], split: Split
) -> tuple[dict[Format, PictureNumbers], int]:
    """A number for each distinct picture, in the order of their first appearance, for every place that it has.

    Returns:
        Those of each format, and how many distinct ones there are.

    Raises:
        DataFolderError: A file is missing, or holds something else.
    """
    ids: list[pa.Array] = []
    sizes: dict[Format, list[int]] = {}
    for format in formats:
        sizes[format] = []
        for _, table in _row_groups(data, format, split, columns=["images"]):
            images = pc.list_flatten(table.column("images")).combine_chunks()
            ids.append(images)
            sizes[format].append(len(images))
    chunks = pa.chunked_array(ids, pa.string()).dictionary_encode().chunks  # which share one dictionary
    numbers = np.concatenate([np.zeros(0, np.int32), *(chunk.indices.to_numpy() for chunk in chunks)])
    found: dict[Format, PictureNumbers] = {}
    start = 0
    for format, counts in sizes.items():
        starts = np.cumsum([0, *counts])
        found[format] = PictureNumbers(numbers_I=numbers[start : start + starts[-1]], first_of_group=starts)
        start += starts[-1]
    return found, int(numbers.max(initial=-1)) + 1


def _row_groups(
    data: PretrainingSet,
    format: Format,
    split: Split,
    *,
    columns: list[str] | None = None,
    share: int = 0,
    shares: int = 1,
) -> Iterator[tuple[int, pa.Table]]:
    path = data.conversations_path(format)
    with reading_parquet(path):
        (fragment,) = pyarrow.dataset.dataset(path, schema=CONVERSATION_SCHEMA).get_fragments()
        groups = range(fragment.num_row_groups)
    for group in groups[len(groups) * share // shares : len(groups) * (share + 1) // shares]:
        with reading_parquet(path):
            rows = fragment.subset(row_group_ids=[group])
            table = rows.to_table(CONVERSATION_SCHEMA, columns=columns, filter=pc.field("split") == split)
        yield group, table


def _is_plainly_valid(batch: pa.RecordBatch) -> bool:
    """Whether every row certainly is a conversation; where not, the record itself decides."""
    turns, images = batch.column("turns"), batch.column("images")
    said = turns.flatten()
    required = [
        *(batch.column(name) for name in CONVERSATION_SCHEMA.names if name not in _MAY_BE_ABSENT),
        images.flatten(), said, said.field("prompt"), said.field("answer"),
    ]  # fmt: skip
    if any(column.null_count for column in required):
        return False
    if not all(pc.all(pc.is_in(batch.column(name), pa.array(kinds))).as_py() for name, kinds in _KINDS.items()):
        return False
    first_N = _starts(turns)
    if not np.diff(first_N).all():
        return False
    places = np.add.reduceat(pc.count_substring(said.field("prompt"), IMAGE_TOKEN).to_numpy(), first_N[:-1])
    return bool(((places == 0) | (places == np.diff(_starts(images)))).all())


def _starts(lists: pa.ListArray) -> np.ndarray:
    """Where the values of each row begin among those of all, and where they end."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0]


def _values(column: pa.Array) -> list[str]:
    values: list[str] = column.to_numpy(zero_copy_only=False).tolist()
    return values
