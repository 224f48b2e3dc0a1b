"""Boxes proposed by a detector, where there are none. The detector itself needs torch and is imported apart."""

from babyvlm.toolbox.detection.configuration import DetectionConfig

__all__ = ["DetectionConfig"]
