# SPDX-License-Identifier: Apache-2.0
"""Batch-norm statistics for averaged weights.

Running means and variances belong to the weights under which they were gathered. An average of weights needs
statistics of its own: some forward passes in training mode over training maps, their means taken with equal
weights. The same passes turn the spectral vectors towards the averaged weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["reestimate"]


@torch.no_grad()
def reestimate(net: nn.Module, forwards: Iterable[Callable[[], Any]]) -> int:
    """Give a network the running statistics of these forward passes; return how many there were.

    Parameters
    ----------
    net : nn.Module
        Left in evaluation mode.
    forwards : iterable of callables
        Each runs the network once on a batch; on several processes all must run equally many.
    """
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    net.train()
    count = 0
    try:
        for count, forward in enumerate(forwards, start=1):
            for norm in norms:
                norm.momentum = 1.0 / count  # the mean of all passes so far
            forward()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        net.eval()
    return count
