"""Complete configurations: ``nursery`` for two CPU cores, ``saycam`` for the published full size."""

from babyvlm.recipes.nursery import nursery
from babyvlm.recipes.resolve import RECIPES, describe, resolve
from babyvlm.recipes.saycam import saycam

__all__ = ["RECIPES", "describe", "nursery", "resolve", "saycam"]
