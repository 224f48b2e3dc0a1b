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

    The processes share the pictures out, and each gets all outputs; every process must call.

    Args:
        model: On its device, the same weights in every process.
        pictures: At the model's size.
        run: The recipe and the processes.
    """
    tower, accelerator, shape = model.model.vision_tower, run.accelerator, run.recipe.model
    device, processes = accelerator.device, accelerator.num_processes
    half = run.recipe.precision != "no"
    kept = torch.bfloat16 if half else torch.float32
    encoded_UTD = torch.empty(len(pictures), shape.image_tokens, shape.vision_width, dtype=kept)
    stride = _ENCODE_IMAGES * processes
    starts = range(0, len(pictures), stride)
    silent = not accelerator.is_main_process
    for start in progress(starts, description="encode pictures", unit="batch", silent=silent):
        places = range(start, min(start + stride, len(pictures)))
        share = -(-len(places) // processes)
        mine = places[accelerator.process_index * share :][:share]
        outputs_STD = torch.zeros(share, *encoded_UTD.shape[1:], dtype=kept, device=device)
        if mine:
            pixels_NCHW = normalise(pictures.pixels_NCHW[mine.start : mine.stop].to(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                outputs_STD[: len(mine)] = tower(pixel_values=pixels_NCHW).last_hidden_state
        encoded_UTD[places.start : places.stop] = accelerator.gather(outputs_STD)[: len(places)].to("cpu")
    return encoded_UTD
