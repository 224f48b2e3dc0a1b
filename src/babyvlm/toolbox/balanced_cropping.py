"""How the balanced construction, and hard variants, cut pictures from frames, and which boxes they use; all ours."""

from __future__ import annotations

CROP_PX = 128
"""Side of every crop, in pixels; one size for all, so that size tells nothing."""
FRAME_PX = 320
"""Longest side of a whole frame, in pixels; smaller frames are left as they are."""
CROP_MARGIN = 0.12
"""Room left around a box on each side, as a fraction of its longer side."""
MIN_BOX_PX = 24
"""Shortest longer side of a box that is shown alone, in pixels of the source."""
MIN_COUNT_BOX_PX = 10
"""Shortest longer side of a box that is counted or found, in pixels of the picture as shown."""
MAX_COVERED = 0.3
"""Largest part of a box that another may cover before it is left out as occluded."""
MAX_COUNT_OVERLAP = 0.4
"""Largest part of a counted box that another of its category may cover."""
MIN_MIRROR_DIFFERENCE = 22.0
"""Left/Right: least mean absolute difference of the middles of a crop and its mirror image, of 255."""
MIN_FOIL_DIFFERENCE = 22.0
"""Spatial Details: least mean absolute difference between the middles of a target and a foil, of 255."""
MIN_FOIL_COLOUR_DIFFERENCE = 0.3
"""Spatial Details: least part of the colours of another exemplar that the target has not. Tracks do not tell whether
two recordings show the same object, turned another way; colours do, for the most part."""
QUADRANT_MARGIN = 0.08
"""Localization: least distance of the object's centre from the midlines, as a fraction of the picture."""

SETTINGS = {
    "crop_px": CROP_PX,
    "frame_px": FRAME_PX,
    "crop_margin": CROP_MARGIN,
    "min_box_px": MIN_BOX_PX,
    "min_count_box_px": MIN_COUNT_BOX_PX,
    "max_covered": MAX_COVERED,
    "max_count_overlap": MAX_COUNT_OVERLAP,
    "min_mirror_difference": MIN_MIRROR_DIFFERENCE,
    "min_foil_difference": MIN_FOIL_DIFFERENCE,
    "min_foil_colour_difference": MIN_FOIL_COLOUR_DIFFERENCE,
    "quadrant_margin": QUADRANT_MARGIN,
}
"""All of them as manifests record them."""
