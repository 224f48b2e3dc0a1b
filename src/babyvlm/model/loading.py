"""Loads weights, configuration and tokenizer; every tensor must be used and every parameter filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, ViTModel

from babyvlm.errors import CheckpointError
from babyvlm.model.stem import TowerWithStem

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
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of torch, safetensors, transformers and what they read with
        raise CheckpointError(f"the weights do not load ({_first_line(error)})", path=checkpoint) from error
    model, loading = loaded
    if problems := [f"{what}: {sorted(keys)[:3]}" for what, keys in loading.items() if keys]:
        raise CheckpointError("the weights do not fit the model: " + "; ".join(problems), path=checkpoint)
    found: ModelT = model
    return found


def load_tower(checkpoint: Path) -> ViTModel:
    """A vision stage's tower, with a stem where its configuration has one.

    Raises:
        CheckpointError: As for :func:`load_exactly`.
    """
    config = load_config(checkpoint)
    if getattr(config, "stem", None):
        return load_exactly(TowerWithStem, checkpoint, config=config)
    return load_exactly(ViTModel, checkpoint, add_pooling_layer=False)


def load_config(checkpoint: Path) -> Any:
    """A checkpoint's configuration.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    try:
        return AutoConfig.from_pretrained(checkpoint)
    except Exception as error:  # a damaged value fails wherever it is first used
        raise CheckpointError(f"config.json does not load ({_first_line(error)})", path=checkpoint) from error


def load_tokenizer(checkpoint: Path) -> Any:
    """A checkpoint's tokenizer, with its chat template.

    Raises:
        CheckpointError: One of its files is missing or damaged.
    """
    try:
        return AutoTokenizer.from_pretrained(checkpoint)
    except Exception as error:  # tokenizers raises bare ones
        problem = f"the tokenizer or its chat template does not load ({_first_line(error)})"
        raise CheckpointError(problem, path=checkpoint, remedy="Copy the checkpoint again") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
