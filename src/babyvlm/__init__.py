"""BabyVLM-V2: from infants' head-camera recordings to a model trained from scratch and a developmental benchmark."""

__version__ = "0.1.0"
__all__ = ["__version__"]
