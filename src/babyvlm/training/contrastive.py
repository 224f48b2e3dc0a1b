"""The contrastive stage's objective: pictures and the utterances that go with them, close together in one space.

    pair ─┬─ frame ── whole, or regions of it ── dual encoder ── R unit vectors ─┐
          │                                                                      ├─ logits_BB ── InfoNCE or sigmoid
          └─ utterance ───────────────────────── dual encoder ── unit vector ────┘

With regions, those of a frame that are most like a text answer for it: their similarities are joined by a soft maximum
(log of the mean of exponentials). InfoNCE: Oord et al. 2018, as CVCL and CLIP have it; sigmoid: Zhai et al. 2023.

Of several processes each encodes its share of a batch, and all pairs of the whole batch are compared.

B pairs of a step, R regions of a frame, E width of the tower, D width of the space, L words or tokens.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

from babyvlm.model.dual_encoder import PAD_WORD, DualEncoder
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.pairs import Pairs

_LEAST_SUM = 1e-25
"""Of exponentials, where single precision ends near 1e-38."""
_LEAST_OVERLAP = 0.5
"""Below it two texts share too little to be about the same."""


class Compared(NamedTuple):
    """What a step found, over the pairs of all processes."""

    loss: torch.Tensor
    right: torch.Tensor
    """Share of the pictures to which their own text is the likest."""


class ContrastiveObjective(nn.Module):
    """A dual encoder and what it learns by.

    Args:
        encoder: Both encoders.
        settings: The stage.
        rarities_V: How much each word counts where texts are compared (:func:`word_rarities`); None where they are not.
    """

    rarities_V: torch.Tensor

    def __init__(
        self, encoder: DualEncoder, settings: ContrastiveStage, rarities_V: torch.Tensor | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.settings = encoder, settings
        if settings.shared_words and rarities_V is None:
            raise ValueError("shared_words compares texts, which takes the rarities of words")
        self.register_buffer("rarities_V", rarities_V, persistent=False)

    def forward(self, seen: torch.Tensor, texts_BL: torch.Tensor, groups_B: torch.Tensor, regions: int = 1) -> Compared:
        """The loss of a batch.

        Args:
            seen: Pixels as ``normalise`` leaves them, (B R, C, H, W), regions of a frame next to each other; or the
                tower's features, (B R, E).
            texts_BL: As the encoder's text reader makes them.
            groups_B: A number for each text; pairs with the same text are not each other's counterexamples.
            regions: R.
        """
        features_PE = self.encoder.features(seen) if seen.ndim == 4 else seen
        placed_PD, read_BD = self.encoder.placed(features_PE), self.encoder.read(texts_BL)
        placed_PD, read_BD, groups_B = everyones(placed_PD), everyones(read_BD), everyones(groups_B)
        shared_BB = None
        with torch.autocast(placed_PD.device.type, enabled=False):  # cosines times 100 need more than 8 bits
            if self.settings.shared_words:
                rare_BV = everyones(rare_words(texts_BL, self.rarities_V.float()))
                shared_BB = self.settings.shared_words * overlaps(rare_BV)
            return self._compare(placed_PD, read_BD, groups_B, regions, shared_BB)

    def _compare(
        self,
        placed_PD: torch.Tensor,
        read_BD: torch.Tensor,
        groups_B: torch.Tensor,
        regions: int,
        shared_BB: torch.Tensor | None,
    ) -> Compared:
        scale = self.encoder.log_scale.float().clamp(max=math.log(self.settings.largest_scale)).exp()
        plain = self.settings.loss == "infonce" and not self.settings.noise_weight and shared_BB is None
        if plain and regions == 1 and placed_PD.device.type == "cpu":
            quickly = quick_infonce(placed_PD, read_BD, scale, groups_B)
            if quickly is not None:
                return quickly
        same_BB = same_texts(groups_B)
        logits_BB = scale * likeness(placed_PD, read_BD, regions, scale)
        weights_B = noise_weights(logits_BB.detach(), same_BB, self.settings.noise_weight)
        if self.settings.loss == "infonce":
            loss = infonce(logits_BB, same_BB, weights_B, shared_BB)
        else:
            loss = sigmoid_loss(logits_BB + self.encoder.bias, same_BB, weights_B)
        own_B = logits_BB.masked_fill(same_BB, -math.inf).argmax(1)
        right = (own_B == torch.arange(len(own_B), device=own_B.device)).float().mean()
        return Compared(loss=loss, right=right)


def everyones(own: torch.Tensor) -> torch.Tensor:
    """Rows of all processes, in their order; gradients find their way back to each."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return own
    gathered: torch.Tensor = _Everyones.apply(own)
    return gathered


