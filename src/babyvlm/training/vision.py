"""Stage 0, vision: self-distillation with no labels (DINO, Caron et al. 2021, arXiv:2104.14294), from scratch.

    frame ─┬─ 2 global views ── teacher ── centre, sharpen ── targets
           └─ all views ─────── student ───────────────────── cross-entropy with the targets of the other view
    teacher = moving average of the student

V views, B frames, K prototypes, S side of the kept frames.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ViTModel

from babyvlm.training.configuration import VisionStage


class ProjectionHead(nn.Module):
    """DINO's head: three layers, an l2-normalised bottleneck, and prototypes of unit length."""

    def __init__(self, width: int, knobs: VisionStage) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, knobs.head_width),
            nn.GELU(),
            nn.Linear(knobs.head_width, knobs.head_width),
            nn.GELU(),
            nn.Linear(knobs.head_width, knobs.bottleneck),
        )
        self.prototypes = nn.Parameter(torch.empty(knobs.prototypes, knobs.bottleneck))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.prototypes)

    def forward(self, features_BD: torch.Tensor) -> torch.Tensor:
        """Similarity to each prototype, BK."""
        return F.normalize(self.mlp(features_BD), dim=-1) @ F.normalize(self.prototypes, dim=-1).T


class SelfDistillation(nn.Module):
    """Student, teacher and centre.

    Args:
        tower: The vision tower to train; becomes the student.
        knobs: The stage.
    """

    def __init__(self, tower: ViTModel, knobs: VisionStage) -> None:
        super().__init__()
        self._knobs = knobs
        self.student, self.student_head = tower, ProjectionHead(tower.config.hidden_size, knobs)
        self.teacher, self.teacher_head = copy.deepcopy(tower), copy.deepcopy(self.student_head)
        for parameter in [*self.teacher.parameters(), *self.teacher_head.parameters()]:
            parameter.requires_grad_(False)
        self.centre_K: torch.Tensor
        self.register_buffer("centre_K", torch.zeros(knobs.prototypes))

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The student's parameters, named."""
        return [(name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad]

    def forward(self, views: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss over all pairs of a global view and another view.

        Args:
            views: The two global views and then the local ones, each BCHW.

        Returns:
            The loss, and the mean of the teacher's output over the batch, K, for :meth:`move_centre`.
        """
        with torch.no_grad():
            seen = self.teacher_head(_class_token(self.teacher, torch.cat(list(views[:2])))).float()
            targets_2BK = F.softmax((seen - self.centre_K) / self._knobs.teacher_temperature, dim=-1).chunk(2)
        predictions = self._student_views(views)
        losses = [
            -(target_BK * predicted_BK).sum(-1).mean()
            for number, target_BK in enumerate(targets_2BK)
            for other, predicted_BK in enumerate(predictions)
            if other != number
        ]
        return torch.stack(losses).mean(), seen.mean(0)

    def _student_views(self, views: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Log-probabilities of each view, BK; views of one size go through the tower together."""
        tokens = [_class_token(self.student, torch.cat(list(views[:2])))]
        if len(views) > 2:
            tokens.append(_class_token(self.student, torch.cat(list(views[2:]))))
        logits = self.student_head(torch.cat(tokens)).float() / self._knobs.student_temperature
        return list(F.log_softmax(logits, dim=-1).chunk(len(views)))

    @torch.no_grad()
    def move_centre(self, mean_K: torch.Tensor) -> None:
        """Moves the centre towards the mean of the teacher's output over the whole batch."""
        self.centre_K.lerp_(mean_K, 1 - self._knobs.centre_momentum)

    @torch.no_grad()
    def move_teacher(self, momentum: float) -> None:
        """Moves the teacher towards the student."""
        pairs = ((self.teacher, self.student), (self.teacher_head, self.student_head))
        for teacher, student in pairs:
            torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - momentum)


def _class_token(tower: ViTModel, pixels_BCHW: torch.Tensor) -> torch.Tensor:
    """The layer-normed class token, BD."""
    tokens_BTD: torch.Tensor = tower(pixels_BCHW, interpolate_pos_encoding=True).last_hidden_state
    return tokens_BTD[:, 0]


def teacher_momentum(step: int, steps: int, start: float) -> float:
    """The teacher's moving average at a step: from ``start`` to 1 along a cosine (DINO)."""
    return 1 - (1 - start) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))


def cut_views(
    frames_BCSS: torch.Tensor, size: int, scale: tuple[float, float], flip: float, generator: torch.Generator
) -> torch.Tensor:
    """A random view of each frame: crop, mirror, colour.

    Args:
        frames_BCSS: Frames in [0, 1].
        size: Side of the view, pixels.
        scale: Smallest and largest area, fraction of the frame.
        flip: Probability of mirroring.
        generator: Source of all randomness.

    Returns:
        Views in [0, 1], (B, C, size, size).
    """
    B = len(frames_BCSS)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(B, generator=generator, device=frames_BCSS.device) * (high - low) + low

    area, ratio = uniform(*scale), torch.exp(uniform(math.log(3 / 4), math.log(4 / 3)))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    mirror = torch.where(uniform(0, 1) < flip, -1.0, 1.0)
    theta_B23 = torch.zeros(B, 2, 3, device=frames_BCSS.device)
    theta_B23[:, 0, 0], theta_B23[:, 1, 1] = width * mirror, height
    theta_B23[:, 0, 2], theta_B23[:, 1, 2] = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    grid = F.affine_grid(theta_B23, [B, frames_BCSS.shape[1], size, size], align_corners=False)
    views = F.grid_sample(frames_BCSS, grid, padding_mode="reflection", align_corners=False)

    brightness, contrast, saturation = (uniform(0.6, 1.4).view(-1, 1, 1, 1) for _ in range(3))
    views = views * brightness
    views = (views - views.mean((1, 2, 3), keepdim=True)) * contrast + views.mean((1, 2, 3), keepdim=True)
    grey = views.mean(1, keepdim=True)
    saturation = torch.where(uniform(0, 1).view(-1, 1, 1, 1) < 0.1, 0.0, saturation)
    return ((views - grey) * saturation + grey).clamp(0, 1)
