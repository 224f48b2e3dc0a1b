"""Sources of items: moments or photographs with boxes, and their pixels.

corpus folder, one split    CorpusSource   boxes with tracks; pixels by decoding a recording once
folder of photographs       PhotoSource    boxes only, every photograph a source of its own
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from babyvlm.corpus import Corpus, read_photo_annotations
from babyvlm.corpus.layouts import licence_of_picture
from babyvlm.errors import InputError
from babyvlm.licences import OWN_PHOTOGRAPHS
from babyvlm.media import Damage, frames_at
from babyvlm.records import Box, BoxedFrame, Split
from babyvlm.shown_pictures import open_image

_SAME_PLACE_PX = 1.0
_UNUSABLE_BOXES = "box: or its image or category, cannot be used"


class FrameSource(Protocol):
    """Boxed frames of one split, and their pixels. Must survive pickling: worker processes load from it."""

    @property
    def split(self) -> Split: ...

    @property
    def skipped(self) -> Mapping[str, int]:
        """What of the source cannot be used, by reason."""
        ...

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

        Moments in a damaged part of a video are named and left out.

        Raises:
            MediaError: The file is missing or does not decode.
        """
        if self.is_video:
            damage = Damage()
            yield from frames_at(self.path, times_s, damage=damage)
            if damage.lost_moments:
                print(f"note: {self.path}: {damage.lost_moments} boxed moments lie in damaged parts", file=sys.stderr)
            return
        image = open_image(self.path)
        for time_s in times_s:
            yield time_s, image


def _without_conflicts(frame: BoxedFrame, skipped: Counter[str]) -> BoxedFrame:
    """The frame without boxes that share their place with one of another category: one of the two must be wrong."""
    boxes = [
        box
        for box in frame.boxes
        if not any(other.label != box.label and _is_same_place(box, other) for other in frame.boxes)
    ]
    if conflicting := len(frame.boxes) - len(boxes):
        skipped["box: in the very place of one of another category"] += conflicting
        return frame.model_copy(update={"boxes": tuple(boxes)})
    return frame


def _is_same_place(first: Box, second: Box) -> bool:
    edges = ("x", "y", "width", "height")
    return all(abs(getattr(first, edge) - getattr(second, edge)) <= _SAME_PLACE_PX for edge in edges)


class CorpusSource:
    """The boxed frames of the recordings of one split of a corpus; recordings without boxes are passed over."""

    def __init__(self, corpus: Corpus, split: Split) -> None:
        boxed = [
            recording for recording in corpus.recordings if recording.split == split and corpus.has_boxes(recording)
        ]
        self.split = split
        read = [corpus.boxes(recording) for recording in boxed]
        problems = [problem for found in read for problem in found.problems]
        self.skipped: Mapping[str, int] = {_UNUSABLE_BOXES: len(problems)} if problems else {}
        if problems:
            print(f"{len(problems)} passed over: {_UNUSABLE_BOXES}; the first: {problems[0]}", file=sys.stderr)
        self.recordings = tuple(recording.id for recording in boxed)
        self.frames = tuple(frame for found in read for frame in found.frames)
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
        licence: The photographs' licence; ``restricted`` when they may not leave this machine. When empty, a picture
            named as a frame of a provider's recording has that provider's; others are taken for the user's own.

    Photographs that are missing or damaged, boxes that cannot be used, and boxes of two categories in one and the same
    place are left out and counted; the first of each kind is named on standard error.

    Raises:
        AnnotationError: The annotations do not parse as a whole.
        InputError: More than half of the photographs or boxes cannot be used.
    """

    def __init__(self, images: Path, annotations: Path, *, split: Split = "test", licence: str = "") -> None:
        self.split = split
        skipped: Counter[str] = Counter()

        def passed(reason: str, error: InputError) -> None:
            if not skipped[reason]:
                print(f"passed over: {error}", file=sys.stderr)
            skipped[reason] += 1

        read = read_photo_annotations(annotations, images, passed)
        self.frames = tuple(_without_conflicts(frame, skipped) for frame in read)
        self.skipped: Mapping[str, int] = skipped
        for reason, count in skipped.items():
            print(f"{count} passed over: {reason}", file=sys.stderr)
        boxes = sum(len(frame.boxes) for frame in self.frames)
        for what, bad, good in (
            ("photographs", sum(n for reason, n in skipped.items() if reason.startswith("photo")), len(self.frames)),
            ("boxes", sum(n for reason, n in skipped.items() if reason.startswith("box")), boxes),
        ):
            if bad > good:
                raise InputError(
                    f"{bad} of {bad + good} {what} cannot be used",
                    path=annotations,
                    remedy="; ".join(f"{count} {reason}" for reason, count in skipped.items()),
                )
        self._images, self._licence = images, licence

    def licence(self, source: str) -> str:
        return self._licence or licence_of_picture(Path(source).stem) or OWN_PHOTOGRAPHS

    def reader(self, source: str) -> PixelReader:
        return PixelReader(path=self._images / source, is_video=False)
