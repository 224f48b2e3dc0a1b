"""When a file's frames are shown, as its packets say; nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from babyvlm.errors import MediaError
from babyvlm.media.clock import clock_start_s, has_presentation_times, open_media, picture_of, read_packets


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When a file's frames are shown. Times are seconds from the start of the file."""

    frames: int
    start_s: float
    """When the first frame begins: later than 0 where the sound begins before it."""
    end_s: float
    """When the last frame begins."""
    gaps: tuple[tuple[float, float], ...]
    """Moments after which no frame follows for longer than asked about, and for how long, in seconds."""
    variable_rate: bool
    """Whether frames are unevenly apart by more than the rounding of their times."""
    marked_damaged: int
    """Packets that the file itself marks as damaged."""


def read_timeline(path: Path, *, gap_s: float) -> Timeline:
    """Reads when every frame is shown, without decoding any.

    Args:
        path: A video file; it is read from front to back.
        gap_s: Seconds without a frame that count as a gap.

    Raises:
        MediaError: The file is missing, or holds no picture.
    """
    with open_media(path) as container:
        stream = picture_of(container, path)
        unit_s = float(stream.time_base or Fraction(1, 1000))
        times: list[int] = []
        damaged = 0
        for packet in read_packets(container, stream):
            damaged += bool(packet.is_corrupt)
            if packet.pts is not None and not packet.is_discard:  # an edit list leaves out the others
                times.append(packet.pts)
        begins_s = clock_start_s(container) if has_presentation_times(container) else None
    times_N = np.sort(np.asarray(times, dtype=np.int64))
    if not len(times_N):
        raise MediaError("there is not one frame in this file", path=path)
    begins_s = float(times_N[0]) * unit_s if begins_s is None else begins_s
    steps_N = np.diff(times_N)
    usual = float(np.median(steps_N)) if len(steps_N) else 0.0
    uneven = np.abs(steps_N - usual) * unit_s > max(0.002, 0.1 * usual * unit_s)
    after_N = np.flatnonzero(steps_N * unit_s > gap_s)
    return Timeline(
        frames=len(times_N),
        start_s=float(times_N[0]) * unit_s - begins_s,
        end_s=float(times_N[-1]) * unit_s - begins_s,
        gaps=tuple((float(times_N[at]) * unit_s - begins_s, float(steps_N[at]) * unit_s) for at in after_N),
        variable_rate=bool(len(steps_N) and uneven.mean() > 0.05),
        marked_damaged=damaged,
    )
