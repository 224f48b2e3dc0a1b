"""Decoding of video and sound with PyAV: one pass from front to back, never a seek per frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from babyvlm.errors import MediaError

_LONGEST_HELD_GROUP = 600
"""Packets of one group of pictures that are held at most; a longer group is decoded as it comes."""


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


def frames_at(
    path: Path, times_s: Sequence[float], *, shorter_side: int | None = None, threads: int = 0
) -> Iterator[tuple[float, Image.Image]]:
    """Yields the frame on screen at each of the given moments, reading the file once.

    Groups of pictures in which no moment lies are read and not decoded.

    Args:
        path: A video file.
        times_s: Moments from the start of the picture, ascending.
        shorter_side: Pixels to which larger frames are scaled down while they are converted; None leaves them.
        threads: Threads to decode with; 0 for one a core.

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
        decoder = _Decoder(container, threads)
        converter = VideoReformatter()
        position, previous, last_end_s = 0, None, 0.0
        try:
            decoder.due_s = wanted[0]
            for frame, now_s in decoder.frames():
                while position < len(wanted) and wanted[position] < now_s - 1e-6:
                    yield (
                        wanted[position],
                        _upright(previous if previous is not None else frame, converter, shorter_side),
                    )
                    position += 1
                if position == len(wanted):
                    return
                decoder.due_s = wanted[position]
                lasts_s = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
                last_end_s = now_s + lasts_s
                previous = frame
        except av.error.FFmpegError as error:
            raise MediaError(f"the picture does not decode past {last_end_s:.1f} s ({error})", path=path) from error
        while previous is not None and position < len(wanted) and wanted[position] <= last_end_s:
            yield wanted[position], _upright(previous, converter, shorter_side)
            position += 1


class _Decoder:
    """Decodes the groups of pictures that hold moments asked for, and passes the others by.

    A group is the packets from one key frame to the next. Its packets are held until the next key frame tells when it
    ends: from key frame to key frame nothing depends on what was left out. Frames shown before their key frame (an open
    group) may come out damaged after a jump, but none of them is ever on screen at a moment asked for: the jump is made
    only where the moment is no earlier than the key frame.
    """

    def __init__(self, container: av.container.InputContainer, threads: int) -> None:
        self._container, self._stream = container, container.streams.video[0]
        self._codec = self._stream.codec_context
        self._codec.thread_type = "AUTO"
        self._codec.thread_count = threads
        self._start_s: float | None = None
        self._jumped = False
        self.due_s = 0.0
        """The next moment asked for; whoever reads the frames moves it on."""

    def frames(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Decoded frames, each with its time from the start of the picture."""
        held: list[av.Packet] = []
        holding = True
        for packet in self._container.demux(self._stream):
            if (key_s := self._key_s(packet)) is not None:
                if key_s <= self.due_s:
                    self._jumped |= bool(held)
                else:
                    yield from self._decode(held, key_s)
                held, holding = [], True
            held.append(packet)
            if not holding or len(held) > _LONGEST_HELD_GROUP or self._start_s is None:
                yield from self._decode(held, math.inf)
                held, holding = [], False
        yield from self._decode(held, math.inf)

    def _key_s(self, packet: av.Packet) -> float | None:
        """When a packet's key frame is shown; None for all other packets, and before the first frame is out."""
        if not packet.is_keyframe or packet.pts is None or packet.time_base is None or self._start_s is None:
            return None
        return float(packet.pts * packet.time_base) - self._start_s

    def _decode(self, packets: list[av.Packet], end_s: float) -> Iterator[tuple[av.VideoFrame, float]]:
        """Decodes packets in a row, up to the moment at which nothing more of them is asked for."""
        if self._jumped and packets:
            yield from self._timed(self._codec.decode(None))
            self._codec.flush_buffers()
            self._jumped = False
        for number, packet in enumerate(packets, start=1):
            yield from self._timed(self._codec.decode(packet))
            if self.due_s >= end_s and number < len(packets):
                self._jumped = True
                return

    def _timed(self, frames: list[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, float]]:
        for frame in frames:
            if frame.time is None:
                continue
            if self._start_s is None:
                self._start_s = frame.time
            yield frame, frame.time - self._start_s


def scaled_size(width: int, height: int, shorter_side: int) -> tuple[int, int]:
    """Width and height scaled to this shorter side in their own proportions; as they are where they are smaller.

    >>> scaled_size(640, 480, 224), scaled_size(160, 120, 224)
    ((299, 224), (160, 120))
    """
    scale = shorter_side / min(width, height)
    if scale >= 1:
        return width, height
    return max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale))


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


def _upright(frame: av.VideoFrame, converter: VideoReformatter, shorter_side: int | None) -> Image.Image:
    """The frame as RGB, scaled, and turned by its rotation flag (degrees counter-clockwise, as FFmpeg gives it)."""
    width, height = frame.width, frame.height
    if shorter_side is not None:
        width, height = scaled_size(width, height, shorter_side)
    image: Image.Image = converter.reformat(frame, width=width, height=height, format="rgb24").to_image()
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


SOUND_RATE = 16_000
"""Samples a second of what ``sound_blocks`` yields: what recognisers of speech are trained on."""
_SOUND_GAP_S = 0.05


def sound_blocks(path: Path, *, block_s: float, track: int = 0) -> Iterator[np.ndarray]:
    """Decodes a sound track in blocks, one in memory at a time; missing stretches are silence.

    Args:
        path: A media file.
        block_s: Seconds of a block; the last is shorter.
        track: Which sound track, counted from 0.

    Yields:
        Mono samples between -1 and 1 at ``SOUND_RATE``, from the start of the picture on.

    Raises:
        MediaError: The file is missing, has no such track, or the track does not decode.
    """
    with _open(path) as container:
        if track >= len(container.streams.audio):
            raise MediaError(f"there are {len(container.streams.audio)} sound tracks, none numbered {track}", path=path)
        stream = container.streams.audio[track]
        picture = container.streams.video[0] if container.streams.video else stream
        start_s = float((picture.start_time or 0) * (picture.time_base or 0))
        size, written = round(block_s * SOUND_RATE), 0
        pending = np.zeros(0, dtype=np.float32)
        try:
            for samples, time_s in _sound(container, stream):
                late = 0 if time_s is None else round((time_s - start_s) * SOUND_RATE) - written - len(pending)
                if late > _SOUND_GAP_S * SOUND_RATE:
                    pending = np.concatenate([pending, np.zeros(late, dtype=np.float32)])
                pending = np.concatenate([pending, samples])
                while len(pending) >= size:
                    yield pending[:size]
                    pending, written = pending[size:], written + size
        except av.error.FFmpegError as error:
            at_s = (written + len(pending)) / SOUND_RATE
            raise MediaError(f"the sound does not decode past {at_s:.1f} s ({error})", path=path) from error
        if len(pending):
            yield pending


def _sound(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[tuple[np.ndarray, float | None]]:
    """Decoded samples, each chunk with the time at which it begins."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    for frame in container.decode(stream):
        for chunk in resampler.resample(frame):
            yield np.clip(chunk.to_ndarray().reshape(-1), -1, 1), frame.time
    for chunk in resampler.resample(None):
        yield np.clip(chunk.to_ndarray().reshape(-1), -1, 1), None
