"""How the processes of a run share a module: a copy each, or a shard each; and in what precision they compute.

    ddp    every process holds the whole module; gradients are averaged as the last row of a step goes backward
    fsdp   every process holds its share of each parameter, gradient and moment, and gathers a layer to compute with it
           (FSDP2, ``torch.distributed.fsdp.fully_shard``)
    hybrid the same within each machine, whose processes hold one copy together; gradients are then averaged between
           machines, so that layers are gathered over the fast connections alone

With precision ``bf16_weights`` layers compute with bfloat16 copies of float32 weights: :class:`MasterWeights` under
``ddp``, FSDP2's ``MixedPrecisionPolicy`` under the others; gradients are averaged in float32 either way.

A finished stage's weights are saved as whole tensors in float32, an interrupted one's in pieces (``shards.py``) from
which any number of processes resumes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers.modeling_layers import GradientCheckpointingLayer

from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.training.configuration import Precision, Sharding
from babyvlm.training.masters import MasterWeights
from babyvlm.training.nodes import place_of
from babyvlm.training.optimisation import ClipOver


class HasState(Protocol):
    """A module, or what stands for one when it is saved."""

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Its tensors by name."""


Unit = nn.Module | list[nn.Module]
"""What is gathered at once: a module, or several whose parameters are the same."""


def units_of(model: BabyLlavaForConditionalGeneration) -> list[Unit]:
    """What is gathered at once of a model in shards: each layer of the tower and of the language model, the token
    embeddings, the output layer, the connector, and what the tower has beside layers; the last norm is left.

    Of one unit a row must give all parameters a gradient or none: averaging takes no float32 of earlier rows together
    with the bfloat16 of the last. So what only pictures pass is in no unit with what text passes too.
    """
    tower = model.model.vision_tower
    ends: list[nn.Module] = [model.get_input_embeddings(), model.get_output_embeddings()]
    seeing = [tower.embeddings, *layers_of(tower), tower.layernorm, model.model.multi_modal_projector]
    return [*seeing, *layers_of(model.model.language_model), *([ends] if model.config.tie_word_embeddings else ends)]


def layers_of(module: nn.Module) -> list[nn.Module]:
    """The transformer layers in a module, of the tower and of the language model."""
    return [part for part in module.modules() if isinstance(part, GradientCheckpointingLayer)]


class Shared:
    """A module that all processes train together.

    Unless each has a copy, its parameters become shards in place, one group for each of ``units`` and one for all else.
    A group gathered by some processes only would wait for ever: all must pass the same units in the same order, and
    with the last row those that any row has passed, for that one averages the gradients.

    Args:
        module: On its device, in float32, with its frozen parts frozen; the same weights in every process.
        accelerator: The processes.
        precision: Of the recipe.
        sharding: Of the recipe.
        units: What becomes a group each.
        frozen_aside: As :class:`MasterWeights` says.
    """

    def __init__(
        self,
        module: nn.Module,
        accelerator: Accelerator,
        *,
        precision: Precision,
        sharding: Sharding = "ddp",
        units: list[Unit] | None = None,
        frozen_aside: bool = True,
    ) -> None:
        self.module, self._accelerator = module, accelerator
        self.masters: MasterWeights | None = None
        """The float32 weights, where ``module`` computes with copies."""
        processes, half = accelerator.num_processes, precision == "bf16_weights"
        self._named: list[tuple[str, nn.Parameter]] | None = None
        self.called: nn.Module = module
        """What to call in place of ``module``."""
        if sharding != "ddp" and processes > 1:
            self._shard(units or [], half, hybrid=sharding == "hybrid")
        elif half:
            self.masters = MasterWeights(module, processes=processes, frozen_aside=frozen_aside)
        elif processes > 1:
            self.called = accelerator.prepare(module)

    def _shard(self, units: list[Unit], half: bool, *, hybrid: bool) -> None:
        place, processes = place_of(self._accelerator), self._accelerator.num_processes
        nodes = place.nodes if hybrid else 1
        shape, names = ((nodes, place.local_processes), ("copies", "shards")) if nodes > 1 else ((processes,), ("all",))
        mesh = init_device_mesh(self._accelerator.device.type, shape, mesh_dim_names=names)
        policy = (
            MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
            if half
            else MixedPrecisionPolicy()
        )
        for unit in units:
            fully_shard(unit, mesh=mesh, mp_policy=policy)
        fully_shard(self.module, mesh=mesh, mp_policy=policy)
        # After a row torch (2.13) asks each group for gradients to raise to float32, also one that was never gathered,
        # such as the tower's where there is text alone, and fails for want of its parameters: all are gathered once.
        for part in self.module.modules():
            if isinstance(part, FSDPModule):
                part.unshard()
                part.reshard()

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """What the optimizer steps, named as in the module."""
        if self.masters:
            return self.masters.trained()
        if self._named is None:  # walking through the module at every step would cost some of a small model's time
            self._named = list(self.module.named_parameters())
        return [(name, parameter) for name, parameter in self._named if parameter.requires_grad]

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """The precision that the module computes in."""
        return self._accelerator.autocast()

    def backward(self, loss: torch.Tensor) -> None:
        """Adds a row's gradients."""
        self._accelerator.backward(loss)

    @contextlib.contextmanager
    def row(self, number: int, rows: int) -> Iterator[None]:
        """Within it a row of a step goes forward and backward; the last one averages over the processes."""
        last = number == rows - 1
        waits: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if self.masters:
            self.masters.begin_row(first=number == 0, last=last)
        elif isinstance(self.module, FSDPModule):
            self.module.set_requires_gradient_sync(last)
        elif not last:
            waits = self._accelerator.no_sync(self.called)
        with waits, self._accelerator.autocast():
            yield
        if self.masters and last:
            self.masters.end_step()

    def clip_gradients(self, clip_norm: float | None, over: ClipOver = "all") -> torch.Tensor:
        """Scales the gradients of all processes together down to ``clip_norm``.

        Args:
            clip_norm: The largest norm; None scales nothing.
            over: What has that norm at most: all gradients, those of each child of the module, or each by itself.

        Returns:
            The norm of all gradients before.
        """
        groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.trained():
            key = {"all": "", "module": name.partition(".")[0], "parameter": name}[over]
            groups.setdefault(key, []).append(parameter)
        largest = math.inf if clip_norm is None else clip_norm
        norms = [full_tensor(nn.utils.clip_grad_norm_(members, largest)) for members in groups.values()]
        return norms[0] if len(norms) == 1 else torch.stack(norms).norm()

    def refresh(self) -> None:
        """To be called after the optimizer's step."""
        if self.masters:
            self.masters.refresh()

    @property
    def state(self) -> HasState:
        """What a checkpoint holds: float32 weights under the module's own names."""
        return self.masters or self.module

    def restore(self) -> None:
        """To be called at the end: the module has its float32 weights again."""
        if self.masters:
            self.masters.restore()


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor that shards are of; every process must ask. A whole tensor is returned as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_weights(module: HasState, *, keep: bool = True) -> dict[str, torch.Tensor]:
    """The state of a module as whole tensors on the CPU; every process must ask.

    Args:
        module: Whose state.
        keep: Whether this process wants it: the others only take part in gathering shards.
    """
    held: dict[str, torch.Tensor] = {}
    for name, tensor in module.state_dict().items():
        gathered = full_tensor(tensor)
        if keep:
            held[name] = gathered.detach().cpu()
    return held
