"""The files of a corpus, sorted out by name: videos, what lies beside them, and why all others are left out.

<any folder>/<stem>.mp4 (or .mkv, .mov ...)         the recording, whose id is the stem
<any folder>/<stem>.vtt, .cha, .eaf, .srt ...       its transcript; see transcripts/recognising.py
<any folder>/<stem>.boxes.json                      its boxes

Every file is a video, a transcript, boxes, one of the few tables that are read, or in ``left_out`` with its reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.problems import Problem
from babyvlm.corpus.transcripts import is_transcript, lacks, name_tag, preference, transcript_suffixes
from babyvlm.corpus.transcripts.narrations import NARRATION_FILES
from babyvlm.errors import InputError, MediaError
from babyvlm.regular_files import is_special

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts"})
BOXES_SUFFIX = ".boxes.json"
TABLES = frozenset({"recordings.csv", "ego4d.json", *NARRATION_FILES})
"""Files of a whole corpus, whose readers decide whether they are used."""
_SOUND_SUFFIXES = frozenset({".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".aac"})
_ANYTHING_SUFFIXES = (".csv", ".tsv", ".json")
"""A file of these may be anything; of another transcript format it is a transcript whatever its name."""
_OTHERS = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".thm"), "picture"),
    **dict.fromkeys(_SOUND_SUFFIXES, "sound file"),
    **dict.fromkeys((".md", ".pdf", ".txt", ".docx", ".html"), "text document"),
}


@dataclass(frozen=True, kw_only=True)
class CorpusFiles:
    """The files of a corpus by recording id, before any is opened."""

    files: tuple[Path, ...]
    """All that are not hidden, sorted."""
    videos: Mapping[str, Path]
    transcripts: Mapping[str, tuple[Path, ...]]
    """The one to use first, then others of the same recording."""
    boxes: Mapping[str, Path]
    left_out: Mapping[Path, str]
    """Why a file is used for nothing, by file; the tables of a corpus are in none of these."""
    problems: tuple[Problem, ...]


def find_files(folder: Path) -> CorpusFiles:
    """Walks a folder tree, following links, and sorts out videos and their sidecars."""
    every = sorted(_every_file(folder))
    problems: list[Problem] = []
    left_out = {path: "hidden file" for path in every if _is_hidden(path, folder)}
    for path in every:
        if path not in left_out and not _is_text(path):
            left_out[path] = "name of another encoding"
            is_video = path.suffix.lower() in VIDEO_SUFFIXES
            problem = f"the name {os.fsencode(path.name)!r} is not UTF-8"
            error = InputError(problem, path=folder, remedy="Rename it: convmv -f latin1 -t utf-8")
            problems.append(Problem(reason=left_out[path], error=error, used=not is_video))
        elif path not in left_out and is_special(path):
            left_out[path] = "pipe or device"
            problem = "a pipe, a socket or a device, which no reader would come to the end of"
            is_video = path.suffix.lower() in VIDEO_SUFFIXES
            problems.append(Problem(reason=left_out[path], error=InputError(problem, path=path), used=not is_video))
    files = [path for path in every if path not in left_out]
    videos = _videos(files, left_out, problems)
    stems: dict[Path, set[str]] = {}
    for stem, video in videos.items():
        stems.setdefault(video.parent, set()).add(stem)
    transcripts: dict[str, list[Path]] = {}
    boxes: dict[str, Path] = {}
    for path in files:
        if path in left_out or path.name in TABLES or path.suffix.lower() in VIDEO_SUFFIXES:
            continue
        owner = _owner(path, stems.get(path.parent, set()))
        if owner is None:
            _sort_out_astray(path, videos, left_out, problems)
        elif path.name == owner + BOXES_SUFFIX:
            boxes[owner] = path
        elif not (problem := _what_lacks(path, owner)):
            transcripts.setdefault(owner, []).append(path)
        else:
            left_out[path] = "sidecar in no known format"
            note = InputError(f"it lies beside its video and is not read: it is {problem}", path=path, remedy=_FORMATS)
            problems.append(Problem(reason=left_out[path], error=note, used=True))
    ordered = {
        stem: tuple(sorted(beside, key=lambda path: preference(stem, path))) for stem, beside in transcripts.items()
    }
    for beside in ordered.values():
        left_out |= dict.fromkeys(beside[1:], "another transcript of its recording")
    return CorpusFiles(
        files=tuple(files),
        videos=videos,
        transcripts=ordered,
        boxes=boxes,
        left_out=left_out,
        problems=tuple(problems),
    )


_FORMATS = "docs/formats.md lists what is read"


def _videos(files: list[Path], left_out: dict[Path, str], problems: list[Problem]) -> dict[str, Path]:
    videos: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if (other := videos.get(path.stem)) is not None:
            error = MediaError(
                f"two videos are named {path.stem!r}; the other is {other}, which is used",
                path=path,
                remedy="A recording's name must be its own: rename one, with its sidecar files",
            )
            left_out[path] = "name used twice"
            problems.append(Problem(reason=left_out[path], error=error))
        else:
            videos[path.stem] = path
    return videos


def _owner(path: Path, stems: set[str]) -> str | None:
    """The stem of the video beside which a file lies by its name: the longest that is the file's, or begins it."""
    name = path.name
    ends = [index for index, character in enumerate(name) if character in "._- "]
    return next((name[:end] for end in (len(name), *reversed(ends)) if name[:end] in stems), None)


def _what_lacks(path: Path, stem: str) -> str:
    """Why a file beside its video is no transcript; empty where it is one."""
    if name_tag(stem, path) is not None:
        return lacks(path)
    if path.suffix.lower() in _SOUND_SUFFIXES:
        return "a sound file; sound is taken from the video itself"
    missing = lacks(path)
    if missing:
        return missing
    return f"a transcript, and named otherwise: the name must be {stem}{path.suffix}, or {stem}.en{path.suffix}"


def _sort_out_astray(
    path: Path, videos: Mapping[str, Path], left_out: dict[Path, str], problems: list[Problem]
) -> None:
    """A file that is named after no video of its folder."""
    is_boxes = path.name.endswith(BOXES_SUFFIX)
    suffix = path.suffix.lower()
    if not is_boxes and suffix not in transcript_suffixes():
        left_out[path] = _OTHERS.get(suffix, "neither video, transcript nor boxes")
        return
    stem = path.name.removesuffix(BOXES_SUFFIX) if is_boxes else path.stem
    video = videos.get(stem) or videos.get(stem.rpartition(".")[0])
    if not is_boxes and suffix in _ANYTHING_SUFFIXES and (video is None or not is_transcript(path)):
        left_out[path] = "neither video, transcript nor boxes"
    elif video is None:
        stem = stem.removesuffix(".en")
        left_out[path] = "sidecar of a missing video"
        error = MediaError(f"the video of {path.name} is missing", path=path.with_name(f"{stem}.mp4"))
        problems.append(Problem(reason="missing video", error=error))
    else:
        left_out[path] = "sidecar away from its video"
        away = InputError(f"it does not lie beside its video {video}", path=path, remedy="Move it there")
        problems.append(Problem(reason=left_out[path], error=away))


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _every_file(folder: Path) -> Iterator[Path]:
    visited: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in visited:  # a link back to a folder above
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        yield from (Path(parent, name) for name in names)
