"""Everything that a comparison with children can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from babyvlm.children.ability import AbilityConfig
from babyvlm.children.acquisition import AcquisitionConfig
from babyvlm.children.divergence import DivergenceConfig


@dataclass(frozen=True, kw_only=True)
class ChildrenConfig:
    """How models are put beside children."""

    divergence: DivergenceConfig = field(default_factory=DivergenceConfig)
    """Choices, by Kullback-Leibler divergence."""
    acquisition: AcquisitionConfig = field(default_factory=AcquisitionConfig)
    """Words, by age of acquisition."""
    ability: AbilityConfig = field(default_factory=AbilityConfig)
    """Items, by ability and difficulty."""
