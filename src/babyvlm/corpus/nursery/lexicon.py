"""The things a nursery holds: the words for them, and the semantic field each belongs to."""

from __future__ import annotations

import random
from dataclasses import dataclass

from babyvlm.corpus.nursery.configuration import NurseryConfig, RecordingPlan


@dataclass(frozen=True, kw_only=True)
class Category:
    """One kind of thing."""

    id: int
    """COCO category id, from 1."""
    name: str
    plural: str
    field: str
    """Semantic field, the COCO supercategory."""


_FIELDS: dict[str, dict[str, str]] = {
    "animals": {
        "dog": "dogs",
        "cat": "cats",
        "duck": "ducks",
        "fish": "fish",
        "bird": "birds",
        "cow": "cows",
        "pig": "pigs",
        "rabbit": "rabbits",
        "elephant": "elephants",
        "turtle": "turtles",
        "butterfly": "butterflies",
    },
    "vehicles": {
        "car": "cars",
        "truck": "trucks",
        "train": "trains",
        "airplane": "airplanes",
        "boat": "boats",
        "bus": "buses",
        "bicycle": "bicycles",
    },
    "toys": {
        "ball": "balls",
        "teddy bear": "teddy bears",
        "doll": "dolls",
        "block": "blocks",
        "drum": "drums",
        "balloon": "balloons",
    },
    "food": {
        "apple": "apples",
        "banana": "bananas",
        "carrot": "carrots",
        "cookie": "cookies",
        "cheese": "cheeses",
        "strawberry": "strawberries",
        "bread": "breads",
    },
    "clothing": {
        "shoe": "shoes",
        "sock": "socks",
        "hat": "hats",
        "shirt": "shirts",
        "pants": "pants",
        "mitten": "mittens",
    },
    "furniture": {
        "chair": "chairs",
        "table": "tables",
        "bed": "beds",
        "lamp": "lamps",
        "clock": "clocks",
    },
    "household": {
        "book": "books",
        "key": "keys",
        "phone": "phones",
        "brush": "brushes",
        "umbrella": "umbrellas",
        "scissors": "scissors",
    },
    "kitchen": {
        "cup": "cups",
        "bottle": "bottles",
        "spoon": "spoons",
        "bowl": "bowls",
        "pot": "pots",
    },
    "outdoor": {
        "tree": "trees",
        "flower": "flowers",
        "star": "stars",
        "moon": "moons",
        "house": "houses",
        "leaf": "leaves",
    },
}

CATEGORIES: dict[str, Category] = {
    name: Category(id=number, name=name, plural=plural, field=field)
    for number, (field, name, plural) in enumerate(
        ((field, name, plural) for field, words in _FIELDS.items() for name, plural in words.items()), start=1
    )
}
"""By name, in the order of their ids."""

FIELDS: tuple[str, ...] = tuple(_FIELDS)


def copies(config: NurseryConfig, plan: RecordingPlan) -> tuple[str, ...]:
    """The categories that a recording deals things from, each as often as it should come.

    Of a training recording under Zipf's law the rarest comes once and the one of rank r so many times as often as
    (ranks / r) to the power ``zipf``, rounded; otherwise each comes once.
    """
    if plan.split != "train" or not config.zipf:
        return tuple(CATEGORIES)
    ranked = list(CATEGORIES)
    random.Random(f"{config.seed}/ranks").shuffle(ranked)
    return tuple(
        name for rank, name in enumerate(ranked, start=1) for _ in range(round((len(ranked) / rank) ** config.zipf))
    )
