"""A sound track as samples for recognisers of speech, on the clock of its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer

from babyvlm.errors import MediaError
from babyvlm.media.clock import clock_end_s, clock_start_s, open_media, read_packets, sound_of
from babyvlm.media.damage import Damage

SOUND_RATE = 16_000
"""Samples a second of what ``sound_blocks`` yields: what recognisers of speech are trained on."""
_SOUND_GAP_S = 0.05


def sound_blocks(path: Path, *, block_s: float, track: int = 0, damage: Damage | None = None) -> Iterator[np.ndarray]:
    """Decodes a sound track in blocks, one in memory at a time; missing and damaged stretches are silence.

    Args:
        path: A media file.
        block_s: Seconds of a block; the last is shorter.
        track: Which sound track, counted from 0.
        damage: Where stretches that do not decode are noted.

    Yields:
        Mono samples between -1 and 1 at ``SOUND_RATE``, from the start of the file on: where the picture begins first
        there is silence before the sound.

    Raises:
        MediaError: The file is missing, has no such track, or nothing of the track decodes.
    """
    damage = damage if damage is not None else Damage()
    with open_media(path) as container:
        stream = sound_of(container, track, path)
        start_s = clock_start_s(container)
        size, done = round(block_s * SOUND_RATE), 0
        pending = np.zeros(0, dtype=np.float32)
        fault: av.error.FFmpegError | None = None
        for samples, time_s in _sound(container, stream):
            if isinstance(samples, av.error.FFmpegError):
                fault = samples
                damage.begin((done + len(pending)) / SOUND_RATE)
                continue
            late = 0 if time_s is None else round((time_s - start_s) * SOUND_RATE) - done - len(pending)
            if late > _SOUND_GAP_S * SOUND_RATE:
                pending = np.concatenate([pending, np.zeros(late, dtype=np.float32)])
            elif late < 0 and done + len(pending) == 0:
                samples = samples[-late:]  # what a codec puts before the start of the file
            damage.end((done + len(pending)) / SOUND_RATE)
            pending = np.concatenate([pending, samples])
            while len(pending) >= size:
                yield pending[:size]
                pending, done = pending[size:], done + size
        if fault is not None and done + len(pending) == 0:
            raise MediaError(f"the sound does not decode ({fault})", path=path) from fault
        if damage.open:
            damage.end(max(clock_end_s(container), (done + len(pending)) / SOUND_RATE))
        if len(pending):
            yield pending


def _sound(
    container: InputContainer, stream: av.AudioStream
) -> Iterator[tuple[np.ndarray | av.error.FFmpegError, float | None]]:
    """Decoded samples, each chunk with the time at which it begins; an error for each packet that does not decode."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    for packet in read_packets(container, stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            yield error, None
            continue
        for frame in frames:
            try:
                chunks = resampler.resample(frame)
            except (av.error.FFmpegError, ValueError):  # another rate or layout from here on
                resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
                chunks = resampler.resample(frame)
            for chunk in chunks:
                yield np.clip(chunk.to_ndarray().reshape(-1), -1, 1), frame.time
    try:
        rest = resampler.resample(None)
    except ValueError:  # nothing was ever given to it
        return
    for chunk in rest:
        yield np.clip(chunk.to_ndarray().reshape(-1), -1, 1), None
