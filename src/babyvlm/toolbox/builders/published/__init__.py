"""The published construction: items built by the rules that the published ones follow.

    boxes ──> crops with their surroundings, rectangles at native size ──> words, matching, memory
                                                                       ──> copies on black: counting, comparing
          ──> the frame cut at the object                              ──> localization
          ──> whole frames, unscaled                                   ──> spatial details, comparing, exits

The rules were measured on the published samples; where their items cannot be answered (a box that fills its frame, a
foil that shows the object asked for), ours are left out and counted.
"""

from __future__ import annotations

import functools

from babyvlm.toolbox.builders.bench import Builder, Construction
from babyvlm.toolbox.builders.published.composed import (
    crops_to_compose,
    object_counting,
    subitizing,
    who_has_more_synthetic,
)
from babyvlm.toolbox.builders.published.delayed_response import delayed_response_binary, delayed_response_open
from babyvlm.toolbox.builders.published.left_right import left_right, left_right_crops, left_right_easy
from babyvlm.toolbox.builders.published.localization import localization
from babyvlm.toolbox.builders.published.material import published_sightings
from babyvlm.toolbox.builders.published.memory import memory, memory_easy
from babyvlm.toolbox.builders.published.naturalistic import who_has_more_naturalistic
from babyvlm.toolbox.builders.published.spatial_details import (
    spatial_details,
    spatial_details_easy,
    spatial_details_frames,
)
from babyvlm.toolbox.builders.published.words import (
    looking_while_listening,
    picture_vocabulary,
    picture_vocabulary_easy,
)

PUBLISHED = Construction(
    name="published",
    variant="published",
    find=published_sightings,
    builders={
        "looking_while_listening": Builder(build=looking_while_listening),
        "picture_vocabulary": Builder(build=picture_vocabulary),
        "localization": Builder(build=localization),
        "left_right": Builder(build=left_right, looks_at=left_right_crops),
        "spatial_details": Builder(build=spatial_details, looks_at=spatial_details_frames),
        "visual_delayed_response_binary": Builder(build=delayed_response_binary),
        "visual_delayed_response_open": Builder(build=delayed_response_open),
        "memory": Builder(build=memory),
        "who_has_more_synthetic": Builder(
            build=who_has_more_synthetic, looks_at=functools.partial(crops_to_compose, "who_has_more_synthetic")
        ),
        "who_has_more_naturalistic": Builder(build=who_has_more_naturalistic),
        "subitizing": Builder(build=subitizing, looks_at=functools.partial(crops_to_compose, "subitizing")),
        "object_counting": Builder(
            build=object_counting, looks_at=functools.partial(crops_to_compose, "object_counting")
        ),
        "picture_vocabulary.easy": Builder(build=picture_vocabulary_easy),
        "left_right.easy": Builder(build=left_right_easy),
        "spatial_details.easy": Builder(build=spatial_details_easy),
        "memory.easy": Builder(build=memory_easy),
    },
)
"""The construction; its hard variants are those of the balanced one."""

__all__ = ["PUBLISHED"]
