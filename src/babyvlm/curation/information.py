"""How much a picture tells of a text: the score of aligners that learned from pairs of the two."""

from __future__ import annotations

import math

import torch

REFERENCE_TEXTS = 1024
"""Most texts of the corpus that a text is compared with."""


def information(own_B: torch.Tensor, others_BR: torch.Tensor) -> torch.Tensor:
    """Pointwise mutual information of pictures and a text, nats, estimated beside other texts.

    Args:
        own_B: Logit of the text for each picture; or of several texts, a row each.
        others_BR: Logits of reference texts.

    >>> information(torch.tensor([0.0, 2.0]), torch.zeros(2, 5))
    tensor([0., 2.])
    """
    return own_B - (others_BR.logsumexp(-1) - math.log(others_BR.shape[1]))


def squashed(information_B: torch.Tensor) -> list[float]:
    """Scores from -1 to 1. 0 is what a text is worth that says nothing about the picture.

    >>> squashed(torch.tensor([0.0, 2.0]))
    [0.0, 0.7615941762924194]
    """
    return torch.tanh(information_B / 2).tolist()
