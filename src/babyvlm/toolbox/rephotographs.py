"""Re-photographs: a crop as another camera would have taken it, in other light, from another position.

    crop ──> turned, nearer or farther, shifted, sheared ──> laid on another surface
         ──> lit otherwise, tinted ──> blurred, grainy, compressed

Every picture of a hard matching or memory item is a re-photograph, right options and foils alike and from one
distribution, so that no two pictures of an item share pixels. Nothing is mirrored and no colour changes its name:
people still see the answer.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from babyvlm.records import Origin
from babyvlm.toolbox.compose import soft_disc
from babyvlm.toolbox.image_features import MATCHERS, Features
from babyvlm.toolbox.pictures import Picture, open_picture
from babyvlm.toolbox.views import View

_WEIGHT = 4.0  # how much more each matcher counts than the next: more than all later ones can be off together


# How far a re-photograph goes from its crop, and how many are tried; all ours.
_TURN_DEG = 18.0  # largest turn of the camera either way, degrees
_NEAREST = 1.0  # largest size of the object relative to its crop
_FARTHEST = 0.62  # smallest size of the object relative to its crop
_SHIFT = 0.14  # largest shift either way, as a fraction of the picture
_SLANT = 0.15  # largest shear, as from another position
_LIGHT = 0.55  # largest change of exposure either way, in powers of two
_GAMMA = 0.35  # largest change of the tone curve either way, in powers of two
_CLUTTER = 40.0  # largest contrast of the texture of the surface, of 255
_SHADE = 0.40  # largest fall of light from one side to the other, as a fraction
_TINT = 0.13  # largest change of red against blue either way, as a fraction: lamp light to shade
_BLUR_PX = 0.9  # largest radius of blur
_GRAIN = 7.0  # largest standard deviation of the noise, of 255
_WORST_QUALITY = 45  # lowest JPEG quality that a picture passes through
_TAKES = 5  # re-photographs of each picture from which those of an item are chosen
SETTINGS = {
    "turn_deg": _TURN_DEG,
    "nearest": _NEAREST,
    "farthest": _FARTHEST,
    "shift": _SHIFT,
    "slant": _SLANT,
    "light": _LIGHT,
    "gamma": _GAMMA,
    "clutter": _CLUTTER,
    "shade": _SHADE,
    "tint": _TINT,
    "blur_px": _BLUR_PX,
    "grain": _GRAIN,
    "worst_quality": _WORST_QUALITY,
    "takes": _TAKES,
}
"""The same as manifests record it."""


@dataclass(frozen=True, kw_only=True)
class Rephotograph:
    """How to make one re-photograph; equal recipes make equal bytes."""

    view: View
    seed: int

    @property
    def views(self) -> tuple[View, ...]:
        return (self.view,)

    @property
    def origin(self) -> Origin:
        return self.view.origin

    @property
    def order(self) -> tuple[object, ...]:
        """What recipes are sorted by."""
        return self.seed, self.view.source, self.view.time_s, self.view.window, self.view.variant


def render_rephotograph(recipe: Rephotograph, crop: Picture) -> Picture:
    """Takes the picture of a crop."""
    rng = Random(recipe.seed)
    moved, opacity = _moved(open_picture(crop.data), rng)
    height, width = opacity.shape
    noise = np.random.default_rng(recipe.seed)
    surface = _surface(width, height, rng, noise)
    lit = np.clip(surface + opacity[..., None] * (moved - surface), 0, 255) / 255
    across, down = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    )
    angle, shade = rng.uniform(0, 2 * math.pi), rng.uniform(0, _SHADE) / 2
    lit = lit ** (2 ** rng.uniform(-_GAMMA, _GAMMA))
    lit *= (2 ** rng.uniform(-_LIGHT, _LIGHT)) * (1 + shade * (math.cos(angle) * across + math.sin(angle) * down))[
        ..., None
    ]
    warmth = rng.uniform(-_TINT, _TINT)
    lit *= np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    # Bright parts are rolled off, not cut off: what is in them stays visible.
    lit = np.where(lit > 0.85, 0.85 + 0.15 * np.tanh((lit - 0.85) / 0.15), lit) * 255
    # The noise of film: soft grain, as strong in every channel.
    lit += noise.normal(0, rng.uniform(0, _GRAIN), (height, width, 1))
    taken = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    taken = taken.filter(ImageFilter.GaussianBlur(rng.uniform(0, _BLUR_PX)))
    squeezed = io.BytesIO()
    taken.save(squeezed, format="JPEG", quality=rng.randint(_WORST_QUALITY, 95))
    return Picture.of(Image.open(squeezed))


def _surface(width: int, height: int, rng: Random, noise: np.random.Generator) -> NDArray[np.float32]:
    """Some surface to lie on: its colour, and a soft texture."""
    level, contrast, cells = rng.uniform(50, 220), rng.uniform(0, _CLUTTER), rng.randint(3, 9)
    surface = np.empty((height, width, 3), np.float32)
    surface[:] = [level + rng.uniform(-30, 30) for _ in range(3)]
    texture = Image.fromarray(noise.uniform(-contrast, contrast, (cells, cells)).astype(np.float32))
    surface += np.asarray(texture.resize((width, height), Image.Resampling.BICUBIC))[..., None]
    return surface


def _moved(image: Image.Image, rng: Random) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The picture turned, scaled, sheared and shifted, and where it covers what is behind it."""
    width, height = image.size
    turn = math.radians(rng.uniform(-_TURN_DEG, _TURN_DEG))
    size = math.exp(rng.uniform(math.log(_FARTHEST), math.log(_NEAREST)))
    slant = rng.uniform(-_SLANT, _SLANT)
    # What is smaller may lie farther from the middle.
    reach = _SHIFT * (1.6 - size)
    middle_x, middle_y = (side / 2 + rng.uniform(-reach, reach) * side for side in (width, height))
    cos, sin = math.cos(turn) / size, math.sin(turn) / size
    # From a pixel of the result to one of the crop, about the middles of both.
    xx, xy, yx, yy = cos, sin + slant * cos, -sin, cos - slant * sin
    window = (
        xx,
        xy,
        width / 2 - xx * middle_x - xy * middle_y,
        yx,
        yy,
        height / 2 - yx * middle_x - yy * middle_y,
    )
    cut = Image.fromarray((soft_disc(width) * 255).astype(np.uint8)).resize((width, height))
    moved, opacity = (
        np.asarray(picture.transform((width, height), Image.Transform.AFFINE, window, Image.Resampling.BICUBIC))
        for picture in (image, cut)
    )
    return moved.astype(np.float32), opacity.astype(np.float32) / np.float32(255)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A re-photograph with its features for each of the `MATCHERS`."""

    recipe: Rephotograph
    features: tuple[Features, ...]


def take(view: View, crop: Picture, rng: Random) -> list[Taken]:
    """Several re-photographs of one crop, to choose from."""
    recipes = [Rephotograph(view=view, seed=rng.getrandbits(32)) for _ in range(_TAKES)]
    images = [open_picture(render_rephotograph(recipe, crop).data) for recipe in recipes]
    return [
        Taken(recipe=recipe, features=tuple(matcher.features(image) for matcher in MATCHERS))
        for recipe, image in zip(recipes, images, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class MatchPlan:
    """A matching item whose re-photographs are to be chosen."""

    views: tuple[View, ...]
    """The picture to find again, then the options."""
    gold: int
    """Place of the right option among the options."""
    ranks: tuple[int, ...]
    """For each of the `MATCHERS`, how many options are to look more like the target than the right one does; and, last,
    how many are to look more like the other options than the right one does."""
    seed: int


def choose_match(plan: MatchPlan, crops: Sequence[Picture]) -> tuple[Rephotograph, ...]:
    """The re-photographs of a matching item under which the matchers best rank the right option as planned.

    Over all items the planned ranks are even, so that no matcher, nor its opposite, tells the right option. Matchers
    count in their order: the first is met before the second is asked.
    """
    rng = Random(plan.seed)
    targets, *options = [take(view, crop, rng) for view, crop in zip(plan.views, crops, strict=True)]
    best: tuple[float, tuple[Taken, ...]] | None = None
    shape = [len(option) for option in options]
    combinations = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1)
    alike = _out_of_line([[taken.features[0] for taken in option] for option in options], combinations)
    last = np.abs((alike < alike[:, plan.gold : plan.gold + 1]).sum(axis=1) - plan.ranks[-1]) * _WEIGHT**-1
    for target in targets:
        missed = last.copy()
        for place, (matcher, wanted) in enumerate(zip(MATCHERS, plan.ranks[:-1], strict=True)):
            away = np.array(
                [
                    [matcher.difference(target.features[place], taken.features[place]) for taken in option]
                    for option in options
                ]
            )
            apart = away[np.arange(len(options))[None, :], combinations]
            nearer = (apart < apart[:, plan.gold : plan.gold + 1]).sum(axis=1)
            missed += np.abs(nearer - wanted) * _WEIGHT ** -(place + (place > 0))
        found = int(missed.argmin())
        if best is None or missed[found] < best[0]:
            chosen = tuple(option[which] for option, which in zip(options, combinations[found], strict=True))
            best = float(missed[found]), (target, *chosen)
    assert best is not None
    return tuple(taken.recipe for taken in best[1])


def _out_of_line(features: list[list[Features]], combinations: NDArray[np.intp]) -> NDArray[np.float64]:
    """How unlike the other options each option looks, (combinations, options)."""
    away = np.zeros(combinations.shape)
    for first, second in itertools.permutations(range(len(features)), 2):
        table = np.array([[float(np.abs(one - two).mean()) for two in features[second]] for one in features[first]])
        away[:, first] += table[combinations[:, first], combinations[:, second]]
    return away


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """A memory item whose re-photographs are to be chosen."""

    rounds: tuple[tuple[View, ...], ...]
    """What each round shows: one picture, then always the new one and an old one."""
    new_looks_newer: tuple[tuple[bool, ...], ...]
    """For each round, and each of the matchers that memory is held against, whether the new picture is to be less like
    everything seen before than the old one is."""
    seed: int


MEMORY_MATCHERS = 3
"""Memory is held against the first so many of the `MATCHERS`."""


def choose_memory(plan: MemoryPlan, crops: Sequence[Sequence[Picture]]) -> tuple[tuple[Rephotograph, ...], ...]:
    """The re-photographs of a memory item, under which the new picture of a round looks newer as often as planned.

    Old pictures are photographed again each time they are shown.
    """
    rng = Random(plan.seed)
    seen: list[list[Features]] = [[] for _ in range(MEMORY_MATCHERS)]
    chosen: list[tuple[Rephotograph, ...]] = []
    for views, pictures, wanted in zip(plan.rounds, crops, plan.new_looks_newer, strict=True):
        shown = [take(view, crop, rng) for view, crop in zip(views, pictures, strict=True)]
        picked = tuple(takes[0] for takes in shown)
        if len(shown) == 2:
            missed = np.zeros((len(shown[0]), len(shown[1])))
            for place, features in enumerate(seen):
                known = np.stack(features)
                new, old = (
                    np.array([np.abs(known - taken.features[place]).mean(axis=1).min() for taken in takes])
                    for takes in shown
                )
                missed += ((new[:, None] > old[None, :]) != wanted[place]) * _WEIGHT**-place
            row, column = np.unravel_index(int(missed.argmin()), missed.shape)
            picked = shown[0][int(row)], shown[1][int(column)]
        for place, features in enumerate(seen):
            features += [taken.features[place] for taken in picked]
        chosen.append(tuple(taken.recipe for taken in picked))
    return tuple(chosen)
