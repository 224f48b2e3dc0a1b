"""The settings of the nursery, all of them our choice, and the list of recordings that follows from them."""

from __future__ import annotations

import calendar
import datetime
import random
from dataclasses import dataclass
from typing import Literal

from babyvlm.errors import ConfigError
from babyvlm.records import Split

LICENCE = "Apache-2.0"
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ChildName = Literal["S", "A", "Y"]
_BIRTH_DATES: dict[ChildName, datetime.date] = {
    "S": datetime.date(2012, 10, 17),
    "A": datetime.date(2012, 9, 13),
    "Y": datetime.date(2012, 12, 5),
}
HOMES: tuple[ChildName, ...] = tuple(_BIRTH_DATES)
"""One home for each child, whether filmed or not."""
MOST_INDIVIDUALS = 20
"""Of each kind that a home can have of its own: sixty are drawn for training, and there are three homes."""
_FIRST_MONTH, _LAST_MONTH = 6, 32


@dataclass(frozen=True, kw_only=True)
class NurseryConfig:
    """Settings of the rendering."""

    hours: float = 0.9
    """Total duration of the videos, in hours (the published corpus has 478)."""
    seed: int = 0
    """The same seed gives the same bytes."""
    width: int = 320
    """Frame width, in pixels, even (SAYCam has 640)."""
    height: int = 240
    """Frame height, in pixels, even (SAYCam has 480)."""
    fps: int = 10
    """Frames per second."""
    recording_s: float = 75.0
    """Length of one recording, in seconds."""
    annotation_fps: int = 5
    """Frames with boxes per second; divides ``fps``."""
    train_fraction: float = 0.77
    """Share of the recordings in the training split."""
    validation_fraction: float = 0.07
    """Share of the recordings in the validation split."""
    test_fraction: float = 0.16
    """Share of the recordings in the test split."""
    children: tuple[ChildName, ...] = ("S", "A", "Y")
    """The children filmed, in turn."""
    individuals: int = 0
    """How many individuals of each kind of thing a child's home has in training recordings, at most 20, none of which
    another home has; 0 for sixty that all homes share."""
    zipf: float = 0.0
    """How unevenly training recordings show and speak of things: as often as a word's rank to the power of minus this,
    ranks drawn by the seed (1 is Zipf's law); 0 for all alike."""
    utterances_per_minute: float = 18.0
    """Density of speech (about that of SAYCam's transcripts)."""
    speech: Literal["auto", "silence", "flite", "espeak-ng"] = "auto"
    """Speech synthesiser; ``auto`` takes flite or espeak-ng if installed, else silence."""

    def __post_init__(self) -> None:
        def refuse(bad: bool, problem: str) -> None:
            if bad:
                raise ConfigError(problem)

        refuse(self.hours <= 0, f"hours is {self.hours}, it must be above 0")
        for name in ("width", "height"):
            size = getattr(self, name)
            refuse(size < 64 or size % 2 != 0, f"{name} is {size}, it must be even and at least 64 pixels")
        refuse(self.width < self.height, f"width {self.width} is below height {self.height}; frames are landscape")
        refuse(self.fps < 1, f"fps is {self.fps}, it must be at least 1")
        refuse(
            self.annotation_fps < 1 or self.fps % self.annotation_fps != 0,
            f"annotation_fps is {self.annotation_fps}, it must divide fps ({self.fps})",
        )
        refuse(self.recording_s < 5, f"recording_s is {self.recording_s}, it must be at least 5 s")
        refuse(
            not self.children or len(set(self.children)) < len(self.children),
            f"children is {self.children}, it must name each child once, and one at least",
        )
        refuse(
            not 0 <= self.individuals <= MOST_INDIVIDUALS,
            f"individuals is {self.individuals}, it must be from 0 to {MOST_INDIVIDUALS}",
        )
        refuse(not 0 <= self.zipf <= 2, f"zipf is {self.zipf}, it must be from 0 to 2")
        refuse(not 1 <= self.utterances_per_minute <= 20, "utterances_per_minute must be from 1 to 20")
        refuse(min(self.fractions.values()) < 0, "a split's fraction is below 0")
        total = sum(self.fractions.values())
        refuse(abs(total - 1) > 1e-6, f"the fractions of the splits add up to {total:g}, not to 1")

    @property
    def fractions(self) -> dict[Split, float]:
        return {"train": self.train_fraction, "validation": self.validation_fraction, "test": self.test_fraction}

    @property
    def aspect(self) -> float:
        """Frame width in frame heights: the nursery's own unit of length is the frame height."""
        return self.width / self.height

    @property
    def recording_frames(self) -> int:
        """Frames in a recording: whole seconds of annotated frames."""
        every = self.fps // self.annotation_fps
        return round(self.recording_s * self.fps / every) * every


@dataclass(frozen=True, kw_only=True)
class RecordingPlan:
    """One recording to render. Its content follows from the nursery's seed and its id."""

    id: str
    child: ChildName
    age_months: float
    date: datetime.date
    split: Split
    ordinal: int
    """Its place within its split, which decides what it takes from decks that the split shares."""


def plan_recordings(config: NurseryConfig) -> list[RecordingPlan]:
    """Lists the recordings: children and ages are spread over each split alike, names are unique.

    Returns:
        Plans in the order of their ids.
    """
    count = max(1, round(config.hours * 3600 / config.recording_s))
    plans: dict[str, RecordingPlan] = {}
    children = config.children
    for split, size in _split_sizes(config, count).items():
        for ordinal in range(size):
            child = children[ordinal % len(children)]
            mates = (size - ordinal % len(children) + len(children) - 1) // len(children)
            draw = random.Random(f"{config.seed}/{split}/{ordinal}/age")
            share = (ordinal // len(children) + draw.random()) / mates
            day = int((_FIRST_MONTH + share * (_LAST_MONTH - _FIRST_MONTH)) * 30)
            months, days = divmod(day, 30)
            date = _after(_BIRTH_DATES[child], months, days)
            stem = f"{child}_{date:%Y%m%d}_{months:02d}{days:02d}"
            part = next(part for part in range(1, count + 2) if f"{stem}_{part:02d}" not in plans)
            plan = RecordingPlan(
                id=f"{stem}_{part:02d}",
                child=child,
                age_months=round(months + days / 30.4, 2),
                date=date,
                split=split,
                ordinal=ordinal,
            )
            plans[plan.id] = plan
    return [plans[name] for name in sorted(plans)]


def _split_sizes(config: NurseryConfig, count: int) -> dict[Split, int]:
    """Largest remainders, with at least one recording for every split that has a share, as far as there are enough."""
    sizes = {split: int(config.fractions[split] * count) for split in _SPLITS}
    by_remainder = sorted(_SPLITS, key=lambda split: sizes[split] - config.fractions[split] * count)
    for split in by_remainder[: count - sum(sizes.values())]:
        sizes[split] += 1
    for split in ("test", "validation"):
        largest = max(_SPLITS, key=lambda name: sizes[name])
        if sizes[split] == 0 and config.fractions[split] > 0 and sizes[largest] > 1:
            sizes[split], sizes[largest] = 1, sizes[largest] - 1
    return sizes


def _after(birth: datetime.date, months: int, days: int) -> datetime.date:
    years, month = divmod(birth.month - 1 + months, 12)
    year, month = birth.year + years, month + 1
    day = min(birth.day, calendar.monthrange(year, month)[1])
    return datetime.date(year, month, day) + datetime.timedelta(days=days)
