"""One recording's candidates on disk, whole or absent, from which an interrupted curation resumes.

    .out.shards/
    ├── 3f2a...                  named by what decides its content: recording, video, clips, settings
    │   ├── images/              every frame of every candidate clip
    │   ├── candidates.jsonl
    │   ├── heard.json           the utterances, and what was left out
    │   ├── damage.json          what of the picture does not decode
    │   └── scores-9bc1....jsonl once they are scored, named by the aligner
    └── .3f2a....w4711           being written; renamed once it is whole

A shard is never changed, only added to: a file that is there is whole. So it does not matter when a process is killed,
nor whether two work on the same recording.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from babyvlm.curation.candidates import Candidate, RecordingSpeech, look
from babyvlm.curation.configuration import CurationConfig
from babyvlm.images import ImageStore, ImageStoreWriter
from babyvlm.media import Damage
from babyvlm.records import Record, Recording, content_id, read_jsonl, write_jsonl

_LAYOUT = 2
"""Raised when what a shard holds changes its meaning."""


class ClipScores(Record):
    """How well one clip and its frames fit what is said."""

    clip: float | None = None
    frames: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The finished shard of one recording."""

    folder: Path

    @property
    def heard(self) -> RecordingSpeech:
        return RecordingSpeech.model_validate_json((self.folder / "heard.json").read_text(encoding="utf-8"))

    @property
    def images_folder(self) -> Path:
        return self.folder / "images"

    @property
    def damage(self) -> Damage:
        return Damage(**json.loads((self.folder / "damage.json").read_text(encoding="utf-8")))

    def images(self) -> ImageStore:
        return ImageStore(self.images_folder)

    def candidates(self, aligner: str | None = None) -> list[Candidate]:
        """The candidates by start, with the scores that an aligner gave."""
        plain = list(read_jsonl(self.folder / "candidates.jsonl", Candidate))
        if aligner is None:
            return plain
        scores = read_jsonl(self._scores_path(aligner), ClipScores)
        return [_scored(candidate, given) for candidate, given in zip(plain, scores, strict=True)]

    def has_scores(self, aligner: str) -> bool:
        return self._scores_path(aligner).is_file()

    def write_scores(self, aligner: str, scores: Iterable[ClipScores]) -> None:
        """Adds the scores that an aligner gives to the candidates, in their order."""
        path = self._scores_path(aligner)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        write_jsonl(partial, scores)
        partial.replace(path)

    def _scores_path(self, aligner: str) -> Path:
        return self.folder / f"scores-{content_id(aligner)}.jsonl"


def _scored(candidate: Candidate, scores: ClipScores) -> Candidate:
    frames = candidate.frames
    if scores.frames is not None:
        pairs = zip(frames, scores.frames, strict=True)
        frames = tuple(frame.model_copy(update={"score": score}) for frame, score in pairs)
    return candidate.model_copy(update={"score": scores.clip, "frames": frames})


def shard_of(
    shards: Path, recording: Recording, media_hash: str, heard: RecordingSpeech, config: CurationConfig
) -> Shard:
    """Where a recording's shard is or will be.

    Args:
        shards: Folder of all shards.
        recording: The recording.
        media_hash: Fingerprint of its video.
        heard: What its transcript gives.
        config: The settings; only those that decide what is decoded count.
    """
    key = content_id(
        _LAYOUT, recording.id, recording.duration_s, media_hash, heard.model_dump(), config.fps, config.frame_size
    )
    return Shard(folder=shards / key)


def make_shard(shard: Shard, recording: Recording, media: Path, heard: RecordingSpeech, config: CurationConfig) -> None:
    """Decodes a recording into its shard, unless that is there.

    Raises:
        MediaError: The video is missing, or nothing of it decodes; there is no shard then.
    """
    if shard.folder.is_dir():
        return
    with filled(shard.folder, shard.folder.parent) as partial:
        with ImageStoreWriter(partial / "images") as images:
            damage = Damage()
            candidates = look(recording, media, heard.cut(), config, images, damage)
        write_jsonl(partial / "candidates.jsonl", candidates)
        (partial / "damage.json").write_text(json.dumps(damage.as_json()) + "\n", encoding="utf-8")
        (partial / "heard.json").write_text(heard.model_dump_json() + "\n", encoding="utf-8")


@contextlib.contextmanager
def filled(folder: Path, shards: Path) -> Iterator[Path]:
    """A folder to fill, which is ``folder`` afterwards, whole, or absent after an error.

    Its name decides its content: where another process was as quick, what that one made stays.

    Args:
        folder: What it becomes.
        shards: Where all shards lie; in there it has a name of its own until then (:func:`clear_unfinished`).
    """
    partial = shards / f".{folder.name}.{uuid.uuid4().hex}"
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear_unfinished(shards: Path) -> None:
    """Removes what killed processes left half written. No other process may be at work on these shards."""
    for partial in shards.glob(".*"):
        shutil.rmtree(partial, ignore_errors=True)
