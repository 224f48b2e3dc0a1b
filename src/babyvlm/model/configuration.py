"""The shape of BabyLLaVA-V2 (paper, section on the model; LLaVA-style), and its transformers configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transformers import LlamaConfig, ViTConfig

from babyvlm.errors import ConfigError
from babyvlm.model.llava_config import BabyLlavaConfig, Fit
from babyvlm.model.stem import stem_strides


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes of the three parts. The defaults are the published full size."""

    image_size: int = 224
    """Side of the square input picture, pixels (paper)."""
    image_fit: Fit = "pad"
    """How a picture becomes square: padded with the mean colour (published), or stretched, which leaves no token empty
    (ours, where tokens are few)."""
    patch_size: int = 16
    """Side of one patch, pixels (paper: ViT-L/16)."""
    stem: tuple[int, ...] = ()
    """Channels of convolutions before the patches; each halves the side, but one with as many channels as the one
    before keeps it. None for patches cut from the picture (published), which so few weights cannot read where pictures
    are small (ours)."""
    stem_keeps_spread: bool = False
    """Whether the stem's weights are drawn so that what each convolution gives varies as what it takes does (He et al.
    2015), in place of ``initial_std`` (ours)."""
    vision_width: int = 1024
    """Width of the vision tower (paper: ViT-L)."""
    vision_layers: int = 24
    """Blocks of the vision tower (paper: ViT-L)."""
    vision_heads: int = 16
    """Attention heads of the vision tower (paper: ViT-L)."""
    vision_mlp_ratio: float = 4.0
    """Width of a tower block's MLP as a multiple of the tower's width (paper: ViT-L)."""
    text_width: int = 2048
    """Width of the language model (paper: LLaMA 1.1B)."""
    text_layers: int = 22
    """Layers of the language model (paper)."""
    text_heads: int = 32
    """Attention heads of the language model (paper)."""
    text_kv_heads: int = 4
    """Key/value heads, each shared by a group of attention heads (paper)."""
    text_intermediate: int = 5632
    """Width of the language model's gated MLP (paper)."""
    vocabulary: int = 6000
    """Byte-level BPE entries, special tokens included (paper). The image placeholder comes on top of these."""
    context: int = 8192
    """Longest sequence, tokens (paper)."""
    rope_theta: float = 10000.0
    """Base of the rotary position embedding (LLaMA)."""
    text_norm_eps: float = 1e-5
    """Added to the variance in the language model's norms (published configuration: TinyLlama's)."""
    initial_std: float = 0.02
    """Standard deviation of freshly drawn weights (transformers' default for both towers; small widths want more)."""
    tie_embeddings: bool = False
    """Whether the output layer shares the token embedding's weights (paper: no)."""

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"model.image_size={self.image_size} is no multiple of model.patch_size={self.patch_size}"
            )
        self._require_stem()
        for width, heads, part in (
            (self.vision_width, self.vision_heads, "vision"),
            (self.text_width, self.text_heads, "text"),
        ):
            if width % heads:
                raise ConfigError(f"model.{part}_width={width} is no multiple of model.{part}_heads={heads}")
        if (self.text_width // self.text_heads) % 2:
            raise ConfigError(
                f"model.text_width / model.text_heads = {self.text_width // self.text_heads} must be even"
            )
        if self.text_heads % self.text_kv_heads:
            raise ConfigError(
                f"model.text_heads={self.text_heads} is no multiple of model.text_kv_heads={self.text_kv_heads}"
            )
        if self.vocabulary < 260:
            raise ConfigError(f"model.vocabulary={self.vocabulary} cannot hold 256 bytes and 4 special tokens")

    def _require_stem(self) -> None:
        shrinks = math.prod(stem_strides([3, *self.stem]))
        if self.patch_size % shrinks or any(channels < 1 for channels in self.stem):
            raise ConfigError(
                f"model.stem={self.stem}: numbers of channels, with which sides shrink to 1/{shrinks} "
                f"(one that equals the one before keeps the side), "
                f"and model.patch_size={self.patch_size} is no multiple of {shrinks}"
            )

    @property
    def image_tokens(self) -> int:
        """Tokens one picture becomes: every patch, and the class token (as published)."""
        return (self.image_size // self.patch_size) ** 2 + 1


def vision_config(shape: ModelShape) -> ViTConfig:
    """The vision tower's transformers configuration."""
    stem: dict[str, Any] = {"stem": list(shape.stem)} if shape.stem else {}
    if shape.stem and shape.stem_keeps_spread:
        stem["stem_keeps_spread"] = True
    return ViTConfig(
        **stem,
        image_size=shape.image_size,
        patch_size=shape.patch_size,
        hidden_size=shape.vision_width,
        num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.vision_heads,
        intermediate_size=round(shape.vision_width * shape.vision_mlp_ratio),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-6,
        initializer_range=shape.initial_std,
    )


def model_config(shape: ModelShape) -> BabyLlavaConfig:
    """The whole model's transformers configuration."""
    text = LlamaConfig(
        vocab_size=shape.vocabulary + 1,  # the image placeholder is the last entry
        hidden_size=shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_heads,
        num_key_value_heads=shape.text_kv_heads,
        intermediate_size=shape.text_intermediate,
        max_position_embeddings=shape.context,
        rms_norm_eps=shape.text_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        tie_word_embeddings=shape.tie_embeddings,
        initializer_range=shape.initial_std,
    )
    return BabyLlavaConfig(
        vision_config=vision_config(shape),
        text_config=text,
        image_token_index=shape.vocabulary,
        image_seq_length=shape.image_tokens,
        image_fit=shape.image_fit,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=shape.tie_embeddings,
    )
