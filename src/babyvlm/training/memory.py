"""What a recipe needs of memory, estimated before anything is begun, and refused with figures where it is not there.

    weights       4 bytes a parameter in float32; with bf16_weights 2 a parameter, and 4 more where it learns (the
                  float32 of what is frozen lies in the CPU's memory); under autocast 4, and 2 for its copies
    gradients     4 bytes a parameter that learns; buckets are the gradients themselves
    moments       8 bytes a parameter that learns (AdamW's two; Muon's one is counted as two)
    activations   what the backward pass needs of the largest forward pass

Activations are counted in numbers that a layer keeps for each token, as multiples of its width and of its MLP's:
those of the eager layers are what PyTorch keeps of layers of full width (a test holds them to it), those of compiled
layers are what is left when norms, rotary positions and gates keep their inputs alone. Eager attention keeps its
squares besides. With gradient checkpointing one tensor a layer is kept, and one layer's rest. Under ``fsdp`` weights
and moments are shared, under ``hybrid`` among the processes of a machine; gradients are whole until a step's last row.
Besides there is what is gathered to compute with, in bfloat16 with bf16_weights and else in float32: what belongs to no
unit, the unit at hand, and the buffer that it or the next arrives in (a test counts it on real modules).
Decoded pictures lie in a file and are not counted.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import ModelShape, model_config
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.stem import stem_strides
from babyvlm.names import StageName
from babyvlm.parts import parameter_counts
from babyvlm.training.configuration import LanguageStage, MultimodalStage, Recipe
from babyvlm.training.distribution import layers_of, units_of

_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Numbers kept of a layer for a token, in the precision computed in."""

    of_width: float
    of_mlp: float


_TEXT = {
    "float32": _Kept(of_width=9.3, of_mlp=4),
    "eager": _Kept(of_width=11.3, of_mlp=4),
    "autocast": _Kept(of_width=16.3, of_mlp=4),
    "compiled": _Kept(of_width=6.5, of_mlp=3),
}
_TOWER = {
    "float32": _Kept(of_width=8.1, of_mlp=2),
    "eager": _Kept(of_width=8.1, of_mlp=2),
    "autocast": _Kept(of_width=12.1, of_mlp=2),
    "compiled": _Kept(of_width=8.1, of_mlp=2),
}
_UTTERANCE_TOKENS = 32
"""Tokens of a long utterance."""
_USUAL_TOKENS = 256
"""Tokens of a sample, for the squares of eager attention."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Memory of one process in one stage, GiB."""

    stage: StageName
    weights_gib: float
    gradients_gib: float
    moments_gib: float
    activations_gib: float

    @property
    def total_gib(self) -> float:
        """All of it."""
        return self.weights_gib + self.gradients_gib + self.moments_gib + self.activations_gib

    def __str__(self) -> str:
        return (
            f"about {self.total_gib:.1f} GiB in the {self.stage} stage (weights {self.weights_gib:.1f}, gradients "
            f"{self.gradients_gib:.1f}, moments {self.moments_gib:.1f}, activations {self.activations_gib:.1f})"
        )


def parameters(shape: ModelShape) -> dict[str, int]:
    """Parameters of each part, of a model made without its weights."""
    return parameter_counts(_without_weights(shape))


@functools.lru_cache(maxsize=1)  # every stage of a recipe asks
def _without_weights(shape: ModelShape) -> BabyLlavaForConditionalGeneration:
    with torch.device("meta"):
        return BabyLlavaForConditionalGeneration(model_config(shape))


