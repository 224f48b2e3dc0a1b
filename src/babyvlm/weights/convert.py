"""Published BabyLLaVA-V2 weights become a checkpoint of ours (paper, released artefacts).

    source ── read without running code ── keys translated ── shapes checked ── tokenizer matched ──> OUT/
              source.py                    layouts.py          here              here

OUT is what ``babyvlm train`` writes: of a vision backbone that stage's folder, of a joint or instruction checkpoint a
whole model with tokenizer and processor. ``conversion.json`` in it accounts for every published key. Weights are
float32, in which the logits are the published computation's within 1e-4.

DEVIATION: the published model puts pictures in by position; ours has a vocabulary entry for the placeholder, appended
with a row of zeros in and out, and gives it no probability (``placeholder_has_output``).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ViTModel

from babyvlm.errors import CheckpointError
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.model.configuration import ModelShape, model_config, vision_config
from babyvlm.model.llava_config import Fit
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import image_processor, processor
from babyvlm.model.tokenizer import SPECIAL_TOKENS, with_placeholder
from babyvlm.names import WholeStage
from babyvlm.parts import parameter_counts
from babyvlm.records import IMAGE_TOKEN, Record
from babyvlm.weights.card import CardFacts, write_model_card
from babyvlm.weights.layouts import Fate, KeyUse, Translation, is_whole_model, translate
from babyvlm.weights.source import CONFIG, PublishedCheckpoint, read_source, shown

ACCOUNT = "conversion.json"
_LICENCES = ("restricted: SAYCam (Databrary)",)
_HEAD_WIDTH = 64
"""Of every ViT from Tiny to Large; weights do not tell it."""
_NUMBER = re.compile(r"\.\d+\.")
_SIZES = {
    "text_width": "hidden_size",
    "text_layers": "num_hidden_layers",
    "text_heads": "num_attention_heads",
    "text_kv_heads": "num_key_value_heads",
    "text_intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
    "context": "max_position_embeddings",
    "text_norm_eps": "rms_norm_eps",
}
"""Our setting and the published name of it."""
_AS_PUBLISHED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "tie_word_embeddings": (False,),
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_use_im_start_end": (False,),
    "mm_patch_merge_type": ("flat",),
    "rope_scaling": (None,),
    "quantization_config": (None,),
}
"""What this model computes; a configuration that says otherwise is of another model."""
_FITS: dict[str | None, Fit] = {"pad": "pad", "square": "stretch", None: "stretch"}


class Conversion(Record):
    """What was converted, key by key."""

    stage: str
    """``vision``, ``joint`` or ``instruction``."""
    tower_layout: str
    keys: tuple[KeyUse, ...]
    entries_left_out: dict[str, str]
    """Entries of the file beside its weights, and why they are left out."""

    def count(self, fate: str) -> int:
        """How many keys met this fate."""
        return sum(use.fate == fate for use in self.keys)


def convert(source: str, out: Path, *, stage: WholeStage = "instruction") -> Conversion:
    """Converts a published checkpoint.

    Args:
        source: A file, a folder, or ``owner/name`` on the hub.
        out: The folder to write; absent or empty.
        stage: Which stage a whole model comes from; of a vision backbone it says nothing.

    Raises:
        CheckpointError: The source is no checkpoint, would run code, or does not fit exactly: keys missing, unknown or
            misshapen, another configuration, a tokenizer that does not match. Nothing is written then.
        OutputExistsError: ``out`` holds something.
    """
    refuse_existing(out)
    read = read_source(source)
    translation = translate(read.tensors)
    if translation.unknown:
        raise CheckpointError(
            f"{len(translation.unknown)} keys are in none of the published layouts: {shown(translation.unknown)}",
            path=read.path,
            remedy="Expected a vision backbone (torchvision or timm names) or a LLaVA-style whole model",
        )
    whole = is_whole_model(read.tensors)
    conversion = Conversion(
        stage=stage if whole else "vision",
        tower_layout=translation.layout,
        keys=tuple(translation.uses),
        entries_left_out=read.beside,
    )
    if not whole:
        shape = _tower_shape(translation, read.path, "")
        tower = ViTModel(vision_config(shape), add_pooling_layer=False)
        with fresh_folder(out) as partial:
            _load(tower, translation.tensors, read.path)
            tower.save_pretrained(partial)
            image_processor(shape.image_size, shape.image_fit).save_pretrained(partial)
            _finish(partial, read, conversion, {"vision": tower.num_parameters()})
        return conversion
    shape = _whole_shape(translation, read)
    tokenizer = _tokenizer(read, shape)
    config = model_config(shape)
    config.placeholder_has_output = False
    with torch.device("meta"):
        model = BabyLlavaForConditionalGeneration(config)
    _load(model, translation.tensors, read.path)
    with fresh_folder(out) as partial:
        model.save_pretrained(partial)
        processor(shape, tokenizer).save_pretrained(partial)
        _finish(partial, read, conversion, parameter_counts(model))
    return conversion


def summary(conversion: Conversion) -> list[str]:
    """The account in a few lines: keys that differ in a number alone are one line."""
    alike: Counter[tuple[str, str, str]] = Counter()
    for use in conversion.keys:
        becomes = ", ".join(use.becomes) or use.reason
        said = f"{becomes} ({use.reason})" if use.becomes and use.reason else becomes
        alike[use.fate, _NUMBER.sub(".N.", use.key), _NUMBER.sub(".N.", said)] += 1
    lines = [f"{count:4} {fate:8} {key}  ->  {said}" for (fate, key, said), count in sorted(alike.items())]
    lines += [f"   1 ignored  {name}  ->  {reason}" for name, reason in conversion.entries_left_out.items()]
    fates = ", ".join(f"{conversion.count(fate)} {fate}" for fate in get_args(Fate))
    return [*lines, f"{conversion.stage} weights, tower in {conversion.tower_layout} layout: {fates} keys"]


def _tower_shape(translation: Translation, path: Path, prefix: str) -> ModelShape:
    """Sizes of the tower, which its weights tell."""
    tensors = translation.tensors
    names = (
        "embeddings.patch_embeddings.projection.weight",
        "embeddings.position_embeddings",
        "layers.0.mlp.fc1.weight",
    )
    if absent := [name for name in names if prefix + name not in tensors]:
        raise CheckpointError(f"the vision tower lacks {shown([prefix + name for name in absent])}", path=path)
    patches_DCPP, positions_1TD, widening_HD = (tensors[prefix + name] for name in names)
    side = math.isqrt(max(positions_1TD.shape[1] - 1, 0)) if positions_1TD.ndim == 3 else 0
    if patches_DCPP.ndim != 4 or side < 1 or side**2 + 1 != positions_1TD.shape[1] or widening_HD.ndim != 2:
        shapes = ", ".join(f"{prefix}{name} {list(tensors[prefix + name].shape)}" for name in names)
        raise CheckpointError(f"these are no shapes of a vision tower of square pictures: {shapes}", path=path)
    width, _, patch, _ = patches_DCPP.shape
    layers = {
        name.removeprefix(f"{prefix}layers.").split(".")[0] for name in tensors if name.startswith(f"{prefix}layers.")
    }
    return ModelShape(
        image_size=side * patch,
        patch_size=patch,
        vision_width=width,
        vision_layers=len(layers),
        vision_heads=max(1, width // _HEAD_WIDTH),
        vision_mlp_ratio=widening_HD.shape[0] / width,
    )


def _whole_shape(translation: Translation, read: PublishedCheckpoint) -> ModelShape:
    """Sizes of the whole model, of which the configuration tells what the weights don't."""
    config, path = read.config(), read.path / CONFIG
    if absent := [name for name in _SIZES.values() if not isinstance(config.get(name), int | float)]:
        raise CheckpointError(f"the configuration has no number for {shown(absent)}", path=path)
    for name, allowed in _AS_PUBLISHED.items():
        if config.get(name, allowed[0]) not in allowed:
            raise CheckpointError(
                f"{name} is {config[name]!r}, where the published models have {allowed[0]!r}: this is another model",
                path=path,
            )
    fit = config.get("image_aspect_ratio")
    if fit not in _FITS:
        raise CheckpointError(f"image_aspect_ratio is {fit!r}, where the published models have 'pad'", path=path)
    rope = config.get("rope_parameters") or {}
    tower = _tower_shape(translation, read.path, "model.vision_tower.")
    vision = {name: value for name, value in vars(tower).items() if name.startswith(("vision_", "patch_", "image_"))}
    text = {setting: config[name] for setting, name in _SIZES.items()}
    theta = config.get("rope_theta", rope.get("rope_theta", ModelShape.rope_theta))
    return ModelShape(**(vision | text | {"image_fit": _FITS[fit], "rope_theta": theta}))


