"""When recordings were made: the order that selecting a part of a set and ordered training share.

Recordings come by the age of their child, those of one age by date and then by id. Where no recording of a set has an
age, they come by date.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from babyvlm.records import Recording


@dataclass(frozen=True, kw_only=True)
class RecordingTime:
    """A recording's place in time."""

    rank: int
    """Its place among the recordings whose time is known, counted from 0."""
    month: int
    """Whole months of age; where the set has no ages, the month of the calendar, 12 for each year."""


def chronology(recordings: Iterable[Recording]) -> dict[str, RecordingTime]:
    """The time of each recording by its id; those whose time is unknown are absent.

    >>> first = Recording(id="b", child="S", age_months=6.5, media="b.mp4", duration_s=1)
    >>> later = Recording(id="a", child="S", age_months=7.0, media="a.mp4", duration_s=1)
    >>> chronology([later, first])["a"]
    RecordingTime(rank=1, month=7)
    """
    recordings = list(recordings)
    with_age = [recording for recording in recordings if recording.age_months is not None]
    known = with_age or [recording for recording in recordings if recording.date is not None]
    return {
        recording.id: RecordingTime(rank=rank, month=_month(recording))
        for rank, recording in enumerate(sorted(known, key=_order))
    }


def _order(recording: Recording) -> tuple[float, datetime.date, str]:
    return recording.age_months or 0.0, recording.date or datetime.date.min, recording.id


def _month(recording: Recording) -> int:
    if recording.age_months is not None:
        return int(recording.age_months)
    assert recording.date is not None
    return recording.date.year * 12 + recording.date.month - 1
