"""The five stages of training, from a curated set to checkpoints."""

from babyvlm.training.configuration import STAGES, Recipe
from babyvlm.training.stages import Trainer, possible_stages

__all__ = ["STAGES", "Recipe", "Trainer", "possible_stages"]
