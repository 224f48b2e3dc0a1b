"""bfloat16 copies of a module's weights to compute with, and the float32 weights that learn.

    master (float32) ── copy ──> parameter (bfloat16) ── forward, backward ──> gradient (bfloat16)
       ^                                                                          │ added up in float32
       └── optimizer <── bucket (float32), averaged over the processes <──────────┘

Everything between the layers is then bfloat16 too, which under autocast is float32 and takes twice the memory. It is
what FSDP2's ``MixedPrecisionPolicy`` computes (as in torchtitan), for processes that hold a copy each. A bucket is
averaged as soon as it is full while the step's last row goes backward, as DistributedDataParallel does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.utils.hooks import RemovableHandle

_BUCKET_NUMBERS = 2**24
"""Gradients averaged in one call, 64 MiB."""


@dataclass(kw_only=True)
class _Bucket:
    gradients: torch.Tensor
    """float32, flat."""
    parameters: int
    waiting: int = 0
    """Parameters whose gradient of the last row is still to come."""
    work: distributed.Work | None = None


@dataclass(frozen=True, kw_only=True)
class _Place:
    master: nn.Parameter
    gradient: torch.Tensor
    """A view of its bucket, of the parameter's shape."""
    bucket: _Bucket


class MasterWeights:
    """Makes a module compute with copies of its weights.

    Args:
        module: In float32, with its frozen parts frozen. Its parameters become copies; its buffers stay as they are.
        dtype: Of the copies.
        processes: How many hold one each; their gradients are averaged.
        frozen_aside: Keep the float32 weights of frozen parts in the CPU's memory: nothing reads them meanwhile.
    """

    def __init__(
        self, module: nn.Module, *, dtype: torch.dtype = torch.bfloat16, processes: int = 1, frozen_aside: bool = True
    ) -> None:
        self._module, self._processes, self._last = module, processes, False
        self._names = {parameter: name for name, parameter in module.named_parameters()}
        self._frozen: dict[nn.Parameter, torch.Tensor] = {}
        self._places: dict[nn.Parameter, _Place] = {}
        self._hooks: list[RemovableHandle] = []
        trained = [parameter for parameter in self._names if parameter.requires_grad]
        # Backward reaches the last layers first; so do the buckets.
        self._buckets = [self._make_bucket(members) for members in _grouped(trained[::-1])]
        for parameter in self._names:
            if parameter in self._places:
                self._hooks.append(parameter.register_post_accumulate_grad_hook(self._arrived))
            else:
                self._frozen[parameter] = parameter.data.to("cpu", copy=True) if frozen_aside else parameter.data
            parameter.data = parameter.data.to(dtype, copy=True)

    def _make_bucket(self, members: list[nn.Parameter]) -> _Bucket:
        size = sum(parameter.numel() for parameter in members)
        flat = torch.zeros(size, device=members[0].device)
        bucket = _Bucket(gradients=flat, parameters=len(members))
        start = 0
        for parameter in members:
            view = flat[start : start + parameter.numel()].view_as(parameter)
            master = nn.Parameter(parameter.data)
            self._places[parameter] = _Place(master=master, gradient=view, bucket=bucket)
            start += parameter.numel()
        return bucket

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The float32 weights that learn, named as the module's, for the optimizer."""
        return [(self._names[parameter], self._places[parameter].master) for parameter in self._in_order()]

    def _in_order(self) -> list[nn.Parameter]:
        return [parameter for parameter in self._names if parameter in self._places]

    def begin_row(self, *, first: bool, last: bool) -> None:
        """To be called before each row of a step; what goes backward after it is added to the gradients."""
        self._last = last
        for bucket in self._buckets:
            bucket.waiting = bucket.parameters
            if first:
                bucket.gradients.zero_()

    def _arrived(self, parameter: torch.Tensor) -> None:
        place = self._places[parameter]  # type: ignore[index]
        assert parameter.grad is not None
        place.gradient.add_(parameter.grad)
        parameter.grad = None
        place.master.grad = place.gradient
        place.bucket.waiting -= 1
        if self._last and self._processes > 1:
            self._average_full()

    def _average_full(self) -> None:
        """Begins to average full buckets, in their order: the processes must do so alike."""
        for bucket in self._buckets:
            if bucket.work is None:
                if bucket.waiting:
                    return
                self._average(bucket)

    def _average(self, bucket: _Bucket) -> None:
        bucket.gradients.div_(self._processes)
        bucket.work = distributed.all_reduce(bucket.gradients, async_op=True)

    def end_step(self) -> None:
        """Waits until the gradients are those of all processes; to be called after the last row."""
        if self._processes == 1:
            return
        for bucket in self._buckets:
            if bucket.work is None:  # something in it had no gradient here
                self._average(bucket)
        for bucket in self._buckets:
            assert bucket.work is not None
            bucket.work.wait()
            bucket.work = None
        for place in self._places.values():
            place.master.grad = place.gradient

    @torch.no_grad()
    def refresh(self) -> None:
        """Brings the copies up to their masters, after the optimizer's step."""
        parameters = self._in_order()
        masters = [self._places[parameter].master for parameter in parameters]
        torch._foreach_copy_([parameter.data for parameter in parameters], [master.data for master in masters])

    def exact(self, parameter: nn.Parameter) -> torch.Tensor:
        """The float32 weight of one of the module's parameters."""
        return self._places[parameter].master.data if parameter in self._places else self._frozen[parameter]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The module's state in float32."""
        held = self._module.state_dict(keep_vars=True)
        return {
            name: self.exact(value) if isinstance(value, nn.Parameter) else value.detach()
            for name, value in held.items()
        }

    def restore(self) -> None:
        """Gives the module its float32 weights back; it may then be given to another of these."""
        for hook in self._hooks:
            hook.remove()
        for parameter in self._names:
            parameter.data = self.exact(parameter).to(parameter.device)


def _grouped(parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    groups: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        if not groups or parameter.numel() > room:
            groups.append([])
            room = _BUCKET_NUMBERS
        groups[-1].append(parameter)
        room -= parameter.numel()
    return groups