class _Everyones(torch.autograd.Function):
    """Every process compares all rows, so that the gradient of its own is the sum of what all found for them."""

    @staticmethod
    def forward(ctx: Any, own: torch.Tensor) -> torch.Tensor:
        rows = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(rows, own.contiguous())
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> torch.Tensor:
        (all_of_them,) = slopes
        summed = all_of_them.contiguous().clone()
        dist.all_reduce(summed)
        return summed.tensor_split(dist.get_world_size())[dist.get_rank()]


def same_texts(groups_B: torch.Tensor) -> torch.Tensor:
    """Pairs other than a picture's own whose text is the same, BB."""
    return (groups_B[:, None] == groups_B[None]).fill_diagonal_(False)


def likeness(placed_PD: torch.Tensor, read_BD: torch.Tensor, regions: int, scale: torch.Tensor) -> torch.Tensor:
    """How like each frame is to each text, (frames, texts).

    Args:
        placed_PD: Unit vectors of the frames' regions, ``regions`` of a frame next to each other.
        read_BD: Unit vectors of the texts.
        regions: R; with one it is the cosine.
        scale: What cosines are multiplied by in the soft maximum over regions.
    """
    cosine_PB = placed_PD @ read_BD.T
    if regions == 1:
        return cosine_PB
    cosine_BRB = cosine_PB.unflatten(0, (-1, regions))
    return ((scale * cosine_BRB).logsumexp(1) - math.log(regions)) / scale


