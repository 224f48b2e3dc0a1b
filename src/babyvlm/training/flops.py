"""Floating-point operations of a training step, and the most that a device can do: together, the share in use.

For each token that is not padding:

    a linear layer of P weights    2 P forward, 2 P backward to its input, 2 P backward to its weights
    attention over L tokens        4 L D forward in the tower, half of that in the language model, where a token sees
                                   those before it only; twice as much backward. D is the layer's width

where all parts learn that is 6 P and attention. Backward to the input is done where anything before learns, backward
to the weights where the part itself learns; a tower whose features are kept costs nothing. The output layer is computed
at learned tokens only. Norms, activations and the optimizer are left out, as is usual, and so is what gradient
checkpointing computes a second time: this is model-FLOP use (Chowdhery et al. 2022, PaLM, appendix B).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

import torch
from torch import nn

from babyvlm.model.configuration import ModelShape
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.stem import ConvolutionalStem
from babyvlm.parts import Part
from babyvlm.training.batches import Sample
from babyvlm.training.configuration import Precision, VisionStage
from babyvlm.training.precision import has_bf16

_BF16_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.4,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.4,
    "A100": 312.0,
    "L40S": 362.1,
    "L4": 121.0,
    "A10G": 70.0,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}
"""Dense bfloat16 with float32 accumulation, from NVIDIA's data sheets (sparse figures halved); first match counts."""
_MATMUL_SIDE = {"cpu": 1024, "cuda": 8192}
_MATMUL_TRIES = 3


class StepFlops:
    """Counts the operations of steps of one stage.

    Args:
        model: Whose layers are counted.
        shape: Its sizes.
        trains: Parts that learn.
        cached_features: Whether the tower's output is kept and the tower not run.
    """

    def __init__(
        self,
        model: BabyLlavaForConditionalGeneration,
        shape: ModelShape,
        trains: Sequence[Part],
        *,
        cached_features: bool,
    ) -> None:
        self._text = linear_weights(model.model.language_model), shape.text_layers * shape.text_width
        self._output = model.lm_head.weight.numel()
        self._tower = linear_weights(model.model.vision_tower), shape.vision_layers * shape.vision_width
        self._connector = linear_weights(model.model.multi_modal_projector)
        self._image_tokens = shape.image_tokens
        self._runs_tower = not cached_features
        sees, speaks, joins = "vision" in trains, "language" in trains, "connector" in trains
        # Passes over a part's weights: forward, to the input, to the weights.
        self._tower_passes = 1 + 2 * sees
        self._connector_passes = 1 + sees + joins
        self._text_passes = 1 + (sees or joins or speaks) + speaks
        self._text_backward = 1 + 2 * (sees or joins or speaks)

    def __call__(self, samples: Sequence[Sample], pictures: int) -> float:
        """Operations of one step.

        Args:
            samples: Of the step.
            pictures: Distinct pictures that go through the tower.
        """
        tokens = sum(map(len, samples))
        squares = sum(len(sample) ** 2 for sample in samples)
        learned = sum(sample.num_learned for sample in samples)
        weights, layers_width = self._text
        total = 2.0 * (weights * tokens + self._output * learned) * self._text_passes
        total += 2.0 * layers_width * squares * self._text_backward
        patches = pictures * self._image_tokens
        total += 2.0 * self._connector * patches * self._connector_passes
        if self._runs_tower:
            weights, layers_width = self._tower
            total += 2.0 * weights * patches * self._tower_passes
            total += 4.0 * layers_width * patches * self._image_tokens * self._tower_passes
        return total


def vision_flops(
    tower: nn.Module, head: nn.Module, settings: VisionStage, shape: ModelShape, frames: int, masked: int = 0
) -> float:
    """Operations of a step of the vision stage: the student forward and backward, the teacher forward.

    Args:
        tower: Student or teacher.
        head: Either's projection head.
        settings: The stage.
        shape: The tower's.
        frames: Of the step.
        masked: Masked patches, which pass the heads.
    """
    views_taught, views_learned = _views_flops(tower, settings, shape)
    head_weights = linear_weights(head) + settings.prototypes * settings.bottleneck
    through_heads = frames * (3 * (2 + settings.local_views) + 2) + 4 * masked
    return frames * (3 * views_learned + views_taught) + 2.0 * head_weights * through_heads


def tower_flops(tower: nn.Module, settings: VisionStage, shape: ModelShape, frames: int) -> float:
    """Operations of a tower forward and backward over all views of so many frames, without any head or teacher."""
    _, views_learned = _views_flops(tower, settings, shape)
    return frames * 3 * views_learned


def _views_flops(tower: nn.Module, settings: VisionStage, shape: ModelShape) -> tuple[float, float]:
    """Operations of a frame's global views forward, and of all its views."""
    weights, layers_width = linear_weights(tower), shape.vision_layers * shape.vision_width
    local_tokens = (settings.local_size // shape.patch_size) ** 2 + 1

    def forward(tokens: int) -> float:
        return 2.0 * weights * tokens + 4.0 * layers_width * tokens**2

    views_taught = 2 * forward(shape.image_tokens)
    return views_taught, views_taught + settings.local_views * forward(local_tokens)


def linear_weights(module: nn.Module) -> int:
    """Weights that every token passes; the tower's patch convolution is a linear layer of patches.

    Those of a stem's layers count once for each place of a patch that they are applied to.
    """
    stems = [part for part in module.modules() if isinstance(part, ConvolutionalStem)]
    inside = {layer for stem in stems for layer in stem.modules()}
    cut = [part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d) and part not in inside]
    return sum(part.weight.numel() for part in cut) + sum(stem.products_a_patch() for stem in stems)


@functools.cache
def peak_flops(device: torch.device, precision: Precision) -> float:
    """The most operations a second that one process has: its GPU's data sheet, else what a product of matrices reaches.

    Args:
        device: Of the model.
        precision: Of the products; float32 where bfloat16 is computed in software.
    """
    if device.type == "cuda" and precision != "no":
        name = torch.cuda.get_device_name(device)
        for known, tflops in _BF16_TFLOPS.items():
            if known in name:
                return tflops * 1e12
    side = _MATMUL_SIDE.get(device.type, 1024)
    dtype = torch.bfloat16 if precision != "no" and has_bf16(device) else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    fastest_s = float("inf")
    for _ in range(1 + _MATMUL_TRIES):  # the first one makes the kernel ready
        began_s = time.perf_counter()
        float((a @ b)[0, 0])  # waits for the device
        fastest_s = min(fastest_s, time.perf_counter() - began_s)
    return 2.0 * side**3 / fastest_s
