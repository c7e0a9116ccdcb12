# SPDX-License-Identifier: Apache-2.0
r"""[timevae]: a variational autoencoder of windows, after TimeVAE (Desai, Freeman, Wang & Beaver 2021).

Encoder: strided convolutions, one latent vector a window. Decoder: the sum of a level, a polynomial trend and a
residual block of transposed convolutions (the paper's seasonal block has nothing to do in daily returns). The map is
concatenated, one-hot per day, to the encoder's input and to the decoder's layers.

**Observation noise.** The published decoder returns a mean and is trained by weighted squared error; a window of
returns is nearly all noise, and such means have next to no volatility. With ``observation="t"`` the decoder gives the
level of a day's noise as well,

.. math:: x_t = m_t(z) + e^{h_t(z)} \odot P_{k_t}^{-1} \epsilon_t, \qquad \epsilon_t \sim t_{\nu_{k_t}}

with a matrix and degrees of freedom a regime, and training maximises the ELBO of that likelihood: a charitable
reading, and a stronger opponent. ``observation="mean"`` is the published one.

**Any horizon.** Windows follow each other with latents of the autocorrelation that the training windows' posterior
means have at a distance of one window; a path begins at a random place inside its first window, so that joints fall
on no particular day.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

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
from spade_finance.exceptions import InputError

STRIDE = 8
"""Three halvings: windows are whole multiples of this."""
TREND_DEGREE = 2
RECONSTRUCTION_WEIGHT = 3.0
"""Of the squared error beside the divergence, as published (``observation="mean"`` only)."""
WARM_UP = 0.3
"""Share of the steps over which the divergence's weight rises to one."""
GRADIENT_NORM = 5.0


