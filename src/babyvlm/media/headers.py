"""What a media file says of itself: length, size as shown, frame rate, sound tracks."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer

from babyvlm.errors import MediaError
from babyvlm.media.clock import clock_end_s, open_media, picture_of, read_packets
from babyvlm.media.shown import Orientation, PixelAspect, orientation_of, shown_size


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a media file says of itself."""

    duration_s: float
    """From the start of the earliest stream to the end of the last."""
    width: int
    """Pixels of the picture as shown: square, upright."""
    height: int
    fps: float
    audio_tracks: int
    orientation: Orientation
    """How the stored picture is turned and mirrored to stand upright."""
    pixel_aspect: Fraction
    """Width of a stored pixel by its height."""
    stored_width: int
    """Pixels as they are stored, neither turned nor stretched."""
    stored_height: int

    @property
    def has_audio(self) -> bool:
        return self.audio_tracks > 0

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise by which the stored picture is turned to stand upright: 0, 90, 180 or 270."""
        return self.orientation.rotation


def probe(path: Path) -> MediaInfo:
    """Reads a media file's header, and its first frame that decodes.

    Raises:
        MediaError: The file is missing, no media file, or holds no picture.
    """
    with open_media(path) as container:
        stream = picture_of(container, path)
        duration_s = _duration_s(container, stream, path)
        aspect = PixelAspect(stream)
        first = _first_frame(container, stream, aspect, path)
        orientation, pixel_aspect = orientation_of(first), aspect.of(first.pts)
        width, height = shown_size(first.width, first.height, pixel_aspect)
        if orientation.swaps_sides:
            width, height = height, width
        return MediaInfo(
            duration_s=duration_s,
            width=width,
            height=height,
            fps=float(stream.average_rate or stream.guessed_rate or Fraction(0)),
            audio_tracks=len(container.streams.audio),
            orientation=orientation,
            pixel_aspect=pixel_aspect,
            stored_width=first.width,
            stored_height=first.height,
        )


def _duration_s(container: InputContainer, stream: av.VideoStream, path: Path) -> float:
    duration_s = clock_end_s(container)
    if container.duration is None and stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    if duration_s <= 0:
        remedy = "Remux it: ffmpeg -i IN -c copy OUT"
        raise MediaError("the file does not say how long it is", path=path, remedy=remedy)
    return duration_s


def _first_frame(container: InputContainer, stream: av.VideoStream, aspect: PixelAspect, path: Path) -> av.VideoFrame:
    """The first frame that decodes: only frames, not streams, say how they are to be turned."""
    fault: av.error.FFmpegError | None = None
    for packet in read_packets(container, stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            fault = fault or error
            continue
        if frames:
            aspect.update(packet.pts)
            return frames[0]
    if fault is not None:
        raise MediaError(f"the picture does not decode ({fault})", path=path) from fault
    raise MediaError("there is not one frame in this file", path=path)
