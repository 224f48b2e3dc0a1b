"""The times of a cue, as WebVTT files have them."""

from __future__ import annotations


def cue_times(start_s: float, end_s: float) -> str:
    """The line of times above a cue.

    >>> cue_times(0, 3723.5)
    '00:00:00.000 --> 01:02:03.500'
    """
    return f"{_clock(start_s)} --> {_clock(end_s)}"


def _clock(time_s: float) -> str:
    milliseconds = round(time_s * 1000)
    return (
        f"{milliseconds // 3600000:02d}:{milliseconds // 60000 % 60:02d}:"
        f"{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}"
    )
