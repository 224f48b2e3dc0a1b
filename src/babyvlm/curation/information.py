"""How much a picture tells of a text: the score of aligners that learned from pairs of the two."""

from __future__ import annotations

import math

import torch

REFERENCE_TEXTS = 1024
"""Most texts of the corpus that a text is compared with."""


def squashed_information(own_B: torch.Tensor, others_BR: torch.Tensor) -> list[float]:
    """Pointwise mutual information of pictures and a text, estimated beside other texts, squashed to -1 to 1.

    0 is what a text is worth that says nothing about the picture.

    Args:
        own_B: Logit of the text for each picture.
        others_BR: Logits of reference texts.

    >>> squashed_information(torch.tensor([0.0, 2.0]), torch.zeros(2, 5))
    [0.0, 0.7615941762924194]
    """
    information_B = own_B - (others_BR.logsumexp(1) - math.log(others_BR.shape[1]))
    return torch.tanh(information_B / 2).tolist()
