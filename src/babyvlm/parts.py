"""The three parts of the model, and the part that a parameter belongs to by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Part = Literal["vision", "connector", "language"]


def part_of(name: str) -> Part:
    """The part of the model that a parameter belongs to.

    >>> part_of("model.vision_tower.layers.0.mlp.fc1.weight"), part_of("lm_head.weight")
    ('vision', 'language')
    """
    return "vision" if "vision_tower." in name else "connector" if "projector" in name else "language"


def parameter_counts(model: nn.Module) -> dict[str, int]:
    """Number of parameters of each part; the output layer counts as part of the language model."""
    counts: dict[str, int] = {"vision": 0, "connector": 0, "language": 0}
    for name, parameter in model.named_parameters():
        counts[part_of(name)] += parameter.numel()
    return counts
