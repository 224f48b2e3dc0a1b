"""What became of every file of a corpus: used, or left out by a named reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.files import BOXES_SUFFIX, TABLES, VIDEO_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class FileAccount:
    """Every file of a folder, once."""

    used: dict[Path, str]
    """What a file is used as: video, transcript, boxes or table."""
    left_out: dict[Path, str]
    """Why a file is not used."""

    def without(self, files: Mapping[Path, str], *, in_their_place: Iterable[Path] = ()) -> FileAccount:
        """The account after more files proved to be unusable.

        Args:
            files: They, each with its reason.
            in_their_place: Transcripts that are used after all, for another of their recording does not parse.
        """
        lost = {path: reason for path, reason in files.items() if path in self.used}
        used = self.used | dict.fromkeys(in_their_place, "transcript")
        kept = {path: kind for path, kind in used.items() if path not in lost}
        left_out = {path: reason for path, reason in self.left_out.items() if path not in kept}
        return FileAccount(used=kept, left_out=left_out | lost)

    def __str__(self) -> str:
        """One line in which the parts add up."""
        total = len(self.used) + len(self.left_out)
        used, left_out = Counter(self.used.values()), Counter(self.left_out.values())
        parts = (f"{len(self.used)} used ({_listed(used)})", f"{len(self.left_out)} left out ({_listed(left_out)})")
        return f"files: {total} = {' + '.join(parts)}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"


def account_of(
    files: Iterable[Path], *, left_out: Mapping[Path, str], unopened: Mapping[Path, str], tables: Iterable[Path]
) -> FileAccount:
    """The account of a corpus that was opened.

    Args:
        files: All of its files.
        left_out: Those that were never opened.
        unopened: Videos that did not open, and what lies beside them.
        tables: The tables of the corpus that were read.
    """
    used: dict[Path, str] = {}
    reasons: dict[Path, str] = {}
    read = set(tables)
    for path in sorted(files):
        if path in left_out:
            reasons[path] = left_out[path]
        elif path in unopened:
            reasons[path] = unopened[path]
        elif path.name in TABLES and path not in read:
            reasons[path] = "table of another layout or folder"
        elif path in read:
            used[path] = "table"
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            used[path] = "video"
        else:
            used[path] = "boxes" if path.name.endswith(BOXES_SUFFIX) else "transcript"
    return FileAccount(used=used, left_out=reasons)
