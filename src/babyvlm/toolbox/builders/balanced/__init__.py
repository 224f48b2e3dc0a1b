"""The balanced construction: items that cannot be answered by what published items give away.

    Left/Right                one foil is another object: the option that differs from the others is not the answer
    Spatial Details           three crops of objects of one size: no option is told by being a frame
    Who Has More, Subitizing  in half of the pictures total area is drawn apart from number, in half the size of a thing
    Object Counting           frames and windows of frames: things differ in size, place and surroundings
    Localization              a window of the frame's shape: neither size nor shape tells the corner
    Visual Delayed Response   eight directions evenly

All crops are squares of one size, all frames of one length, and every picture is JPEG 90.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from babyvlm.toolbox.builders.balanced.delayed_response import delayed_response_binary, delayed_response_open
from babyvlm.toolbox.builders.balanced.language import (
    localization,
    looking_while_listening,
    picture_vocabulary,
    picture_vocabulary_easy,
)
from babyvlm.toolbox.builders.balanced.matching import (
    left_right,
    left_right_easy,
    mirrored_crops,
    near_misses,
    spatial_details,
    spatial_details_easy,
)
from babyvlm.toolbox.builders.balanced.memory import memory, memory_easy
from babyvlm.toolbox.builders.balanced.number import (
    object_counting,
    subitizing,
    who_has_more_naturalistic,
    who_has_more_synthetic,
)
from babyvlm.toolbox.builders.bench import Bench, Builder, Built, Construction, LooksAt
from babyvlm.toolbox.builders.hard.matching import left_right_hard, memory_hard, spatial_details_hard
from babyvlm.toolbox.builders.hard.number import (
    object_counting_hard,
    subitizing_hard,
    who_has_more_synthetic_hard,
)
from babyvlm.toolbox.sightings import find_sightings
from babyvlm.toolbox.views import View


def _pool(bench: Bench, count: int) -> Iterable[View]:
    return (sighting.view for sighting in bench.pool)


def _of_crops(build: Callable[[Bench, int], Built], looks_at: LooksAt = _pool) -> Builder:
    """A builder that draws on the crops of the pool that could be cut."""

    def from_cut(bench: Bench, count: int) -> Built:
        cut = tuple(sighting for sighting in bench.pool if sighting.view in bench.crops)
        return build(replace(bench, pool=cut), count)

    return Builder(build=from_cut, looks_at=looks_at)


BALANCED = Construction(
    name="balanced",
    variant="balanced",
    find=lambda source, _: find_sightings(source),
    builders={
        "localization": Builder(build=localization),
        "visual_delayed_response_binary": Builder(build=delayed_response_binary),
        "visual_delayed_response_open": Builder(build=delayed_response_open),
        "who_has_more_naturalistic": Builder(build=who_has_more_naturalistic),
        "object_counting": Builder(build=object_counting),
        "looking_while_listening": _of_crops(looking_while_listening),
        "picture_vocabulary": _of_crops(picture_vocabulary),
        "left_right": _of_crops(left_right, mirrored_crops),
        "spatial_details": _of_crops(spatial_details, near_misses),
        "memory": _of_crops(memory),
        "who_has_more_synthetic": _of_crops(who_has_more_synthetic),
        "subitizing": _of_crops(subitizing),
        "left_right.hard": _of_crops(left_right_hard, mirrored_crops),
        "spatial_details.hard": _of_crops(spatial_details_hard, near_misses),
        "memory.hard": _of_crops(memory_hard),
        "who_has_more_synthetic.hard": _of_crops(who_has_more_synthetic_hard),
        "subitizing.hard": _of_crops(subitizing_hard),
        "object_counting.hard": _of_crops(object_counting_hard),
        "picture_vocabulary.easy": _of_crops(picture_vocabulary_easy),
        "left_right.easy": _of_crops(left_right_easy),
        "spatial_details.easy": _of_crops(spatial_details_easy),
        "memory.easy": _of_crops(memory_easy),
    },
)
"""The construction, and the hard variants, which share its crops."""

__all__ = ["BALANCED"]
