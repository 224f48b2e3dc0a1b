"""The index: everything that is looked at, in one SQLite file with full text, made once.

Data folders are read in a stream and never written to; the file lies in a cache folder, under a name that changes when
the data do. Pictures stay where they are: the index says in which Arrow file, batch and row each one lies.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from babyvlm.curation.sets import CANDIDATES, INSTRUCTION, KIND, PretrainingSet
from babyvlm.errors import DataFolderError
from babyvlm.evaluation.people import typical_responses, typical_scores
from babyvlm.evaluation.runs import read_run
from babyvlm.explorer.sources import Sources
from babyvlm.folders import cache_folder, read_manifest
from babyvlm.images import image_batches
from babyvlm.progress import progress
from babyvlm.records import IMAGE_TOKEN, Conversation, Item, Recording, Response, Utterance, read_jsonl
from babyvlm.toolbox import open_toolbox, score_item, task_named
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.tasks import row_name

_SCHEMA = """
CREATE TABLE sources (id INTEGER PRIMARY KEY, kind TEXT, name TEXT, folder TEXT, toolbox_hash TEXT, family TEXT);
CREATE TABLE recordings (
    source INTEGER, id TEXT, child TEXT, age_months REAL, date TEXT, duration_s REAL, licence TEXT, split TEXT,
    PRIMARY KEY (source, id));
CREATE TABLE utterances (
    id INTEGER PRIMARY KEY, source INTEGER, recording TEXT, start_s REAL, end_s REAL, speaker TEXT, split TEXT,
    text TEXT, facets TEXT);
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, source INTEGER, record TEXT, format TEXT, split TEXT, recording TEXT, start_s REAL,
    end_s REAL, images TEXT, turns TEXT, text TEXT, facets TEXT);