def _load(model: PreTrainedModel, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Loads weights into a model; every tensor must be used and every parameter filled."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    problems = {
        "missing": [name for name in expected if name not in tensors],
        "of no use": [name for name in tensors if name not in expected],
        "misshapen": [
            f"{name} {list(tensors[name].shape)} for {list(shape)}"
            for name, shape in expected.items()
            if name in tensors and tuple(tensors[name].shape) != shape
        ],
    }
    if said := [f"{len(names)} {kind}: {shown(names)}" for kind, names in problems.items() if names]:
        raise CheckpointError(
            f"the weights do not fit the model, by our names of them: {'; '.join(said)}",
            path=path,
            remedy="Is the checkpoint whole, and its configuration its own?",
        )
    model.load_state_dict(dict(tensors), strict=True, assign=True)


def _tokenizer(read: PublishedCheckpoint, shape: ModelShape) -> PreTrainedTokenizerBase:
    """The published tokenizer with the placeholder behind its last entry."""
    path = read.tokenizer
    if not path.is_file():
        raise CheckpointError("the tokenizer is missing", path=path, remedy="Give the folder as published")
    try:
        published = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise CheckpointError(f"no tokenizer ({error})", path=path) from error
    entries = published.get_vocab_size(with_added_tokens=True)
    if entries != shape.vocabulary:
        raise CheckpointError(
            f"the tokenizer has {entries} entries, and the embedding {shape.vocabulary} rows: these are two models'",
            path=path,
            remedy="Give the tokenizer that was saved with these weights",
        )
    ids = [published.token_to_id(token) for token in SPECIAL_TOKENS]
    if ids != list(range(len(SPECIAL_TOKENS))):
        raise CheckpointError(f"{', '.join(SPECIAL_TOKENS)} have the ids {ids}, where 0 to 3 are published", path=path)
    if published.encode("a").ids[:1] != [SPECIAL_TOKENS.index("<sos>")]:
        raise CheckpointError("the tokenizer does not begin a text with <sos>, as the published one does", path=path)
    if published.token_to_id(IMAGE_TOKEN) is not None:
        raise CheckpointError(f"the tokenizer knows {IMAGE_TOKEN}, which the published one does not", path=path)
    return with_placeholder(published, shape.context)


def _finish(partial: Path, read: PublishedCheckpoint, conversion: Conversion, parameters: dict[str, int]) -> None:
    """Writes the account, the card and the manifest."""
    account = conversion.model_dump(mode="json")
    (partial / ACCOUNT).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    name = read.path.name
    write_model_card(
        partial,
        CardFacts(
            stage=conversion.stage,
            recipe="published",
            parameters=parameters,
            converted_from=name,
            inputs=read.digests,
            licences=_LICENCES,
        ),
    )
    Manifest(
        kind="checkpoint",
        configuration={
            "recipe": "published",
            "stage": conversion.stage,
            "converted_from": name,
            "licences": list(_LICENCES),
        },
        inputs=read.digests,
        counts={fate: conversion.count(fate) for fate in get_args(Fate)},
    ).write(partial)
