# SPDX-License-Identifier: Apache-2.0
"""Batch-norm statistics for averaged weights.

Running means and variances belong to the weights under which they were gathered. An average of weights needs
statistics of its own: some forward passes in training mode over training maps, their means taken with equal
weights. The same passes turn the spectral vectors towards the averaged weights.

A channel that is constant over the training maps gets the variance 1 instead of 0. That changes nothing on such maps,
where its normalised value is 0 either way; but at 0 a map that does move it (another class at the one position of a
coarse grid of 1 x 1) is multiplied by ``1 / sqrt(eps)``, three hundred times at each of several layers: pictures
break, and float32 loses most of its digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["reestimate"]

_CONSTANT = 1e-4
"""Share of eps below which a variance is rounding: such a channel's normalised values are below a hundredth."""


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
    for norm in norms if count else []:
        if norm.running_var is not None:
            norm.running_var.masked_fill_(norm.running_var < _CONSTANT * norm.eps, 1.0)
    return count
