"""Candidates for training data: every clip of a recording with all its frames, before scoring and selection.

    transcript --select_utterances, cut_clips--> clips --one decoding pass--> candidates + frames in a shard

They are kept with the finished set, so that thresholds can move without decoding or scoring again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from pydantic import Field

from babyvlm.corpus import Transcript
from babyvlm.curation.clips import Clip, cut_clips
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.frames import difference_hash, sample_frames, sharpness
from babyvlm.curation.utterances import select_utterances
from babyvlm.images import ImageStoreWriter, encode_jpeg
from babyvlm.media import Damage
from babyvlm.records import Record, Recording, Utterance


class CandidateFrame(Record):
    """A frame of a candidate clip."""

    image: str
    """Id in the image store. Two overlapping clips that show the same picture share one."""
    number: int
    """Its place in its clip, counted from 1."""
    sharpness: float
    """Variance of its Laplacian, squared grey levels."""
    looks: str
    """Perceptual hash, 16 hexadecimal digits."""
    score: float | None = None
    """Similarity to the text, where it was scored (paper: CLIP)."""


class Candidate(Record):
    """A clip that may become training data."""

    recording: str
    start_ms: int
    end_ms: int
    text: str
    frames: tuple[CandidateFrame, ...]
    """In the order of time; none where the picture is damaged, not yet there, or ends before the sound."""
    score: float | None = None
    """Similarity to the text, where it was scored (paper: X-CLIP)."""

    @property
    def clip(self) -> Clip:
        return Clip(start_ms=self.start_ms, end_ms=self.end_ms, text=self.text)


class RecordingSpeech(Record):
    """Speech selected from one transcript: utterances for the language corpus, and clip boundaries."""

    utterances: tuple[Utterance, ...]
    clips: tuple[tuple[int, int, str], ...]
    """Start and end in milliseconds, and the text."""
    counts: dict[str, int] = Field(default_factory=dict)
    skipped: dict[str, int] = Field(default_factory=dict)

    def cut(self) -> list[Clip]:
        return [Clip(start_ms=start, end_ms=end, text=text) for start, end, text in self.clips]


def listen(recording: Recording, transcript: Transcript, config: CurationConfig) -> RecordingSpeech:
    """Selects the speech of a recording to learn from, and cuts it into clips."""
    selection = select_utterances(transcript.utterances, recording.child, config)
    clips, without_clip = cut_clips(selection.utterances, recording.duration_s, config)
    skipped = Counter(selection.skipped) + without_clip
    skipped["cue without text"] += transcript.empty
    skipped["cue without times"] += transcript.untimed
    skipped.update(transcript.not_speech)
    counts = Counter({f"texts cleaned of {rule}": count for rule, count in selection.cleaned.items()})
    counts["utterances clipped at the end of their recording"] += transcript.clipped
    return RecordingSpeech(
        utterances=selection.utterances,
        clips=tuple((clip.start_ms, clip.end_ms, clip.text) for clip in clips),
        counts={name: count for name, count in sorted(counts.items()) if count},
        skipped={reason: count for reason, count in sorted(skipped.items()) if count},
    )


def look(
    recording: Recording,
    media: Path,
    clips: list[Clip],
    config: CurationConfig,
    images: ImageStoreWriter,
    damage: Damage,
) -> list[Candidate]:
    """Decodes a recording once, and writes the frames of its clips as soon as each clip is complete.

    Args:
        recording: The recording.
        media: Its video.
        clips: Its clips, by start.
        config: The settings.
        images: Where the frames go.
        damage: Where it is noted what of the picture does not decode.

    Returns:
        The candidates, by start.

    Raises:
        MediaError: The video is missing, or nothing of it decodes.
    """
    sampled = sample_frames(
        media,
        clips,
        duration_s=recording.duration_s,
        fps=config.fps,
        frame_size=config.frame_size,
        damage=damage,
    )
    stored: dict[bytes, str] = {}
    candidates = [
        Candidate(
            recording=recording.id,
            start_ms=clip.start_ms,
            end_ms=clip.end_ms,
            text=clip.text,
            frames=tuple(_keep(clip.stem(recording.id), pictures, images, stored)),
        )
        for clip, pictures in sampled
    ]
    return sorted(candidates, key=lambda candidate: candidate.clip)


def _keep(
    stem: str, pictures: list[Image.Image], images: ImageStoreWriter, stored: dict[bytes, str]
) -> Iterator[CandidateFrame]:
    for number, picture in enumerate(pictures, start=1):
        jpeg = encode_jpeg(picture)
        image = stored.setdefault(hashlib.sha256(jpeg).digest(), f"{stem}_frame_{number}")
        images.add(image, jpeg)
        yield CandidateFrame(
            image=image, number=number, sharpness=round(sharpness(picture), 4), looks=difference_hash(picture)
        )
