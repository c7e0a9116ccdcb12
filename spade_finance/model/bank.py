# SPDX-License-Identifier: Apache-2.0
"""The bank of :mod:`spade_finance.model.dynamics` over whole paths at once, in torch.

An exponential average of a known series is a convolution: within a block of days a product with a triangular
Toeplitz matrix, between blocks a decaying state. No step through time, and gradients reach the coefficients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spade_finance.model.dynamics import CLIP, DECAY, MEAN_ABS, BankFit

BLOCK_DAYS = 128


class Bank(nn.Module):
    """Log-volatility from past innovations; coefficients start from a :class:`BankFit` and are trained."""

    decay: Tensor

    def __init__(self, fit: BankFit) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.tensor(fit.own, dtype=torch.float32))  # (S, 2, 5)
        self.common = nn.Parameter(torch.tensor(fit.common, dtype=torch.float32))  # (2, 5)
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.register_buffer("decay", torch.tensor(DECAY, dtype=torch.float32), persistent=False)

    def forward(self, e: Tensor, state: Tensor) -> Tensor:
        """Response to innovations ``e`` (B, S, T) from ``state`` (B, 2 S + 2, 5) before day 0: h (B, S, T).

        ``h[t]`` depends on ``e`` before t only.
        """
        n_sectors, n_days = e.shape[1], e.shape[-1]
        coefficients = torch.cat([self.own[:, 0], self.own[:, 1], self.common])  # (2S + 2, 5)
        blocks = []
        for first in range(0, n_days, BLOCK_DAYS):
            x = impulses(e[..., first : first + BLOCK_DAYS])  # (B, 2S + 2, t)
            n = x.shape[-1]
            fade, toeplitz = self._kernels(coefficients, n)
            h = torch.bmm(x.transpose(0, 1), toeplitz) + (state * coefficients).transpose(0, 1) @ fade
            blocks.append((h[:n_sectors] + h[n_sectors:-2] + h[-2:].sum(0)).transpose(0, 1))
            if first + n < n_days:
                weight = (1 - self.decay) * fade.flip(-1).T  # (t, 5)
                state = state * self.decay**n + x @ weight
        return torch.cat(blocks, dim=-1)

    def _kernels(self, coefficients: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Powers of the decays (5, n) and the responses as triangular matrices (2 S + 2, n, n); kept while sampling."""
        keep = not self.training and not torch.is_grad_enabled()
        if keep and n in self._kept:
            return self._kept[n]
        days = torch.arange(n)
        fade = self.decay[:, None] ** days  # (5, n)
        lag = days[None, :] - days[:, None] - 1  # (from, to)
        kernel = (coefficients * (1 - self.decay)) @ fade  # (2S + 2, n)
        toeplitz = kernel[:, lag.clamp(min=0)] * (lag >= 0)
        if keep:
            self._kept[n] = (fade, toeplitz)
        return fade, toeplitz

    def train(self, mode: bool = True) -> Bank:
        """Switch mode; matrices kept for sampling are dropped, the coefficients may change."""
        self._kept.clear()
        return super().train(mode)


def impulses(e: Tensor) -> Tensor:
    """What the bank averages, (B, S, T) -> (B, 2 S + 2, T): see :func:`spade_finance.model.dynamics.impulses`."""
    clipped = e.clamp(-CLIP, CLIP)
    size = clipped.abs() - MEAN_ABS
    return torch.cat([size, clipped, size.mean(1, keepdim=True), clipped.mean(1, keepdim=True)], 1)
