# SPDX-License-Identifier: Apache-2.0
r"""[diffusion]: a small conditional diffusion model on windows, in the form of Karras et al. (2022, EDM).

The denoiser is trained on noisy windows, its map concatenated to the input of every layer's stem,

.. math::
    D(x; \sigma, m) = c_{skip} x + c_{out} F(c_{in} x, \tfrac14 \ln \sigma, m), \qquad
    \mathbb{E}\, \lambda(\sigma) \lVert D(y + \sigma n; \sigma, m) - y \rVert^2, \quad
    \ln\sigma \sim \mathcal{N}(P_{mean}, P_{std}^2)

and sampled along the probability-flow equation by the second-order multistep rule of Lu et al. (2022,
DPM-Solver++). F is fully convolutional (dilated residual blocks, norm over channels only, so that nothing depends
on a window's length): a scenario of any horizon is denoised in one piece, without joints. Days further apart than
the receptive field of F (127 days) do not know of each other directly.
"""

from __future__ import annotations

import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_finance.baselines.neural.base import (
    NeuralBaseline,
    Standardise,
    TrainingWindows,
    WindowTask,
    normals,
)

SIGMA_MIN, SIGMA_MAX, RHO = 0.02, 20.0, 7.0
P_MEAN, P_STD = -0.4, 1.3
GRADIENT_NORM = 1.0


