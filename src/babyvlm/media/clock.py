"""Opening media files, where their clock begins, and their packets, damaged ones left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from babyvlm.errors import MediaError

_WITHOUT_PRESENTATION_TIMES = {"avi", "h264", "hevc", "mjpeg", "m4v", "mpegvideo"}
_READ_ERRORS_IN_A_ROW = 64
"""Errors without a packet between them after which a file is taken to have ended."""


def open_media(path: Path) -> InputContainer:
    """Opens a media file.

    Raises:
        MediaError: The file is missing or no media file.
    """
    if not path.is_file():
        raise MediaError("the file is missing", path=path)
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        remedy = "Is it whole? Copy it again, or play it to see"
        raise MediaError(f"does not open as a media file ({error})", path=path, remedy=remedy) from error


def picture_of(container: InputContainer, path: Path) -> av.VideoStream:
    """The stream of the picture: the one that FFmpeg takes for the best, never a cover.

    Raises:
        MediaError: There is none, or nothing here decodes it.
    """
    streams = container.streams.video
    if not streams:
        raise MediaError("there is no picture in this file", path=path)
    best = container.streams.best("video")
    return _decodable(best if isinstance(best, av.VideoStream) else streams[0], "picture", path)


def sound_of(container: InputContainer, track: int, path: Path) -> av.AudioStream:
    """A sound track, counted from 0.

    Raises:
        MediaError: There is none, or nothing here decodes it.
    """
    streams = container.streams.audio
    if track >= len(streams):
        raise MediaError(f"there are {len(streams)} sound tracks, none numbered {track}", path=path)
    return _decodable(streams[track], "sound", path)


StreamT = TypeVar("StreamT", bound=Stream)


def _decodable(stream: StreamT, what: str, path: Path) -> StreamT:
    if stream.codec_context is None:  # whatever PyAV's types say
        problem = f"the {what} is in a codec that is not known here"
        raise MediaError(problem, path=path, remedy="Convert it: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4")
    return stream


def clock_start_s(container: InputContainer) -> float:
    """The time stamp at which a file's clock begins: that of the earliest stream."""
    if container.start_time is not None:
        return float(container.start_time) / av.time_base
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=0.0)


def clock_end_s(container: InputContainer) -> float:
    """Seconds from the start of a file's clock to its end; 0 where the file does not say."""
    if container.duration is None:
        return 0.0
    lasts_s = float(container.duration) / av.time_base
    start_s = clock_start_s(container)
    if "matroska" in container.format.name and 0 < start_s < lasts_s:
        return lasts_s - start_s  # Matroska's duration counts from time stamp 0
    return lasts_s


def has_presentation_times(container: InputContainer) -> bool:
    """Whether the format says when frames are shown; where it does not, the first one begins the clock."""
    return not set(container.format.name.split(",")) & _WITHOUT_PRESENTATION_TIMES


def read_packets(container: InputContainer, stream: Stream) -> Iterator[av.Packet]:
    """Packets of a stream up to the end of the file, past stretches that do not read."""
    failures = 0
    while failures < _READ_ERRORS_IN_A_ROW:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                failures += 1
                break
            if packet is None:
                return
            failures = 0
            yield packet
