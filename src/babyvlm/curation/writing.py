"""Writes the tables of a pretraining set, one recording at a time."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from babyvlm.curation.candidates import Candidate
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.rows import TABLES, KeptRows, selected_rows
from babyvlm.curation.sets import RowWriter
from babyvlm.records import Recording

SELECTED = ("candidates", "image", "video", "interleaved")
"""The tables that follow from candidates."""


class TablesWriter:
    """Writes rows of recordings, which must come in the order of their ids; use it as a context manager.

    Args:
        folder: The set's folder.
        tables: Names of the tables to write.
    """

    def __init__(self, folder: Path, tables: Sequence[str]) -> None:
        self._files = contextlib.ExitStack()
        self._tables = {
            name: self._files.enter_context(RowWriter(folder / f"{name}.parquet", TABLES[name])) for name in tables
        }
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def add(self, rows: KeptRows) -> None:
        """Writes rows that were made before.

        Raises:
            DataFolderError: They do not read.
        """
        for name, table in self._tables.items():
            for batch in rows.batches(name):
                table.add_batch(batch)
        found = rows.counted()
        self.counts.update(found.counts)
        self.skipped.update(found.skipped)

    def add_candidates(self, recording: Recording, candidates: Iterable[Candidate], config: CurationConfig) -> None:
        """Selects from the candidates of one recording, and writes the rows that follow."""
        selected = selected_rows(recording, candidates, config)
        for name, rows in selected.rows.items():
            for row in rows:
                self._tables[name].add(row)
        self.counts.update(selected.counts)
        self.skipped.update(selected.skipped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)
