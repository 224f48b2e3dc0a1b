"""A pretraining set on disk, as curation leaves it and training reads it.

out/
├── manifest.json         configuration, hashes of the inputs, counts, what was skipped
├── recordings.jsonl      Recording records
├── utterances.parquet    the language corpus: Utterance records with their split
├── image.parquet         Conversation records, one file for each format
├── video.parquet
├── interleaved.parquet
├── candidates.parquet    every clip and frame before thresholds, with its scores
├── images/               image store: every frame of every candidate, once
└── instruction/          where the corpus had boxes: instruction.parquet, images/, and sources.jsonl
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image
from pydantic import ValidationError

from babyvlm.curation.candidates import Candidate
from babyvlm.errors import DataFolderError
from babyvlm.folders import Manifest, read_manifest
from babyvlm.images import ImageStore
from babyvlm.records import Conversation, Format, Record, Recording, Split, Utterance, read_jsonl

KIND = "pretraining-set"
INSTRUCTION = "instruction"
CANDIDATES = "candidates.parquet"
SOURCES = "sources.jsonl"
"""Which recordings an instruction sample shows, where it shows several."""
_ROWS_PER_GROUP, _ROWS_PER_BATCH = 2048, 64

CONVERSATION_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("format", pa.string()),
        ("images", pa.list_(pa.string())),
        ("turns", pa.list_(pa.struct([("prompt", pa.string()), ("answer", pa.string())]))),
        ("split", pa.string()),
        ("recording", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("task", pa.string()),
        ("variant", pa.string()),
    ]
)
CANDIDATE_SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("split", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("text", pa.string()),
        ("score", pa.float64()),
        (
            "frames",
            pa.list_(
                pa.struct(
                    [
                        ("image", pa.string()),
                        ("number", pa.int64()),
                        ("sharpness", pa.float64()),
                        ("looks", pa.string()),
                        ("score", pa.float64()),
                    ]
                )
            ),
        ),
    ]
)
UTTERANCE_SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("speaker", pa.string()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("split", pa.string()),
    ]
)


class SampleSources(Record):
    """The recordings that one instruction sample shows, where there are several."""

    id: str
    """The sample's."""
    recordings: tuple[str, ...]


class RowWriter:
    """Writes rows to a Parquet file, in groups of a fixed size; use it as a context manager.

    The rows of an unfinished group wait in Arrow's form, which is far smaller than Python's.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(str(path), schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []
        self._waiting = 0
        """Rows in the batches."""

    def add(self, row: dict[str, Any]) -> None:
        """Adds one row."""
        self._rows.append(row)
        if len(self._rows) == _ROWS_PER_BATCH:
            self._compact()

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows that are in Arrow's form already."""
        self._compact()
        self._append(batch)

    def _compact(self) -> None:
        if self._rows:
            rows = pa.RecordBatch.from_pylist(self._rows, schema=self._schema)
            self._rows.clear()
            self._append(rows)

    def _append(self, batch: pa.RecordBatch) -> None:
        while self._waiting + len(batch) >= _ROWS_PER_GROUP:
            room = _ROWS_PER_GROUP - self._waiting
            self._batches.append(batch.slice(0, room))
            self._write_group()
            batch = batch.slice(room)
        if len(batch):
            self._batches.append(batch)
            self._waiting += len(batch)

    def _write_group(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches).combine_chunks())
            self._batches.clear()
            self._waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._compact()
        self._write_group()
        self._writer.close()


def write_conversations(path: Path, conversations: Iterable[Conversation]) -> int:
    """Writes conversations to a Parquet file and returns how many."""
    count = 0
    with RowWriter(path, CONVERSATION_SCHEMA) as writer:
        for conversation in conversations:
            writer.add(conversation.model_dump())
            count += 1
    return count


def read_conversations(path: Path, split: Split | None = None) -> list[Conversation]:
    """Reads the conversations of a Parquet file, of one split or of all.

    Raises:
        DataFolderError: The file is missing or holds something else.
    """
    rows = _read_rows(path, CONVERSATION_SCHEMA, split)
    try:
        return [Conversation.model_validate(row) for row in rows]
    except ValidationError as error:
        raise invalid_conversation(error, path) from error


