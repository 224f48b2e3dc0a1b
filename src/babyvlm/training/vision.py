"""Stage 0, vision: self-distillation with no labels (DINO, Caron et al. 2021, arXiv:2104.14294), from scratch.

    frame ─┬─ 2 global views ── teacher ── centre, sharpen ── targets
           └─ all views ─────── student ───────────────────── cross-entropy with the targets of the other view
    teacher = moving average of the student

On request, the terms that DINOv2 adds (Oquab et al. 2023, arXiv:2304.07193): patches masked in the student's global
views are predicted from the teacher's, by the same head, and KoLeo keeps the class tokens of a batch apart.

V views, B frames, K prototypes, P patches of a global view, S side of the kept frames.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ViTModel

from babyvlm.model.configuration import ModelShape
from babyvlm.training.configuration import VisionStage
from babyvlm.training.depth import LayerScale, leave_out_branches
from babyvlm.training.flops import vision_flops
from babyvlm.training.masters import MasterWeights
from babyvlm.training.objective import Masked, TeacherOutput, VisionObjective

_GLANCE = 16
"""Side at which a window's detail is told, pixels."""


class ProjectionHead(nn.Module):
    """DINO's head: three layers, an l2-normalised bottleneck, and prototypes of unit length."""

    def __init__(self, width: int, settings: VisionStage) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, settings.head_width),
            nn.GELU(),
            nn.Linear(settings.head_width, settings.head_width),
            nn.GELU(),
            nn.Linear(settings.head_width, settings.bottleneck),
        )
        self.prototypes = nn.Parameter(torch.empty(settings.prototypes, settings.bottleneck))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        # As nn.Linear draws them: their directions alone count, and the shorter they are, the faster those turn.
        nn.init.kaiming_uniform_(self.prototypes, a=math.sqrt(5))

    def forward(self, features_BD: torch.Tensor) -> torch.Tensor:
        """Similarity to each prototype, BK."""
        return F.normalize(self.mlp(features_BD), dim=-1) @ F.normalize(self.prototypes, dim=-1).T


class MicroBatch(NamedTuple):
    """Some frames of a step, as much as one forward pass takes."""

    views: list[torch.Tensor]
    """The two global views and then the local ones, each BCHW."""
    masked: Masked | None
    """Which patches of the global views the student does not see."""
    share: float
    """How much of the step's frames these are."""


