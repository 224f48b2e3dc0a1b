"""How several processes share one model: a copy each, or a shard each.

    ddp    every process holds the whole model; gradients are averaged as the last row of a step goes backward
    fsdp   every process holds its share of each parameter, gradient and moment, and gathers a layer to compute with it
           (FSDP2, ``torch.distributed.fsdp.fully_shard``)

What is saved is whole tensors either way: a checkpoint does not tell how many processes wrote it, and any number goes
on from it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.training.configuration import Sharding


def distribute(model: BabyLlavaForConditionalGeneration, sharding: Sharding, accelerator: Accelerator) -> nn.Module:
    """Makes the processes share ``model``.

    Under ``fsdp`` its parameters become shards in place, one group for each layer of the language model and one for all
    else: a row without pictures passes the tower by, and a group gathered by some processes only would wait for ever.

    Args:
        model: With its frozen parts frozen; the same weights in every process.
        sharding: Which way.
        accelerator: The processes.

    Returns:
        What to call in place of ``model``; one process gets ``model`` itself.
    """
    if accelerator.num_processes == 1:
        return model
    if sharding == "ddp":
        return accelerator.prepare(model)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for layer in model.model.language_model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def reducing(wrapped: nn.Module, accelerator: Accelerator, *, last: bool) -> contextlib.AbstractContextManager[None]:
    """Within it a backward pass adds to the gradients, and the step's last one averages them over the processes."""
    if isinstance(wrapped, FSDPModule):
        wrapped.set_requires_gradient_sync(last)
        return contextlib.nullcontext()
    return contextlib.nullcontext() if last else accelerator.no_sync(wrapped)


def clip_gradients(parameters: Iterable[nn.Parameter], clip_norm: float | None) -> float:
    """Scales the gradients of all processes together down to ``clip_norm``; not at all where it is None.

    Returns:
        Their norm before.
    """
    norm = torch.nn.utils.clip_grad_norm_(parameters, math.inf if clip_norm is None else clip_norm)
    return float(whole(norm))


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor that shards are of; every process must ask. A whole tensor is returned as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def as_shard_of(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """This process's share of a whole tensor that belongs to ``parameter``; a scalar, such as a step count, stays."""
    if not isinstance(parameter, DTensor) or tensor.shape != parameter.shape:
        return tensor
    placed = tensor.to(parameter.device)
    return distribute_tensor(placed, parameter.device_mesh, parameter.placements, src_data_rank=None)


def whole_weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a module as whole tensors on the CPU; every process must ask."""
    return {name: whole(tensor).detach().cpu() for name, tensor in module.state_dict().items()}
