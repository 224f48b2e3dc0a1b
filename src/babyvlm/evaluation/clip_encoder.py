"""Dual encoders of transformers, as CLIP and SigLIP, as the encoder of a dual-encoder respondent.

A word is given as it stands, without a sentence around it. What transformers scales and shifts in ``logits_per_text``
is kept as the scale and the bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.nn import functional as F
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.hub_access import hub_revision, load_errors, load_weights, refuse_unreachable, shown_name
from babyvlm.evaluation.hub_processors import load_processor
from babyvlm.evaluation.respondents import Family

_NEEDED = ("get_text_features", "get_image_features")
_WHOLE_LENGTH = ("siglip", "siglip2")
"""Model types whose texts are filled up to the longest length, as they were trained."""


class TransformersDualEncoder:
    """A model of transformers that puts pictures and texts into one space; a picture's features are its embedding.

    Args:
        name: Id on the hub, or a folder.
        ask: Names precision and devices.
        device: Where it runs; a GPU where there is one, when empty.

    Raises:
        CheckpointError: It does not load, or is no dual encoder.
    """

    family: Family = "open-source"

    def __init__(self, name: str, *, ask: AskConfig = AskConfig(), device: str = "") -> None:  # noqa: B008
        self.name = shown_name(name)
        refuse_unreachable(name)
        with load_errors(name, "a dual encoder of transformers", "AutoModel and AutoProcessor"):
            config = AutoConfig.from_pretrained(name)
            _refuse_other_models(name, config)
            self._processor: Any = load_processor(name)
            self.model: Any = load_weights(AutoModel, name, ask, device=device, default="float32")
        if not hasattr(self.model, "logit_scale"):
            raise CheckpointError(f"a model of type {config.model_type} has no logit_scale", path=name)
        self.revision = hub_revision(name, config)
        self.scale = float(self.model.logit_scale.detach().double().exp())
        self.bias = float(self.model.logit_bias.detach()) if hasattr(self.model, "logit_bias") else 0.0
        longest = getattr(config.text_config, "max_position_embeddings", None)
        whole = config.model_type in _WHOLE_LENGTH
        self._texts = {"padding": "max_length" if whole else True, "truncation": True, "max_length": longest}

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        inputs = self._on_device(self._processor(images=list(pictures), return_tensors="pt"))
        return _pooled(self.model.get_image_features(**inputs))

    def placed(self, features_UE: torch.Tensor) -> torch.Tensor:
        return F.normalize(features_UE, dim=-1)

    @torch.inference_mode()
    def text(self, text: str) -> torch.Tensor | None:
        inputs = self._on_device(self._processor(text=[text], return_tensors="pt", **self._texts))
        return F.normalize(_pooled(self.model.get_text_features(**inputs)), dim=-1)[0]

    def _on_device(self, inputs: Any) -> dict[str, torch.Tensor]:
        moved = {name: value.to(self.model.device) for name, value in inputs.items()}
        return {n: v.to(self.model.dtype) if v.is_floating_point() else v for n, v in moved.items()}


def _pooled(found: Any) -> torch.Tensor:
    """Embeddings in float32 at least, as some versions of transformers give them, or in what others wrap them."""
    embedded: torch.Tensor = getattr(found, "pooler_output", found)
    return embedded.to(torch.promote_types(embedded.dtype, torch.float32))


def _refuse_other_models(name: str, config: Any) -> None:
    """Raises CheckpointError before weights of another kind of model load."""
    kind = MODEL_MAPPING.get(type(config), None)
    if kind is None or not all(hasattr(kind, method) for method in _NEEDED):
        raise CheckpointError(
            f"a model of type {config.model_type} is not a dual encoder: it does not put pictures and texts into one "
            "space",
            path=name,
            remedy="Give clip: CLIP, SigLIP or the like, hf: a model that reads pictures and writes, lm: a language "
            "model",
        )
