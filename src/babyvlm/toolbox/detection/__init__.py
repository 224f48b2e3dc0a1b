"""Boxes proposed by a detector, for photographs without. The detector needs torch and is imported separately."""

from babyvlm.toolbox.detection.configuration import DetectionConfig

__all__ = ["DetectionConfig"]
