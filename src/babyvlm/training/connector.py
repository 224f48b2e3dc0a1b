"""What is done to the connector before a stage begins: centring and whitening its output, or taking another's.

    connector's output ─ minus its mean ─ whitened ─ as long as word vectors      all folded into its second layer

After a short alignment the tokens of any two pictures point almost the same way (mean cosine 0.9 in the nursery) and
are ten times as long as word vectors, so attention finds little to tell pictures apart by: comparing pictures shown
together did not come up in 120 steps, and with this it came up in 90 (docs/log.md). DEVIATION: not in the published
scripts; ``saycam`` leaves it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from babyvlm.errors import CheckpointError
from babyvlm.model.loading import load_exactly
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise
from babyvlm.training.pictures import PixelTable

_PICTURES = 512
_BATCH = 128
_LEAST_VARIANCE = 0.02  # of the mean over directions: what hardly varies is noise, and is not blown up


@torch.no_grad()
def whiten_connector(model: BabyLlavaForConditionalGeneration, pictures: PixelTable, seed: int) -> None:
    """Changes the second layer of the connector, so that its outputs are centred and spread over all directions.

    Args:
        model: In float32.
        pictures: Of the training split; at most 512 of them are looked at.
        seed: Which of them.
    """
    tower: Any = model.model.vision_tower
    connector: Any = model.model.multi_modal_projector
    words: Any = model.get_input_embeddings()
    last = connector.linear_2
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(pictures), generator=generator)[:_PICTURES]
    outputs_SD = torch.cat(
        [
            connector(
                tower(pixel_values=normalise(pictures.pixels_NCHW[part].to(last.weight.device))).last_hidden_state
            ).flatten(0, 1)
            for part in chosen.split(_BATCH)
        ]
    )
    mean_D = outputs_SD.mean(dim=0)
    variances_D, directions_DD = torch.linalg.eigh(torch.cov((outputs_SD - mean_D).T))
    variances_D = variances_D.clamp(min=0) + _LEAST_VARIANCE * variances_D.mean()
    whiten_DD = directions_DD @ torch.diag(variances_D.rsqrt()) @ directions_DD.T
    whiten_DD *= words.weight.std() / ((outputs_SD - mean_D) @ whiten_DD).std()
    last.weight.copy_(whiten_DD @ last.weight)
    last.bias.copy_(whiten_DD @ (last.bias - mean_D))


@torch.no_grad()
def take_connector(model: BabyLlavaForConditionalGeneration, checkpoint: Path) -> None:
    """Puts another stage's connector into a model, as the published instruction script does.

    Raises:
        CheckpointError: The checkpoint does not load exactly, or its connector is of another shape.
    """
    if not checkpoint.exists():
        raise CheckpointError("its connector is asked for, and there is none", path=checkpoint)
    other: Any = load_exactly(BabyLlavaForConditionalGeneration, checkpoint)
    try:
        model.model.multi_modal_projector.load_state_dict(other.model.multi_modal_projector.state_dict())
    except RuntimeError as error:
        raise CheckpointError(f"the connector is of another shape ({error})", path=checkpoint) from error
