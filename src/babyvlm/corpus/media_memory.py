"""What reading videos found, remembered by path, size and time of change: unchanged videos are not read again.

    babyvlm corpus index --writes--> <user's cache>/babyvlm/corpora/<digest of the corpus folder>.jsonl
                                     first line    whose it is, and what read the videos
                                     every other   a video as it was, and what was found; a later line holds
    open_corpus, corpus index  <--read--

The corpus itself is never written to. A line is on disk as soon as its video is read, so that an interrupted index
resumes. Remembered is only what was read without an error: a broken video is read, and named, every time.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TextIO

import av

from babyvlm.errors import DataFolderError, MediaError
from babyvlm.folders import cache_folder, whole_file
from babyvlm.media import Damage, MediaInfo, Orientation, Timeline, probe

_VERSION = 1
"""Raised when what is found in a video changes its meaning."""
_SETTLED_NS = 2 * 10**9
"""A file that changed this shortly before it was read may change once more without its time of change showing it."""
_PROBES_AT_A_TIME = 8
"""Headers read at a time, in threads: on a network disk a header is mostly waiting (ours)."""


@dataclass(frozen=True, kw_only=True)
class FileState:
    """By what a file is known to be unchanged."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change, nanoseconds."""


def state_of(path: Path) -> FileState | None:
    """The state of a file now; None where it cannot be told."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(size=found.st_size, mtime_ns=found.st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found in a video."""

    state: FileState | None
    """Of the file when it was read; None where it changed then, so that what was found is not to be remembered."""
    info: MediaInfo
    timeline: Timeline | None = None
    """None where the video was not read to its end."""
    damage: Damage | None = None
    """None where it was not decoded."""


def settled_state(path: Path, before: FileState | None) -> FileState | None:
    """The state a file was read in; None where it changed meanwhile or just before.

    Args:
        path: The file, which has been read.
        before: Its state before it was read.
    """
    settled = before is not None and before.mtime_ns < time.time_ns() - _SETTLED_NS
    return before if settled and state_of(path) == before else None


def probe_now(path: Path) -> Seen | MediaError:
    """Reads the header of a video; a file that does not open is an error to keep its place among the others."""
    before = state_of(path)
    try:
        info = probe(path)
    except MediaError as error:
        return error
    return Seen(state=settled_state(path, before), info=info)


@dataclass
class MediaMemory:
    """What is known of the videos of a corpus."""

    folder: Path
    """The corpus."""
    remembered: Mapping[str, Seen] = field(default_factory=dict, repr=False)
    """What was known before, by path below the corpus."""
    _now: dict[str, Seen] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, folder: Path) -> MediaMemory:
        """What an index of this corpus left; nothing where there was none, or other versions made it."""
        return cls(folder=folder, remembered=_read(memory_path(folder), _head(folder)))

    def probe_all(self, paths: Collection[Path]) -> dict[Path, Seen | MediaError]:
        """What the headers of videos say; those of unchanged ones are not read."""
        unknown = [path for path in paths if self.find(path) is None]
        if unknown:
            with ThreadPoolExecutor(_PROBES_AT_A_TIME) as threads:
                found = dict(zip(unknown, threads.map(probe_now, unknown), strict=True))
        else:
            found = {}
        for path, each in found.items():
            if isinstance(each, Seen):
                self.add(path, each)
        return {path: found.get(path) or self._now[self._name(path)] for path in paths}

    def find(self, path: Path) -> Seen | None:
        """What is known of a video, if it is as it was."""
        name = self._name(path)
        known = self._now.get(name) or self.remembered.get(name)
        if known is None or known.state is None or known.state != state_of(path):
            return None
        self._now[name] = known
        return known

    def add(self, path: Path, seen: Seen) -> None:
        """Notes what was just found in a video."""
        self._now[self._name(path)] = seen

    def info(self, path: Path) -> MediaInfo:
        """What a video's header says, read now unless it is known.

        Raises:
            MediaError: It does not open.
        """
        known = self.find(path)
        return known.info if known is not None else probe(path)

    def news(self, paths: Iterable[Path]) -> MediaNews:
        """How videos compare with what was remembered when this was loaded."""
        unchanged = new = 0
        changed: list[str] = []
        names = set()
        for path in paths:
            names.add(name := self._name(path))
            before = self.remembered.get(name)
            if before is None:
                new += 1
            elif before.state == state_of(path):
                unchanged += 1
            else:
                changed.append(name)
        gone = len(self.remembered.keys() - names)
        return MediaNews(unchanged=unchanged, changed=tuple(changed), new=new, gone=gone)

    def write_down(self) -> MediaLog:
        """Writes what is known now, without files that are gone, and opens the file to add to."""
        return MediaLog(self, memory_path(self.folder))

    def lines(self) -> Iterator[str]:
        """What is known now, as the memory's file has it."""
        yield json.dumps(_head(self.folder)) + "\n"
        yield from (_line(name, seen) for name, seen in sorted(self._now.items()) if seen.state is not None)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


