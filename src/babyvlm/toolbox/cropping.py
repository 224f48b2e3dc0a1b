"""How the published construction cuts pictures from frames, and which objects it shows.

Lengths are fractions of the frame's width, measured on frames of 640 x 480 pixels: 30 pixels of surroundings, shorter
sides of at least 150. Corpora of other frame sizes are treated in proportion. Settings without a source are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from babyvlm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """What may be shown, and how much of its surroundings."""

    margin: float = 30 / 640
    """Surroundings left on every side of a box, as a fraction of the frame's width (published: about 30 of 640 px)."""
    min_side: float = 150 / 640
    """Shortest side of a crop, as a fraction of the frame's width (published: 150 of 640 px)."""
    min_composed_side: float = 120 / 640
    """Shortest side of a crop that pictures are composed of, as a fraction of the frame's width (published: 126 of 640
    px in one picture); its area is at least that of a square of ``min_side`` all the same."""
    min_visibility: float = 0.6
    """Least share of an object that nothing hides, where the boxes tell."""
    max_covered: float = 0.3
    """Largest part of a box that another may cover before it is left out as hidden."""
    max_target_share: float = 0.22
    """Localization: largest part of the frame that the object's crop takes up (published)."""
    quadrant_margin: float = 0.18
    """Localization: least distance of the object's centre from the midlines, as a fraction of the frame (published)."""
    least_quadrant_margin: float = 0.08
    """Localization: the same where a letter would otherwise come too seldom; the manifest says of how many items
   ."""
    max_target_covered: float = 0.6
    """Localization: largest part of a box that another may cover."""
    max_query_share: float = 0.5
    """Spatial Details: largest part of the frame that the query takes up (published)."""
    max_number: int = 7
    """Who Has More, naturalistic: largest number of objects (published)."""
    max_counted_covered: float = 0.9
    """Who Has More, naturalistic: largest part of a counted box that another may cover; where numbers differ by one,
    ``max_covered``, and no object cut off by the frame."""
    min_counted_side: float = 16 / 640
    """Who Has More, naturalistic: shortest longer side of a box that is counted, as a fraction of the frame's width
   ."""
    min_mirror_difference: float = 12.0
    """Left/Right: least mean absolute difference of the query and its mirror image, of 255 (published: the least seen).
    Below it, the mirror image cannot be told."""
    min_other_colours: float = 0.4
    """Spatial Details: least part of the colours of a foil's object that the query's has not, where tracks do not tell
    whether two recordings show one object."""

    def __post_init__(self) -> None:
        for name in (
            "margin",
            "min_side",
            "min_composed_side",
            "min_visibility",
            "max_covered",
            "max_target_covered",
            "min_counted_side",
        ):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is a fraction, at least 0 and below 1, not {getattr(self, name)}")
        for name in ("max_target_share", "max_query_share"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} is a fraction between 0 and 1, not {getattr(self, name)}")
        if not 0 <= self.quadrant_margin < 0.5:
            raise ConfigError(f"quadrant_margin must lie between 0 and 0.5, not {self.quadrant_margin}")
        if not 0 <= self.least_quadrant_margin <= self.quadrant_margin:
            raise ConfigError(
                f"least_quadrant_margin must lie between 0 and quadrant_margin ({self.quadrant_margin}), "
                f"not {self.least_quadrant_margin}"
            )
        if self.max_number < 2:
            raise ConfigError(f"max_number must be at least 2, for there to be more and fewer, not {self.max_number}")

    @property
    def relaxed(self) -> tuple[str, ...]:
        """Bounds that are looser than the published, for manifests."""
        published = CropConfig()
        at_least = ("min_side", "min_composed_side", "quadrant_margin", "min_mirror_difference")
        at_most = ("max_target_share", "max_query_share", "max_number")
        looser = [name for name in at_least if getattr(self, name) < getattr(published, name)]
        looser += [name for name in at_most if getattr(self, name) > getattr(published, name)]
        if self.margin != published.margin:
            looser.append("margin")
        return tuple(f"{name} {getattr(self, name):g}, published {getattr(published, name):g}" for name in looser)