def gathered(model: BabyLlavaForConditionalGeneration) -> int:
    """Parameters of a model in shards that a process holds whole at once, at most.

    What has no input that learns, the token embeddings, stays until a row's backward pass ends, and so through that of
    the tower.
    """

    def size(*modules: nn.Module) -> int:
        return sum(each.numel() for each in {each for module in modules for each in module.parameters()})

    units = [unit if isinstance(unit, list) else [unit] for unit in units_of(model)]
    rest = size(model) - size(*(module for unit in units for module in unit))
    words, tower = size(model.get_input_embeddings()), model.model.vision_tower
    written = max(map(size, [*layers_of(model.model.language_model), model.get_output_embeddings()]))
    seen = max(map(size, [tower.embeddings, *layers_of(tower), model.model.multi_modal_projector]))
    stays = words if model.config.tie_word_embeddings else 0
    return rest + max(stays + 2 * max(written, words), words + 2 * seen)


def needed(recipe: Recipe, stage: StageName, processes: int) -> Need:
    """What one of several processes needs in a stage."""
    shape, counts = recipe.model, parameters(recipe.model)
    in_shards = recipe.sharding != "ddp" and stage != "vision" and processes > 1
    shared = processes if in_shards else 1
    if in_shards and recipe.sharding == "hybrid":
        shared = min(processes, int(os.environ.get("LOCAL_WORLD_SIZE", processes)))
    if stage == "contrastive":
        return _needed_by_pairs(recipe, counts, processes)
    if stage == "vision":
        settings = recipe.vision
        head = settings.head_width * (shape.vision_width + settings.head_width + settings.bottleneck)
        trained = counts["vision"] + head + settings.bottleneck * settings.prototypes
        held = exact = 2 * trained  # student and teacher, both in float32
        local_tokens = (settings.local_size // shape.patch_size) ** 2 + 1
        tokens = 2 * shape.image_tokens + settings.local_views * local_tokens
        frames = max(1, settings.optimisation.batch_size // processes)
        frames = min(frames, settings.micro_batch or frames)
        kept = tower_activations(recipe, tokens * frames)
        # Of each view the head's output, in two precisions, and its log-probabilities.
        kept += frames * (2 + settings.local_views) * settings.prototypes * (2 + 4 + 4)
    else:
        stage_settings: LanguageStage | MultimodalStage = getattr(recipe, stage)
        trains = stage_settings.trains if isinstance(stage_settings, MultimodalStage) else ("language",)
        held, trained = sum(counts.values()), sum(counts[part] for part in trains)
        exact = trained if recipe.precision == "bf16_weights" and not in_shards else held
        tokens = stage_settings.micro_batch_tokens
        kept = text_activations(recipe, tokens)
        if "vision" in trains:
            kept += tower_activations(recipe, tokens)
    copies = 0 if recipe.precision == "no" or (in_shards and recipe.precision == "bf16_weights") else 2 * held
    if in_shards:
        copies += (2 if recipe.precision == "bf16_weights" else 4) * gathered(_without_weights(shape))
    return Need(
        stage=stage,
        weights_gib=(4 * exact / shared + copies) / _GIB,
        gradients_gib=4 * trained / _GIB,
        moments_gib=8 * trained / shared / _GIB,
        activations_gib=kept / _GIB,
    )


def _needed_by_pairs(recipe: Recipe, counts: dict[str, int], processes: int) -> Need:
    """Of the contrastive stage. Word vectors are not counted: how many there will be is not known beforehand."""
    settings, shape = recipe.contrastive, recipe.model
    batch = settings.optimisation.batch_size
    held = counts["vision"] + (counts["language"] if settings.text == "language" else 0)
    trained = sum(counts[part] for part in settings.trains)
    exact = trained if recipe.precision == "bf16_weights" else held
    kept = 4.0 * batch * (6 * batch + 4 * settings.regions * settings.width)  # of the comparison, in float32
    if "vision" in settings.trains:
        kept += tower_activations(recipe, max(1, batch // processes) * settings.regions * shape.image_tokens)
    if "language" in settings.trains:
        kept += text_activations(recipe, max(1, batch // processes) * _UTTERANCE_TOKENS)
    copies = 0 if recipe.precision == "no" else 2 * held
    return Need(
        stage="contrastive",
        weights_gib=(4 * exact + copies) / _GIB,
        gradients_gib=4 * trained / _GIB,
        moments_gib=8 * trained / _GIB,
        activations_gib=kept / _GIB,
    )


def text_activations(recipe: Recipe, tokens: int) -> float:
    shape = recipe.model
    kept = _TEXT[_way(recipe)]
    layer = kept.of_width * shape.text_width + kept.of_mlp * shape.text_intermediate
    return _activations(recipe, tokens, shape.text_layers, shape.text_width, layer, shape.text_heads)


def tower_activations(recipe: Recipe, tokens: int) -> float:
    shape = recipe.model
    kept = _TOWER[_way(recipe)]
    layer = kept.of_width * shape.vision_width + kept.of_mlp * shape.vision_width * shape.vision_mlp_ratio
    blocks = _activations(recipe, tokens, shape.vision_layers, shape.vision_width, layer, shape.vision_heads)
    # Of each convolution of the stem, what it gives before and after its GELU.
    in_stem, side = 0, shape.patch_size
    for channels, stride in zip(shape.stem, stem_strides([3, *shape.stem]), strict=True):
        side //= stride
        in_stem += 2 * channels * side**2
    return blocks + (4 if recipe.precision == "no" else 2) * in_stem * tokens


def _way(recipe: Recipe) -> Literal["float32", "eager", "autocast", "compiled"]:
    if recipe.precision == "bf16":
        return "autocast"
    if recipe.compile:
        return "compiled"
    return "float32" if recipe.precision == "no" else "eager"


def _activations(recipe: Recipe, tokens: int, layers: int, width: int, numbers: float, heads: int) -> float:
    """Bytes that one forward pass leaves for the backward pass."""
    size = 4 if recipe.precision == "no" else 2
    layer = size * numbers
    if recipe.attention == "eager":
        layer += 2 * size * heads * _USUAL_TOKENS
    if recipe.gradient_checkpointing:
        return tokens * (layers * size * width + layer)
    return tokens * layers * layer


def available_gib(processes: int) -> float:
    """Memory that a process may take: that of its GPU, else its share of what the machine has free."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory / _GIB
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        line = next(
            line for line in meminfo.read_text(encoding="utf-8").splitlines() if line.startswith("MemAvailable")
        )
        return int(line.split()[1]) * 1024 / _GIB / here
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB / here


def require_memory(recipe: Recipe, stages: Sequence[StageName], processes: int) -> None:
    """Refuses a recipe that this machine cannot hold.

    Args:
        recipe: The resolved configuration.
        stages: Those to run.
        processes: How many share a batch, over all machines.

    Raises:
        ConfigError: A stage needs more than there is; says how much of what, and what to do.
    """
    most = max((needed(recipe, stage, processes) for stage in stages), key=lambda need: need.total_gib)
    there_gib = available_gib(processes)
    if most.total_gib <= there_gib:
        return
    device = "the GPU has" if torch.cuda.is_available() else "this machine has, free for each process,"
    raise ConfigError(
        f"too little memory for the {recipe.name} recipe: it needs {most}, and {device} {there_gib:.1f} GiB. "
        + _remedy(recipe, most)
        + "; nothing was started"
    )


def _remedy(recipe: Recipe, most: Need) -> str:
    steps = []
    if not recipe.gradient_checkpointing:
        steps.append("set gradient_checkpointing=true")
    if most.stage == "vision":
        steps.append("lower vision.micro_batch")
    elif most.stage == "contrastive":
        steps.append("lower contrastive.optimisation.batch_size")
    else:
        steps.append(f"lower {most.stage}.micro_batch_tokens")
        steps.append("start several processes with sharding=fsdp")
    if recipe.name != "nursery":
        steps.append("take the nursery recipe")
    sentence = ", ".join(steps[:-1]) + f", or {steps[-1]}" if len(steps) > 1 else steps[0]
    return sentence[0].upper() + sentence[1:]
