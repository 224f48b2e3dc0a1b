"""Published figures to set beside a run: typed, each with its source, and nothing that was not published.

They were measured on other items than the run's, so they are references, not rows of one table. Empty cells stay empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["project page", "paper", "secondary source"]

SOURCES: Mapping[Source, str] = {
    "project page": "project page of BabyVLM-V2",
    "paper": "published results of BabyVLM-V2, arXiv:2512.10932",
    "secondary source": "reported in a secondary source, not checked against the paper",
}
"""What each source is, in words."""


@dataclass(frozen=True)
class Figure:
    """One published number."""

    percent: float
    """Accuracy, percent."""
    source: Source

    @property
    def is_reported(self) -> bool:
        """Whether it was read in a secondary source, not in the publication itself."""
        return self.source == "secondary source"


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One respondent of the published table."""

    name: str
    family: str
    """Its group in the published table."""
    items: str
    """What it was measured on."""
    overall: Figure
    """Mean over the published sub-tasks."""
    tasks: Mapping[str, Figure] = field(default_factory=dict)
    """By our name of the sub-task."""


def _reported(**percents: float) -> dict[str, Figure]:
    return {task: Figure(percent, "secondary source") for task, percent in percents.items()}


PUBLISHED: tuple[PublishedRow, ...] = (
    PublishedRow(
        name="Human adults",
        family="human",
        items="published items, SAYCam",
        overall=Figure(93.0, "project page"),
        tasks=_reported(object_counting=99.1, picture_vocabulary=91.8, memory=87.3, left_right=94.5),
    ),
    PublishedRow(
        name="Gemini-2.5-flash",
        family="proprietary",
        items="published items, SAYCam",
        overall=Figure(72.7, "paper"),
        tasks=_reported(object_counting=71.1, picture_vocabulary=91.2, memory=84.8, left_right=34.9),
    ),
    PublishedRow(
        name="BabyLLaVA-V2",
        family="baby model",
        items="published items, SAYCam",
        overall=Figure(55.2, "project page"),
        tasks=_reported(left_right=96.4, spatial_details=92.8, picture_vocabulary=32.4, localization=37.8),
    ),
    PublishedRow(
        name="BabyLLaVA-V2",
        family="baby model",
        items="published items, Ego4D (out of domain)",
        overall=Figure(41.1, "paper"),
    ),
    PublishedRow(
        name="Random guessing",
        family="baseline",
        items="published items, SAYCam",
        overall=Figure(31.8, "project page"),
    ),
)
"""The published rows, in the order of families."""
