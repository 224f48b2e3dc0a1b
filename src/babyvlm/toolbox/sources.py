"""Where items come from: moments or photographs with boxes, whose pixels can be had.

corpus folder, one split    CorpusSource   boxes with tracks; pixels by decoding a recording once
folder of photographs       PhotoSource    boxes only, every photograph a source of its own
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from babyvlm.corpus import Corpus, read_photo_annotations
from babyvlm.errors import MediaError
from babyvlm.media import frames_at
from babyvlm.records import BoxedFrame, Split


class FrameSource(Protocol):
    """Boxed frames of one split, and their pixels. Must survive pickling: worker processes load from it."""

    @property
    def split(self) -> Split: ...

    @property
    def frames(self) -> tuple[BoxedFrame, ...]:
        """All boxed frames, those of one recording together and ascending in time."""
        ...

    def licence(self, source: str) -> str:
        """The licence of a recording or photograph."""
        ...

    def reader(self, source: str) -> PixelReader:
        """What loads the pixels of one recording or photograph."""
        ...


def boxes_digest(frames: Iterable[BoxedFrame]) -> str:
    """A hash of all boxes, for manifests: equal boxes, equal hash."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.model_dump_json().encode())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class PixelReader:
    """Loads frames of one file; small, so that it can be sent to a worker."""

    path: Path
    is_video: bool

    def load(self, times_s: Sequence[float]) -> Iterator[tuple[float, Image.Image]]:
        """Yields (moment, RGB frame) for ascending moments; a photograph answers to any moment.

        Raises:
            MediaError: The file is missing or does not decode.
        """
        if self.is_video:
            yield from frames_at(self.path, times_s)
            return
        try:
            with Image.open(self.path) as opened:
                image = opened.convert("RGB")
        except OSError as error:
            raise MediaError(f"does not open as an image ({error})", path=self.path) from error
        for time_s in times_s:
            yield time_s, image


class CorpusSource:
    """The boxed frames of the recordings of one split of a corpus; recordings without boxes are passed over."""

    def __init__(self, corpus: Corpus, split: Split) -> None:
        boxed = [
            recording for recording in corpus.recordings if recording.split == split and corpus.has_boxes(recording)
        ]
        self.split = split
        self.recordings = tuple(recording.id for recording in boxed)
        self.frames = tuple(frame for recording in boxed for frame in corpus.boxed_frames(recording))
        self._licences = {recording.id: recording.licence for recording in boxed}
        self._paths = {recording.id: corpus.media_path(recording) for recording in boxed}

    def licence(self, source: str) -> str:
        return self._licences[source]

    def reader(self, source: str) -> PixelReader:
        return PixelReader(path=self._paths[source], is_video=True)


class PhotoSource:
    """Annotated photographs.

    Args:
        images: Folder of photographs.
        annotations: A COCO file, or a folder of VOC, YOLO or one-line-a-box files.
        split: The split that the items get.
        licence: The photographs' licence; say ``restricted`` when they may not leave this machine.

    Raises:
        AnnotationError: The annotations do not parse or do not fit the photographs.
    """

    def __init__(self, images: Path, annotations: Path, *, split: Split = "test", licence: str = "unknown") -> None:
        self.split = split
        self.frames = read_photo_annotations(annotations, images)
        self._images, self._licence = images, licence

    def licence(self, source: str) -> str:
        return self._licence

    def reader(self, source: str) -> PixelReader:
        return PixelReader(path=self._images / source, is_video=False)
