"""From published names of weights to ours, every one accounted for.

    published key ── mapped   to one name, as it is
                  ── derived  split, scaled or extended
                  ── ignored  by name, for a reason
                  ── unknown  an error

The tower comes in two layouts. Torchvision's names its parts after the class ``VisionTransformer``; timm's, which DINO
and DINOv2 share, adds a learned scale after each residual branch in DINOv2 (``ls1.gamma``). Here a scale is multiplied
into the layer before it, which computes the same. A whole model is LLaVA's: tower, connector and LLaMA under one
prefix.

D width, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from babyvlm.records import Record

Fate = Literal["mapped", "derived", "ignored"]
StateDictLayout = Literal["torchvision", "timm", "timm with layer scale"]

TOWER_PREFIX = "model.vision_tower.vision_tower."
_QKV, _SCALE = "qkv_proj", "layer_scale"
_TORCHVISION = (
    (r"class_token", "embeddings.cls_token"),
    (r"encoder\.pos_embedding", "embeddings.position_embeddings"),
    (r"conv_proj\.(weight|bias)", r"embeddings.patch_embeddings.projection.\1"),
    (r"encoder\.ln\.(weight|bias)", r"layernorm.\1"),
    (r"encoder\.layers\.encoder_layer_(\d+)\.ln_1\.(weight|bias)", r"layers.\1.layernorm_before.\2"),
    (r"encoder\.layers\.encoder_layer_(\d+)\.ln_2\.(weight|bias)", r"layers.\1.layernorm_after.\2"),
    (
        r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_(weight|bias)",
        rf"layers.\1.attention.{_QKV}.\2",
    ),
    (
        r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.(weight|bias)",
        r"layers.\1.attention.o_proj.\2",
    ),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)\.(weight|bias)", r"layers.\1.mlp.fc1.\2"),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)\.(weight|bias)", r"layers.\1.mlp.fc2.\2"),
)
_TIMM = (
    (r"cls_token", "embeddings.cls_token"),
    (r"pos_embed", "embeddings.position_embeddings"),
    (r"patch_embed\.proj\.(weight|bias)", r"embeddings.patch_embeddings.projection.\1"),
    (r"norm\.(weight|bias)", r"layernorm.\1"),
    (r"blocks\.(\d+)\.norm1\.(weight|bias)", r"layers.\1.layernorm_before.\2"),
    (r"blocks\.(\d+)\.norm2\.(weight|bias)", r"layers.\1.layernorm_after.\2"),
    (r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)", rf"layers.\1.attention.{_QKV}.\2"),
    (r"blocks\.(\d+)\.attn\.proj\.(weight|bias)", r"layers.\1.attention.o_proj.\2"),
    (r"blocks\.(\d+)\.mlp\.fc([12])\.(weight|bias)", r"layers.\1.mlp.fc\2.\3"),
    (r"blocks\.(\d+)\.ls1\.gamma", rf"layers.\1.attention.o_proj.{_SCALE}"),
    (r"blocks\.(\d+)\.ls2\.gamma", rf"layers.\1.mlp.fc2.{_SCALE}"),
)
_LANGUAGE = (
    (r"model\.mm_projector\.0\.(weight|bias)", r"model.multi_modal_projector.linear_1.\1"),
    (r"model\.mm_projector\.2\.(weight|bias)", r"model.multi_modal_projector.linear_2.\1"),
    (r"model\.embed_tokens\.weight", r"model.language_model.embed_tokens.weight"),
    (r"model\.norm\.weight", r"model.language_model.norm.weight"),
    (r"(lm_head\.weight)", r"\1"),
    (
        r"model\.(layers\.\d+\.(?:self_attn\.[qkvo]_proj|mlp\.(?:gate|up|down)_proj"
        r"|input_layernorm|post_attention_layernorm)\.weight)",
        r"model.language_model.\1",
    ),
)
_IGNORED_TOWER = (
    (r"mask_token", "serves the masked-patch objective alone"),
    (r"register_tokens", "dropped by the published tower"),
    (r"(?:heads?|dino_head|ibot_head)\..*", "a head of the tower's own training, or a classifier's"),
)
_IGNORED_MODEL = ((r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq", "computed from the configuration"),)
_EXTENDED = ("model.language_model.embed_tokens.weight", "lm_head.weight")


class KeyUse(Record):
    """What became of one published key."""

    key: str
    fate: Fate
    becomes: tuple[str, ...] = ()
    reason: str = ""
    """How it was derived, or why it is ignored."""


@dataclass
class Translation:
    """Weights by our names, and the account of how they came about."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    uses: list[KeyUse] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Published keys that no rule names."""
    layout: StateDictLayout = "timm"
    """Of the tower."""


