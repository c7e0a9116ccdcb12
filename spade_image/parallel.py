# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training: every process its share of the batch, gradients averaged.

With equal shares and synchronised batch norms the averaged gradients are those of the joint batch on one process.
Gradients are summed by hand after each backward pass instead of by hooks: generator and discriminator take turns on
one graph, and accumulation needs one exchange a step, not one a pass.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import distributed as dist
from torch import nn
from torch.nn import Parameter

from spade_core.distributed import world_size

__all__ = ["average_gradients", "broadcast_weights"]

_BUCKET = 2**23
"""Numbers exchanged at a time."""


def average_gradients(parameters: Iterable[Parameter]) -> None:
    """Replace every gradient by its mean over the processes; a missing one counts as zero."""
    size = world_size()
    if size == 1:
        return
    bucket: list[torch.Tensor] = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        bucket.append(parameter.grad)
        if sum(g.numel() for g in bucket) >= _BUCKET:
            _average(bucket, size)
            bucket = []
    if bucket:
        _average(bucket, size)


def _average(gradients: list[torch.Tensor], size: int) -> None:
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= size
    means = torch.split(flat, [g.numel() for g in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def broadcast_weights(*modules: nn.Module) -> None:
    """Give every process the first one's weights and buffers."""
    if world_size() == 1:
        return
    for module in modules:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)
