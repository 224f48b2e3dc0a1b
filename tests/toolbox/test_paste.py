"""Composed pictures as published: copies of one crop, apart from each other on black, smaller the more there are."""

import io
import math
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from babyvlm.toolbox.paste import Pasted, lay_out, render_pasted
from babyvlm.toolbox.pictures import Picture
from babyvlm.toolbox.views import View

CANVAS = (640, 480)
VIEW = View(source="r", window=(0, 0, 200, 150), size=(200, 150), encoding="png", frame=CANVAS)
CROP = Picture.of(Image.new("RGB", (200, 150), (200, 60, 40)), "png")


@pytest.mark.parametrize("number", range(1, 13))
@pytest.mark.parametrize("size", [(200, 150), (640, 480), (78, 70)])
def test_copies_are_alike_inside_and_four_pixels_apart(number, size):
    for seed in range(3):
        spots = lay_out(size, CANVAS, number, seed)
        assert len(spots) == number and len({spot[2:] for spot in spots}) == 1
        width, height = spots[0][2:]
        steps = math.log(width / size[0]) / math.log(0.9)
        assert width <= size[0] and abs(steps - round(steps)) < 0.15  # never enlarged, made smaller by tenths
        covered = np.zeros((480 + 8, 640 + 8), int)
        for left, top, _, _ in spots:
            assert 0 <= left <= 640 - width and 0 <= top <= 480 - height
            covered[top : top + height + 4, left : left + width + 4] += 1  # each with four pixels past its end
            assert covered[top : top + height, left : left + width].max() == 1
        assert covered.max() <= 1 or number > 1


def test_a_crop_of_the_whole_canvas_shrinks_as_the_published_ones():
    """Powers of 0.9 read off published pictures, whose mean over many the rule exceeds a little."""
    for number, power in ((1, 0), (2, 8), (4, 9.5), (9, 14), (12, 15.5)):
        widths = [lay_out(CANVAS, CANVAS, number, seed)[0].width for seed in range(12)]
        assert abs(fmean(math.log(width / 640) / math.log(0.9) for width in widths) - power) < 1


def test_many_copies_cover_about_as_much_as_few():
    area = {n: fmean(n * math.prod(lay_out((400, 300), CANVAS, n, s)[0][2:]) for s in range(8)) for n in (5, 12)}
    assert all(0.34 < one / (640 * 480) < 0.55 for one in area.values())


def image_of(recipe):
    picture = render_pasted(recipe, {VIEW: CROP})
    assert picture.suffix == ".jpeg"
    return np.asarray(Image.open(io.BytesIO(picture.data)), int), picture


def test_the_smaller_picture_of_a_pair_lacks_copies_and_is_otherwise_the_same():
    more, _ = image_of(Pasted(view=VIEW, canvas=CANVAS, laid_out=5, shown=(0, 1, 2, 3, 4), seed=7))
    fewer, _ = image_of(Pasted(view=VIEW, canvas=CANVAS, laid_out=5, shown=(1, 4), seed=7))
    spots = lay_out((200, 150), CANVAS, 5, 7)
    for place, (left, top, width, height) in enumerate(spots):
        middle = top + height // 2, left + width // 2
        assert more[middle][0] > 180
        assert (fewer[middle][0] > 180) == (place in (1, 4))
    assert more[(more.max(axis=2) < 20)].max() < 20 and (fewer.max(axis=2) < 20).mean() > (more.max(axis=2) < 20).mean()


def test_an_empty_picture_is_black_and_always_the_same():
    recipes = [Pasted(view=VIEW, canvas=CANVAS, laid_out=n, shown=(), seed=n) for n in (1, 4)]
    (black, first), (_, second) = map(image_of, recipes)
    assert black.max() == 0 and first == second
    assert {recipe.origin.source for recipe in recipes} == {"synthetic"}