def translate(published: Mapping[str, torch.Tensor]) -> Translation:
    """Weights of a tower by itself, or of a whole model, under our names; float32.

    Args:
        published: Tensors by their published names.

    Returns:
        The weights of a ``ViTModel`` or of a ``BabyLlavaForConditionalGeneration``.
    """
    if not is_whole_model(published):
        return _tower(published, "backbone." if any(key.startswith("backbone.") for key in published) else "")
    tower = _tower({key: value for key, value in published.items() if key.startswith(TOWER_PREFIX)}, TOWER_PREFIX)
    whole = Translation(layout=tower.layout, uses=list(tower.uses), unknown=list(tower.unknown))
    whole.tensors = {f"model.vision_tower.{name}": tensor for name, tensor in tower.tensors.items()}
    whole.uses = [
        use.model_copy(update={"becomes": tuple(f"model.vision_tower.{name}" for name in use.becomes)})
        for use in tower.uses
    ]
    for key, tensor in published.items():
        if key.startswith(TOWER_PREFIX):
            continue
        if (reason := _matching(_IGNORED_MODEL, key)) is not None:
            whole.uses.append(KeyUse(key=key, fate="ignored", reason=reason))
        elif (name := _renamed(_LANGUAGE, key)) is None:
            whole.unknown.append(key)
        elif name in _EXTENDED and tensor.ndim == 2:
            placeholder_1D = torch.zeros(1, tensor.shape[1])
            whole.tensors[name] = torch.cat([tensor.float(), placeholder_1D])
            whole.uses.append(KeyUse(key=key, fate="derived", becomes=(name,), reason="a row for the placeholder"))
        else:
            whole.tensors[name] = tensor.float()
            whole.uses.append(KeyUse(key=key, fate="mapped", becomes=(name,)))
    return whole


def is_whole_model(published: Mapping[str, torch.Tensor]) -> bool:
    """Whether these are weights of a whole model, not of a tower by itself."""
    return any(key.startswith(("model.", "lm_head.")) for key in published)


def _tower(published: Mapping[str, torch.Tensor], prefix: str) -> Translation:
    """Weights of the tower, by the names of a ``ViTModel``."""
    found = Translation()
    rules: Sequence[tuple[str, str]] = _TIMM
    if any(key.removeprefix(prefix).startswith(("encoder.", "conv_proj.")) for key in published):
        rules, found.layout = _TORCHVISION, "torchvision"
    elif any(key.endswith(".gamma") for key in published):
        found.layout = "timm with layer scale"
    sources: dict[str, str] = {}
    for key, tensor in published.items():
        bare = key.removeprefix(prefix)
        if (reason := _matching(_IGNORED_TOWER, bare)) is not None:
            found.uses.append(KeyUse(key=key, fate="ignored", reason=reason))
        elif (name := _renamed(rules, bare)) is None or (prefix and bare == key) or name in sources:
            found.unknown.append(key)
        else:
            sources[name] = key
            found.tensors[name] = tensor.float()
    scaled = {name.removesuffix(_SCALE) for name in sources if name.endswith(_SCALE)}
    for name, key in sources.items():
        layer, _, kind = name.rpartition(".")
        if kind == _SCALE:
            _multiply(found.tensors, layer)
            becomes: tuple[str, ...] = (f"{layer}.weight", f"{layer}.bias")
            found.uses.append(KeyUse(key=key, fate="derived", becomes=becomes, reason="multiplied into that layer"))
        elif layer.endswith(_QKV):
            becomes = _split(found.tensors, name)
            found.uses.append(KeyUse(key=key, fate="derived", becomes=becomes, reason="split in three"))
        elif f"{layer}." in scaled:
            found.uses.append(KeyUse(key=key, fate="derived", becomes=(name,), reason="times the layer scale"))
        else:
            found.uses.append(KeyUse(key=key, fate="mapped", becomes=(name,)))
    return found


def _multiply(tensors: dict[str, torch.Tensor], layer: str) -> None:
    """Multiplies a layer's output by its scale. One that does not fit stays, for the check of the whole to name."""
    weight, bias, scale = (f"{layer}.{part}" for part in ("weight", "bias", _SCALE))
    if all(name in tensors and tensors[name].shape[:1] == tensors[scale].shape for name in (weight, bias)):
        scale_D = tensors.pop(scale)
        tensors[weight] = tensors[weight] * scale_D[:, None]
        tensors[bias] = tensors[bias] * scale_D


def _split(tensors: dict[str, torch.Tensor], name: str) -> tuple[str, ...]:
    """Takes queries, keys and values apart, which lie one behind the other in that order."""
    names = tuple(name.replace(_QKV, f"{part}_proj") for part in "qkv")
    tensors.update(zip(names, tensors.pop(name).tensor_split(3), strict=True))
    return names


def _renamed(rules: Sequence[tuple[str, str]], key: str) -> str | None:
    for pattern, replacement in rules:
        if found := re.fullmatch(pattern, key):
            return found.expand(replacement)
    return None


def _matching(rules: Sequence[tuple[str, str]], key: str) -> str | None:
    return next((reason for pattern, reason in rules if re.fullmatch(pattern, key)), None)
