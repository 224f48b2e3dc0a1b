"""Settings of detection, all of them our choice."""

from __future__ import annotations

from dataclasses import dataclass

from babyvlm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DetectionConfig:
    """What is looked for, and what counts as found."""

    labels: tuple[str, ...]
    """Words to look for, in the singular."""
    detector: str = "IDEA-Research/grounding-dino-base"
    """A Grounding DINO checkpoint: hub name or local folder."""
    threshold: float = 0.35
    """Least confidence of a box, 0 to 1."""
    max_overlap: float = 0.7
    """Largest intersection over union of two boxes of a photograph; where more, the surer stays."""

    def __post_init__(self) -> None:
        cleaned = [label.strip().lower() for label in self.labels]
        if not cleaned or not all(cleaned) or any("." in label for label in cleaned):
            raise ConfigError("labels must be one or more words without full stops")
        if len(set(cleaned)) < len(cleaned):
            raise ConfigError(f"labels repeat: {', '.join(sorted({w for w in cleaned if cleaned.count(w) > 1}))}")
        for name in ("threshold", "max_overlap"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie above 0 and at most be 1, not {getattr(self, name)}")
