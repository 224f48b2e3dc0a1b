"""Weights into a model, each of them, and each of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from babyvlm.errors import CheckpointError

ModelT = TypeVar("ModelT", bound=PreTrainedModel)


def load_exactly(kind: type[ModelT], checkpoint: Path, **options: Any) -> ModelT:
    """A model of a checkpoint's weights in float32, where transformers alone would draw what is missing.

    Args:
        kind: The model's class.
        checkpoint: A folder with ``config.json`` and safetensors.
        options: What ``kind`` itself takes.

    Raises:
        CheckpointError: The weights do not load, or are not exactly the model's.
    """
    try:
        loaded: Any = kind.from_pretrained(checkpoint, output_loading_info=True, dtype=torch.float32, **options)
    except (OSError, RuntimeError, SafetensorError) as error:
        problem = f"the weights do not load ({str(error).strip().splitlines()[0]})"
        raise CheckpointError(problem, path=checkpoint) from error
    model, loading = loaded
    if problems := [f"{what}: {sorted(keys)[:3]}" for what, keys in loading.items() if keys]:
        raise CheckpointError("the weights do not fit the model: " + "; ".join(problems), path=checkpoint)
    found: ModelT = model
    return found
