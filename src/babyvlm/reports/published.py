"""Published figures to set beside a run: typed, each with its source, and nothing that was not published.

They were measured on other items than the run's, so they are references, not rows of one table. Empty cells stay empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FigureSource = Literal["project page", "paper", "figure by a third party", "notes by a third party"]

SOURCES: Mapping[FigureSource, str] = {
    "project page": "project page of BabyVLM-V2",
    "paper": "published results of BabyVLM-V2, arXiv:2512.10932",
    "figure by a third party": "read off the published figure by a third party (GAVAGAI, METHOD.md), not checked "
    "against the paper",
    "notes by a third party": "reported in a third party's notes on the paper, not checked against it",
}
"""What each source is, in words."""
REPORTED: tuple[FigureSource, ...] = ("figure by a third party", "notes by a third party")
"""Sources that are not the publication itself."""


@dataclass(frozen=True)
class Figure:
    """One published number."""

    percent: float
    """Accuracy, percent."""
    source: FigureSource

    @property
    def is_reported(self) -> bool:
        """Whether it was read elsewhere than in the publication itself."""
        return self.source in REPORTED


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


def _read_off(**percents: float) -> dict[str, Figure]:
    return {task: Figure(percent, "figure by a third party") for task, percent in percents.items()}


def _noted(**percents: float) -> dict[str, Figure]:
    return {task: Figure(percent, "notes by a third party") for task, percent in percents.items()}


PUBLISHED: tuple[PublishedRow, ...] = (
    PublishedRow(
        name="Human adults",
        family="human",
        items="published items, SAYCam",
        overall=Figure(93.0, "project page"),
        tasks=_read_off(
            picture_vocabulary=91.8,
            localization=87.3,
            left_right=94.5,
            spatial_details=100.0,
            visual_delayed_response_binary=98.2,
            memory=97.9,
            who_has_more_synthetic=98.2,
            who_has_more_naturalistic=96.4,
        )
        | _noted(object_counting=99.1),
    ),
    PublishedRow(
        name="Gemini-2.5-flash",
        family="proprietary",
        items="published items, SAYCam",
        overall=Figure(72.7, "paper"),
        tasks=_noted(object_counting=71.1, picture_vocabulary=91.2, left_right=34.9),
    ),
    PublishedRow(
        name="BabyLLaVA-V2",
        family="baby model",
        items="published items, SAYCam",
        overall=Figure(55.2, "project page"),
        tasks=_read_off(
            visual_delayed_response_binary=54.6,
            memory=90.8,
            who_has_more_synthetic=99.7,
            who_has_more_naturalistic=60.5,
        )
        | _noted(left_right=96.4, spatial_details=92.8, picture_vocabulary=32.4, localization=37.8),
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

_SIZED = (
    "object_counting", "memory", "visual_delayed_response_binary", "visual_delayed_response_open", "localization",
    "left_right", "picture_vocabulary", "spatial_details", "who_has_more_synthetic", "who_has_more_naturalistic",
)  # fmt: skip


def _sizes(*numbers: int) -> dict[str, int]:
    return dict(zip(_SIZED, numbers, strict=True))


PUBLISHED_SIZES: Mapping[str, Mapping[str, int]] = {
    "SAYCam, test": _sizes(3019, 250, 465, 465, 2100, 2265, 1132, 1243, 1832, 2199),
    "SAYCam, validation": _sizes(2966, 250, 440, 440, 2131, 2229, 742, 1243, 1813, 1940),
    "Ego4D, test": _sizes(1015, 200, 356, 356, 992, 1009, 346, 1852, 1049, 939),
    "SAYCam, training": _sizes(13695, 12000, 2584, 2584, 12250, 12250, 22426, 11818, 11200, 12404),
}
"""Items of the published sets by our name of the sub-task, as their manifests and the instruction set's files count."""