@dataclass(frozen=True, kw_only=True)
class MediaNews:
    """How the videos of a corpus compare with the last time they were indexed."""

    unchanged: int
    changed: tuple[str, ...]
    """Paths below the corpus."""
    new: int
    gone: int
    """Videos of the last time that are not there any more, or do not open."""

    def __str__(self) -> str:
        """
        >>> str(MediaNews(unchanged=3, changed=("a.mp4",), new=1, gone=0))
        '3 unchanged since they were last read, 1 changed (a.mp4), 1 new'
        """
        shown = ", ".join(self.changed[:5]) + (f" and {len(self.changed) - 5} more" if self.changed[5:] else "")
        parts = [f"{self.unchanged} unchanged since they were last read"]
        parts += [f"{len(self.changed)} changed ({shown})"] if self.changed else []
        parts += [f"{self.new} new"] if self.new else []
        parts += [f"{self.gone} gone or unreadable"] if self.gone else []
        return ", ".join(parts)


class MediaLog:
    """Adds what is found to a memory's file, line by line; use it as a context manager.

    Where the file cannot be written, what is found is known to this process alone, and ``problem`` says why.

    Args:
        memory: What is known; the file is replaced by it.
        path: The file.
    """

    def __init__(self, memory: MediaMemory, path: Path) -> None:
        self._memory, self._path = memory, path
        self._file: TextIO | None = None
        self.problem: DataFolderError | None = None
        with self._noting():
            with whole_file(path) as file:
                file.writelines(memory.lines())
            self._file = path.open("a", encoding="utf-8")

    def add(self, path: Path, seen: Seen) -> None:
        """Notes what was found in a video, here and on disk."""
        self._memory.add(path, seen)
        if seen.state is not None and self._file is not None and self.problem is None:
            with self._noting():
                self._file.write(_line(path.relative_to(self._memory.folder).as_posix(), seen))
                self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with self._noting(), self._file as file:
                os.fsync(file.fileno())

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DataFolderError) as error:
            remedy = "Let XDG_CACHE_HOME name a folder that can be written to"
            problem = f"what was found in the videos is not remembered ({error})"
            self.problem = DataFolderError(problem, path=self._path, remedy=remedy)


def memory_path(folder: Path) -> Path:
    """Where what is known of a corpus's videos is kept."""
    name = sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return cache_folder("corpora") / f"{name}.jsonl"


def _head(folder: Path) -> dict[str, Any]:
    return {"babyvlm_index": _VERSION, "corpus": str(folder.resolve()), "decoder": f"PyAV {av.__version__}"}


def _line(name: str, seen: Seen) -> str:
    assert seen.state is not None
    info = asdict(seen.info) | {
        "orientation": list(seen.info.orientation.signs),
        "pixel_aspect": str(seen.info.pixel_aspect),
    }
    timeline = None if seen.timeline is None else asdict(seen.timeline)
    damage = None if seen.damage is None else seen.damage.as_json()
    known = {"file": name, **asdict(seen.state), "info": info, "timeline": timeline, "damage": damage}
    return json.dumps(known) + "\n"


def _read(path: Path, head: dict[str, Any]) -> dict[str, Seen]:
    """What a memory's file holds; a line that a killed process left half written is passed by."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    known: dict[str, Seen] = {}
    for number, line in enumerate(lines):
        try:
            content = json.loads(line)
            if number == 0 and content != head:
                return {}
            if number:
                known[content["file"]] = _seen(content)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ZeroDivisionError):
            if number == 0:
                return {}
    return known


def _seen(content: dict[str, Any]) -> Seen:
    info, timeline, damage = content["info"], content["timeline"], content["damage"]
    orientation = Orientation(tuple(info["orientation"]))
    assert orientation.rotation is not None  # a KeyError where there is no such orientation
    return Seen(
        state=FileState(size=content["size"], mtime_ns=content["mtime_ns"]),
        info=MediaInfo(**{**info, "orientation": orientation, "pixel_aspect": Fraction(info["pixel_aspect"])}),
        timeline=timeline and Timeline(**{**timeline, "gaps": tuple((at, lasts) for at, lasts in timeline["gaps"])}),
        damage=damage and Damage(**{**damage, "stretches": [(start, end) for start, end in damage["stretches"]]}),
    )