class PretrainingSet:
    """Reads what curation wrote.

    Args:
        folder: The folder that ``babyvlm curate`` wrote.

    Raises:
        DataFolderError: The folder is no whole pretraining set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder, KIND)
        self.images = ImageStore(folder / "images")

    @functools.cached_property
    def recordings(self) -> tuple[Recording, ...]:
        """The recordings it was made of, by id."""
        return tuple(read_jsonl(self.folder / "recordings.jsonl", Recording))

    @property
    def has_instruction(self) -> bool:
        """Whether an instruction set was built with it."""
        return (self.folder / INSTRUCTION).is_dir()

    def recordings_of(self, conversation: Conversation) -> tuple[str, ...]:
        """The recordings that a record shows; none where it is not known, as of some instruction samples of sets that
        an earlier version curated."""
        return self.recordings_shown(conversation.id, conversation.format, conversation.recording)

    def recordings_shown(self, id: str, format: str, recording: str) -> tuple[str, ...]:
        """The same, of a record's fields."""
        if recording:
            return (recording,)
        return self._several_sources.get(id, ()) if format == INSTRUCTION else ()

    @functools.cached_property
    def _several_sources(self) -> dict[str, tuple[str, ...]]:
        path = self.folder / INSTRUCTION / SOURCES
        return {each.id: each.recordings for each in read_jsonl(path, SampleSources)} if path.exists() else {}

    def conversations(self, format: Format, split: Split | None = None) -> list[Conversation]:
        """The training records of one format, of one split or of all.

        Raises:
            DataFolderError: They are missing, as instruction is where the corpus had no boxes.
        """
        return read_conversations(self.conversations_path(format), split)

    def each_conversation(self, format: Format, split: Split) -> Iterator[Conversation]:
        """The same as :meth:`conversations`, a few in memory at a time.

        Raises:
            DataFolderError: They are missing, or the file holds something else.
        """
        path = self.conversations_path(format)
        table = _read_table(path, CONVERSATION_SCHEMA, split)
        try:
            for batch in table.to_batches(max_chunksize=_ROWS_PER_GROUP):
                yield from map(Conversation.model_validate, batch.to_pylist())
        except ValidationError as error:
            raise invalid_conversation(error, path) from error

    def conversations_path(self, format: Format) -> Path:
        """The Parquet file of a format's records.

        Raises:
            DataFolderError: There is no instruction set, and it is asked for.
        """
        if format != INSTRUCTION:
            return self.folder / f"{format}.parquet"
        self._require_instruction()
        return self.folder / INSTRUCTION / f"{INSTRUCTION}.parquet"

    def picture_ids(self, format: Format, split: Split) -> list[str]:
        """Images of the training records of one format and split, in order, repeats included; nothing else is read.

        Raises:
            DataFolderError: They are missing, or the file holds something else.
        """
        path = self.conversations_path(format)
        table = _read_table(path, CONVERSATION_SCHEMA, split, columns=["images"])
        ids: list[str] = pc.list_flatten(table.column("images")).to_pylist()
        return ids

    def candidate_pictures(self, recordings: Iterable[str]) -> list[str]:
        """Frames of every clip of some recordings before thresholds, in order, repeats included.

        Raises:
            DataFolderError: They are missing, or the file holds something else.
        """
        table = _read_table(self._candidates_path(), CANDIDATE_SCHEMA, None, columns=["recording", "frames"])
        chosen = table.filter(pc.is_in(table.column("recording"), pa.array(sorted(recordings), pa.string())))
        frames = pc.list_flatten(chosen.column("frames"))
        ids: list[str] = pc.struct_field(frames, "image").to_pylist()
        return ids

    def utterances(self, split: Split | None = None) -> list[Utterance]:
        """The language corpus, of one split or of all, by recording and start.

        Raises:
            DataFolderError: The file is missing or holds something else.
        """
        rows = _read_rows(self.folder / "utterances.parquet", UTTERANCE_SCHEMA, split)
        fields = Utterance.model_fields.keys()
        try:
            return [
                Utterance.model_validate({name: row[name] for name in fields if row[name] is not None}) for row in rows
            ]
        except ValidationError as error:
            path = self.folder / "utterances.parquet"
            raise DataFolderError(f"not a valid Utterance: {error.errors()[0]['msg']}", path=path) from error

    def candidates(self) -> Iterator[Candidate]:
        """Every clip before thresholds, with its frames and scores, by recording and start; a few in memory at a time.

        Raises:
            DataFolderError: They are missing, or the file holds something else.
        """
        path = self._candidates_path()
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_ROWS_PER_GROUP):
                    for row in batch.to_pylist():
                        del row["split"]
                        yield Candidate.model_validate(row)
        except (pa.ArrowException, OSError, KeyError, ValidationError) as error:
            raise DataFolderError(f"does not read as candidates ({error})", path=path) from error

    def _candidates_path(self) -> Path:
        path = self.folder / CANDIDATES
        if not path.is_file():
            raise DataFolderError("the file is missing", path=path, remedy="Curate the corpus again with this version")
        return path

    @functools.cached_property
    def instruction_images(self) -> ImageStore:
        """The images that only the instruction set uses.

        Raises:
            DataFolderError: The corpus had no boxes.
        """
        self._require_instruction()
        return ImageStore(self.folder / INSTRUCTION / "images")

    def jpeg(self, image_id: str) -> bytes:
        """JPEG bytes of an image of any record, instruction included.

        Raises:
            DataFolderError: No image has this id.
        """
        return self._store_of(image_id).jpeg(image_id)

    def read_image(self, image_id: str) -> Image.Image:
        """An image of any record, instruction included, as RGB.

        Raises:
            DataFolderError: No image has this id.
        """
        return self._store_of(image_id).read(image_id)

    def _store_of(self, image_id: str) -> ImageStore:
        if image_id in self.images or not self.has_instruction:
            return self.images
        return self.instruction_images

    def _require_instruction(self) -> None:
        if not self.has_instruction:
            raise DataFolderError(
                "there is no instruction set here: its items are built from boxes, and the corpus had none",
                path=self.folder / INSTRUCTION,
                remedy="Add <recording>.boxes.json files and curate again, or leave the instruction stage out",
            )


def _read_rows(path: Path, schema: pa.Schema, split: Split | None) -> list[dict[str, Any]]:
    return _read_table(path, schema, split).to_pylist()


def _read_table(path: Path, schema: pa.Schema, split: Split | None, columns: list[str] | None = None) -> pa.Table:
    with reading_parquet(path):
        filters = None if split is None else [("split", "==", split)]
        return pq.read_table(path, schema=schema, filters=filters, columns=columns)


@contextlib.contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Says what is wrong with a file that does not read.

    Raises:
        DataFolderError: It is missing, or holds something else.
    """
    if not path.is_file():
        raise DataFolderError("the file is missing", path=path, remedy="Was the folder written to the end?")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataFolderError(f"does not read as Parquet with the columns expected ({error})", path=path) from error


def invalid_conversation(error: ValidationError, path: Path) -> DataFolderError:
    """What to say of a row that is no conversation."""
    return DataFolderError(f"not a valid Conversation: {error.errors()[0]['msg']}", path=path)
