"""How much the colours of a view change in training, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from babyvlm.training.optimisation import refuse_if


@dataclass(frozen=True, kw_only=True)
class ViewChanges:
    """How often one kind of view is blurred and solarised."""

    blur_probability: float = 0.0
    """How often a view is blurred (DINO: 1 for the first global view, 0.1 for the second, 0.5 for local ones)."""
    solarise_probability: float = 0.0
    """How often a view's bright pixels are inverted (DINO: 0.2 for the second global view, else 0)."""

    def __post_init__(self) -> None:
        for name in ("blur_probability", "solarise_probability"):
            refuse_if(not 0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name)} must be in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class ColourChanges:
    """How much a view's colours change."""

    jitter_probability: float = 1.0
    """How often brightness, contrast, saturation and hue change (DINO: 0.8)."""
    brightness: float = 0.4
    """Largest relative change (DINO)."""
    contrast: float = 0.4
    """Largest relative change (DINO)."""
    saturation: float = 0.4
    """Largest relative change (DINO: 0.2)."""
    hue: float = 0.0
    """Largest change, whole turns (DINO: 0.1)."""
    grey_probability: float = 0.1
    """How often a view loses its colours (DINO: 0.2)."""
    blur_deviation: tuple[float, float] = (0.1, 2.0)
    """Smallest and largest standard deviation of a blur, pixels (DINO)."""
    first_global: ViewChanges = ViewChanges()
    """Of the first global view."""
    second_global: ViewChanges = ViewChanges()
    """Of the second global view."""
    local: ViewChanges = ViewChanges()
    """Of local views."""

    def __post_init__(self) -> None:
        for name in ("jitter_probability", "grey_probability"):
            refuse_if(not 0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name)} must be in [0, 1]")
        for name in ("brightness", "contrast", "saturation"):
            refuse_if(getattr(self, name) < 0, f"{name}={getattr(self, name)} must not be negative")
        refuse_if(not 0 <= self.hue <= 0.5, f"hue={self.hue} must be in [0, 0.5]")
        low, high = self.blur_deviation
        refuse_if(not 0 < low <= high, f"blur_deviation={self.blur_deviation}: two numbers above 0, in order")


NO_COLOUR_CHANGES = ColourChanges(brightness=0.0, contrast=0.0, saturation=0.0, grey_probability=0.0)
"""Views keep their colours."""
