# SPDX-License-Identifier: Apache-2.0
"""Parameter-free norms by name: the first half of SPADE, before the map's ``* (1 + gamma) + beta``.

==============  ==========================================================  ====================
name            statistics over, for ``x: (B, C, *S)``                      pools over time?
==============  ==========================================================  ====================
``instance``    S, of each sample and channel                               yes
``batch``       B and S, running averages in evaluation                     yes, in training
``sync_batch``  the same over all processes                                 yes, in training
``group``       S and a group of channels, of each sample                   yes
``layer``       C at each position: ``(x - mean) / std``                    no: causal
``rms``         C at each position: ``x / sqrt(mean(x^2))``                 no: causal
``none``        nothing                                                     no: causal
==============  ==========================================================  ====================

Pooling over time lets the future leak backwards, and ``instance`` also erases a window's own volatility
level. A model whose day ``t`` may not know day ``t + 1`` uses one of :data:`CAUSAL_NORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spade_core.distributed import all_reduce_sum, world_size
from spade_core.nd import batch_norm, instance_norm

__all__ = ["CAUSAL_NORMS", "NORMS", "Norm", "PositionNorm", "SyncBatchNorm", "check_causal_norm", "make_norm"]

Norm = str | Callable[[int], nn.Module]
"""A name from :data:`NORMS`, or a function from the number of channels to a module."""

CAUSAL_NORMS: frozenset[str] = frozenset({"layer", "rms", "none"})
"""Names of the norms that pool nothing over time, in training and in evaluation."""


class PositionNorm(nn.Module):
    """Normalise over the channels at every position, without parameters.

    ``x: (B, C, *S) -> (B, C, *S)``; ``(x - m) / sqrt(var + eps)`` with ``center`` (layer norm), else
    ``x / sqrt(mean(x^2) + eps)`` (RMS norm).
    """

    def __init__(self, channels: int, *, center: bool, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels, self.center, self.eps = channels, center, eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(B, C, *S)`` over C."""
        if self.center:
            x = x - x.mean(dim=1, keepdim=True)
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + self.eps)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"channels={self.channels}, center={self.center}, eps={self.eps}"


class SyncBatchNorm(nn.SyncBatchNorm):
    """Batch norm with statistics over all processes, on any device.

    As ``torch.nn.SyncBatchNorm`` (same state-dict names), which refuses CPU tensors: those take the same
    formula through differentiable all-reduces. On one process it is plain batch norm.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``(B, C, *S)`` over B and S of every process."""
        if not self.training or input.is_cuda or world_size() == 1:
            return super().forward(input)
        return self._forward_anywhere(input)

    def _forward_anywhere(self, x: Tensor) -> Tensor:
        dims = [0, *range(2, x.dim())]
        given = x.dtype
        x = x.float() if given in (torch.bfloat16, torch.float16) else x  # sums need more digits
        count = torch.full((1,), x.numel() / x.shape[1], dtype=x.dtype, device=x.device)
        sums = all_reduce_sum(torch.cat([x.sum(dims), x.square().sum(dims), count]))
        channels, n = x.shape[1], sums[-1]
        mean = sums[:channels] / n
        var = (sums[channels:-1] / n - mean.square()).clamp_min(0.0)
        if self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                momentum = 0.1 if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean.detach(), momentum)
                self.running_var.lerp_(var.detach() * (n / (n - 1).clamp_min(1.0)), momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
        shape = (1, channels) + (1,) * (x.dim() - 2)
        y = (x - mean.view(shape)) * torch.rsqrt(var + self.eps).view(shape)
        y = y if self.weight is None else y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(given)


def _group(channels: int, ndim: int, affine: bool) -> nn.Module:
    return nn.GroupNorm(math.gcd(channels, 32), channels, affine=affine)


NORMS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "instance": lambda channels, ndim, affine: instance_norm(ndim, channels, affine=affine),
    "batch": lambda channels, ndim, affine: batch_norm(ndim, channels, affine=affine),
    "sync_batch": lambda channels, ndim, affine: SyncBatchNorm(channels, affine=affine),
    "group": _group,
    "layer": lambda channels, ndim, affine: PositionNorm(channels, center=True),
    "rms": lambda channels, ndim, affine: PositionNorm(channels, center=False),
    "none": lambda channels, ndim, affine: nn.Identity(),
}
"""name -> ``(channels, ndim, affine) -> module``; the position norms have no affine form."""


def make_norm(norm: Norm, channels: int, ndim: int, *, affine: bool = False) -> nn.Module:
    """Build a norm over ``channels`` channels.

    Parameters
    ----------
    norm : str or callable
        A name from :data:`NORMS` or ``channels -> nn.Module``.
    channels : int
    ndim : 1 or 2
    affine : bool
        Off inside SPADE (the map gives scale and shift); discriminators use affine batch norms.

    Raises
    ------
    ValueError
        An unknown name; the message lists the valid ones.
    """
    if callable(norm):
        return norm(channels)
    if norm not in NORMS:
        raise ValueError(
            f"norm={norm!r} is unknown: choose one of {', '.join(NORMS)}, or pass a function of channels"
        )
    return NORMS[norm](channels, ndim, affine)


def check_causal_norm(norm: Norm) -> None:
    """Raise ``ValueError`` if the named norm pools over time; a function of the caller's own is trusted."""
    if isinstance(norm, str) and norm in NORMS and norm not in CAUSAL_NORMS:
        raise ValueError(
            f"norm={norm!r} pools over time, so causal=True would leak the future: "
            f"choose one of {', '.join(sorted(CAUSAL_NORMS))}"
        )
