"""Complete configurations: ``nursery`` for two CPU cores, ``demo`` in less time, ``saycam`` for the published size.

``saycam-published`` is ``saycam`` with the settings and quirks of the published scripts.
"""

from babyvlm.recipes.nursery import demo, experience, nursery
from babyvlm.recipes.resolve import RECIPES, describe, resolve
from babyvlm.recipes.saycam import saycam, saycam_published

__all__ = ["RECIPES", "demo", "describe", "experience", "nursery", "resolve", "saycam", "saycam_published"]
