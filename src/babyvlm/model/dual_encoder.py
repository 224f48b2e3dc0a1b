"""A dual encoder (``dual_modeling.py``) with what makes texts and pictures ready for it, and its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from babyvlm.errors import CheckpointError
from babyvlm.model.dual_modeling import PAD_WORD, DualEncoder, DualEncoderConfig
from babyvlm.model.loading import load_config, load_exactly, load_tokenizer
from babyvlm.model.processing import normalise
from babyvlm.model.tokenizer import EOS
from babyvlm.words import words_of

__all__ = ["PAD_WORD", "DualEncoder", "DualEncoderConfig", "TextReader", "as_pixels", "load_dual_encoder"]


class TextReader:
    """Texts as a dual encoder takes them.

    Args:
        config: Of the encoder.
        tokenizer: Of its language model; None where words are averaged.
    """

    def __init__(self, config: DualEncoderConfig, tokenizer: Any = None) -> None:
        self._numbers = {word: number for number, word in enumerate(config.words, start=PAD_WORD + 1)}
        self._tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        """Numbers of a text's known words, in order, or its tokens and their end."""
        if self._tokenizer is not None:
            return [*self._tokenizer.encode(text, add_special_tokens=False), EOS]
        return [self._numbers[word] for word in words_of(text) if word in self._numbers]

    def batch(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Rows of equal length, BL."""
        pad = PAD_WORD if self._tokenizer is None else -1
        longest = max([1, *map(len, texts)])
        return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in texts], dtype=torch.long)


def load_dual_encoder(checkpoint: Path) -> tuple[DualEncoder, TextReader]:
    """A contrastive checkpoint in float32, and what makes texts of it.

    Raises:
        CheckpointError: It is another model's, or not whole.
    """
    config = load_config(checkpoint)
    if config.model_type != DualEncoderConfig.model_type:
        raise CheckpointError(f"holds a model of type {config.model_type}, not a dual encoder of ours", path=checkpoint)
    model = load_exactly(DualEncoder, checkpoint)
    assert isinstance(model.config, DualEncoderConfig)
    tokenizer = None if model.config.text_config is None else load_tokenizer(checkpoint)
    return model, TextReader(model.config, tokenizer)


def as_pixels(pixels_BCHW: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Square pictures of 8 bits as the tower takes them."""
    return normalise(pixels_BCHW.to(device, non_blocking=True))
