"""What a recipe needs of memory, estimated before anything is begun, and refused with figures where it is not there.

    weights       4 bytes a parameter, all of them
    gradients     4 bytes a parameter that learns
    moments       8 bytes a parameter that learns (AdamW's two; Muon's one is counted as two)
    activations   what the backward pass needs of the largest forward pass

Activations are a rough count of what PyTorch keeps of one layer for each token: eight tensors of the layer's width and
four of its MLP's, in the precision computed in; eager attention keeps its squares besides. With gradient checkpointing
one tensor a layer is kept, and one layer's rest. Decoded pictures lie in a file and are not counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import ModelShape, model_config
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration, parameter_counts
from babyvlm.training.configuration import LanguageStage, MultimodalStage, Recipe, StageName

_GIB = 2**30
_OF_WIDTH, _OF_MLP = 8, 4
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
    with torch.device("meta"):
        return parameter_counts(BabyLlavaForConditionalGeneration(model_config(shape)))


def needed(recipe: Recipe, stage: StageName, processes: int) -> Need:
    """What one of several processes needs in a stage."""
    shape, counts = recipe.model, parameters(recipe.model)
    shared = processes if recipe.sharding == "fsdp" and stage != "vision" else 1
    if stage == "vision":
        knobs = recipe.vision
        head = shape.vision_width * knobs.head_width + knobs.head_width**2 + knobs.head_width * knobs.bottleneck
        trained = counts["vision"] + head + knobs.bottleneck * knobs.prototypes
        held = 2 * trained  # student and teacher
        local_tokens = (knobs.local_size // shape.patch_size) ** 2 + 1
        tokens = 2 * shape.image_tokens + knobs.local_views * local_tokens
        frames = max(1, knobs.optimisation.batch_size // processes)
        kept = _vision_activations(recipe, tokens * min(frames, knobs.micro_batch or frames))
    else:
        stage_knobs: LanguageStage | MultimodalStage = getattr(recipe, stage)
        trains = stage_knobs.trains if isinstance(stage_knobs, MultimodalStage) else ("language",)
        held, trained = sum(counts.values()), sum(counts[part] for part in trains)
        tokens = stage_knobs.micro_batch_tokens
        kept = _text_activations(recipe, tokens)
        if "vision" in trains:
            kept += _vision_activations(recipe, tokens)
    return Need(
        stage=stage,
        weights_gib=4 * held / shared / _GIB,
        gradients_gib=4 * trained / shared / _GIB,
        moments_gib=8 * trained / shared / _GIB,
        activations_gib=kept / _GIB,
    )


def _text_activations(recipe: Recipe, tokens: int) -> int:
    shape = recipe.model
    return _activations(recipe, tokens, shape.text_layers, shape.text_width, shape.text_intermediate, shape.text_heads)


def _vision_activations(recipe: Recipe, tokens: int) -> int:
    shape = recipe.model
    mlp = round(shape.vision_width * shape.vision_mlp_ratio)
    return _activations(recipe, tokens, shape.vision_layers, shape.vision_width, mlp, shape.vision_heads)


def _activations(recipe: Recipe, tokens: int, layers: int, width: int, mlp: int, heads: int) -> int:
    """Bytes that one forward pass leaves for the backward pass."""
    size = 2 if recipe.precision == "bf16" else 4
    layer = size * (_OF_WIDTH * width + _OF_MLP * mlp)
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
    else:
        steps.append(f"lower {most.stage}.micro_batch_tokens")
        steps.append("start several processes with sharding=fsdp")
    if recipe.name != "nursery":
        steps.append("take the nursery recipe")
    sentence = ", ".join(steps[:-1]) + f", or {steps[-1]}" if len(steps) > 1 else steps[0]
    return sentence[0].upper() + sentence[1:]
