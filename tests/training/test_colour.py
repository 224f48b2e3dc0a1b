"""Each colour change against its definition: Pillow's, the standard library's HSV model, and a plain convolution."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from babyvlm.errors import ConfigError
from babyvlm.training.colour import blur, change_colours, grey, saturate, turn_hue
from babyvlm.training.colour_configuration import ColourChanges, ViewChanges

STILL = ColourChanges(brightness=0, contrast=0, saturation=0, grey_probability=0)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(number: int = 4, side: int = 12) -> torch.Tensor:
    return torch.randint(0, 256, (number, 3, side, side), generator=draw(7)).float() / 255


def as_pillow(picture_CHW: torch.Tensor) -> Image.Image:
    return Image.fromarray((picture_CHW.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.tensor(np.asarray(image)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.8, 1.0, 1.3])
def test_saturation_is_pillows(factor: float) -> None:
    images = pictures()
    ours = saturate(images, torch.full((4, 1, 1, 1), factor)).clamp(0, 1)
    for before, after in zip(images, ours, strict=True):
        expected = as_tensor(ImageEnhance.Color(as_pillow(before)).enhance(factor))
        torch.testing.assert_close(after, expected, atol=2 / 255, rtol=0)


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.07, 0.33, 0.5])
def test_a_turned_hue_is_that_of_the_hsv_model(turn: float) -> None:
    image = pictures(1, 6)
    image[0, :, 0, 0] = 0.25  # a grey has no hue
    turned = turn_hue(image, torch.full((1, 1, 1, 1), turn))
    for row in range(6):
        for column in range(6):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[0, :, row, column].tolist())
            expected = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
            assert turned[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("deviation", [0.1, 0.7, 2.0])
def test_a_blur_is_a_convolution_with_a_gaussian(deviation: float) -> None:
    image = torch.zeros(2, 3, 25, 25)
    image[:, :, 12, 12] = 1
    spread = blur(image, torch.tensor([deviation, 0.5]), 2.0)
    across = np.exp(-0.5 * (np.arange(-12, 13) / deviation) ** 2)
    expected = np.outer(across, across) / across.sum() ** 2
    torch.testing.assert_close(spread[0, 1], torch.tensor(expected).float(), atol=2e-2 * expected.max(), rtol=0)
    assert spread.sum((2, 3)).flatten().tolist() == pytest.approx([1.0] * 6, abs=1e-5)


def test_solarised_pixels_are_pillows() -> None:
    images = pictures()
    ours = change_colours(images, STILL, ViewChanges(solarise_probability=1.0), draw())
    for before, after in zip(images, ours, strict=True):
        torch.testing.assert_close(after, as_tensor(ImageOps.solarize(as_pillow(before), 128)), atol=1e-6, rtol=0)


def test_brightness_and_contrast_stay_within_their_range() -> None:
    images = pictures(200) * 0.5 + 0.2
    brighter = change_colours(
        images, ColourChanges(contrast=0, saturation=0, grey_probability=0, brightness=0.3), ViewChanges(), draw()
    )
    factors = (brighter / images).flatten(1)
    assert torch.allclose(factors.amin(1), factors.amax(1), atol=1e-5)
    assert 0.69 < factors.min() < 0.75 and 1.25 < factors.max() < 1.31
    other = change_colours(
        images, ColourChanges(brightness=0, saturation=0, grey_probability=0, contrast=0.2), ViewChanges(), draw()
    )
    torch.testing.assert_close(grey(other).mean((1, 2, 3)), grey(images).mean((1, 2, 3)), atol=1e-4, rtol=0)
    spread = grey(other).std((1, 2, 3)) / grey(images).std((1, 2, 3))
    assert 0.79 < spread.min() < 0.83 and 1.17 < spread.max() < 1.21


@pytest.mark.parametrize(
    ("colour", "view", "share"),
    [
        (ColourChanges(jitter_probability=0.8, hue=0.1, grey_probability=0), ViewChanges(), 0.8),
        (ColourChanges(jitter_probability=0, grey_probability=0.2), ViewChanges(), 0.2),
        (replace(STILL, blur_deviation=(0.5, 2.0)), ViewChanges(blur_probability=0.5), 0.5),
        (STILL, ViewChanges(solarise_probability=0.2), 0.2),
        (STILL, ViewChanges(), 0.0),
    ],
)
def test_each_change_happens_as_often_as_asked(colour: ColourChanges, view: ViewChanges, share: float) -> None:
    images = pictures(1000, 8)
    changed = change_colours(images, colour, view, draw(3))
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 1
    seen = (changed - images).abs().amax((1, 2, 3)) > 1e-3
    assert seen.float().mean().item() == pytest.approx(share, abs=0.05)
    assert torch.equal(changed, change_colours(images, colour, view, draw(3)))


@pytest.mark.parametrize(
    "bad", [{"hue": 0.7}, {"jitter_probability": 1.2}, {"contrast": -0.1}, {"blur_deviation": (2.0, 0.1)}]
)
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ColourChanges(**bad)