class SelfDistillation(VisionObjective):
    """Student, teacher and centres.

    Args:
        tower: The vision tower to train; becomes the student.
        settings: The stage.
    """

    def __init__(self, tower: ViTModel, settings: VisionStage) -> None:
        super().__init__(tower, settings)
        self.uniform_loss = math.log(settings.prototypes)
        self.student_head = ProjectionHead(tower.config.hidden_size, settings)
        self.teacher, self.teacher_head = copy.deepcopy(tower), copy.deepcopy(self.student_head)
        for parameter in [*self.teacher.parameters(), *self.teacher_head.parameters()]:
            parameter.requires_grad_(False)
        self.student_scale = self.teacher_scale = None
        if settings.layer_scale is not None:
            self.student_scale = LayerScale(self.student, settings.layer_scale)
            self.teacher_scale = LayerScale(self.teacher, settings.layer_scale).requires_grad_(False)
        if settings.drop_path:
            leave_out_branches(self.student, settings.drop_path, uniform=settings.drop_path_uniform)
        self.centre_K: torch.Tensor
        self.patch_centre_K: torch.Tensor
        self.register_buffer("centre_K", torch.zeros(settings.prototypes))
        if settings.masked_patch_weight:
            # The student's alone: the teacher, which the stage leaves behind, sees every patch.
            tower.embeddings.mask_token = nn.Parameter(torch.zeros(1, 1, tower.config.hidden_size))
            self.register_buffer("patch_centre_K", torch.zeros(settings.prototypes))

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The student's parameters, named."""
        return [(name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad]

    def forward(
        self, views: Sequence[torch.Tensor], masked: Masked | None = None, share: float = 1.0
    ) -> tuple[torch.Tensor, TeacherOutput]:
        """The loss over all pairs of a global view and another view, and of DINOv2's terms that are asked for.

        Args:
            views: The two global views and then the local ones, each BCHW.
            masked: The patches of the global views that the student does not see; None for none.
            share: How much of the step's frames these are. Losses of a step's micro batches add up to that of the step,
                but for KoLeo's, which knows the neighbours within a micro batch alone.

        Returns:
            The loss, and the teacher's output added up over the views.
        """
        settings, globals_VCHW = self.settings, torch.cat(list(views[:2]))
        with torch.no_grad():
            taught_VTD = _tokens(self.teacher, globals_VCHW)
            seen_VK = self.teacher_head(taught_VTD[:, 0]).float()
            targets_2BK = self._targets(seen_VK, self.centre_K).chunk(2)
        learned_VTD = _tokens(self.student, globals_VCHW, None if masked is None else masked.hidden_VP)
        predictions = self._predictions(learned_VTD[:, 0], views)
        loss, patches_K = share * _between_views(targets_2BK, predictions), torch.zeros_like(self.centre_K)
        if masked is not None:
            with torch.no_grad():
                seen_MK = self.teacher_head(masked.of(taught_VTD)).float()
                targets_MK = self._targets(seen_MK, self.patch_centre_K)
            predicted_MK = self._log_probabilities(masked.of(learned_VTD))
            apart_M = (targets_MK * predicted_MK).sum(-1) * masked.counts_M
            loss = loss - settings.masked_patch_weight * apart_M.sum()
            patches_K = seen_MK.sum(0)
        if settings.koleo_weight:
            nearness = torch.stack([koleo(half) for half in learned_VTD[:, 0].chunk(2)]).mean()
            loss = loss + share * settings.koleo_weight * nearness
        with torch.no_grad():
            entropy = torch.special.entr(torch.cat(targets_2BK)).sum()
        return loss, TeacherOutput(seen_VK.sum(0), patches_K, entropy, taught_VTD[:, 0].float())

    def held_out_loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """The cross-entropy alone: no patch is masked, and KoLeo depends on how many frames there are."""
        globals_VCHW = torch.cat(list(views[:2]))
        seen_VK = self.teacher_head(_tokens(self.teacher, globals_VCHW)[:, 0]).float()
        targets_2BK = self._targets(seen_VK, self.centre_K).chunk(2)
        return _between_views(targets_2BK, self._predictions(_tokens(self.student, globals_VCHW)[:, 0], views))

    def _targets(self, seen_NK: torch.Tensor, centre_K: torch.Tensor) -> torch.Tensor:
        return F.softmax((seen_NK - centre_K) / self.teacher_temperature, dim=-1)

    def _log_probabilities(self, tokens_ND: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(self.student_head(tokens_ND).float() / self.settings.student_temperature, dim=-1)

    def _predictions(self, globals_VD: torch.Tensor, views: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Log-probabilities of each view, BK; the local views go through the tower together."""
        tokens = [globals_VD]
        if len(views) > 2:
            tokens.append(_tokens(self.student, torch.cat(list(views[2:])))[:, 0])
        return list(self._log_probabilities(torch.cat(tokens)).chunk(len(views)))

    def flops(self, shape: ModelShape, frames: int, masked: int = 0) -> float:
        """Operations of a step: the student forward and backward, the teacher forward."""
        return vision_flops(self.student, self.student_head, self.settings, shape, frames, masked)

    def probed_tower(self) -> ViTModel:
        """The teacher's tower."""
        return self.teacher

    def finished_tower(self) -> ViTModel:
        """The teacher's tower, its layer scale folded in."""
        return self.teacher if self.teacher_scale is None else self.teacher_scale.folded(self.teacher)

    @torch.no_grad()
    def update_centers(self, mean_class_K: torch.Tensor, mean_patch_K: torch.Tensor) -> None:
        """Moves the centres towards the means of the teacher's output over the whole batch."""
        self.centre_K.lerp_(mean_class_K, 1 - self.settings.centre_momentum)
        if self.settings.masked_patch_weight:
            self.patch_centre_K.lerp_(mean_patch_K, 1 - self.settings.centre_momentum)

    @torch.no_grad()
    def update_teacher(self, momentum: float, masters: MasterWeights | None = None) -> None:
        """Moves the teacher towards the student, in float32.

        Args:
            momentum: How much of the teacher stays.
            masters: The float32 weights, where student and teacher compute with copies.
        """
        pairs: list[tuple[nn.Module, nn.Module]] = [
            (self.teacher, self.student),
            (self.teacher_head, self.student_head),
        ]
        if self.student_scale is not None and self.teacher_scale is not None:
            pairs.append((self.teacher_scale, self.student_scale))
        for teacher, student in pairs:
            learned = dict(student.named_parameters())
            names, copies = zip(*teacher.named_parameters(), strict=True)
            sources: list[torch.Tensor] = [learned[name] for name in names]
            if masters is None:
                torch._foreach_lerp_(list(copies), sources, 1 - momentum)
                continue
            exact = [masters.exact(copy) for copy in copies]
            torch._foreach_lerp_(exact, [masters.exact(learned[name]) for name in names], 1 - momentum)
            torch._foreach_copy_(list(copies), exact)


def _between_views(targets_2BK: Sequence[torch.Tensor], predictions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy of every view's prediction with the target of each other global view."""
    losses = [
        -(target_BK * predicted_BK).sum(-1).mean()
        for number, target_BK in enumerate(targets_2BK)
        for other, predicted_BK in enumerate(predictions)
        if other != number
    ]
    return torch.stack(losses).mean()


def _tokens(tower: ViTModel, pixels_BCHW: torch.Tensor, masked_BP: torch.Tensor | None = None) -> torch.Tensor:
    """The layer-normed tokens, class token first, BTD."""
    tokens_BTD: torch.Tensor = tower(
        pixels_BCHW, bool_masked_pos=masked_BP, interpolate_pos_encoding=True
    ).last_hidden_state
    return tokens_BTD


def micro_batches(
    views: Sequence[torch.Tensor], masks_VP: torch.Tensor | None, frames: int | None
) -> Iterator[MicroBatch]:
    """Cuts a step's frames into forward passes.

    Args:
        views: The two global views and then the local ones, each BCHW.
        masks_VP: What each patch of the global views counts, (2 B, P), on the CPU.
        frames: At most so many in a pass; None for all at once.
    """
    whole = len(views[0])
    for start in range(0, whole, frames or whole):
        part = slice(start, start + (frames or whole))
        cut = [view[part] for view in views]
        masked = None
        if masks_VP is not None:
            masked = Masked.drawn(masks_VP.unflatten(0, (2, whole))[:, part].flatten(0, 1), cut[0].device)
        yield MicroBatch(cut, masked, len(cut[0]) / whole)


def koleo(classes_BD: torch.Tensor) -> torch.Tensor:
    """Minus the mean logarithm of each class token's distance to its nearest neighbour in the batch, on the sphere."""
    unit_BD = F.normalize(classes_BD.float(), dim=-1)
    apart_BB = (unit_BD @ unit_BD.T).fill_diagonal_(-1)
    nearest_BD = unit_BD[apart_BB.argmax(1)]
    return -torch.log(F.pairwise_distance(unit_BD, nearest_BD) + 1e-8).mean()


def draw_masks(views: int, patches: int, settings: VisionStage, generator: torch.Generator) -> torch.Tensor:
    """Patches to mask: of so many views a part, of each of them a part spread evenly over its range.

    DEVIATION: positions are drawn one by one, where iBOT masks blocks.

    Args:
        views: How many global views there are.
        patches: Of each.
        settings: The stage.
        generator: Source of all randomness, of the CPU.

    Returns:
        What each patch counts, 0 where it is not masked, (views, patches). Every view with masked patches counts alike,
        and all together 1.
    """
    chosen = torch.randperm(views, generator=generator)[: max(1, round(views * settings.masked_views))]
    shares = torch.linspace(*settings.masked_patches, len(chosen))
    ranks = torch.rand(len(chosen), patches, generator=generator).argsort(1)
    masked_VP = torch.zeros(views, patches, dtype=torch.bool)
    masked_VP[chosen] = ranks < (shares * patches).round().clamp(min=1)[:, None]
    counts_V = masked_VP.sum(1)
    return masked_VP * (1 / counts_V.clamp(min=1) / (counts_V > 0).sum())[:, None]


def cut_windows(
    frames_BCSS: torch.Tensor, scale: tuple[float, float], tries: int, generator: torch.Generator
) -> torch.Tensor:
    """A window of each frame, of its shape: of ``tries`` random ones the one in which pixels differ most.

    Two views of a whole frame that shows things on a plain ground share little but the ground, and a tower that has to
    tell the same of both learns to overlook the things. Views of one window share what is in it.

    Args:
        frames_BCSS: Frames in [0, 1].
        scale: Smallest and largest area, fraction of the frame; with (1, 1) the frames come back as they are.
        tries: Windows to choose from.
        generator: Source of all randomness, on the frames' device.

    Returns:
        (B, C, side, side), as large as the largest window.
    """
    if scale[0] == 1:
        return frames_BCSS
    B, S = len(frames_BCSS), frames_BCSS.shape[-1]
    sides_TB = frames_BCSS.new_empty(tries, B).uniform_(*scale, generator=generator).sqrt()
    centres_TB2 = frames_BCSS.new_empty(tries, B, 2).uniform_(-1, 1, generator=generator) * (1 - sides_TB)[..., None]
    chosen = _most_detailed(frames_BCSS, sides_TB, sides_TB, centres_TB2)
    side_B = sides_TB[chosen]
    return _cut(frames_BCSS, side_B, side_B, centres_TB2[chosen], math.ceil(S * math.sqrt(scale[1])))


def _most_detailed(
    frames_BCSS: torch.Tensor, widths_TB: torch.Tensor, heights_TB: torch.Tensor, centres_TB2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of T rectangles of each frame the one in which pixels differ most, as an index into TB."""
    details_TB = torch.stack(
        [
            _cut(frames_BCSS, width_B, height_B, centre_B2, _GLANCE).std((2, 3)).mean(1)
            for width_B, height_B, centre_B2 in zip(widths_TB, heights_TB, centres_TB2, strict=True)
        ]
    )
    return details_TB.argmax(0), torch.arange(len(frames_BCSS), device=frames_BCSS.device)


def _cut(
    frames_BCSS: torch.Tensor, width_B: torch.Tensor, height_B: torch.Tensor, centre_B2: torch.Tensor, size: int
) -> torch.Tensor:
    """A rectangle of each frame, brought to a side of ``size``; a negative width mirrors.

    Widths and heights are fractions of the frame, centres lie in -1..1.
    """
    theta_B23 = frames_BCSS.new_zeros(len(frames_BCSS), 2, 3)
    theta_B23[:, 0, 0], theta_B23[:, 1, 1], theta_B23[:, :, 2] = width_B, height_B, centre_B2
    grid = F.affine_grid(theta_B23, [*frames_BCSS.shape[:2], size, size], align_corners=False)
    return F.grid_sample(frames_BCSS, grid, padding_mode="reflection", align_corners=False)


def cut_views(
    frames_BCSS: torch.Tensor,
    size: int,
    scale: tuple[float, float],
    flip: float,
    generator: torch.Generator,
    aspects_B: torch.Tensor | None = None,
    tries: int = 1,
) -> torch.Tensor:
    """A random part of each frame, half of them mirrored.

    Args:
        frames_BCSS: Frames in [0, 1], stretched to squares.
        size: Side of the view, pixels.
        scale: Smallest and largest area, fraction of the frame.
        flip: Probability of mirroring.
        generator: Source of all randomness, on the frames' device.
        aspects_B: Width over height of each frame before it was stretched; None where it is a square.
        tries: Parts to draw of each frame, of which the one with most detail is taken.

    Returns:
        Views in [0, 1], (B, C, size, size). Of a frame as it was, a view's sides are as 3 to 4 at most.
    """
    B = len(frames_BCSS)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(tries, B, generator=generator, device=frames_BCSS.device) * (high - low) + low

    area, ratio = uniform(*scale), torch.exp(uniform(math.log(3 / 4), math.log(4 / 3)))
    if aspects_B is not None:
        ratio = ratio / aspects_B
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    mirror = torch.where(uniform(0, 1) < flip, -1.0, 1.0)
    centre_TB2 = torch.stack([uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)], -1)
    chosen = (0,) if tries == 1 else _most_detailed(frames_BCSS, width, height, centre_TB2)
    return _cut(frames_BCSS, (width * mirror)[chosen], height[chosen], centre_TB2[chosen], size)
