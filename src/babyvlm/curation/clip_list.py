"""Which clips of a set stay, by a list of one's own, and what is said of them instead.

    clip,frames,text                                  a CSV file, one row per clip
    S_20140320_1703_04_76680_77720,1 3,               frames 1 and 3 stay, with the text as heard
    S_20140320_1703_04_80100_82400,,a dog             all frames stay, with another text

``clip`` is the id of a video record: recording, start and end in milliseconds. ``frames`` are places in the clip,
counted from 1 and separated by blanks; all stay where there are none, or no such column. The list holds for training
and validation; clips of the test split stay as they are. Utterances of the language corpus are not changed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from babyvlm.curation.candidates import Candidate
from babyvlm.errors import InputError
from babyvlm.spreadsheets import TableReader, open_table

_COLUMNS = ("clip", "frames", "text")
_REMEDY = "Give a CSV with the heading clip,frames,text; ids of clips are those of the set's video records"


@dataclass(frozen=True, kw_only=True)
class ListedClip:
    """A row of the list."""

    frames: frozenset[int]
    """Places of the frames that stay, counted from 1; all where it is empty."""
    text: str
    """What is said instead; empty for what was heard."""
    line: int


class ClipList:
    """A list of clips, read from a CSV file.

    Args:
        path: The file.

    Raises:
        InputError: It is missing or lists no clip, has no column ``clip`` or an unknown one, or a row cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        table = open_table(path)
        if "clip" not in table.columns or set(table.columns) - set(_COLUMNS):
            found = f"has the columns {', '.join(table.columns)}" if table.columns else "is empty"
            raise InputError(found, path=path, place="line 1", remedy=_REMEDY)
        self.clips = dict(self._rows(table))
        if not self.clips:
            raise InputError("lists no clip", path=path, remedy=_REMEDY)
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.left_out: Counter[str] = Counter()
        """What was not listed, by reason, as far as clips were chosen."""
        self.retold = 0
        """Clips chosen so far that were given another text."""
        self._met: set[str] = set()

    def _rows(self, table: TableReader) -> Iterator[tuple[str, ListedClip]]:
        seen: set[str] = set()
        for line, row in table:
            clip, text = row["clip"].strip(), " ".join(row.get("text", "").split())
            if not clip or clip in seen:
                problem = f"lists {clip!r} again" if clip else "names no clip"
                raise InputError(problem, path=self.path, place=f"line {line}", remedy="Give each clip one row")
            seen.add(clip)
            frames = row.get("frames", "").split()
            if not all(frame.isascii() and frame.isdigit() and int(frame) for frame in frames):
                raise InputError(
                    f"{row['frames']!r} are no frames",
                    path=self.path,
                    place=f"line {line}",
                    remedy="Write places in the clip, counted from 1 and separated by blanks, such as 1 3",
                )
            yield clip, ListedClip(frames=frozenset(map(int, frames)), text=text, line=line)

    def choose(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those candidates of a recording that are listed, each with the frames and the text that the list says.

        Raises:
            InputError: A listed clip has no such frame.
        """
        chosen = []
        for candidate in candidates:
            stem = candidate.clip.stem(candidate.recording)
            listed = self.clips.get(stem)
            if listed is None:
                self.left_out["unlisted clip"] += 1
                continue
            self._met.add(stem)
            there = {frame.number for frame in candidate.frames}
            if missing := sorted(listed.frames - there):
                raise InputError(
                    f"{stem} has no frame {missing[0]}; it has {len(there)}",
                    path=self.path,
                    place=f"line {listed.line}",
                )
            frames = tuple(one for one in candidate.frames if not listed.frames or one.number in listed.frames)
            self.left_out["unlisted frame"] += len(candidate.frames) - len(frames)
            self.retold += bool(listed.text)
            text = listed.text or candidate.text
            chosen.append(candidate.model_copy(update={"frames": frames, "text": text}))
        return chosen

    def require_all_met(self, set_folder: Path) -> None:
        """Raises InputError where a listed clip was in no recording that clips were chosen from."""
        if strange := [clip for clip in self.clips if clip not in self._met]:
            raise InputError(
                f"{len(strange)} of {len(self.clips)} listed clips are not among the training and validation clips of "
                f"{set_folder}; the first is {strange[0]!r}",
                path=self.path,
                place=f"line {self.clips[strange[0]].line}",
                remedy=_REMEDY,
            )
