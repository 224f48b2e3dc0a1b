"""What an objective of the vision stage is: a module with the tower to train in it, which turns views into a loss.

    frames -> views (distillation.py) -> objective(views) -> loss -> optimizer -> update_teacher, update_centers
                                                                                -> finished_tower() at the end

An objective without a teacher needs `VisionObjective.loss` alone. V views, B frames, P patches of a view, M masked
ones, D the tower's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from transformers import ViTModel

from babyvlm.model.configuration import ModelShape
from babyvlm.training.configuration import VisionStage
from babyvlm.training.flops import tower_flops
from babyvlm.training.masters import MasterWeights


class TeacherOutput(NamedTuple):
    """What the teacher computed for some frames."""

    classes: torch.Tensor
    """Its output for class tokens, added up over the views, K."""
    patches: torch.Tensor
    """Its output for masked patches, added up, K; zeros where none are predicted."""
    entropy: torch.Tensor
    """Entropy of its targets, nats, added up over the global views; not a number where there is no teacher."""
    tokens: torch.Tensor
    """The class tokens of the global views, (2 B, D), float32."""


class Masked(NamedTuple):
    """M patches of V views, of P each, that the student does not see.

    Their places are found on the CPU, where they are drawn: a GPU would have to be waited for to know how many there
    are.
    """

    hidden_VP: torch.Tensor
    """Booleans."""
    places_M: torch.Tensor
    """Where they are among the V * P patches."""
    counts_M: torch.Tensor
    """What each counts."""

    @classmethod
    def drawn(cls, masks_VP: torch.Tensor, device: torch.device) -> Masked:
        """Of masks as :func:`draw_masks` draws them, moved to a device."""
        hidden_VP = masks_VP > 0
        places_M = hidden_VP.flatten().nonzero()[:, 0]
        parts = [hidden_VP, places_M, masks_VP.flatten()[places_M]]
        if device.type == "cuda":
            parts = [part.pin_memory() for part in parts]
        return cls(*(part.to(device, non_blocking=True) for part in parts))

    def of(self, tokens_VTD: torch.Tensor) -> torch.Tensor:
        """The tokens of these patches, MD; the first of each view is its class token."""
        return tokens_VTD[:, 1:].flatten(0, 1).index_select(0, self.places_M)


class VisionObjective(nn.Module):
    """Base of all objectives of the vision stage.

    Args:
        tower: The vision tower to train, with drawn weights.
        settings: The stage. An objective may read any of its settings.
    """

    teacher_temperature: float
    """Set before each step by the stage's schedule."""
    uniform_loss: float = 0.0
    """Loss of one who guesses evenly, from which the stage tells that it diverged; 0 leaves that to the first step."""

    def __init__(self, tower: ViTModel, settings: VisionStage) -> None:
        super().__init__()
        self.settings, self.student = settings, tower
        self.teacher_temperature = settings.teacher_temperature

    def loss(self, views: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """What some frames cost.

        Args:
            views: The two global views and then the local ones, each BCHW, normalised.

        Returns:
            The mean loss over the frames, and the class tokens of the two global views, (2 B, D).
        """
        raise NotImplementedError

    def forward(
        self, views: Sequence[torch.Tensor], masked: Masked | None = None, share: float = 1.0
    ) -> tuple[torch.Tensor, TeacherOutput]:
        """The loss of some of a step's frames, weighted by their share of it, and what the log and the teacher need."""
        loss, tokens_VD = self.loss(views)
        nothing = loss.new_zeros(1)
        return share * loss, TeacherOutput(
            nothing, nothing, loss.new_full((), float("nan")), tokens_VD.detach().float()
        )

    def held_out_loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """What some held-out frames cost, without a gradient; the mean over the frames.

        Args:
            views: As for :meth:`loss`.
        """
        return self.loss(views)[0]

    def tokens(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """The student's layer-normed tokens, class token first, BTD."""
        tokens_BTD: torch.Tensor = self.student(pixels_BCHW, interpolate_pos_encoding=True).last_hidden_state
        return tokens_BTD

    def flops(self, shape: ModelShape, frames: int, masked: int = 0) -> float:
        """Operations of a step on so many frames; here the student's alone, forward and backward over all views."""
        return tower_flops(self.student, self.settings, shape, frames)

    def probed_tower(self) -> ViTModel:
        """The tower that probes look at while the stage runs."""
        return self.student

    def finished_tower(self) -> ViTModel:
        """The tower that the stage leaves behind."""
        return self.student

    def update_centers(self, mean_class_K: torch.Tensor, mean_patch_K: torch.Tensor) -> None:
        """Called after each step with the means of the teacher's output over all processes."""

    def update_teacher(self, momentum: float, masters: MasterWeights | None = None) -> None:
        """Called after each step with how much of the teacher stays."""
