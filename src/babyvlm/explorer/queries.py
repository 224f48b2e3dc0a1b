"""What the pages ask the index: a few records at a time, whatever the size of the set."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pyarrow as pa

from babyvlm.errors import DataFolderError
from babyvlm.explorer.index import facet_word
from babyvlm.records import Item, Outcome, Record, Response

PAGE = 48
COUNTED = 10_000
"""Matches are counted up to here; beyond, a page says "more than"."""
_SHARDS_OPEN = 16
Table = Literal["utterances", "conversations", "items"]


class IndexedSource(Record):
    id: int
    kind: Literal["set", "toolbox", "run"]
    name: str
    folder: str
    toolbox_hash: str
    family: str


class RecordingRow(Record):
    source: int
    id: str
    child: str
    age_months: float | None
    date: str
    duration_s: float
    licence: str
    split: str


class UtteranceRow(Record):
    id: int
    source: int
    recording: str
    start_s: float
    end_s: float
    speaker: str
    split: str
    text: str


class ConversationRow(Record):
    id: int
    source: int
    record: str
    format: str
    split: str
    recording: str
    start_s: float | None
    end_s: float | None
    images: tuple[str, ...]
    turns: tuple[tuple[str, str], ...]
    text: str
    score: float | None
    """Similarity of a clip with what is said; None where no aligner scored it."""
    image_scores: tuple[float | None, ...]
    """The same of each image."""


class ItemRow(Record):
    id: int
    source: int
    item: Item
    task: str
    licence: str


class Given(Record):
    """What one respondent replied to an item."""

    run: int
    respondent: str
    family: str
    outcome: Outcome
    share: float | None
    response: Response


class MatchCount(Record):
    """How many match."""

    count: int
    more: bool
    """Whether there are more than were counted."""


class WordUse(Record):
    """How often a word was heard and seen in training, and how items about it went."""

    word: str
    utterances: MatchCount
    pairs: MatchCount
    items: int
    right: dict[str, str]
    """By respondent: right of asked."""


class Explorer:
    """An index, open for reading by many threads.

    Args:
        path: As ``open_index`` makes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._shards: OrderedDict[Path, pa.ipc.RecordBatchFileReader] = OrderedDict()
        self._lock = threading.Lock()
        self.sources = {row["id"]: IndexedSource(**row) for row in self._rows("SELECT * FROM sources")}

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
            self._local.connection.row_factory = sqlite3.Row
        yield self._local.connection

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[dict]:
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(query, values)]

    def of_kind(self, kind: str) -> list[IndexedSource]:
        """The sources of a kind."""
        return [source for source in self.sources.values() if source.kind == kind]

    def counts(self, source: int) -> dict[str, int]:
        """How many records of each table a source has."""
        named: dict[str, int] = {}
        for table in ("recordings", "utterances", "conversations", "items"):
            found = self._rows(f"SELECT count(*) AS n FROM {table} WHERE source = ?", [source])[0]["n"]
            named |= {table: found} if found else {}
        replied = self._rows("SELECT count(*) AS n FROM responses WHERE run = ?", [source])[0]["n"]
        return named | ({"responses": replied} if replied else {})

    def licences(self) -> dict[str, int]:
        """How many recordings and items there are of each licence."""
        both = "SELECT licence FROM recordings UNION ALL SELECT licence FROM items"
        return {
            row["licence"]: row["n"] for row in self._rows(f"SELECT licence, count(*) AS n FROM ({both}) GROUP BY 1")
        }

    # Lists

    def find(
        self,
        table: Table,
        words: str = "",
        *,
        facets: dict[str, object] | None = None,
        after: int = 0,
        limit: int = PAGE,
    ) -> list[dict]:
        """Records of a table that hold some words and have some facets, after a place, as rows."""
        match = match_expression(words, facets or {})
        if match is None:
            return self._rows(f"SELECT * FROM {table} WHERE id > ? ORDER BY id LIMIT ?", [after, limit])
        query = (
            f"SELECT {table}.* FROM {table}_text JOIN {table} ON {table}.id = {table}_text.rowid"
            f" WHERE {table}_text MATCH ? AND {table}_text.rowid > ? ORDER BY {table}_text.rowid LIMIT ?"
        )
        return self._rows(query, [match, after, limit])

    def count(self, table: Table, words: str = "", *, facets: dict[str, object] | None = None) -> MatchCount:
        """How many match, counted up to a bound."""
        match = match_expression(words, facets or {})
        if match is None:
            return MatchCount(count=self._rows(f"SELECT count(*) AS n FROM {table}")[0]["n"], more=False)
        query = f"SELECT count(*) AS n FROM (SELECT 1 FROM {table}_text WHERE {table}_text MATCH ? LIMIT ?)"
        found = self._rows(query, [match, COUNTED + 1])[0]["n"]
        return MatchCount(count=min(found, COUNTED), more=found > COUNTED)

    def utterances(self, words: str, **narrowed: object) -> list[UtteranceRow]:
        """Utterances that hold some words; ``after`` and facets narrow them."""
        return [_utterance(row) for row in self._narrowed("utterances", words, narrowed)]

    def conversations(self, words: str, **narrowed: object) -> list[ConversationRow]:
        """Training records that hold some words; ``after`` and facets narrow them."""
        return [self._conversation(row) for row in self._narrowed("conversations", words, narrowed)]

    def items(self, words: str, **narrowed: object) -> list[ItemRow]:
        """Items that hold some words; ``after`` and facets narrow them."""
        return [_item(row) for row in self._narrowed("items", words, narrowed)]

    def _narrowed(self, table: Table, words: str, narrowed: dict[str, object]) -> list[dict]:
        after = int(str(narrowed.pop("after", 0)))
        return self.find(table, words, facets=narrowed, after=after)

    def missed(self, run: int, task: str = "", *, words: str = "", split: str = "", after: int = 0) -> list[ItemRow]:
        """Items that a respondent did not get right, of those that hold some words and have some facets."""
        match = match_expression(words, {"split": split})
        found = "" if match is None else " AND items.id IN (SELECT rowid FROM items_text WHERE items_text MATCH ?)"
        query = (
            "SELECT items.* FROM items JOIN responses ON responses.item = items.item AND responses.run = ?"
            " JOIN sources ON sources.id = items.source"
            " WHERE responses.outcome != 'right' AND items.id > ? AND (? = '' OR items.task = ?)"
            f" AND sources.toolbox_hash = (SELECT toolbox_hash FROM sources WHERE id = ?){found}"
            " ORDER BY items.id LIMIT ?"
        )
        wanted = [run, after, task, task, run, *([] if match is None else [match]), PAGE]
        return [_item(row) for row in self._rows(query, wanted)]

    def tasks(self) -> list[str]:
        """The rows of sub-tasks that have items."""
        return [row["task"] for row in self._rows("SELECT DISTINCT task FROM items ORDER BY task")]

    def recordings(self, *, after: int = 0) -> list[tuple[int, RecordingRow]]:
        """Recordings with their places, after a place."""
        rows = self._rows(
            "SELECT rowid AS place, * FROM recordings WHERE rowid > ? ORDER BY rowid LIMIT ?", [after, PAGE]
        )
        return [(row.pop("place"), RecordingRow(**row)) for row in rows]

    # Single records

    def recording(self, source: int, recording: str) -> RecordingRow | None:
        rows = self._rows("SELECT * FROM recordings WHERE source = ? AND id = ?", [source, recording])
        return RecordingRow(**rows[0]) if rows else None

    def timeline(self, source: int, recording: str, since_s: float) -> tuple[list[UtteranceRow], list[ConversationRow]]:
        """Utterances and single-image pairs of a recording from a moment on."""
        said = self._rows(
            "SELECT * FROM utterances WHERE source = ? AND recording = ? AND start_s >= ? ORDER BY start_s LIMIT ?",
            [source, recording, since_s, PAGE],
        )
        last_s = said[-1]["end_s"] if len(said) == PAGE else 1e12
        shown = self._rows(
            "SELECT * FROM conversations WHERE source = ? AND recording = ? AND start_s >= ? AND start_s <= ?"
            " AND format = 'image' ORDER BY start_s LIMIT ?",
            [source, recording, since_s, last_s, 4 * PAGE],
        )
        return [_utterance(row) for row in said], [self._conversation(row) for row in shown]

    def conversation(self, place: int) -> ConversationRow | None:
        rows = self._rows("SELECT * FROM conversations WHERE id = ?", [place])
        return self._conversation(rows[0]) if rows else None

    def _conversation(self, row: dict) -> ConversationRow:
        images, score, image_scores = json.loads(row["images"]), None, ()
        if row["start_s"] is not None:
            start_ms, end_ms = round(1000 * row["start_s"]), round(1000 * row["end_s"])
            clip = self._rows(
                "SELECT score FROM clip_scores WHERE source = ? AND recording = ? AND start_ms = ? AND end_ms = ?",
                [row["source"], row["recording"], start_ms, end_ms],
            )
            score = clip[0]["score"] if clip and row["format"] == "video" else None
            # One picture may stand in two clips that overlap, with a score for what is said in each.
            query = (
                "SELECT max(score) AS s FROM frame_scores WHERE source = ? AND image = ? AND start_ms BETWEEN ? AND ?"
            )
            last_ms = end_ms if row["format"] == "interleaved" else start_ms
            image_scores = tuple(
                self._rows(query, [row["source"], image, start_ms, last_ms])[0]["s"] for image in images
            )
        shown = row | {"images": images, "turns": json.loads(row["turns"]), "score": score}
        shown["image_scores"] = image_scores
        return ConversationRow(**{name: shown[name] for name in ConversationRow.model_fields})

    def item(self, item: str) -> ItemRow | None:
        rows = self._rows("SELECT * FROM items WHERE item = ? LIMIT 1", [item])
        return _item(rows[0]) if rows else None

    def given(self, item: ItemRow) -> list[Given]:
        """What every respondent replied to an item, side by side."""
        query = (
            "SELECT responses.*, sources.name AS name, sources.family AS family FROM responses"
            " JOIN sources ON sources.id = responses.run WHERE responses.item = ? AND sources.toolbox_hash = ?"
            " ORDER BY sources.id"
        )
        rows = self._rows(query, [item.item.id, self.sources[item.source].toolbox_hash])
        return [
            Given(
                run=row["run"], respondent=row["name"], family=row["family"], outcome=row["outcome"],
                share=row["share"], response=Response.model_validate_json(row["record"]),
            )
            for row in rows
        ]  # fmt: skip

    def heard(self, word: str) -> WordUse:
        """What training held of a word, and how the items about it went."""
        about = self._rows("SELECT count(*) AS n FROM items WHERE category = ?", [word])[0]["n"]
        query = (
            "SELECT sources.name AS name, sum(responses.outcome = 'right') AS good, count(*) AS asked FROM responses"
            " JOIN sources ON sources.id = responses.run"
            " JOIN items ON items.item = responses.item WHERE items.category = ? GROUP BY responses.run"
        )
        right = {row["name"]: f"{row['good']} of {row['asked']}" for row in self._rows(query, [word])}
        return WordUse(
            word=word,
            utterances=self.count("utterances", word, facets={"split": "train"}),
            pairs=self.count("conversations", word, facets={"split": "train", "format": "image"}),
            items=about,
            right=right,
        )

    # Pictures

    def jpeg(self, source: int, image_id: str) -> bytes | None:
        """A picture of a curated set; None where there is none of that id."""
        rows = self._rows("SELECT * FROM images WHERE source = ? AND id = ?", [source, image_id])
        if not rows:
            return None
        reader = self._shard(Path(rows[0]["folder"]) / rows[0]["shard"])
        jpeg: bytes = reader.get_batch(rows[0]["batch"]).column("jpeg")[rows[0]["row"]].as_py()
        return jpeg

    def _shard(self, path: Path) -> pa.ipc.RecordBatchFileReader:
        with self._lock:
            if path not in self._shards:
                try:
                    self._shards[path] = pa.ipc.open_file(pa.memory_map(str(path)))
                except (OSError, pa.ArrowException) as error:
                    raise DataFolderError(f"does not read as Arrow ({error})", path=path) from error
                if len(self._shards) > _SHARDS_OPEN:
                    self._shards.popitem(last=False)
            self._shards.move_to_end(path)
            return self._shards[path]

    def item_picture(self, source: int, name: str) -> Path | None:
        """The file of an item's picture; None where the toolbox has none of that name."""
        found = self.sources.get(source)
        if found is None or found.kind != "toolbox" or Path(name).name != name:
            return None
        path = Path(found.folder) / "images" / name
        try:
            return path if path.is_file() else None
        except (OSError, ValueError):  # a name that no file can have
            return None


def match_expression(words: str, facets: dict[str, object]) -> str | None:
    """The full-text expression of a search; None where nothing is asked. What is typed is never read as syntax.

    >>> match_expression('red "ball', {"split": "train"})
    '(text : ("red" AND "ball")) AND (facets : ("splitQtrain"))'
    >>> match_expression(" ", {"split": ""}) is None
    True
    """
    parts = []
    if typed := re.findall(r"\w+", words):
        parts.append("(text : (" + " AND ".join(f'"{word}"' for word in typed) + "))")
    if chosen := [f'"{facet_word(name, value)}"' for name, value in facets.items() if value not in ("", None)]:
        parts.append("(facets : (" + " AND ".join(chosen) + "))")
    return " AND ".join(parts) or None


def _utterance(row: dict) -> UtteranceRow:
    return UtteranceRow(**{name: row[name] for name in UtteranceRow.model_fields})


def _item(row: dict) -> ItemRow:
    return ItemRow(
        id=row["id"], source=row["source"], item=Item.model_validate_json(row["record"]), task=row["task"],
        licence=row["licence"],
    )  # fmt: skip
