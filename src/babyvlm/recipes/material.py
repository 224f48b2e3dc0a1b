"""What a recipe learns from when the whole chain runs on the simulated nursery: hours of film, and items by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a recipe learns from."""

    hours: float
    """Recordings to render."""
    items: Mapping[str, int]
    """Instruction items by task. Not the published proportions: a model that sees each item a few times at most needs
    different ones most where the nursery's hours hold few arrangements, and has no time for many memory items of
    fifteen rounds."""
    easy_matching: int
    easy_words: int
    easy_memory: int
    max_crops: int


MATERIAL = {
    "demo": Material(
        hours=0.8,
        items={
            "object_counting": 6000,
            "who_has_more_naturalistic": 5000,
            "who_has_more_synthetic": 2000,
            "picture_vocabulary": 500,
            "localization": 6000,
            "left_right": 1500,
            "spatial_details": 3500,
            "visual_delayed_response_binary": 1500,
            "visual_delayed_response_open": 1900,
            "memory": 400,
        },
        easy_matching=1500,
        easy_words=0,
        easy_memory=700,
        max_crops=6000,
    ),
    "nursery": Material(
        hours=2.0,
        items={
            "object_counting": 10000,
            "who_has_more_naturalistic": 6000,
            "who_has_more_synthetic": 6000,
            "picture_vocabulary": 8000,
            "localization": 8000,
            "left_right": 3000,
            "spatial_details": 3000,
            "visual_delayed_response_binary": 3000,
            "visual_delayed_response_open": 5000,
            "memory": 600,
        },
        easy_matching=2000,
        easy_words=10000,
        easy_memory=3000,
        max_crops=8000,
    ),
}
"""By recipe."""
