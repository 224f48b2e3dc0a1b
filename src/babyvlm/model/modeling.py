"""BabyLLaVA-V2: a ViT, a two-layer MLP connector and a LLaMA, all from scratch (paper, section on the model).

    pixels_UCHW ─ ViT ─ final, layer-normed tokens_UTD ─ connector ─┐  put where <image> stands
    input_ids_BL ─ token embedding ────────────────────────────────┴─ LLaMA ─ logits_BLV

B samples, L tokens, V vocabulary; N placeholders for pictures, U distinct pictures, C channels, H x W pixels,
T tokens a picture, D width.

A small subclass of transformers' LLaVA. It differs in four things:
- visual features are the tower's final output after its last layer norm, class token included, as the published
  tower returns them (plain LLaVA takes ``hidden_states[k]``, which for a ViT is before that norm);
- a picture shown several times in a batch is encoded once (``image_index``), or not at all when its features are given;
- with labels, logits are computed at supervised positions only;
- samples of many lengths may lie in one row, none seeing another (``blocks``).

This file is copied beside the weights of every checkpoint and there runs without the package, hence the relative
imports: transformers copies what they name.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava.modeling_llava import LlavaCausalLMOutputWithPast, LlavaModel

from .llava_config import BabyLlavaConfig
from .packed_attention import Blocks, row_arguments
from .stem import put_stem

IGNORED = -100
"""Label of a token that is not learned."""


class BabyLlavaModel(LlavaModel):
    """The tower, the connector and the language model without its output layer."""

    config_class = BabyLlavaConfig

    def __init__(self, config: BabyLlavaConfig) -> None:
        super().__init__(config)
        self.vision_tower.pooler = (
            None  # the class token enters the language model as it is; nothing reads a pooled one
        )
        put_stem(self.vision_tower)

    def get_image_features(
        self, pixel_values: torch.Tensor, vision_feature_layer: Any = None, **kwargs: Any
    ) -> BaseModelOutputWithPooling:
        """Connector output for each picture: the tower's final, layer-normed tokens, class token included.

        Args:
            pixel_values: Normalised pictures, NCHW.
            vision_feature_layer: Accepted for transformers' sake, and of no effect, as in the published tower.

        Returns:
            ``last_hidden_state`` (N, T, vision width) and ``pooler_output``, a list of N tensors (T, text width).
        """
        features_NTD = self.vision_tower(pixel_values=pixel_values).last_hidden_state
        return self.connect(features_NTD)

    def connect(
        self, features_UTD: torch.Tensor, image_index_N: torch.Tensor | None = None
    ) -> BaseModelOutputWithPooling:
        """Projects tower features into the language model and lays them out one for each placeholder."""
        projected_UTD = self.multi_modal_projector(features_UTD)
        placed_NTD = projected_UTD if image_index_N is None else projected_UTD[image_index_N]
        return BaseModelOutputWithPooling(last_hidden_state=features_UTD, pooler_output=list(placed_NTD))  # type: ignore[arg-type]


class BabyLlavaForConditionalGeneration(LlavaForConditionalGeneration):
    """BabyLLaVA-V2 with its output layer. Loads through the Auto classes once ``babyvlm`` is imported."""

    config_class = BabyLlavaConfig

    def __init__(self, config: BabyLlavaConfig) -> None:
        super().__init__(config)
        self.model = BabyLlavaModel(config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
        vision_features: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | float | None = None,
        blocks: Blocks | None = None,
        learned_places: torch.Tensor | None = None,
        picture_places: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> LlavaCausalLMOutputWithPast:
        """Logits, or with ``labels`` the loss.

        Args:
            input_ids: Tokens, BL, right-padded in training, each picture standing for T placeholders.
            pixel_values: The distinct pictures, UCHW.
            labels: BL; the token itself where it is to be learned, ``IGNORED`` elsewhere.
            image_index: N; which distinct picture each placeholder shows. Without it U = N, in order.
            vision_features: The distinct pictures' tower output, UTD, in place of ``pixel_values``.
            num_items_in_batch: What the summed loss is divided by; the number of learned tokens when absent.
            blocks: Where ``input_ids`` is one row of samples, how they lie in it; needs an attention named by
                ``packed_attention.packed``. The first label of a sample must be ``IGNORED``.
            learned_places: Of one row, the places whose next token is learned, M. With them and ``picture_places`` no
                GPU waits until the host has looked for them.
            picture_places: Of one row, the places of the placeholders, in order.
            **kwargs: As for transformers' LLaVA.

        Returns:
            With labels: ``loss``, and ``logits`` (M, V) at the M supervised positions only. Otherwise ``logits`` BLV.
        """
        if blocks is not None and input_ids is not None:
            kwargs |= row_arguments(blocks, input_ids.device, learned_places if labels is not None else None)
        if kwargs.get("logits_to_keep") is None:  # as some versions' generate() says "all", and LLaVA does not take it
            kwargs.pop("logits_to_keep", None)
        if vision_features is None and pixel_values is not None:
            vision_features = self.model.vision_tower(pixel_values=pixel_values).last_hidden_state
        if vision_features is not None:
            if input_ids is None:
                raise ValueError("pictures need input_ids, whose placeholders say where they stand")
            kwargs["inputs_embeds"] = self._embeddings(input_ids, vision_features, image_index, picture_places)
            input_ids = None
        if labels is None:
            output = super().forward(input_ids=input_ids, **kwargs)
            output.logits = self._spoken(output.logits)
            return output

        hidden_BLD = self.model(input_ids=input_ids, **kwargs).last_hidden_state
        if learned_places is None:
            supervised_BL = labels[:, 1:] != IGNORED
            hidden_MD, targets_M = hidden_BLD[:, :-1][supervised_BL], labels[:, 1:][supervised_BL]
        else:
            spared = blocks is not None and kwargs["layout"].spared
            hidden_MD = hidden_BLD[0] if spared else hidden_BLD[0][learned_places]
            targets_M = labels[0][learned_places + 1]
        logits_MV = self._spoken(self.lm_head(hidden_MD))
        summed = F.cross_entropy(logits_MV.float(), targets_M, reduction="sum")
        loss: Any = summed / (max(1, len(targets_M)) if num_items_in_batch is None else num_items_in_batch)
        logits: Any = logits_MV
        return LlavaCausalLMOutputWithPast(loss=loss, logits=logits)

    def _embeddings(
        self,
        input_ids_BL: torch.Tensor,
        features_UTD: torch.Tensor,
        image_index_N: torch.Tensor | None,
        picture_places_P: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Token embeddings, BLD, with the pictures' where their placeholders stand.

        LLaVA's own ways to hand features over differ between versions of transformers, and an argument that a version
        does not know is dropped without a word; embeddings are understood by all of them.
        """
        placed: Any = self.model.connect(features_UTD, image_index_N).pooler_output
        pictures_ND = torch.cat(list(placed))
        embeddings_BLD: torch.Tensor = self.get_input_embeddings()(input_ids_BL)
        pictures_ND = pictures_ND.to(embeddings_BLD.dtype)
        if picture_places_P is not None:
            return embeddings_BLD[0].index_copy(0, picture_places_P, pictures_ND)[None]
        here_BL = input_ids_BL == self.config.image_token_id
        # In training the records are checked before, and counting would make a GPU wait.
        if not self.training and (found := int(here_BL.sum())) != len(pictures_ND):
            raise ValueError(f"{found} placeholders in input_ids for {len(pictures_ND)} picture tokens")
        return embeddings_BLD.masked_scatter(here_BL[..., None], pictures_ND)

    def save_pretrained(self, save_directory: Any, *arguments: Any, **kwargs: Any) -> None:
        """Saves the model with its code, so that ``AutoModelForCausalLM`` loads it too, where there are only words."""
        config: Any = self.config
        named = f"modeling.{type(self).__name__}"
        config.auto_map = {"AutoModelForCausalLM": named} | (getattr(config, "auto_map", None) or {})
        super().save_pretrained(save_directory, *arguments, **kwargs)

    def _spoken(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits over what the model can say: without the image placeholder where it has no output."""
        if self.config.placeholder_has_output:
            return logits
        muted_1 = torch.tensor([self.config.image_token_id], device=logits.device)
        return logits.index_fill(-1, muted_1, -torch.inf)


BabyLlavaForConditionalGeneration.register_for_auto_class("AutoModelForImageTextToText")
