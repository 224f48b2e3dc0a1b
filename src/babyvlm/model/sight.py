"""The check before training, evaluating or chatting: two different pictures must give two different outputs.

A version of transformers may drop the pictures without an error, and a damaged connector may silence them. A model
that does not see trains and answers all the same, and nothing else would say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from babyvlm.errors import CheckpointError
from babyvlm.model.modeling import IGNORED, BabyLlavaForConditionalGeneration
from babyvlm.model.packed_attention import packed
from babyvlm.model.tokenizer import SOS

_WORDS = 4


@torch.no_grad()
def require_sight(model: BabyLlavaForConditionalGeneration, path: Path | str) -> None:
    """Shows the model two pictures of noise, in each way in which training and evaluation show them.

    Args:
        model: On its device, not sharded. It is left as it was.
        path: Where its weights are from, for the error.

    Raises:
        CheckpointError: Its output is the same for both.
    """
    device, was_training = model.device, model.training
    config: Any = model.config
    words = torch.arange(4, 4 + _WORDS) % config.image_token_id
    placeholders = torch.full((config.image_seq_length,), config.image_token_id)
    ids_BL = torch.cat([torch.tensor([SOS]), placeholders, words])[None].to(device)
    labels_BL = ids_BL.clone()
    labels_BL[:, :-_WORDS] = IGNORED
    row: dict[str, Any] = {"input_ids": ids_BL, "labels": labels_BL, "use_cache": False}
    attention = config.text_config._attn_implementation or ""
    if attention.startswith(packed("")):
        row["blocks"] = ((1, ids_BL.shape[1]),)

    size = config.vision_config.image_size
    noise_UCHW = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    model.eval()
    try:
        features_UTD = model.model.vision_tower(pixel_values=noise_UCHW).last_hidden_state
        ways: dict[str, torch.Tensor] = {"pixel_values": noise_UCHW, "vision_features": features_UTD}
        for name, both in ways.items():
            index_N = torch.zeros(1, dtype=torch.long, device=device)
            one, other = (model(**row, **{name: each[None]}, image_index=index_N).logits for each in both)
            if torch.equal(one, other):
                raise CheckpointError(
                    f"the model does not see: two different pictures, given as {name}, leave its output the same",
                    path=path,
                    remedy=f"Use another version of transformers than {transformers.__version__}; if the output stays "
                    "the same, the connector or the vision tower of this checkpoint passes nothing on",
                )
    finally:
        model.train(was_training)
