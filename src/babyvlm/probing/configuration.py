"""What can be set about probes. Settings without a source are our choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from babyvlm.errors import ConfigError

Change = Literal["silhouette", "blur", "parts"]
CHANGES: tuple[Change, ...] = get_args(Change)


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Settings of the probes of a tower."""

    neighbours: int = 5
    """Nearest neighbours that vote, by cosine; each vote counts the same."""
    penalty: float = 1.0
    """Weight of the squared weights in the linear probe, beside half of their sum: the inverse of scikit-learn's
    ``C``."""
    folds: int = 5
    """Parts that the pictures are cut into; each part is told by what was learned from the others."""
    changes: tuple[Change, ...] = CHANGES
    """How pictures are changed to see what the features rest on: ``silhouette`` (black, on white; for plain grounds),
    ``blur``, ``parts`` (half of the picture is missing)."""
    seed: int = 0
    """Of the folds, the missing parts, the tower as drawn, and the bootstrap."""

    def __post_init__(self) -> None:
        for name, least in (("neighbours", 1), ("folds", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name} must be at least {least}, and is {getattr(self, name)}")
        if not self.penalty > 0:
            raise ConfigError(f"--penalty must be above 0, and is {self.penalty}")


@dataclass(frozen=True, kw_only=True)
class SentenceProbeConfig:
    """Settings of the probe of a language model, all of them ours."""

    batch_size: int = 64
    """Sentences read together."""
    seed: int = 0
    """Of the model as drawn, and the bootstrap."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"--batch-size must be at least 1, and is {self.batch_size}")
