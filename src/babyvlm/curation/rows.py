"""What one recording adds to a set's tables, kept with its shard until the set is put together.

    shard --select, formats--> rows-1f0c.../       one Arrow file for each table that gets rows
                               ├── image.arrow     image-text pairs, and so on
                               └── counts.json     how many of what, and what was left out

Workers make them, each recording by itself; whoever writes the set only strings them together. A folder is whole or
absent, and named by what decides its content, so that a killed curation makes none twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from babyvlm.curation.candidates import Candidate
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.formats import image_conversations, interleaved_conversations, video_conversations
from babyvlm.curation.selection import select
from babyvlm.curation.sets import CANDIDATE_SCHEMA, CONVERSATION_SCHEMA, UTTERANCE_SCHEMA
from babyvlm.curation.shards import Shard, filled
from babyvlm.errors import DataFolderError
from babyvlm.records import Record, Recording, content_id

_LAYOUT = 1
"""Raised when the rows of the same shard by the same settings change."""
TABLES: Mapping[str, pa.Schema] = {
    "utterances": UTTERANCE_SCHEMA,
    "candidates": CANDIDATE_SCHEMA,
    "image": CONVERSATION_SCHEMA,
    "video": CONVERSATION_SCHEMA,
    "interleaved": CONVERSATION_SCHEMA,
}
"""The tables of a set, each a Parquet file, and their columns."""


class RowCounts(Record):
    """What the rows of a recording are, and what was left out."""

    counts: dict[str, int] = Field(default_factory=dict)
    skipped: dict[str, int] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SelectedRows:
    """What the candidates of one recording become: rows by table, and counts."""

    rows: dict[str, list[dict[str, Any]]]
    counts: Counter[str]
    skipped: Counter[str]


def selected_rows(recording: Recording, candidates: Iterable[Candidate], config: CurationConfig) -> SelectedRows:
    """Selects from the candidates of a recording, and makes the records that follow from them."""
    candidates = list(candidates)
    rows: dict[str, list[dict[str, Any]]] = {
        "candidates": [{**candidate.model_dump(), "split": recording.split} for candidate in candidates]
    }
    kept, skipped, counts = select(candidates, config)
    if len(kept) < config.min_window:
        skipped["recording too short for an interleaved sequence"] += 1
    for conversation in (
        *image_conversations(recording, kept),
        *video_conversations(recording, kept, config),
        *interleaved_conversations(recording, kept, config),
    ):
        rows.setdefault(conversation.format, []).append(conversation.model_dump())
        counts[f"{conversation.format}/{recording.split}"] += 1
    counts["clips"] += len(kept)
    counts["candidate clips"] += len(candidates)
    return SelectedRows(rows=rows, counts=counts, skipped=skipped)


@dataclass(frozen=True, kw_only=True)
class KeptRows:
    """The rows of one recording on disk."""

    folder: Path

    def counted(self) -> RowCounts:
        """How many there are of what.

        Raises:
            DataFolderError: They do not read.
        """
        path = self.folder / "counts.json"
        try:
            return RowCounts.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """The rows of one table.

        Raises:
            DataFolderError: They do not read.
        """
        path = self.folder / f"{table}.arrow"
        if not path.exists():
            return
        try:
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                for index in range(reader.num_record_batches):
                    yield reader.get_batch(index)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataFolderError:
    return DataFolderError(f"does not read ({error})", path=path, remedy="Remove it and curate again")


def rows_of(shard: Shard, recording: Recording, config: CurationConfig, aligner: str | None) -> KeptRows:
    """Where the rows of a recording are or will be.

    Args:
        shard: Its shard.
        recording: The recording.
        config: The settings.
        aligner: Name of the aligner by whose scores rows are selected; None for no scores.
    """
    key = content_id(_LAYOUT, recording.model_dump(), asdict(config), aligner)
    return KeptRows(folder=shard.folder / f"rows-{key}")


def keep_rows(shard: Shard, recording: Recording, config: CurationConfig, aligner: str | None) -> KeptRows:
    """Makes the rows of a recording, unless they are there."""
    rows = rows_of(shard, recording, config, aligner)
    if rows.folder.is_dir():
        return rows
    heard = shard.heard
    selected = selected_rows(recording, shard.candidates(aligner), config)
    spoken = [{**utterance.model_dump(), "split": recording.split} for utterance in heard.utterances]
    counts = Counter(heard.counts) + selected.counts
    counts[f"recordings/{recording.split}"] += 1
    counts[f"utterances/{recording.split}"] += len(spoken)
    with filled(rows.folder, shard.folder.parent) as partial:
        for table, found in {**selected.rows, "utterances": spoken}.items():
            if found:
                batch = pa.RecordBatch.from_pylist(found, schema=TABLES[table])
                with pa.ipc.new_file(str(partial / f"{table}.arrow"), TABLES[table]) as file:
                    file.write_batch(batch)
        counted = RowCounts(counts=counts, skipped=Counter(heard.skipped) + selected.skipped)
        (partial / "counts.json").write_text(counted.model_dump_json() + "\n", encoding="utf-8")
    return rows
