"""Copies are found whatever was done to their files; other things on the same mat are none."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from babyvlm.toolbox import Fingerprints, near_duplicates


def on_a_mat(colour, *, shape="ellipse", box=(40, 44, 92, 88)):
    image = Image.new("RGB", (128, 128), (205, 200, 190))
    ImageDraw.Draw(image).ellipse((60, 90, 80, 96), fill=(150, 145, 140))
    getattr(ImageDraw.Draw(image), shape)(box, fill=colour)
    return image


def encoded_again(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


ORIGINAL = on_a_mat((200, 40, 40))
COPIES = {
    "encoded again": encoded_again(ORIGINAL, 40),
    "shifted by a pixel": Image.fromarray(np.roll(np.asarray(ORIGINAL), (1, 1), (0, 1))),
    "scaled": ORIGINAL.resize((96, 96), Image.Resampling.BICUBIC),
    "brighter": ImageEnhance.Brightness(ORIGINAL).enhance(1.15),
}
OTHERS = {
    "another colour": on_a_mat((40, 90, 200)),
    "another shape": on_a_mat((200, 40, 40), shape="rectangle", box=(30, 36, 104, 96)),
    "nothing": Image.new("RGB", (128, 128), (205, 200, 190)),
}


def is_near(one, two):
    return bool((near_duplicates(Fingerprints.of([one]), Fingerprints.of([two])) >= 0).all())


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found(name):
    assert is_near(ORIGINAL, COPIES[name]) and is_near(COPIES[name], ORIGINAL)


@pytest.mark.parametrize("name", OTHERS)
def test_another_thing_on_the_same_mat_is_none(name):
    assert not is_near(ORIGINAL, OTHERS[name]) and not is_near(OTHERS[name], ORIGINAL)


def test_the_place_of_the_duplicate_is_told():
    others = Fingerprints.of([OTHERS["another colour"], COPIES["encoded again"]])
    assert list(near_duplicates(Fingerprints.of([ORIGINAL, OTHERS["nothing"]]), others)) == [1, -1]
    assert list(near_duplicates(Fingerprints.of([ORIGINAL]), Fingerprints.of([]))) == [-1]
