"""Which recordings of a set stay: by the child's age, by child, by date, and the first so many hours.

    recordings --children, ages, since, until--> --hours, in the order of time--> kept | left out, counted by reason

The bounds hold for the training and the validation recordings. Those of the test split stay as they are: no stage of
training reads them.
"""

from __future__ import annotations

import calendar
import datetime
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from babyvlm.curation.chronology import chronology
from babyvlm.errors import ConfigError
from babyvlm.records import Recording

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class RecordingChoice:
    """Which recordings stay; by default all of them."""

    ages: str = ""
    """Ages to keep, months, as FROM:TO. FROM counts in and TO does not, so that ``6:12`` and ``12:18`` share no
    recording; either may be left out. Recordings of unknown age are left out."""
    children: tuple[str, ...] = ()
    """Children to keep, as the corpus names them; all when empty."""
    since: str = ""
    """First date to keep, YEAR-MONTH-DAY, or YEAR-MONTH for the first of a month. Recordings of unknown date are left
    out."""
    until: str = ""
    """Last date to keep, YEAR-MONTH-DAY, or YEAR-MONTH for the last of a month. Recordings of unknown date are left
    out."""
    hours: float | None = None
    """Hours of training recordings to keep: the earliest ones, by age (by date where there are no ages), as whole
    recordings. Nothing is drawn at random; recordings whose time is unknown are left out."""

    def __post_init__(self) -> None:
        low, high = self.age_bounds
        if not low < high:
            raise ConfigError(f"--ages {self.ages}: the first age must be below the second, as in --ages 6:18")
        since, until = self.dates
        if since > until:
            raise ConfigError(f"--since {self.since} is after --until {self.until}: nothing lies between them")
        if self.hours is not None and not (self.hours > 0 and math.isfinite(self.hours)):
            raise ConfigError(f"--hours {self.hours} must be above 0")

    def __bool__(self) -> bool:
        return self != RecordingChoice()

    @property
    def age_bounds(self) -> tuple[float, float]:
        """Lowest age that stays, and the age from which on recordings are left out, months."""
        if not self.ages:
            return -math.inf, math.inf
        low, colon, high = self.ages.partition(":")
        try:
            if not colon or not (low or high):
                raise ValueError
            bounds = float(low) if low else -math.inf, float(high) if high else math.inf
        except ValueError:
            raise ConfigError(f"--ages {self.ages} is not of the form FROM:TO in months, such as 6:18 or :12") from None
        if any(map(math.isnan, bounds)):
            raise ConfigError(f"--ages {self.ages} is not of the form FROM:TO in months, such as 6:18 or :12")
        return bounds

    @property
    def dates(self) -> tuple[datetime.date, datetime.date]:
        """First and last date that stay."""
        since = _date(self.since, "--since", last=False) if self.since else datetime.date.min
        return since, _date(self.until, "--until", last=True) if self.until else datetime.date.max


def _date(text: str, option: str, *, last: bool) -> datetime.date:
    """A date, or the first or last day of a month."""
    try:
        if text.count("-") == 1:
            first = datetime.date.fromisoformat(f"{text}-01")
            return first.replace(day=calendar.monthrange(first.year, first.month)[1]) if last else first
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text} is no date such as 2014-03-20, and no month such as 2014-03") from None


@dataclass(frozen=True, kw_only=True)
class ChosenRecordings:
    """What a choice keeps."""

    kept: frozenset[str]
    """Ids, those of the test split included."""
    left_out: Counter[str]
    """Recordings that are not kept, by reason."""


def choose_recordings(recordings: Sequence[Recording], choice: RecordingChoice) -> ChosenRecordings:
    """Applies a choice to the recordings of a set.

    Raises:
        ConfigError: There is no such child, or no training recording is left.
    """
    known = {recording.child for recording in recordings}
    if unknown := sorted(set(choice.children) - known):
        raise ConfigError(f"--children {unknown[0]}: there is no such child here; there are {', '.join(sorted(known))}")
    reasons = {recording.id: _why_not(recording, choice) for recording in recordings if recording.split != "test"}
    if choice.hours is not None:
        inside = [recording for recording in recordings if recording.split == "train" and reasons[recording.id] is None]
        reasons |= _beyond_hours(inside, choice.hours)
    left_out = Counter(reason for reason in reasons.values() if reason is not None)
    kept = frozenset(recording.id for recording in recordings if reasons.get(recording.id) is None)
    if not any(recording.split == "train" and recording.id in kept for recording in recordings):
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise ConfigError(f"no training recording is left. Left out: {why or 'none'}. {_extent(recordings)}")
    return ChosenRecordings(kept=kept, left_out=left_out)


def _extent(recordings: Sequence[Recording]) -> str:
    """What there is to choose from."""
    training = [recording for recording in recordings if recording.split == "train"]
    ages = [recording.age_months for recording in training if recording.age_months is not None]
    dates = [recording.date for recording in training if recording.date is not None]
    told = [f"{sum(recording.duration_s for recording in training) / _SECONDS_PER_HOUR:.2f} hours"]
    told += [f"{min(ages):.1f} to {max(ages):.1f} months"] if ages else []
    told += [f"{min(dates)} to {max(dates)}"] if dates else []
    return f"Its training recordings are {', '.join(told)}"


def _why_not(recording: Recording, choice: RecordingChoice) -> str | None:
    if choice.children and recording.child not in choice.children:
        return "recording of another child"
    if choice.ages:
        low, high = choice.age_bounds
        if recording.age_months is None:
            return "recording of unknown age"
        if not low <= recording.age_months < high:
            return f"recording outside ages {choice.ages}"
    if choice.since or choice.until:
        since, until = choice.dates
        if recording.date is None:
            return "recording of unknown date"
        if recording.date < since:
            return f"recording before {choice.since}"
        if recording.date > until:
            return f"recording after {choice.until}"
    return None


def _beyond_hours(recordings: Sequence[Recording], hours: float) -> dict[str, str]:
    """Why recordings are left out by ``hours``; those before the first that passes them stay."""
    times = chronology(recordings)
    reasons = {each.id: "recording of unknown age and date" for each in recordings if each.id not in times}
    total_s, full = 0.0, False
    for recording in sorted((each for each in recordings if each.id in times), key=lambda each: times[each.id].rank):
        total_s += recording.duration_s
        full = full or total_s > hours * _SECONDS_PER_HOUR
        if full:
            reasons[recording.id] = f"recording beyond the first {hours:g} hours"
    return reasons
