"""What is counted or found can be seen in the picture as it is shown, and a single is single."""

import random
from types import SimpleNamespace

import pytest

from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox.builders.balanced.windows import counted_views
from babyvlm.toolbox.builders.bench import Bench
from babyvlm.toolbox.sightings import find_sightings


def frame(width, height, *boxes):
    made = tuple(Box(label="cup", x=x, y=y, width=side, height=side) for x, y, side in boxes)
    return BoxedFrame(source="kitchen.jpg", width=width, height=height, boxes=made)


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("width", "side", "seen"),
    [
        (320, 12, True), (640, 24, True), (640, 18, False), (1280, 30, False), (1280, 44, True), (4000, 100, False),
        (4000, 130, True), (200, 12, True),
    ],
)  # fmt: skip
def test_a_whole_frame_is_counted_in_where_its_smallest_object_is_ten_pixels_as_shown(width, side, seen):
    """Frames are shown at 320 pixels at most: an object of `side` has side * min(1, 320 / width) of them."""
    assert (side * min(1, 320 / width) >= 10) is seen  # the rule itself
    height = width * 3 // 4
    boxes = [(width // 10, height // 4, side), (width // 2, height // 4, side)]
    found = find_sightings(SimpleNamespace(frames=(frame(width, height, *boxes),)))
    bench = Bench(found=found, seed=0, max_reuse=4)
    views = counted_views(bench, random.Random(0))
    whole = [view for view in views if view.view.window == (0, 0, width, height)]
    assert bool(whole) is seen
    for view in views:
        left, _, right, _ = view.view.window
        assert side * view.view.size[0] / (right - left) >= 10


@pytest.mark.case("promises")
@pytest.mark.parametrize(("apart_px", "single"), [(300, True), (60, True), (42, False), (30, False)])
def test_a_crop_that_shows_part_of_another_of_its_kind_is_no_single(apart_px, single):
    """A box of 40 pixels is cropped with 12% on each side: 5 pixels of its surroundings."""
    boxes = [(100, 100, 40), (100 + apart_px, 100, 40)]
    found = find_sightings(SimpleNamespace(frames=(frame(640, 480, *boxes),)))
    assert [sighting.is_alone for sighting in found.sightings] == [single] * len(found.sightings)
