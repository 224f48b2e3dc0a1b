"""A picture encoder and a text encoder that share one space (as CVCL, Vong et al. 2024, Science 383: 504-511).

    picture ── vision tower ── class token, or patches by gates ── linear ── unit vector ─┐
                                                                                         ├── scaled product
    text ─┬─ vectors of its known words, averaged by gates ──────────────────────────────┤
          └─ language model ── mean of its tokens ── linear ─────────────────────────────┘

CVCL averages word vectors, and places in a picture, with equal weights. DEVIATION: each word has a learned gate, all
equal at first, so that words which say nothing about what is in view count for less, and so has each patch by what it
shows.

Like ``modeling.py``, this file is copied beside the weights of every checkpoint of a dual encoder and there runs
without the package: it imports torch, transformers and, relatively, ``llava_config.py`` and ``stem.py`` alone.

B pictures or texts, C channels, H W pixels, L words or tokens, D width of the space, E width of an encoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaModel, PreTrainedConfig, PreTrainedModel, ViTConfig

from .llava_config import Fit
from .stem import new_tower

PAD_WORD = 0
"""Number of no word, with which rows of words are filled up."""
_FIRST_SCALE = 10.0
_FIRST_BIAS = -10.0
"""Of SigLIP (Zhai et al. 2023), where nearly all pairs of a batch do not belong together."""
_LARGEST_GATE = 4.0


class DualEncoderConfig(PreTrainedConfig):
    """Sizes of both encoders, and the words that are known.

    Args:
        vision_config: The tower's.
        text_config: The language model's; None where words are averaged.
        words: Known words in lower case; a word's number is its place, counted from 1. Empty with a language model.
        width: Of the common space.
        image_fit: How a picture becomes square.
        pool: What stands for a picture: ``class`` for the class token, ``patches`` for the patches, averaged by gates.
    """

    model_type = "babyvlm_dual_encoder"

    def __init__(
        self,
        vision_config: Mapping[str, Any] | None = None,
        text_config: Mapping[str, Any] | None = None,
        words: Sequence[str] = (),
        width: int = 512,
        image_fit: Fit = "pad",
        pool: Literal["class", "patches"] = "class",
        **other: Any,
    ) -> None:
        self.vision_config = dict(vision_config or {})
        self.text_config = None if text_config is None else dict(text_config)
        self.words, self.width, self.image_fit = list(words), width, image_fit
        self.pool = pool
        super().__init__(**other)


class DualEncoder(PreTrainedModel):
    """Pictures and texts into one space.

    Args:
        config: Its sizes and words.
    """

    config_class = DualEncoderConfig
    base_model_prefix = "dual_encoder"

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__(config)
        vision = ViTConfig(**config.vision_config)
        self.vision_tower = new_tower(vision)
        self.picture = nn.Linear(vision.hidden_size, config.width)
        if config.pool == "patches":
            self.patch_gates = nn.Linear(vision.hidden_size, 1)
        if config.text_config is None:
            self.word_vectors = nn.Embedding(len(config.words) + 1, config.width, padding_idx=PAD_WORD)
            self.word_gates = nn.Embedding(len(config.words) + 1, 1, padding_idx=PAD_WORD)
        else:
            text = LlamaConfig(**config.text_config)
            self.language_model = LlamaModel(text)
            self.text = nn.Linear(text.hidden_size, config.width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))
        self.bias = nn.Parameter(torch.tensor(_FIRST_BIAS))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if module is self:
            with torch.no_grad():
                self.log_scale.fill_(math.log(_FIRST_SCALE))
                self.bias.fill_(_FIRST_BIAS)
        elif self.config.text_config is None and module is self.word_vectors:
            nn.init.normal_(module.weight, std=self.config.width**-0.5)
            with torch.no_grad():
                module.weight[PAD_WORD].zero_()
        elif self.config.text_config is None and module is self.word_gates:
            nn.init.zeros_(module.weight)
        elif module is getattr(self, "patch_gates", None):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        elif module in (self.picture, getattr(self, "text", None)):
            assert isinstance(module, nn.Linear)
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            nn.init.zeros_(module.bias)

    def features(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """What stands for each picture, BE: the tower's class token, or its patches averaged by gates.

        Args:
            pixels_BCHW: As ``normalise`` leaves them.
        """
        pixels_BCHW = pixels_BCHW.to(self.picture.weight.dtype)  # of copies in bfloat16
        tokens_BTE: torch.Tensor = self.vision_tower(pixel_values=pixels_BCHW).last_hidden_state
        if self.config.pool == "class":
            return tokens_BTE[:, 0]
        patches_BTE = tokens_BTE[:, 1:]
        shares_BT1 = self.patch_gates(patches_BTE).float().softmax(1).to(patches_BTE.dtype)
        pooled_BE: torch.Tensor = (shares_BT1 * patches_BTE).sum(1)
        return pooled_BE

    def placed(self, features_BE: torch.Tensor) -> torch.Tensor:
        """Features of pictures as unit vectors of the common space, BD."""
        return F.normalize(self.picture(features_BE.to(self.picture.weight.dtype)).float(), dim=-1)

    def read(self, texts_BL: torch.Tensor) -> torch.Tensor:
        """Texts as unit vectors of the common space, BD; zero where a text holds no known word.

        Args:
            texts_BL: Numbers of words, filled up with ``PAD_WORD``; with a language model token ids, filled up behind
                the end with ``-1``.
        """
        if self.config.text_config is None:
            gates_BL = self.word_gates(texts_BL)[..., 0].clamp(-_LARGEST_GATE, _LARGEST_GATE).exp()
            gates_BL = gates_BL * (texts_BL != PAD_WORD)
            summed_BD = F.embedding_bag(texts_BL, self.word_vectors.weight, mode="sum", per_sample_weights=gates_BL)
            mean_BD = summed_BD / gates_BL.sum(1, keepdim=True).clamp(min=1e-6)
            return F.normalize(mean_BD.float(), dim=-1)
        there_BL = texts_BL >= 0
        hidden_BLE = self.language_model(
            input_ids=texts_BL.clamp(min=0), attention_mask=there_BL.long(), use_cache=False
        ).last_hidden_state
        share_BL1 = (there_BL / there_BL.sum(1, keepdim=True).clamp(min=1)).unsqueeze(-1)
        return F.normalize(self.text((hidden_BLE * share_BL1.to(hidden_BLE.dtype)).sum(1)).float(), dim=-1)

    def forward(self, pixels_BCHW: torch.Tensor, texts_BL: torch.Tensor) -> torch.Tensor:
        """Cosine of each picture and each text, (pictures, texts)."""
        return self.placed(self.features(pixels_BCHW)) @ self.read(texts_BL).T


DualEncoderConfig.register_for_auto_class("AutoConfig")
DualEncoder.register_for_auto_class("AutoModel")