CREATE TABLE images (
    source INTEGER, id TEXT, folder TEXT, shard TEXT, batch INTEGER, row INTEGER,
    PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE TABLE clip_scores (
    source INTEGER, recording TEXT, start_ms INTEGER, end_ms INTEGER, score REAL,
    PRIMARY KEY (source, recording, start_ms, end_ms)) WITHOUT ROWID;
CREATE TABLE frame_scores (
    source INTEGER, image TEXT, start_ms INTEGER, score REAL, PRIMARY KEY (source, image, start_ms)) WITHOUT ROWID;
CREATE TABLE items (
    id INTEGER PRIMARY KEY, source INTEGER, item TEXT, task TEXT, category TEXT, split TEXT, licence TEXT, record TEXT,
    text TEXT, facets TEXT);
CREATE TABLE responses (
    run INTEGER, item TEXT, outcome TEXT, share REAL, record TEXT, PRIMARY KEY (run, item)) WITHOUT ROWID;
CREATE VIRTUAL TABLE utterances_text USING fts5(text, facets, content='utterances', content_rowid='id');
CREATE VIRTUAL TABLE conversations_text USING fts5(text, facets, content='conversations', content_rowid='id');
CREATE VIRTUAL TABLE items_text USING fts5(text, facets, content='items', content_rowid='id');
"""
_AFTERWARDS = """
CREATE INDEX conversations_by_time ON conversations (source, recording, start_s);
CREATE INDEX utterances_by_time ON utterances (source, recording, start_s);
CREATE INDEX items_by_name ON items (item);
CREATE INDEX items_by_category ON items (category);
INSERT INTO utterances_text (utterances_text) VALUES ('rebuild');
INSERT INTO conversations_text (conversations_text) VALUES ('rebuild');
INSERT INTO items_text (items_text) VALUES ('rebuild');
ANALYZE;
"""
_BATCH_ROWS = 4096
_FORMATS = ("image", "video", "interleaved")


def open_index(sources: Sources, cache: Path | None = None) -> Path:
    """The index of some folders, made now where it is not there yet.

    Args:
        sources: What to index.
        cache: Folder for it; the user's cache when not given.

    Raises:
        DataFolderError: A folder does not read.
    """
    folder = cache or cache_folder("explore")
    path = folder / f"{sources.fingerprint()}.sqlite"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{path.name}.{os.getpid()}.partial"
    partial.unlink(missing_ok=True)
    try:
        connection = sqlite3.connect(partial)
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
        _fill(connection, sources)
        connection.executescript(_AFTERWARDS)
        connection.commit()
        connection.close()
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _fill(connection: sqlite3.Connection, sources: Sources) -> None:
    number = 0
    for folder in sources.sets:
        number += 1
        _add_source(connection, number, "set", folder, sources.root)
        _fill_set(connection, number, folder)
    toolboxes: dict[str, dict[str, Item]] = {}
    for folder in sources.toolboxes:
        number += 1
        toolbox = open_toolbox(folder)
        toolboxes[toolbox_hash(toolbox)] = {item.id: item for item in toolbox.items}
        _add_source(connection, number, "toolbox", folder, sources.root, toolbox_hash=toolbox_hash(toolbox))
        _fill_items(connection, number, toolbox.items)
    for folder in sources.runs:
        number += 1
        run = read_run(folder)
        _add_source(
            connection, number, "run", folder, sources.root, toolbox_hash=run.toolbox_hash, family=run.family,
            name=run.respondent,
        )  # fmt: skip
        if run.toolbox_hash not in toolboxes:
            path = Path(os.path.normpath(folder.resolve() / run.toolbox))
            toolboxes[run.toolbox_hash] = {item.id: item for item in open_toolbox(path).items}
        _fill_responses(connection, number, folder, toolboxes[run.toolbox_hash])


def _add_source(
    connection: sqlite3.Connection,
    number: int,
    kind: str,
    folder: Path,
    root: Path,
    *,
    toolbox_hash: str = "",
    family: str = "",
    name: str = "",
) -> None:
    below = os.path.relpath(folder, root)
    shown = name or (folder.resolve().name if below == "." else below)
    row = (number, kind, shown, str(folder.resolve()), toolbox_hash, family)
    connection.execute("INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?)", row)


def _fill_set(connection: sqlite3.Connection, source: int, folder: Path) -> None:
    read_manifest(folder, KIND)
    recordings = read_jsonl(folder / "recordings.jsonl", Recording)
    _insert(
        connection,
        "recordings",
        (
            (source, one.id, one.child, one.age_months, str(one.date or ""), one.duration_s, one.licence, one.split)
            for one in recordings
        ),
    )
    _insert(connection, "utterances", _utterance_rows(source, folder / "utterances.parquet"))
    files = [(name, folder / f"{name}.parquet") for name in _FORMATS]
    files.append((INSTRUCTION, folder / INSTRUCTION / f"{INSTRUCTION}.parquet"))
    for _, path in files:
        if path.is_file():
            _insert(connection, "conversations", _conversation_rows(source, path))
    for images in (folder / "images", folder / INSTRUCTION / "images"):
        if images.is_dir():
            _insert(connection, "images", _image_rows(source, images), or_ignore=True)
    if (folder / CANDIDATES).is_file():
        _fill_scores(connection, source, PretrainingSet(folder))


def _fill_scores(connection: sqlite3.Connection, source: int, data: PretrainingSet) -> None:
    """How well clips and frames go with what is said, where an aligner scored them."""
    add_clip = "INSERT OR IGNORE INTO clip_scores VALUES (?, ?, ?, ?, ?)"
    add_frame = "INSERT OR IGNORE INTO frame_scores VALUES (?, ?, ?, ?)"
    for one in progress(data.candidates(), description=f"index {CANDIDATES}", unit="clip"):
        if one.score is not None:
            connection.execute(add_clip, (source, one.recording, one.start_ms, one.end_ms, one.score))
        frames = ((source, frame.image, one.start_ms, frame.score) for frame in one.frames if frame.score is not None)
        connection.executemany(add_frame, frames)


def _utterance_rows(source: int, path: Path) -> Iterator[tuple[Any, ...]]:
    for row in _parquet_rows(path):
        said = Utterance.model_validate({k: row[k] for k in Utterance.model_fields if row.get(k) is not None})
        facets = facet_words(source=source, split=row["split"], recording=said.recording)
        yield (
            None, source, said.recording, said.start_s, said.end_s, said.speaker, row["split"], said.text, facets,
        )  # fmt: skip


def _conversation_rows(source: int, path: Path) -> Iterator[tuple[Any, ...]]:
    for row in _parquet_rows(path):
        try:
            one = Conversation.model_validate(row)
        except ValidationError as error:
            raise DataFolderError(f"not a valid Conversation: {error.errors()[0]['msg']}", path=path) from error
        text = " ".join(f"{turn.prompt.replace(IMAGE_TOKEN, ' ')} {turn.answer}" for turn in one.turns)
        facets = facet_words(source=source, format=one.format, split=one.split, recording=one.recording)
        turns = json.dumps([[turn.prompt, turn.answer] for turn in one.turns])
        yield (
            None, source, one.id, one.format, one.split, one.recording, one.start_s, one.end_s,
            json.dumps(one.images), turns, " ".join(text.split()), facets,
        )  # fmt: skip


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=_BATCH_ROWS)
            total = -(-file.metadata.num_rows // _BATCH_ROWS)
            for batch in progress(batches, description=f"index {path.name}", total=total, unit="batch"):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DataFolderError(f"does not read as Parquet ({error})", path=path) from error


def _image_rows(source: int, folder: Path) -> Iterator[tuple[Any, ...]]:
    for path in sorted(folder.glob("images-*.arrow")):
        for number, batch in enumerate(image_batches(path)):
            for row, image_id in enumerate(batch.column("id").to_pylist()):
                yield source, image_id, str(folder.resolve()), path.name, number, row


def _fill_items(connection: sqlite3.Connection, source: int, items: Iterable[Item]) -> None:
    rows = []
    for item in items:
        row = row_name(item.task, item.variant)
        prompts = " ".join(turn.prompt.replace(IMAGE_TOKEN, " ") for turn in item.turns)
        labels = " ".join(label for turn in item.turns for label in turn.labels)
        text = " ".join(f"{item.category} {labels} {prompts} {item.id}".split())
        facets = facet_words(source=source, task=row, split=item.split)
        record = item.model_dump_json()
        rows.append((None, source, item.id, row, item.category, item.split, item.licence, record, text, facets))
    _insert(connection, "items", rows)


def _fill_responses(connection: sqlite3.Connection, run: int, folder: Path, items: dict[str, Item]) -> None:
    replied = [one for one in read_jsonl(folder / "responses.jsonl", Response) if one.item in items]
    scores = typical_scores(score_item(items[one.item], one) for one in replied)
    rows = []
    for item, response in typical_responses(replied).items():
        score = scores[item]
        share = score.metrics.get(task_named(items[item].task).primary_metric)
        outcomes = {turn.outcome for turn in score.turns}
        outcome = "right" if share is not None and share >= 0.5 else "wrong"
        if len(outcomes) == 1 and not outcomes & {"right", "wrong"}:
            outcome = next(iter(outcomes))
        rows.append((run, item, outcome, share, response.model_dump_json()))
    _insert(connection, "responses", rows)


def _insert(
    connection: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]], *, or_ignore: bool = False
) -> None:
    columns = len(connection.execute(f"PRAGMA table_info({table})").fetchall())
    marks = ", ".join("?" * columns)
    connection.executemany(f"INSERT {'OR IGNORE ' if or_ignore else ''}INTO {table} VALUES ({marks})", rows)


def facet_words(**facets: object) -> str:
    """What a record can be filtered by, as words of the full text, so that a filtered search stays one look-up.

    >>> facet_words(format="image", split="train")
    'formatQimage splitQtrain'
    """
    return " ".join(facet_word(name, value) for name, value in facets.items())


def facet_word(name: str, value: object) -> str:
    """One of ``facet_words``: letters and digits alone, so that it stays one word.

    >>> facet_word("recording", "S_2014")
    'recordingQSx5f2014'
    """
    plain = "".join(c if c.isalnum() and c.isascii() else f"x{ord(c):x}" for c in str(value))
    return f"{name}Q{plain}"
