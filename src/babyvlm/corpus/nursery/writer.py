"""The files of a recording: H.264 and AAC in mp4, WebVTT with voice tags, boxes as COCO. Same input, same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from babyvlm.corpus.nursery.lexicon import CATEGORIES
from babyvlm.corpus.nursery.scenes import PropBox
from babyvlm.corpus.nursery.speech import Spoken
from babyvlm.corpus.nursery.voice import SAMPLE_RATE
from babyvlm.corpus.webvtt_times import cue_times

_AUDIO_CHUNK = 1024
_QUALITY = "24"
"""x264's constant rate factor (ours)."""


@dataclass(frozen=True, kw_only=True)
class BoxedMoment:
    """The boxes of one annotated frame."""

    time_s: float
    boxes: tuple[PropBox, ...]


def write_movie(
    path: Path, frames: Iterable[np.ndarray], samples: np.ndarray, *, width: int, height: int, fps: int
) -> None:
    """Encodes a movie.

    Args:
        path: The mp4 file.
        frames: BGRA pictures, (height, width, 4), 8 bits; each is used before the next is asked for.
        samples: Mono sound, 16 bits, at ``SAMPLE_RATE``.
        width: In pixels.
        height: In pixels.
        fps: Frames per second.
    """
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        # One thread: how x264 slices its work among threads would show in the bytes.
        video.codec_context.thread_count = 1
        video.options = {"preset": "superfast", "crf": _QUALITY, "threads": "1", "flags": "+bitexact"}
        video.gop_size = 5 * fps
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 32000
        audio.codec_context.thread_count = 1
        # One converter for all frames: to set one up takes longer than to convert a frame.
        converter = VideoReformatter()
        written = 0

        def sound_until(end: int) -> None:
            nonlocal written
            while written < end:
                chunk = samples[written : written + _AUDIO_CHUNK].astype(np.float32) / 32768
                frame = av.AudioFrame.from_ndarray(chunk[None], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, written, Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(frame))
                written += len(chunk)

        for number, picture in enumerate(frames):
            frame = converter.reformat(av.VideoFrame.from_ndarray(picture, format="bgra"), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(video.encode(frame))
            if number % fps == 0:
                sound_until(min(len(samples), (number // fps + 1) * SAMPLE_RATE))
        sound_until(len(samples))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def write_transcript(path: Path, spoken: Sequence[Spoken]) -> None:
    """Writes WebVTT, each utterance under a voice tag."""
    cues = [
        f"{cue_times(utterance.start_s, utterance.end_s)}\n<v {utterance.speaker}>{utterance.text}\n"
        for utterance in spoken
    ]
    path.write_text("\n".join(["WEBVTT\n", *cues]), encoding="utf-8")


def write_boxes(path: Path, media: str, moments: Sequence[BoxedMoment], *, width: int, height: int) -> None:
    """Writes COCO JSON: an image for each moment, ``time_s`` in it; ``track_id`` and ``visibility`` in annotations."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for image_id, moment in enumerate(moments, start=1):
        images.append(
            {"id": image_id, "file_name": media, "width": width, "height": height, "time_s": round(moment.time_s, 3)}
        )
        for box in moment.boxes:
            left, top = round(box.left, 1), round(box.top, 1)
            right, bottom = min(round(box.left + box.width, 1), width), min(round(box.top + box.height, 1), height)
            wide, tall = round(right - left, 1), round(bottom - top, 1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CATEGORIES[box.prop.category].id,
                    "bbox": [left, top, wide, tall],
                    "area": round(wide * tall, 1),
                    "iscrowd": 0,
                    "track_id": box.prop.track,
                    "visibility": round(box.visibility, 3),
                }
            )
    categories = [
        {"id": category.id, "name": category.name, "supercategory": category.field} for category in CATEGORIES.values()
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
