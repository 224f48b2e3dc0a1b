"""Composed pictures show as many objects as they say, apart from each other, and number shows in nothing else."""

from random import Random
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from babyvlm.toolbox.compose import CANVAS_PX, plan_composition, render_composition
from babyvlm.toolbox.pictures import Picture
from babyvlm.toolbox.views import View

VIEW = View(source="r", window=(0, 0, 8, 8), size=(64, 64))


def plans(number, *, fix_total_area, how_many=150):
    rng = Random(number)
    return [plan_composition([VIEW], number, rng, fix_total_area=fix_total_area) for _ in range(how_many)]


@pytest.mark.parametrize("fix_total_area", [True, False])
def test_objects_are_inside_and_apart(fix_total_area):
    for number in range(1, 13):
        for plan in plans(number, fix_total_area=fix_total_area, how_many=40):
            covered = np.zeros((CANVAS_PX, CANVAS_PX), int)
            for place in plan.placements:
                covered[place.top : place.top + place.side_px, place.left : place.left + place.side_px] += 1
            assert len(plan.placements) == number and covered.max() == 1
            assert covered.sum() == sum(place.side_px**2 for place in plan.placements)  # none reaches outside


def test_total_area_or_size_is_independent_of_number():
    area = {
        n: fmean(sum(p.side_px**2 for p in plan.placements) for plan in plans(n, fix_total_area=True))
        for n in (1, 4, 12)
    }
    assert max(area.values()) < 1.25 * min(area.values())
    side = {n: fmean(plan.placements[0].side_px for plan in plans(n, fix_total_area=False)) for n in (1, 4, 12)}
    assert max(side.values()) < 1.15 * min(side.values())


def test_the_picture_shows_each_cut_out():
    crop = Picture.of(Image.new("RGB", (64, 64), (200, 0, 0)))
    for plan in plans(5, fix_total_area=False, how_many=5):
        import io

        image = np.asarray(Image.open(io.BytesIO(render_composition(plan, {VIEW: crop}).data)), int)
        for place in plan.placements:
            red, green, _ = image[place.top + place.side_px // 2, place.left + place.side_px // 2]
            assert red > 170 and green < 40
