"""What changes a view's colours: DINO's colour jitter, greys, blur and solarisation, on batches, on any device.

    jitter (brightness, contrast, saturation, hue; in part of the views) -> grey -> blur -> solarise

As the public pipeline of DINO (facebookresearch/dino, ``DataAugmentationDINO``) defines each change, with one
DEVIATION: the four changes of the jitter come in one order, where it draws an order for every view.

B views, C = 3 channels, H rows, W columns; colours lie in [0, 1].
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from babyvlm.training.colour_configuration import ColourChanges, ViewChanges

_LUMA = (0.299, 0.587, 0.114)
"""How bright each channel looks (ITU-R BT.601)."""
_BLUR_REACH = 2.5
"""Standard deviations to which the kernel of a blur reaches."""


def change_colours(
    views_BCHW: torch.Tensor, colour: ColourChanges, view: ViewChanges, generator: torch.Generator
) -> torch.Tensor:
    """Each view with changes of its own.

    Args:
        views_BCHW: Views in [0, 1].
        colour: How much colours change, in every kind of view.
        view: How often this kind of view is blurred and solarised.
        generator: Source of all randomness, of the views' device.

    Returns:
        (B, C, H, W) in [0, 1].
    """
    B, device = len(views_BCHW), views_BCHW.device

    def uniform(low: float, high: float) -> torch.Tensor:
        return (torch.rand(B, generator=generator, device=device) * (high - low) + low).view(-1, 1, 1, 1)

    def happens(probability: float) -> torch.Tensor:
        return uniform(0, 1) < probability

    changed = views_BCHW
    for amount, change in ((colour.brightness, _brighten), (colour.contrast, _contrast), (colour.saturation, saturate)):
        if amount:
            changed = change(changed, uniform(max(0.0, 1 - amount), 1 + amount)).clamp(0, 1)
    if colour.hue:
        changed = turn_hue(changed, uniform(-colour.hue, colour.hue))
    if colour.jitter_probability < 1:
        changed = torch.where(happens(colour.jitter_probability), changed, views_BCHW)
    if colour.grey_probability:
        changed = torch.where(happens(colour.grey_probability), grey(changed).expand_as(changed), changed)
    if view.blur_probability:
        chosen = happens(view.blur_probability)
        deviations_B = uniform(*colour.blur_deviation).flatten()
        changed = torch.where(chosen, blur(changed, deviations_B, colour.blur_deviation[1]), changed)
    if view.solarise_probability:
        solarised = torch.where(changed >= 0.5, 1 - changed, changed)
        changed = torch.where(happens(view.solarise_probability), solarised, changed)
    return changed


def grey(images_BCHW: torch.Tensor) -> torch.Tensor:
    """How bright each pixel looks, (B, 1, H, W)."""
    weights_C = images_BCHW.new_tensor(_LUMA)
    return (images_BCHW * weights_C.view(1, -1, 1, 1)).sum(1, keepdim=True)


def _brighten(images_BCHW: torch.Tensor, factor_B111: torch.Tensor) -> torch.Tensor:
    return images_BCHW * factor_B111


def _contrast(images_BCHW: torch.Tensor, factor_B111: torch.Tensor) -> torch.Tensor:
    mean_B111 = grey(images_BCHW).mean((2, 3), keepdim=True)
    return mean_B111 + (images_BCHW - mean_B111) * factor_B111


def saturate(images_BCHW: torch.Tensor, factor_B111: torch.Tensor) -> torch.Tensor:
    """Colours away from their grey, or towards it: 0 leaves none."""
    grey_B1HW = grey(images_BCHW)
    return grey_B1HW + (images_BCHW - grey_B1HW) * factor_B111


def turn_hue(images_BCHW: torch.Tensor, turns_B111: torch.Tensor) -> torch.Tensor:
    """Hues turned in the HSV model; saturation and value stay.

    Args:
        images_BCHW: Colours in [0, 1].
        turns_B111: By how much, in whole turns.
    """
    value_B1HW, _ = images_BCHW.max(1, keepdim=True)
    chroma_B1HW = value_B1HW - images_BCHW.amin(1, keepdim=True)
    red, green, blue = images_BCHW.chunk(3, 1)
    divisor = chroma_B1HW.clamp(min=1e-8)
    sixths = torch.where(
        value_B1HW == red,
        (green - blue) / divisor,
        torch.where(value_B1HW == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sixths = (sixths + 6 * turns_B111) % 6

    def channel(offset: float) -> torch.Tensor:
        """HSV to RGB: value less chroma by how far the hue is from this channel's."""
        place = (sixths + offset) % 6
        return value_B1HW - chroma_B1HW * torch.minimum(place, 4 - place).clamp(0, 1)

    return torch.cat([channel(5.0), channel(3.0), channel(1.0)], 1)


def blur(images_BCHW: torch.Tensor, deviations_B: torch.Tensor, largest: float) -> torch.Tensor:
    """Each image convolved with a Gaussian of its own, its border continued by reflection.

    Args:
        images_BCHW: The images.
        deviations_B: Standard deviation of each image's Gaussian, pixels; above 0.
        largest: The largest there can be; it settles the kernel's size.
    """
    B, C = images_BCHW.shape[:2]
    reach = min(math.ceil(_BLUR_REACH * largest), images_BCHW.shape[-1] - 1, images_BCHW.shape[-2] - 1)
    places_K = torch.arange(-reach, reach + 1, device=images_BCHW.device, dtype=images_BCHW.dtype)
    kernels_BK = torch.exp(-0.5 * (places_K / deviations_B[:, None]) ** 2)
    kernels_BK = (kernels_BK / kernels_BK.sum(1, keepdim=True)).repeat_interleave(C, 0)
    rows = F.pad(images_BCHW, (reach, reach, reach, reach), mode="reflect").flatten(0, 1)[None]
    rows = F.conv2d(rows, kernels_BK[:, None, None, :], groups=B * C)
    return F.conv2d(rows, kernels_BK[:, None, :, None], groups=B * C)[0].unflatten(0, (B, C))