def infonce(
    logits_BB: torch.Tensor, same_BB: torch.Tensor, weights_B: torch.Tensor, shared_BB: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of the own text among all texts, and of the own picture among all pictures, halved.

    Args:
        logits_BB: Pictures by texts.
        same_BB: Pairs other than a picture's own whose text is the same; they count neither way.
        weights_B: What each pair counts; 1 on average.
        shared_BB: How right the other texts are, beside 1 for the own one; equal texts then count as they say. None
            where the own one alone is right.
    """
    if shared_BB is None:
        logits_BB = logits_BB.masked_fill(same_BB, -math.inf)
        losses_B = logits_BB.logsumexp(1) + logits_BB.logsumexp(0) - 2 * logits_BB.diagonal()
        return (weights_B * losses_B).mean() / 2
    right_BB = shared_BB.clone().fill_diagonal_(1.0)
    right_BB = right_BB / right_BB.sum(1, keepdim=True)  # symmetric before, so that columns are its rows
    to_text_B = F.cross_entropy(logits_BB, right_BB, reduction="none")
    to_picture_B = F.cross_entropy(logits_BB.T, right_BB, reduction="none")
    return (weights_B * (to_text_B + to_picture_B)).mean() / 2


def quick_infonce(
    placed_BD: torch.Tensor, read_BD: torch.Tensor, scale: torch.Tensor, groups_B: torch.Tensor
) -> Compared | None:
    """What :func:`infonce` finds with equal weights, by one exponential for both directions and in half the passes.

    Args:
        placed_BD: Unit vectors of the pictures.
        read_BD: Unit vectors of the texts.
        scale: What cosines are multiplied by.
        groups_B: A number for each text; the same for equal ones.

    Returns:
        None where a picture or a text is so far from everything that its sum could vanish beside the largest.
    """
    found = _Exponentials.of(placed_BD.detach(), read_BD.detach(), scale.detach(), groups_B)
    if found is None:
        return None
    loss: torch.Tensor = _QuickInfonce.apply(placed_BD, read_BD, scale, found)
    return Compared(loss=loss, right=found.right)


class _Exponentials(NamedTuple):
    """Exponentials of a batch's logits, all less the largest."""

    all_BB: torch.Tensor
    """0 where texts are the same."""
    by_picture_B: torch.Tensor
    """Summed over texts."""
    by_text_B: torch.Tensor
    loss: torch.Tensor
    right: torch.Tensor

    @classmethod
    def of(
        cls, placed_BD: torch.Tensor, read_BD: torch.Tensor, scale: torch.Tensor, groups_B: torch.Tensor
    ) -> _Exponentials | None:
        logits_BB = (placed_BD @ read_BD.T).mul_(scale)
        own_B = logits_BB.diagonal().clone()
        if len(groups_B.unique()) < len(groups_B):
            logits_BB.masked_fill_(same_texts(groups_B), -math.inf)
        logits_BB.fill_diagonal_(-math.inf)
        others_B = logits_BB.amax(1)
        logits_BB.diagonal().copy_(own_B)
        largest = torch.maximum(own_B, others_B).amax()
        all_BB = logits_BB.sub_(largest).exp_()
        by_picture_B, by_text_B = all_BB.sum(1), all_BB.sum(0)
        if min(float(by_picture_B.min()), float(by_text_B.min())) < _LEAST_SUM:
            return None
        loss = (by_picture_B.log() + by_text_B.log()).mean() / 2 + largest - own_B.mean()
        return cls(all_BB, by_picture_B, by_text_B, loss, (own_B > others_B).float().mean())


class _QuickInfonce(torch.autograd.Function):
    """The loss of :func:`quick_infonce`; of the backward pass ``d_x`` is the gradient by ``x``."""

    @staticmethod
    def forward(
        ctx: Any, placed_BD: torch.Tensor, read_BD: torch.Tensor, scale: torch.Tensor, found: _Exponentials
    ) -> torch.Tensor:
        ctx.save_for_backward(placed_BD, read_BD, scale)
        ctx.found = found
        return found.loss.clone()  # found outlives the graph, and must not hold it

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        placed_BD, read_BD, scale = ctx.saved_tensors
        found: _Exponentials = ctx.found
        slope = slopes[0] / (2 * len(placed_BD))
        d_BB = (1 / found.by_picture_B)[:, None] + 1 / found.by_text_B
        d_BB.mul_(found.all_BB).diagonal().sub_(2)
        d_placed_BD, d_read_BD = (d_BB @ read_BD).mul_(slope), (d_BB.T @ placed_BD).mul_(slope * scale)
        return d_placed_BD * scale, d_read_BD, (d_placed_BD * placed_BD).sum(), None


def word_rarities(pairs: Pairs, words: int) -> torch.Tensor:
    """The squared logarithm of how many pairs there are to one with the word, (words + 1); 0 for no word."""
    texts_N = np.repeat(np.arange(len(pairs)), np.diff(pairs.start_N))
    once = np.unique(np.stack([texts_N, pairs.texts_T.astype(np.int64)]), axis=1)[1]
    counts_V = np.bincount(once, minlength=words + 1)
    rarities_V = np.log(len(pairs) / np.maximum(counts_V, 1)) ** 2
    rarities_V[counts_V == 0] = rarities_V[PAD_WORD] = 0.0
    return torch.from_numpy(rarities_V.astype(np.float32))


def rare_words(texts_BL: torch.Tensor, rarities_V: torch.Tensor) -> torch.Tensor:
    """Which words each text has, by their rarities, as vectors of length 1, BV; zero where all words are everywhere."""
    there_BV = torch.zeros(len(texts_BL), len(rarities_V), device=texts_BL.device).scatter_(1, texts_BL, 1.0)
    return F.normalize(there_BV * rarities_V, dim=1)


def overlaps(rare_BV: torch.Tensor) -> torch.Tensor:
    """The cosine of each two texts' rare words where it is above a half, else 0, BB."""
    cosine_BB = rare_BV @ rare_BV.T
    return cosine_BB * (cosine_BB > _LEAST_OVERLAP)


def sigmoid_loss(logits_BB: torch.Tensor, same_BB: torch.Tensor, weights_B: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of whether a picture and a text belong together, over all of a batch, per picture.

    Args:
        logits_BB: Pictures by texts, with their bias.
        same_BB: As in :func:`infonce`.
        weights_B: What each picture counts; 1 on average.
    """
    signs_BB = 2 * torch.eye(len(logits_BB), device=logits_BB.device) - 1
    each_BB = -F.logsigmoid(signs_BB * logits_BB).masked_fill(same_BB, 0.0)
    return (weights_B * each_BB.sum(1)).mean()


def noise_weights(logits_BB: torch.Tensor, same_BB: torch.Tensor, power: float) -> torch.Tensor:
    """What each pair counts: the more, the surer the model is that it belongs together; 1 on average.

    Many utterances name nothing in view. A pair that is found less often than its counterexamples is likely one of
    them.

    Args:
        logits_BB: Pictures by texts, without gradient.
        same_BB: As in :func:`infonce`.
        power: Of the probability that the pair is found; 0 for equal weights.
    """
    if power == 0:
        return logits_BB.new_ones(len(logits_BB))
    logits_BB = logits_BB.masked_fill(same_BB, -math.inf)
    found_B = (logits_BB.softmax(1).diagonal() * logits_BB.softmax(0).diagonal()).sqrt()
    weights_B = found_B.clamp(min=1e-6) ** power
    return weights_B / weights_B.mean()
