"""Pictures to features: a tower as learned, the same as drawn, and what takes no learning.

U pictures of a batch, E width of a tower.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModel

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.hub_access import load_errors, load_weights, refuse_unreachable
from babyvlm.folders import MANIFEST
from babyvlm.model.dual_encoder import DualEncoder, DualEncoderConfig
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.loading import load_config, load_exactly, load_tower
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.model.stem import TOWER_TYPES, new_tower
from babyvlm.probing.tables import Floats

Features = Callable[[Sequence[Image.Image]], Floats]
"""Features of RGB pictures, UD."""

IMAGE_PROCESSOR = "preprocessor_config.json"
_BATCH = 64
_PIXELS, _BINS = 32, 8
_COLOURS_A_BIN = 256 // _BINS


def tower_features(checkpoint: str, seed: int) -> dict[str, Features]:
    """What a tower makes of pictures, as it learned and as it was drawn.

    Args:
        checkpoint: Folder of a stage of ours (vision, contrastive or a whole model), or a folder or hub name of a
            vision model of transformers.
        seed: Of the drawn weights.

    Returns:
        ``tower`` and ``tower as drawn``: the class token, or what the model pools; of a contrastive stage what its
        encoder takes.

    Raises:
        CheckpointError: It does not load, or has no tower.
    """
    if (Path(checkpoint) / MANIFEST).is_file():
        return _ours(Path(checkpoint), seed)
    return _of_transformers(checkpoint, seed)


def plain_features() -> dict[str, Features]:
    """Features that nobody had to learn: pixels, 32 x 32, and the histogram of colours, eight steps a channel."""
    return {"pixels": _pixels, "colours": _colours}


def _pixels(images: Sequence[Image.Image]) -> Floats:
    small = [np.asarray(image.resize((_PIXELS, _PIXELS), Image.Resampling.BILINEAR)).ravel() for image in images]
    return np.stack(small).astype(np.float64)


def _colours(images: Sequence[Image.Image]) -> Floats:
    rows = []
    for image in images:
        steps_NC = (np.asarray(image) // _COLOURS_A_BIN).reshape(-1, 3).astype(np.int64)
        bins_N = (steps_NC * np.array([_BINS**2, _BINS, 1])).sum(1)
        rows.append(np.bincount(bins_N, minlength=_BINS**3) / len(bins_N))
    return np.stack(rows)


def _ours(folder: Path, seed: int) -> dict[str, Features]:
    config = load_config(folder)
    fit, encoder = getattr(config, "image_fit", None), None
    if config.model_type in TOWER_TYPES:
        learned: Any = load_tower(folder)
        fit = _fit_of_tower(folder)
    elif config.model_type == DualEncoderConfig.model_type:
        encoder = load_exactly(DualEncoder, folder)
        learned = encoder.vision_tower
    elif config.model_type == BabyLlavaConfig.model_type:
        learned = load_exactly(BabyLlavaForConditionalGeneration, folder).model.vision_tower
    else:
        raise CheckpointError(f"holds a model of type {config.model_type}, which has no tower", path=folder)
    torch.manual_seed(seed)
    drawn: Any = new_tower(learned.config)
    if encoder is not None:
        settings: Any = encoder.config
        drawn_encoder: Any = DualEncoder(settings)
        drawn_encoder.vision_tower = drawn
        learned, drawn = encoder, drawn_encoder
    return {"tower": _features_of(learned, fit or "pad"), "tower as drawn": _features_of(drawn, fit or "pad")}


def _fit_of_tower(tower: Path) -> str:
    """How pictures become square for a tower: as its image processor has it.

    Towers saved until 2026-11 have none. Theirs is as the run's recipe has it, and of a tower elsewhere the published
    way. The run is the folder above a stage, or three above a checkpoint kept by words heard.
    """
    if (tower / IMAGE_PROCESSOR).is_file():
        return "pad" if json.loads((tower / IMAGE_PROCESSOR).read_text(encoding="utf-8"))["do_pad"] else "stretch"
    for folder in tower.resolve().parents[:3]:
        if (folder / "recipe.json").is_file():
            return str(json.loads((folder / "recipe.json").read_text())["model"]["image_fit"])
    return "pad"


def _features_of(model: Any, fit: Any) -> Features:
    """A tower's class token, or what stands for a picture in a dual encoder."""
    model = model.eval()
    tower: Any = model.vision_tower if isinstance(model, DualEncoder) else model
    size = tower.config.image_size

    @torch.inference_mode()
    def features(images: Sequence[Image.Image]) -> Floats:
        parts = []
        for start in range(0, len(images), _BATCH):
            squares = [square_pixels(image, size, fit) for image in images[start : start + _BATCH]]
            pixels_UCHW = normalise(torch.from_numpy(np.stack(squares)))
            if isinstance(model, DualEncoder):
                features_UE = model.features(pixels_UCHW)
            else:
                features_UE = model(pixel_values=pixels_UCHW).last_hidden_state[:, 0]
            parts.append(features_UE.double().numpy())
        return np.concatenate(parts)

    return features


def _of_transformers(name: str, seed: int) -> dict[str, Features]:
    refuse_unreachable(name)
    with load_errors(name, "a vision model of transformers", "AutoModel and AutoImageProcessor"):
        processor: Any = AutoImageProcessor.from_pretrained(name)
        learned: Any = load_weights(AutoModel, name, AskConfig(), device="cpu", default="float32")
        torch.manual_seed(seed)
        drawn: Any = AutoModel.from_config(AutoConfig.from_pretrained(name)).eval()
    return {"tower": _pooled(learned, processor), "tower as drawn": _pooled(drawn, processor)}


def _pooled(model: Any, processor: Any) -> Features:
    @torch.inference_mode()
    def features(images: Sequence[Image.Image]) -> Floats:
        parts = []
        for start in range(0, len(images), _BATCH):
            inputs = processor(images=list(images[start : start + _BATCH]), return_tensors="pt")
            if hasattr(model, "get_image_features"):
                found: Any = model.get_image_features(**inputs)
                found = getattr(found, "pooler_output", found)
            else:
                whole: Any = model(**inputs)
                found = getattr(whole, "pooler_output", None)
                found = whole.last_hidden_state[:, 0] if found is None else found
            parts.append(found.flatten(1).double().numpy())
        return np.concatenate(parts)

    return features
