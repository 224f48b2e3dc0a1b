"""Optimizers of all stages: AdamW, and on request Muon for the matrices inside the blocks.

Muon (Jordan et al. 2024) takes steps of orthogonalised momentum; in short trials of the nursery recipe its loss
fell sooner than AdamW's (docs/log.md). DEVIATION: the published scripts use AdamW throughout, and so does ``saycam``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from babyvlm.parts import part_of
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.precision import has_bf16
from babyvlm.training.shards import Pieces, rows_of

_OUTSIDE_BLOCKS = ("embed", "lm_head", "prototypes")


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps, for matrices.

    Matrices of one shape go through the steps together, to save calls.

    Args:
        groups: Parameter groups with ``lr`` and ``weight_decay``; every parameter a matrix.
        momentum: Decay of the Nesterov momentum (as published for Muon).
    """

    def __init__(self, groups: list[dict[str, Any]], momentum: float = 0.95) -> None:
        super().__init__(groups, {"momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Takes one step from the gradients at hand."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for (rows, columns), members in by_shape.items():
                for parameter in members:
                    if "momentum" not in self.state[parameter]:
                        self.state[parameter]["momentum"] = torch.zeros_like(parameter)
                gradients = [parameter.grad for parameter in members if parameter.grad is not None]
                momenta = [self.state[parameter]["momentum"] for parameter in members]
                torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
                directions_NRC = orthogonalise(torch.stack(list(ahead)))
                torch._foreach_mul_(members, 1 - group["lr"] * group["weight_decay"])
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                torch._foreach_add_(members, list(directions_NRC.to(members[0].dtype)), alpha=-rate)


def orthogonalise(matrices_NRC: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Moves the singular values of each matrix towards 1, by Newton-Schulz steps of fifth order in bfloat16 where
    that pays (as published for Muon), else in float32.

    >>> torch.linalg.svdvals(orthogonalise(torch.randn(1, 8, 4))).sub(1).abs().max() < 0.5
    tensor(True)
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    flat = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    x = matrices_NRC.mT if flat else matrices_NRC
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = (x.bfloat16() if has_bf16(x.device) else x.float()).contiguous()
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if flat else x).to(matrices_NRC.dtype)


def _adamw(groups: list[dict[str, Any]], betas: tuple[float, float]) -> torch.optim.AdamW:
    """In one kernel, which reads and writes each number once; shards on processors have none."""
    parameters = [parameter for group in groups for parameter in group["params"]]
    fused = all(parameter.is_cuda or not isinstance(parameter, DTensor) for parameter in parameters)
    return torch.optim.AdamW(groups, betas=betas, fused=True if fused else None)


def tower_rates(parameters: Iterable[tuple[str, nn.Parameter]], settings: Optimisation) -> dict[str, float]:
    """What the rate of each of a tower's parameters is multiplied by: less from each layer to the one before it.

    Args:
        parameters: Names and parameters of a student; its layers are numbered in their names.
        settings: The two factors.
    """
    if settings.layerwise_decay == settings.patch_embedding_rate == 1:
        return {}
    names = [name for name, _ in parameters if name.startswith(("student.", "student_scale."))]
    layer_of = {name: int(found[1]) for name in names if (found := re.search(r"\.layers\.(\d+)\.", name))}
    layers = max(layer_of.values()) + 1
    rates = {}
    for name in names:
        if name.startswith("student_scale."):
            layer = int(name.rpartition(".")[2]) // 2
        elif "embeddings" in name:
            layer = -1
        else:
            layer = layer_of.get(name, layers)
        rates[name] = settings.layerwise_decay ** (layers - layer)
        if "patch_embeddings" in name:
            rates[name] *= settings.patch_embedding_rate
    return rates


def forget_gradient(parameters: Iterable[tuple[str, nn.Parameter]], ending: str) -> None:
    """Drops the gradients of parameters whose names end so; a step then leaves them, and their moments, as they are."""
    for name, parameter in parameters:
        if name.endswith(ending):
            parameter.grad = None


class Optimizers:
    """One or two optimizers stepped as one, with a common schedule.

    Args:
        parameters: Names and parameters to train.
        settings: Rates, decay and moments.
        rates: What the rates of some parameters are multiplied by, by name.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        settings: Optimisation,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        groups: dict[tuple[bool, bool, float, float], list[nn.Parameter]] = {}
        for name, parameter in parameters:
            in_block = parameter.ndim == 2 and not any(word in name for word in _OUTSIDE_BLOCKS)
            muon = settings.matrix_learning_rate is not None and in_block
            rate = settings.matrix_learning_rate if muon else settings.learning_rate
            vision = part_of(name) == "vision"
            if vision and settings.vision_learning_rate is not None:
                rate = (rate or 0.0) * settings.vision_learning_rate / settings.learning_rate
            rate = (rate or 0.0) * (rates or {}).get(name, 1.0)
            # A decay that rises from 0 is none of a bias's either.
            decay = max(settings.weight_decay, settings.weight_decay_end or 0.0) if parameter.ndim >= 2 else 0.0
            groups.setdefault((muon, vision, rate, decay), []).append(parameter)
        self.optimizers: list[torch.optim.Optimizer] = []
        for muon in (False, True):
            chosen: list[dict[str, Any]] = [
                {
                    "params": members,
                    "lr": rate,
                    "peak_rate": rate,
                    "vision": vision,
                    "weight_decay": decay,
                    "decays": decay > 0,
                }
                for (is_muon, vision, rate, decay), members in groups.items()
                if is_muon == muon
            ]
            if chosen:
                self.optimizers.append(Muon(chosen) if muon else _adamw(chosen, (settings.beta1, settings.beta2)))

    def scale(self, factor: float, vision_factor: float = 1.0) -> None:
        """Sets every group's rate to this share of its peak, the tower's to ``vision_factor`` of that."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_rate"] * factor * (vision_factor if group["vision"] else 1.0)

    def set_weight_decay(self, weight_decay: float) -> None:
        """Sets the decay of every group that has any."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                if group["decays"]:
                    group["weight_decay"] = weight_decay

    def step(self) -> None:
        """Takes a step and forgets the gradients."""
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The moments by name, those of shards as shards."""
        return {
            f"{number}.{place}.{name}": value
            for number, optimizer in enumerate(self.optimizers)
            for place, moments in optimizer.state_dict()["state"].items()
            for name, value in moments.items()
        }

    def restore(self, pieces: Pieces, prefix: str) -> None:
        """Restores what :meth:`tensors` gave; each process reads its share.

        Args:
            pieces: Of how many processes is no matter.
            prefix: What the names in them begin with.
        """
        for number, optimizer in enumerate(self.optimizers):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state: dict[int, dict[str, torch.Tensor]] = {}
            for name in pieces.shapes:
                if name.startswith(f"{prefix}{number}."):
                    place, moment = name.removeprefix(f"{prefix}{number}.").split(".")
                    state.setdefault(int(place), {})[moment] = _share(pieces, name, parameters[int(place)])
            # Each step sets its rates and decays.
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _share(pieces: Pieces, name: str, parameter: torch.Tensor) -> torch.Tensor:
    """This process's share of a moment; a scalar, such as a step count, is whole."""
    if not isinstance(parameter, DTensor) or pieces.shapes[name] != parameter.shape:
        return pieces.read(name)
    local = pieces.read(name, *rows_of(parameter)).to(parameter.device)
    return DTensor.from_local(
        local,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
