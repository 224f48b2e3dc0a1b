"""How a stage's weights are stepped: rates, schedule, decay, clipping. Every kind of stage has one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from babyvlm.errors import ConfigError

ClipOver = Literal["all", "module", "parameter"]


def refuse_if(condition: bool, message: str) -> None:
    """Raises a ConfigError with the message where the condition holds."""
    if condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Linear warm-up and cosine decay to zero (published scripts)."""

    learning_rate: float
    """Peak learning rate of the trained parts."""
    vision_learning_rate: float | None = None
    """Peak learning rate of the vision tower where it differs (published: 1e-5 asked for in the instruction stage, and
    never applied, for no parameter has the name that is looked for)."""
    batch_size: int
    """Samples an optimizer step, over all devices."""
    steps: int | None = None
    """Optimizer steps. Set this or ``epochs``."""
    epochs: float | None = None
    """Passes over the data. Set this or ``steps``."""
    warmup_fraction: float = 0.03
    """Part of the steps over which the rate rises from zero (published: 3%)."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The rate after the warm-up: along a cosine to zero (published for stages with a language model), or constant."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices; biases and norms have none (published: 0, language stage 0.1)."""
    weight_decay_end: float | None = None
    """What the weight decay comes to along a cosine; None keeps it constant (DINO and DINOv2: 0.4)."""
    beta1: float = 0.9
    """AdamW's first moment (published)."""
    beta2: float = 0.95
    """AdamW's second moment (published for the language stage)."""
    clip_norm: float | None = 1.0
    """Largest gradient norm; None for no clipping (published: 1 in the language stage, none in the later ones)."""
    clip_over: ClipOver = "all"
    """What has that norm at most: all gradients together, those of the tower and of its head each (DINOv2), or those of
    each parameter (DINO)."""
    layerwise_decay: float = 1.0
    """What the tower's rate is multiplied by from each layer to the one before it (DINOv2: 0.9)."""
    patch_embedding_rate: float = 1.0
    """What the rate of the tower's patch embedding is multiplied by, besides (DINOv2: 0.2)."""
    matrix_learning_rate: float | None = None
    """Peak learning rate of Muon (Jordan et al. 2024) for the matrices inside the blocks; AdamW keeps the rest. None
    for AdamW throughout, as published."""

    def __post_init__(self) -> None:
        refuse_if((self.steps is None) == (self.epochs is None), "set either steps or epochs of a stage, not both")
        refuse_if(self.steps is not None and self.steps < 1, f"steps={self.steps} must be at least 1")
        refuse_if(self.batch_size < 1, f"batch_size={self.batch_size} must be at least 1")
        refuse_if(
            self.clip_norm is not None and self.clip_norm <= 0,
            f"clip_norm={self.clip_norm} must be above 0, or none for no clipping",
        )
        refuse_if(self.learning_rate <= 0, f"learning_rate={self.learning_rate} must be above 0")
        refuse_if(not 0 <= self.warmup_fraction < 1, f"warmup_fraction={self.warmup_fraction} must be in [0, 1)")
        refuse_if(not 0 < self.layerwise_decay <= 1, f"layerwise_decay={self.layerwise_decay} must be in (0, 1]")
        refuse_if(self.patch_embedding_rate <= 0, f"patch_embedding_rate={self.patch_embedding_rate} must be above 0")
