"""The files of a corpus, sorted out by name: videos, and what lies beside them.

<any folder>/<stem>.mp4 (or .mkv, .mov ...)         the recording, whose id is the stem
<any folder>/<stem>.vtt, .cha, .eaf, .srt ...       its transcript; see transcripts/reading.py
<any folder>/<stem>.boxes.json                      its boxes
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.problems import Problem
from babyvlm.corpus.transcripts import TRANSCRIPT_SUFFIXES, is_transcript
from babyvlm.errors import InputError, MediaError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".mts"})
BOXES_SUFFIX = ".boxes.json"
_SPEAKING_SUFFIXES = (".vtt", ".srt", ".cha", ".eaf")
"""A file of these is a transcript whatever its name; a CSV or JSON file may be anything."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of a corpus by recording id, before any is opened."""

    files: tuple[Path, ...]
    """All of them, sorted."""
    videos: Mapping[str, Path]
    transcripts: Mapping[str, tuple[Path, ...]]
    """The one to use first, then others of the same recording."""
    boxes: Mapping[str, Path]
    problems: tuple[Problem, ...]


def find_files(folder: Path) -> Found:
    """Walks a folder tree, following links and passing by hidden files, and sorts out videos and their sidecars."""
    videos: dict[str, Path] = {}
    problems: list[Problem] = []
    files = _walk(folder)
    for path in files:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if (other := videos.get(path.stem)) is not None:
            error = MediaError(
                f"two videos are named {path.stem!r}; the other is {other}, which is used",
                path=path,
                remedy="A recording's name must be its own: rename one, with its sidecar files",
            )
            problems.append(Problem(reason="name used twice", error=error))
        else:
            videos[path.stem] = path
    present = set(files)
    transcripts = {stem: beside for stem, video in videos.items() if (beside := _transcripts(video, present))}
    boxes = {
        stem: sidecar for stem, video in videos.items() if (sidecar := video.with_name(stem + BOXES_SUFFIX)) in present
    }
    used = {path for beside in transcripts.values() for path in beside} | set(boxes.values())
    problems += _astray([path for path in files if path not in used], videos)
    return Found(files=tuple(files), videos=videos, transcripts=transcripts, boxes=boxes, problems=tuple(problems))


def _transcripts(video: Path, present: set[Path]) -> tuple[Path, ...]:
    names = (video.with_name(video.stem + suffix) for suffix in TRANSCRIPT_SUFFIXES)
    return tuple(path for path in names if path in present and is_transcript(path))


def _astray(files: list[Path], videos: Mapping[str, Path]) -> list[Problem]:
    """Sidecar files that lie beside no video, or not beside theirs."""
    problems: list[Problem] = []
    for path in files:
        if not path.name.endswith((*_SPEAKING_SUFFIXES, BOXES_SUFFIX)):
            continue
        stem = path.name.removesuffix(BOXES_SUFFIX) if path.name.endswith(BOXES_SUFFIX) else path.stem
        stem = stem.removesuffix(".en")
        video = videos.get(stem) or videos.get(stem.rpartition(".")[0])  # of another language: <stem>.es.vtt
        if video is None:
            error = MediaError(f"the video of {path.name} is missing", path=path.with_name(f"{stem}.mp4"))
            problems.append(Problem(reason="missing video", error=error))
        elif video.parent != path.parent:
            away = InputError(f"it does not lie beside its video {video}", path=path, remedy="Move it there")
            problems.append(Problem(reason="sidecar away from its video", error=away))
    return problems


def _walk(folder: Path) -> list[Path]:
    files: list[Path] = []
    visited: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in visited:  # a link back to a folder above
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(files)
