"""The output of a frozen tower for every picture of a stage, computed once."""

from __future__ import annotations

import torch

from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise
from babyvlm.progress import progress
from babyvlm.training.run import RunContext
from babyvlm.training.samples import Pictures

_ENCODE_IMAGES = 256


@torch.no_grad()
def encode_pictures(model: BabyLlavaForConditionalGeneration, pictures: Pictures, run: RunContext) -> torch.Tensor:
    """The tower's output for every picture, UTD, on the CPU, in the precision the stage computes in.

    Args:
        model: On its device.
        pictures: At the model's size.
        run: The recipe and the processes.
    """
    tower, device = model.model.vision_tower, run.accelerator.device
    half = run.recipe.precision != "no"
    kept = torch.bfloat16 if half else torch.float32
    encoded = []
    starts = range(0, len(pictures), _ENCODE_IMAGES)
    for start in progress(starts, description="encode pictures", unit="batch"):
        pixels_NCHW = normalise(pictures.pixels_NCHW[start : start + _ENCODE_IMAGES].to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            encoded.append(tower(pixel_values=pixels_NCHW).last_hidden_state.to("cpu", kept))
    return torch.cat(encoded)
