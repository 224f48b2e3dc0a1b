"""Decoding of video and sound with PyAV: one pass from front to back, never a seek per frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from PIL import Image

from babyvlm.errors import MediaError


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a media file says of itself."""

    duration_s: float
    width: int
    """Pixels, after the rotation flag is applied; 0 without a picture."""
    height: int
    fps: float
    audio_tracks: int
    rotation: int
    """Degrees counter-clockwise by which the stored picture is turned to stand upright: 0, 90, 180 or 270."""

    @property
    def has_audio(self) -> bool:
        return self.audio_tracks > 0


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When a file's frames are shown, as its packets say."""

    frames: int
    end_s: float
    """When the last frame begins, from the start of the picture."""
    gaps: tuple[tuple[float, float], ...]
    """Moments after which no frame follows for longer than asked about, and for how long, in seconds."""
    variable_rate: bool
    """Whether frames are unevenly apart by more than the rounding of their times."""


def probe(path: Path) -> MediaInfo:
    """Reads a media file's header.

    Raises:
        MediaError: The file is missing, no media file, or holds no picture.
    """
    with _open(path) as container:
        if not container.streams.video:
            raise MediaError("there is no picture in this file", path=path)
        stream = container.streams.video[0]
        if container.duration is not None:
            duration_s = container.duration / av.time_base
        elif stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
        else:
            duration_s = 0.0
        if duration_s <= 0:
            remedy = "Remux it: ffmpeg -i IN -c copy OUT"
            raise MediaError("the file does not say how long it is", path=path, remedy=remedy)
        first = _first_frame(container, path)
        rotation = _rotation(first)
        width, height = (first.height, first.width) if rotation in (90, 270) else (first.width, first.height)
        return MediaInfo(
            duration_s=duration_s,
            width=width,
            height=height,
            fps=float(stream.average_rate or stream.guessed_rate or Fraction(0)),
            audio_tracks=len(container.streams.audio),
            rotation=rotation,
        )


def read_timeline(path: Path, *, gap_s: float) -> Timeline:
    """Reads when every frame is shown, without decoding any.

    Args:
        path: A video file; it is read from front to back.
        gap_s: Seconds without a frame that count as a gap.

    Raises:
        MediaError: The file is missing, or holds no picture.
    """
    with _open(path) as container:
        if not container.streams.video:
            raise MediaError("there is no picture in this file", path=path)
        stream = container.streams.video[0]
        unit_s = float(stream.time_base or Fraction(1, 1000))
        times: list[int] = []
        try:
            times += (packet.pts for packet in container.demux(stream) if packet.pts is not None)
        except av.error.FFmpegError as error:
            raise MediaError(f"the file does not read to its end ({error})", path=path) from error
    times_N = np.sort(np.asarray(times, dtype=np.int64))
    if not len(times_N):
        raise MediaError("there is not one frame in this file", path=path)
    steps_N = np.diff(times_N)
    usual = float(np.median(steps_N)) if len(steps_N) else 0.0
    uneven = np.abs(steps_N - usual) * unit_s > max(0.002, 0.1 * usual * unit_s)
    after_N = np.flatnonzero(steps_N * unit_s > gap_s)
    return Timeline(
        frames=len(times_N),
        end_s=float(times_N[-1] - times_N[0]) * unit_s,
        gaps=tuple((float(times_N[at] - times_N[0]) * unit_s, float(steps_N[at]) * unit_s) for at in after_N),
        variable_rate=bool(len(steps_N) and uneven.mean() > 0.05),
    )


def frames_at(path: Path, times_s: Sequence[float]) -> Iterator[tuple[float, Image.Image]]:
    """Yields the frame on screen at each of the given moments, decoding the file once.

    Args:
        path: A video file.
        times_s: Moments from the start of the picture, ascending.

    Yields:
        Each moment with its frame as an upright RGB image. Moments past the last frame are not yielded.

    Raises:
        MediaError: The file is missing or its picture does not decode.
    """
    wanted = list(times_s)
    if wanted != sorted(wanted):
        raise ValueError("times_s must ascend")
    if not wanted:
        return
    with _open(path) as container:
        if not container.streams.video:
            raise MediaError("there is no picture in this file", path=path)
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        position, previous, start_s, last_end_s = 0, None, None, 0.0
        try:
            for frame in container.decode(stream):
                if frame.time is None:
                    continue
                if start_s is None:
                    start_s = frame.time
                now_s = frame.time - start_s
                while position < len(wanted) and wanted[position] < now_s - 1e-6:
                    yield wanted[position], _upright(previous if previous is not None else frame)
                    position += 1
                if position == len(wanted):
                    return
                lasts_s = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
                last_end_s = now_s + lasts_s
                previous = frame
        except av.error.FFmpegError as error:
            raise MediaError(f"the picture does not decode past {last_end_s:.1f} s ({error})", path=path) from error
        while previous is not None and position < len(wanted) and wanted[position] <= last_end_s:
            yield wanted[position], _upright(previous)
            position += 1


def _first_frame(container: av.container.InputContainer, path: Path) -> av.VideoFrame:
    """The first frame: only frames, not streams, tell their rotation."""
    try:
        first = next(container.decode(container.streams.video[0]), None)
    except av.error.FFmpegError as error:
        raise MediaError(f"the picture does not decode ({error})", path=path) from error
    if first is None:
        raise MediaError("there is not one frame in this file", path=path)
    return first


def _rotation(frame: av.VideoFrame) -> int:
    return int(frame.rotation or 0) % 360


def _upright(frame: av.VideoFrame) -> Image.Image:
    """The frame as RGB, turned by its rotation flag (degrees counter-clockwise, as FFmpeg gives it)."""
    image: Image.Image = frame.to_image()
    rotation = _rotation(frame)
    turns = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    return image.transpose(turns[rotation]) if rotation in turns else image


def _open(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise MediaError("the file is missing", path=path)
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"does not open as a media file ({error})", path=path) from error
