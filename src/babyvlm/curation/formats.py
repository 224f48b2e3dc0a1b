"""From kept clips to training records, in the three formats of pretraining.

image         each frame of a clip        "<image>"            -> the text
video         the frames of a clip        "<image><image>..."  -> the text
interleaved   4 to 8 consecutive clips    a turn for each: its best frame -> the text
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from babyvlm.curation.clips import Clip
from babyvlm.curation.configuration import CurationConfig
from babyvlm.records import IMAGE_TOKEN, Conversation, Recording, Turn


@dataclass(frozen=True, kw_only=True)
class KeptFrame:
    """A frame that passed the filters."""

    id: str
    """Its clip's stem and its place in it; the id of its image-utterance pair."""
    image: str
    """Id in the image store."""
    score: float
    """Alignment with the text where it was scored, sharpness otherwise; more is better."""


@dataclass(frozen=True, kw_only=True)
class KeptClip:
    """A clip that passed the filters."""

    clip: Clip
    frames: tuple[KeptFrame, ...]
    """In the order of time; at least one."""

    @property
    def best_frame(self) -> KeptFrame:
        return max(self.frames, key=lambda frame: frame.score)


def image_conversations(recording: Recording, clips: Sequence[KeptClip]) -> Iterator[Conversation]:
    """One record for each frame."""
    for kept in clips:
        for frame in kept.frames:
            yield Conversation(
                id=frame.id,
                format="image",
                images=(frame.image,),
                turns=(Turn(prompt=IMAGE_TOKEN, answer=kept.clip.text),),
                split=recording.split,
                recording=recording.id,
                start_s=kept.clip.start_ms / 1000,
                end_s=kept.clip.end_ms / 1000,
            )


def video_conversations(
    recording: Recording, clips: Sequence[KeptClip], config: CurationConfig
) -> Iterator[Conversation]:
    """One record for each clip."""
    for kept in clips:
        images = tuple(kept.frames[index].image for index in even_indices(len(kept.frames), config.clip_frames))
        yield Conversation(
            id=kept.clip.stem(recording.id),
            format="video",
            images=images,
            turns=(Turn(prompt=IMAGE_TOKEN * len(images), answer=kept.clip.text),),
            split=recording.split,
            recording=recording.id,
            start_s=kept.clip.start_ms / 1000,
            end_s=kept.clip.end_ms / 1000,
        )


def interleaved_conversations(
    recording: Recording, clips: Sequence[KeptClip], config: CurationConfig
) -> Iterator[Conversation]:
    """One record for each window of consecutive clips.

    A window's length depends on the seed, the recording and the window's place in it alone; at the end of the
    recording it is what is left, where that is no less than the shortest.
    """
    for number, first in enumerate(range(0, len(clips) - config.min_window + 1, config.window_stride)):
        draw = hashlib.sha256(f"{config.seed} {recording.id} {number}".encode()).digest()
        length = config.min_window + int.from_bytes(draw[:8]) % (config.max_window - config.min_window + 1)
        window = clips[first : first + length]
        yield Conversation(
            id=f"{recording.id}_sequence_{number + 1}",
            format="interleaved",
            images=tuple(kept.best_frame.image for kept in window),
            turns=tuple(Turn(prompt=IMAGE_TOKEN, answer=kept.clip.text) for kept in window),
            split=recording.split,
            recording=recording.id,
            start_s=window[0].clip.start_ms / 1000,
            end_s=max(kept.clip.end_ms for kept in window) / 1000,
        )


def even_indices(available: int, wanted: int) -> list[int]:
    """Indices of at most ``wanted`` elements, spread evenly over those available.

    >>> even_indices(9, 4), even_indices(2, 4)
    ([1, 3, 5, 7], [0, 1])
    """
    count = min(available, wanted)
    return [(2 * index + 1) * available // (2 * count) for index in range(count)]
