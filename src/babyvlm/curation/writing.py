"""Writes the files of a pretraining set, one recording at a time."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from babyvlm.curation.candidates import Candidate
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.formats import image_conversations, interleaved_conversations, video_conversations
from babyvlm.curation.selection import select
from babyvlm.curation.sets import CANDIDATE_SCHEMA, CANDIDATES, CONVERSATION_SCHEMA, RowWriter
from babyvlm.records import Recording

_FORMATS = ("image", "video", "interleaved")


class RecordsWriter:
    """Writes candidates, and the records that follow from them; use it as a context manager.

    Args:
        folder: The set's folder.
        config: The settings of selection and of the formats.
    """

    def __init__(self, folder: Path, config: CurationConfig) -> None:
        self._config = config
        self._files = contextlib.ExitStack()
        self._candidates = self._files.enter_context(RowWriter(folder / CANDIDATES, CANDIDATE_SCHEMA))
        self._records = {
            name: self._files.enter_context(RowWriter(folder / f"{name}.parquet", CONVERSATION_SCHEMA))
            for name in _FORMATS
        }
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def add(self, recording: Recording, candidates: Iterable[Candidate]) -> None:
        """Writes the records of one recording. Recordings must come in the order of their ids."""
        candidates = list(candidates)
        for candidate in candidates:
            self._candidates.add({**candidate.model_dump(), "split": recording.split})
        kept, skipped, found = select(candidates, self._config)
        if len(kept) < self._config.min_window:
            skipped["recording too short for an interleaved sequence"] += 1
        self.counts.update(found)
        self.skipped.update(skipped)
        for conversation in (
            *image_conversations(recording, kept),
            *video_conversations(recording, kept, self._config),
            *interleaved_conversations(recording, kept, self._config),
        ):
            self._records[conversation.format].add(conversation.model_dump())
            self.counts[f"{conversation.format}/{recording.split}"] += 1
        self.counts["clips"] += len(kept)
        self.counts["candidate clips"] += len(candidates)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)
