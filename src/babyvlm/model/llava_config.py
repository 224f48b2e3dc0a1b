"""The transformers configuration of BabyLLaVA-V2.

Like ``modeling.py`` and ``packed_attention.py``, this file is copied beside the weights of every checkpoint and there
runs without the package: it imports torch, transformers and, relatively, the other two alone.
"""

from __future__ import annotations

from typing import Literal

from transformers import LlavaConfig

Fit = Literal["pad", "stretch"]


class BabyLlavaConfig(LlavaConfig):
    """Configuration of ``BabyLlavaForConditionalGeneration``."""

    model_type = "babyllava"
    image_fit: Fit = "pad"
    """How a picture becomes square: padded with the mean colour, or stretched."""
    placeholder_has_output: bool = True
    """Whether the output layer learned a row for the image placeholder. Converted weights have none: the model then
    never says it, and its probability is zero."""


BabyLlavaConfig.register_for_auto_class("AutoConfig")
