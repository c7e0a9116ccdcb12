# SPDX-License-Identifier: Apache-2.0
"""Several processes, from the launcher's environment: ``torchrun --nproc-per-node 4 train.py``.

On one process every function here does nothing, so code calls them without asking.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = [
    "Ranks",
    "all_reduce_sum",
    "any_rank",
    "barrier",
    "is_main",
    "mean_over_ranks",
    "process_group",
    "rank",
    "world_size",
]


@dataclass(frozen=True)
class Ranks:
    """Who this process is: global rank, number of processes, rank on its machine, and its device."""

    rank: int
    world_size: int
    local_rank: int
    device: torch.device


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """Return the number of processes; 1 without a process group."""
    return dist.get_world_size() if _active() else 1


def rank() -> int:
    """Return this process's number from 0; 0 without a process group."""
    return dist.get_rank() if _active() else 0


def is_main() -> bool:
    """Say whether this process writes the files."""
    return rank() == 0


@contextmanager
def process_group(backend: str | None = None) -> Iterator[Ranks]:
    """Join the group of the launcher's environment, and leave it at the end.

    The launcher sets RANK, WORLD_SIZE and LOCAL_RANK. Without them it is one process and no group.
    ``backend`` is "nccl" with CUDA, else "gloo".
    """
    size, number = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", str(number)))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local % torch.cuda.device_count()) if cuda else torch.device("cpu")
    if size == 1:
        yield Ranks(0, 1, 0, device)
        return
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(backend or ("nccl" if cuda else "gloo"))
    try:
        yield Ranks(number, size, local, device)
    finally:
        dist.destroy_process_group()


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes, forward and backward: each process's loss depends on every process's term."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        out = x.clone()
        dist.all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        out = grad.clone()
        dist.all_reduce(out)
        return out


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum a tensor over the processes, differentiably."""
    if world_size() == 1:
        return x
    return _AllReduceSum.apply(x)  # type: ignore[no-untyped-call]


def any_rank(flag: bool) -> bool:
    """Say whether the flag is set on any process, so that all stop at the same step."""
    if world_size() == 1:
        return flag
    return bool(_on_device([float(flag)], dist.ReduceOp.MAX)[0] > 0)


def mean_over_ranks(metrics: Mapping[str, float]) -> dict[str, float]:
    """Average metrics over the processes; all must hold the same names."""
    if world_size() == 1:
        return dict(metrics)
    names = sorted(metrics)
    total = _on_device([metrics[name] for name in names], dist.ReduceOp.SUM)
    return {name: float(value) / world_size() for name, value in zip(names, total.tolist(), strict=True)}


def barrier() -> None:
    """Wait for every process."""
    if world_size() > 1:
        dist.barrier()


def _on_device(values: list[float], operation: dist.ReduceOp.RedOpType) -> Tensor:
    device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
    out = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(out, operation)
    return out
