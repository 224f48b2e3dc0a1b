"""Small films with known faults and flags, muxed and encoded for the tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIGNS = {
    "as it is": (1, 0, 0, 1),
    "turned left": (0, -1, 1, 0),
    "upside down": (-1, 0, 0, -1),
    "turned right": (0, 1, -1, 0),
    "mirrored": (-1, 0, 0, 1),
    "mirrored upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transversed": (0, -1, -1, 0),
}
"""Unit display matrices (x to x, x to y, y to x, y to y), by what they do to the stored picture."""


def corner_picture(width: int = 64, height: int = 48) -> np.ndarray:
    """Grey, with a white top left quarter and a black top right one: every turn and mirroring shows."""
    picture_HWC = np.full((height, width, 3), 128, np.uint8)
    picture_HWC[: height // 2, : width // 2] = 255
    picture_HWC[: height // 2, width // 2 :] = 0
    return picture_HWC


def film(
    path: Path,
    *,
    pictures: list[np.ndarray],
    rate: int = 10,
    aspect: Fraction | None = None,
    signs: tuple[int, int, int, int] | None = None,
    starts_s: float = 0.0,
    sound: tuple[float, float] | None = None,
    group: int = 10,
) -> Path:
    """Writes a film.

    Args:
        path: Where it goes; its suffix chooses the container.
        pictures: One per frame.
        rate: Frames per second.
        aspect: Width of a pixel by its height.
        signs: Display matrix.
        starts_s: When the first picture is shown.
        sound: Start and end of a tone, in seconds.
        group: Frames from key frame to key frame.
    """
    height, width, _ = pictures[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=rate, options={"crf": "5", "preset": "ultrafast", "g": str(group), "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if signs is not None:
            a, b, c, d = (65536 * sign for sign in signs)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        tone = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        packets: list[av.Packet] = []
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index + round(starts_s * rate), Fraction(1, rate)
            packets += stream.encode(frame)
        packets += stream.encode()
        if tone is not None and sound is not None:
            for start in range(round(sound[0] * 16000), round(sound[1] * 16000), 1024):
                wave = 0.5 * np.sin(np.arange(start, start + 1024) * 0.4).astype(np.float32)[None]
                chunk = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts, chunk.time_base = 16000, start, Fraction(1, 16000)
                packets += tone.encode(chunk)
            packets += tone.encode()
        for packet in packets:
            container.mux(packet)
    return path


def levels(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures with some texture, each lighter than the one before: 20, 24, 28 ..."""
    texture_HW = np.random.default_rng(0).integers(-6, 7, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1)
    return [np.stack([(texture_HW + 20 + 4 * n).astype(np.uint8)] * 3, axis=-1) for n in range(count)]


def damaged(path: Path, frames: list[int], *, out: Path | None = None) -> Path:
    """A film in which the packets of these frames, in the order of the file, hold nothing that decodes."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        spans = [(packet.pos, packet.size) for packet in packets]
    data = bytearray(path.read_bytes())
    for number in frames:
        at, size = spans[number]
        data[at : at + size] = b"\xff" * size
    out = out or path
    out.write_bytes(data)
    return out
