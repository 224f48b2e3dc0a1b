"""Complete configurations: ``nursery`` for two CPU cores, ``demo`` in less time, ``saycam`` for the published size."""

from babyvlm.recipes.nursery import demo, nursery
from babyvlm.recipes.resolve import RECIPES, describe, resolve
from babyvlm.recipes.saycam import saycam

__all__ = ["RECIPES", "demo", "describe", "nursery", "resolve", "saycam"]