class TimeVAE(NeuralBaseline):
    """Variational autoencoder of windows.

    Parameters
    ----------
    window_days : int
        Length of the windows, a multiple of 8; longer scenarios are joined from several.
    latent : int
        Numbers that describe a window.
    channels : int
        Width of the narrowest convolution; the others have two and three times as many.
    observation : "t" or "mean"
        Whether the decoder's output has observation noise; see above.
    batch_windows, max_steps, max_minutes, lr
        Of training: windows a step, steps in all, limit on time, learning rate of Adam.
    standardise, levelled, random_state, cache, cache_dir
        As in :class:`spade_finance.baselines.neural.diffusion.Diffusion`.
    """

    name = "timevae"

    def __init__(
        self,
        *,
        window_days: int = 64,
        latent: int = 8,
        channels: int = 24,
        observation: Literal["t", "mean"] = "t",
        batch_windows: int = 48,
        max_steps: int = 2000,
        max_minutes: float | None = None,
        lr: float = 5e-4,
        standardise: Standardise = "regime",
        levelled: bool = True,
        random_state: int = 0,
        cache: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.window_days = window_days
        self.latent = latent
        self.channels = channels
        self.observation = observation
        self.batch_windows = batch_windows
        self.max_steps = max_steps
        self.max_minutes = max_minutes
        self.lr = lr
        self.standardise = standardise
        self.levelled = levelled
        self.random_state = random_state
        self.cache = cache
        self.cache_dir = cache_dir

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.window_days % STRIDE:
            raise InputError(f"window_days={self.window_days} must be a multiple of {STRIDE}")
        if self.observation not in ("t", "mean"):
            raise InputError(f"observation={self.observation!r} is unknown: pass 't' or 'mean'")

    def _network(self, n_sectors: int, n_regimes: int) -> nn.Module:
        return Vae(n_sectors, n_regimes, self.window_days, self.latent, self.channels)

    def _task(self, network: nn.Module, windows: TrainingWindows) -> WindowTask:
        return _Task(network, windows, self)

    def _simulate(self, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        network, window = self.network_, self.window_days
        assert isinstance(network, Vae)
        n, n_regimes, n_days = regimes.shape
        n_windows = -(-(n_days + window - 1) // window)
        lead = torch.from_numpy(rng.integers(0, window, n))  # days of the first window before the path
        days = torch.arange(n_windows * window)[None] - lead[:, None]  # (n, n_windows * window)
        maps = regimes.gather(2, days.clamp(0, n_days - 1)[:, None].expand(-1, n_regimes, -1))
        noise = normals(rng, n, n_windows, self.latent)
        z = [noise[:, 0]]
        for j in range(1, n_windows):
            z.append(network.memory * z[-1] + torch.sqrt(1 - network.memory**2) * noise[:, j])
        pieces = maps.reshape(n, n_regimes, n_windows, window).transpose(1, 2).flatten(0, 1)
        mean, level = network.decode(torch.stack(z, 1).flatten(0, 1), pieces)
        x = mean
        if self.observation == "t":
            x = x + torch.exp(level) * network.noise(pieces, rng)
        joined = x.reshape(n, n_windows, -1, window).transpose(1, 2).flatten(2)  # (n, S, n_windows * window)
        wanted = lead[:, None, None] + torch.arange(n_days)
        return joined.gather(2, wanted.expand(-1, joined.shape[1], -1))


class Vae(nn.Module):
    """Encoder, decoder and the law of the observation noise."""

    memory: Tensor
    powers: Tensor

    def __init__(self, n_sectors: int, n_regimes: int, window: int, latent: int, channels: int) -> None:
        super().__init__()
        c, self.n_sectors, self.coarse = channels, n_sectors, window // STRIDE
        self.encoder = nn.Sequential(
            nn.Conv1d(2 * n_sectors + n_regimes, c, 3, 2, 1), nn.ReLU(),
            nn.Conv1d(c, 2 * c, 3, 2, 1), nn.ReLU(),
            nn.Conv1d(2 * c, 3 * c, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(3 * c * self.coarse, 2 * latent),
        )  # fmt: skip
        self.trend = nn.Linear(latent, 2 * n_sectors * (TREND_DEGREE + 1))  # power 0 is the level
        self.widen = nn.Linear(latent, 3 * c * self.coarse)
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(a + n_regimes, b, 4, 2, 1) for a, b in ((3 * c, 2 * c), (2 * c, c), (c, c))
        )
        self.residual = nn.Conv1d(c + n_regimes, 2 * n_sectors, 3, padding=1)
        self.precision = nn.Parameter(torch.zeros(n_regimes, n_sectors, n_sectors))
        self.freedom = nn.Parameter(torch.full((n_regimes,), 5.0))
        for layer in (self.trend, self.residual):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.register_buffer("memory", torch.zeros(latent))
        time = torch.linspace(-1.0, 1.0, window)
        self.register_buffer("powers", torch.stack([time**p for p in range(TREND_DEGREE + 1)]))

    def encode(self, x: Tensor, regimes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents (B, latent)."""
        seen = torch.cat([x, torch.log(x.abs() + 0.1), regimes], 1)
        mean, log_variance = self.encoder(seen).chunk(2, 1)
        return mean, log_variance.clamp(-10, 4)

    def decode(self, z: Tensor, regimes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-level of the observations, each (B, S, W)."""
        out = torch.einsum("bsp,pt->bst", self.trend(z).unflatten(1, (-1, len(self.powers))), self.powers)
        h = F.relu(self.widen(z)).reshape(len(z), -1, self.coarse)
        for i, layer in enumerate(self.up):
            h = F.relu(layer(torch.cat([h, F.avg_pool1d(regimes, STRIDE >> i)], 1)))
        mean, level = (out + self.residual(torch.cat([h, regimes], 1))).chunk(2, 1)
        return mean, 2 * torch.tanh(level / 2)

    def log_likelihood(self, x: Tensor, mean: Tensor, level: Tensor, regimes: Tensor) -> Tensor:
        """Log-density of multivariate t observations, (B, W)."""
        p, n_sectors = self._precision(), self.n_sectors
        e = torch.einsum("bkt,kij,bjt->bit", regimes, p, (x - mean) * torch.exp(-level))
        nu = torch.einsum("bkt,k->bt", regimes, self._freedom())
        log_det = torch.einsum(
            "bkt,k->bt", regimes, torch.log(p.diagonal(dim1=1, dim2=2)).sum(1)
        ) - level.sum(1)
        constant = torch.lgamma((nu + n_sectors) / 2) - torch.lgamma(nu / 2) - n_sectors / 2 * torch.log(nu)
        return constant + log_det - (nu + n_sectors) / 2 * torch.log1p(e.square().sum(1) / nu)

    def noise(self, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        """Draw multivariate t noise at level one, (B, S, W), under maps (B, K, W)."""
        mixing = torch.linalg.inv(self._precision())
        nu = torch.einsum("bkt,k->bt", regimes, self._freedom()).numpy()
        heavy = torch.from_numpy(np.sqrt(nu / rng.chisquare(nu)).astype(np.float32))
        e = normals(rng, len(regimes), self.n_sectors, regimes.shape[-1]) * heavy[:, None]
        return torch.einsum("bkt,kij,bjt->bit", regimes, mixing, e)

    def _precision(self) -> Tensor:
        raw = self.precision
        return torch.tril(raw, -1) + torch.diag_embed(torch.exp(raw.diagonal(dim1=1, dim2=2)))

    def _freedom(self) -> Tensor:
        return 3.0 + F.softplus(self.freedom)


class _Task(WindowTask):
    """Maximise the evidence lower bound."""

    def __init__(self, network: nn.Module, windows: TrainingWindows, settings: TimeVAE) -> None:
        super().__init__(network, windows, settings.batch_windows, settings.random_state)
        self.adam = torch.optim.Adam(network.parameters(), lr=settings.lr)
        self.optimizers = {"network": self.adam}
        self.observation = settings.observation
        self.warm_up = max(1.0, WARM_UP * settings.max_steps)

    def bound(self, x: Tensor, regimes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Misfit of the reconstructions and divergence of the latents, means over windows."""
        network = self.network
        assert isinstance(network, Vae)
        mu, log_variance = network.encode(x, regimes)
        z = mu + torch.exp(0.5 * log_variance) * normals(rng, *mu.shape)
        mean, level = network.decode(z, regimes)
        if self.observation == "t":
            misfit = -network.log_likelihood(x, mean, level, regimes).sum(1).mean()
        else:
            misfit = RECONSTRUCTION_WEIGHT * (x - mean).square().sum((1, 2)).mean()
        return misfit, 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()

    def held_loss(self, x: Tensor, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        """Negative evidence lower bound a day."""
        return sum(self.bound(x, regimes, rng), torch.zeros(())) / x.shape[-1]

    def step(self, step: int) -> Mapping[str, Tensor]:
        """One batch."""
        x, regimes = self.draw()
        misfit, divergence = self.bound(x, regimes, self.rng)
        loss = (misfit + min(1.0, (step + 1) / self.warm_up) * divergence) / x.shape[-1]
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self.adam.step()
        return {"loss": loss.detach(), "divergence": divergence.detach(), "misfit": misfit.detach()}

    def finish(self) -> None:
        """Best weights, and the latents' autocorrelation from window to window."""
        super().finish()
        network, windows = self.network, self.windows
        assert isinstance(network, Vae)
        width = windows.window_days
        first = np.arange(0, len(windows.x) - 2 * width + 1, max(1, width // 8))
        if len(first) < 8:
            return
        with torch.no_grad():
            now, later = (network.encode(*windows.cut(first + lag))[0] for lag in (0, width))
            now, later = now - now.mean(0), later - later.mean(0)
            network.memory.copy_((now * later).mean(0).clamp(0.0, 0.98))