class Diffusion(NeuralBaseline):
    """Conditional diffusion on windows of returns.

    Parameters
    ----------
    window_days : int
        Length of training windows; scenarios may have any length.
    channels : int
        Width of the denoiser.
    dilations : tuple of int
        One residual block each (days).
    sampling_steps : int
        Evaluations of the denoiser a scenario.
    batch_windows, max_steps, max_minutes, lr
        Of training: windows a step, steps in all, limit on time, learning rate of Adam (falling to zero).
    standardise : "regime" or "all"
        Whose mean and deviation are taken out of the data: each regime's, or all days' (then the network alone must
        carry the regimes' volatility).
    levelled : bool
        Bring the draws of each regime to the training data's mean and variance.
    random_state : int
        Seed of training.
    cache, cache_dir
        Keep the training and take it from there; in this folder (default: the user's cache).
    """

    name = "diffusion"
    gaussianised = True

    def __init__(
        self,
        *,
        window_days: int = 128,
        channels: int = 32,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
        sampling_steps: int = 16,
        batch_windows: int = 24,
        max_steps: int = 400,
        max_minutes: float | None = None,
        lr: float = 2e-3,
        standardise: Standardise = "regime",
        levelled: bool = True,
        random_state: int = 0,
        cache: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.window_days = window_days
        self.channels = channels
        self.dilations = dilations
        self.sampling_steps = sampling_steps
        self.batch_windows = batch_windows
        self.max_steps = max_steps
        self.max_minutes = max_minutes
        self.lr = lr
        self.standardise = standardise
        self.levelled = levelled
        self.random_state = random_state
        self.cache = cache
        self.cache_dir = cache_dir

    def _network(self, n_sectors: int, n_regimes: int) -> nn.Module:
        return Denoiser(n_sectors, n_regimes, self.channels, self.dilations)

    def _task(self, network: nn.Module, windows: TrainingWindows) -> WindowTask:
        return _Task(network, windows, self.batch_windows, self.random_state, self.lr, self.max_steps)

    def _simulate(self, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        n, _, n_days = regimes.shape
        noise = normals(rng, n, len(self.sectors_), n_days)
        return solve(self.network_, noise, regimes, self.sampling_steps)


class Denoiser(nn.Module):
    """D(x; sigma, map) for x (B, S, T), sigma (B,), map (B, K, T)."""

    def __init__(self, n_sectors: int, n_regimes: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        embedding = 4 * 8
        self.register_buffer("frequencies", torch.exp(torch.linspace(-1.0, 3.0, embedding // 2)))
        self.embed = nn.Sequential(nn.Linear(embedding, 64), nn.SiLU())
        self.stem = nn.Conv1d(n_sectors + n_regimes, channels, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(channels, n_regimes, 64, d) for d in dilations)
        self.out = nn.Conv1d(channels, n_sectors, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, sigma: Tensor, regimes: Tensor) -> Tensor:
        """Expected clean returns; data have unit variance."""
        s = sigma[:, None, None]
        total = torch.sqrt(s**2 + 1)
        angles = 0.25 * torch.log(sigma)[:, None] * self.frequencies  # type: ignore[operator]
        level = self.embed(torch.cat([torch.sin(angles), torch.cos(angles)], 1))
        h = self.stem(torch.cat([x / total, regimes], 1))
        for block in self.blocks:
            h = block(h, level, regimes)
        return x / total**2 + s / total * self.out(F.silu(h))


class _Block(nn.Module):
    """Norm over channels, noise level and map added, two convolutions, residual."""

    def __init__(self, channels: int, n_regimes: int, embedding: int, dilation: int) -> None:
        super().__init__()
        self.level = nn.Linear(embedding, 2 * channels)
        self.wide = nn.Conv1d(channels + n_regimes, channels, 3, padding=dilation, dilation=dilation)
        self.narrow = nn.Conv1d(channels, channels, 1)

    def forward(self, h: Tensor, level: Tensor, regimes: Tensor) -> Tensor:
        gain, shift = self.level(level)[..., None].chunk(2, 1)
        g = h * torch.rsqrt(h.square().mean(1, keepdim=True) + 1e-6)
        g = self.wide(torch.cat([F.silu(g * (1 + gain) + shift), regimes], 1))
        return h + self.narrow(F.silu(g))


class _Task(WindowTask):
    """Denoising score matching with EDM's weights."""

    def __init__(
        self, network: nn.Module, windows: TrainingWindows, batch: int, seed: int, lr: float, steps: int
    ) -> None:
        super().__init__(network, windows, batch, seed)
        self.adam = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.9, 0.99))
        self.optimizers = {"network": self.adam}
        decay = torch.optim.lr_scheduler.LambdaLR(
            self.adam, lambda step: 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
        )
        self.schedules = {"network": decay}

    def loss(self, y: Tensor, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        """Weighted error of denoising at random levels."""
        sigma = torch.exp(P_MEAN + P_STD * normals(rng, len(y)))
        s = sigma[:, None, None]
        denoised = self.network(y + s * normals(rng, *y.shape), sigma, regimes)
        return ((s**2 + 1) / s**2 * (denoised - y).square()).mean()

    def held_loss(self, x: Tensor, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        """Denoising loss."""
        return self.loss(x, regimes, rng)

    def step(self, step: int) -> dict[str, Tensor]:
        """One batch."""
        loss = self.loss(*self.draw(), self.rng)
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self.adam.step()
        return {"loss": loss.detach()}


def solve(denoiser: nn.Module, noise: Tensor, regimes: Tensor, n_steps: int) -> Tensor:
    """From noise (n, S, T) to returns along EDM's noise levels, DPM-Solver++ (2M)."""
    ramp = np.linspace(0.0, 1.0, n_steps)
    levels = (SIGMA_MAX ** (1 / RHO) + ramp * (SIGMA_MIN ** (1 / RHO) - SIGMA_MAX ** (1 / RHO))) ** RHO
    x = noise * float(levels[0])
    before: Tensor | None = None
    for i, sigma in enumerate(levels):
        clean = denoiser(x, torch.full((len(x),), float(sigma)), regimes)
        if i == n_steps - 1:
            return clean
        ahead = float(levels[i + 1])
        h = math.log(sigma / ahead)
        target = clean
        if before is not None:
            r = math.log(levels[i - 1] / sigma) / h
            target = (1 + 0.5 / r) * clean - 0.5 / r * before
        x = ahead / float(sigma) * x - math.expm1(-h) * target
        before = clean
    return x
