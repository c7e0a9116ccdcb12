# SPDX-License-Identifier: Apache-2.0
r"""[tcn_gan]: a GAN of temporal convolutional networks, after QuantGAN (Wiese, Knobloch, Korn & Kretschmer 2020).

Generator and discriminator are TCNs: residual blocks of two dilated causal convolutions of kernel 2, dilations 1 to
32 (receptive field 127 days), PReLU, skip connections summed before the last layer. The generator turns Gaussian
noise into Lambert-W-Gaussianised returns; its noise begins a receptive field before the first day, so that every
day has the same law and any horizon can be drawn. The map is concatenated, one-hot per day, to the input of both.

Beyond the paper (which has one series and no labels): S series at once; the discriminator sees |x| beside x; zero-
centred gradient penalty (R1, Mescheder et al. 2018) instead of early stopping by the reported metric; averaged weights.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_core.losses import gan_loss
from spade_finance.baselines.neural.base import (
    NeuralBaseline,
    Standardise,
    TrainingWindows,
    WindowTask,
    normals,
)

R1_EVERY = 8


class TcnGan(NeuralBaseline):
    """QuantGAN-style TCN-GAN.

    Parameters
    ----------
    window_days : int
        Days that the discriminator sees at once; scenarios may have any length.
    channels : int
        Width of both networks.
    dilations : tuple of int
        One residual block each (days).
    noise : int
        Noise channels a day beyond one a sector.
    batch_windows, max_steps, max_minutes
        Of training: windows a step, steps in all, limit on time.
    lr_generator, lr_discriminator : float
        Adam, betas (0, .9).
    r1 : float
        Weight of the gradient penalty.
    standardise, levelled, random_state, cache, cache_dir
        As in :class:`spade_finance.baselines.neural.diffusion.Diffusion`.
    """

    name = "tcn_gan"
    gaussianised = True
    chosen_by_loss = False

    def __init__(
        self,
        *,
        window_days: int = 160,
        channels: int = 32,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
        noise: int = 3,
        batch_windows: int = 24,
        max_steps: int = 1200,
        max_minutes: float | None = None,
        lr_generator: float = 5e-4,
        lr_discriminator: float = 1e-3,
        r1: float = 1.0,
        standardise: Standardise = "regime",
        levelled: bool = True,
        random_state: int = 0,
        cache: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.window_days = window_days
        self.channels = channels
        self.dilations = dilations
        self.noise = noise
        self.batch_windows = batch_windows
        self.max_steps = max_steps
        self.max_minutes = max_minutes
        self.lr_generator = lr_generator
        self.lr_discriminator = lr_discriminator
        self.r1 = r1
        self.standardise = standardise
        self.levelled = levelled
        self.random_state = random_state
        self.cache = cache
        self.cache_dir = cache_dir

    def _network(self, n_sectors: int, n_regimes: int) -> nn.Module:
        return Generator(n_sectors, n_regimes, n_sectors + self.noise, self.channels, self.dilations)

    def _task(self, network: nn.Module, windows: TrainingWindows) -> WindowTask:
        judge = Tcn(2 * windows.n_sectors + windows.n_regimes, self.channels, 1, self.dilations)
        return _Task(network, judge, windows, self)

    def _simulate(self, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        return draw(self.network_, regimes, rng)


class Tcn(nn.Module):
    """(B, in, T) -> (B, out, T - reach): causal, no padding, so the output starts where the past is complete."""

    def __init__(self, n_in: int, channels: int, n_out: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.reach = 2 * sum(dilations)
        self.stem = nn.Conv1d(n_in, channels, 1)
        self.blocks = nn.ModuleList(_Block(channels, d) for d in dilations)
        self.skips = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in (0, *dilations))
        self.last = nn.PReLU()
        self.out = nn.Conv1d(channels, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the days whose past is complete."""
        n_days = x.shape[-1] - self.reach
        h = self.stem(x)
        total = self.skips[0](h[..., -n_days:])
        for block, skip in zip(self.blocks, list(self.skips)[1:], strict=True):
            h = block(h)
            total = total + skip(h[..., -n_days:])
        return self.out(self.last(total))


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.one = nn.Conv1d(channels, channels, 2, dilation=dilation)
        self.two = nn.Conv1d(channels, channels, 2, dilation=dilation)
        self.act_one, self.act_two = nn.PReLU(), nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        h = self.act_two(self.two(self.act_one(self.one(x))))
        return x[..., -h.shape[-1] :] + h


class Generator(nn.Module):
    """Noise and map, both with a receptive field of past, to returns (B, S, T)."""

    def __init__(
        self, n_sectors: int, n_regimes: int, n_noise: int, channels: int, dilations: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.n_noise = n_noise
        self.tcn = Tcn(n_noise + n_regimes, channels, n_sectors, dilations)

    @property
    def reach(self) -> int:
        """Days of noise in front of the first."""
        return self.tcn.reach

    def forward(self, noise: Tensor, regimes: Tensor) -> Tensor:
        """Noise (B, n_noise, reach + T) and map (B, K, reach + T) to (B, S, T)."""
        return self.tcn(torch.cat([noise, regimes], 1))


def draw(generator: nn.Module, regimes: Tensor, rng: np.random.Generator) -> Tensor:
    """Fresh paths (B, S, T) under maps (B, K, T); before the first day its regime has always held."""
    assert isinstance(generator, Generator)
    before = F.pad(regimes, (generator.reach, 0), mode="replicate")
    return generator(normals(rng, len(regimes), generator.n_noise, before.shape[-1]), before)


class _Task(WindowTask):
    """One step of the discriminator, one of the generator, on the non-saturating loss of the paper."""

    def __init__(self, generator: nn.Module, judge: Tcn, windows: TrainingWindows, settings: TcnGan) -> None:
        super().__init__(generator, windows, settings.batch_windows, settings.random_state)
        self.judge, self.r1 = judge, settings.r1
        rates = settings.lr_generator, settings.lr_discriminator
        self.adam_g, self.adam_d = (
            torch.optim.Adam(module.parameters(), lr=lr, betas=(0.0, 0.9))
            for module, lr in zip((generator, judge), rates, strict=True)
        )
        self.modules = {"network": generator, "judge": judge}
        self.optimizers = {"network": self.adam_g, "judge": self.adam_d}

    def judged(self, x: Tensor, regimes: Tensor) -> Tensor:
        return self.judge(torch.cat([x, x.abs(), regimes], 1))

    def step(self, step: int) -> Mapping[str, Tensor]:
        real, regimes = self.draw()
        fake = draw(self.network, regimes, self.rng)
        with_penalty = self.r1 > 0 and step % R1_EVERY == 0
        real.requires_grad_(with_penalty)
        said_real, said_fake = self.judged(real, regimes), self.judged(fake.detach(), regimes)
        loss_d = gan_loss(said_real, True, mode="original") + gan_loss(said_fake, False, mode="original")
        total = loss_d
        if with_penalty:
            (slope,) = torch.autograd.grad(said_real.mean((1, 2)).sum(), real, create_graph=True)
            total = total + 0.5 * R1_EVERY * self.r1 * real.shape[-1] * slope.square().sum((1, 2)).mean()
        self.adam_d.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.adam_d.step()
        for p in self.judge.parameters():
            p.requires_grad_(False)
        loss_g = gan_loss(self.judged(fake, regimes), True, mode="original")
        self.adam_g.zero_grad()
        loss_g.backward()  # type: ignore[no-untyped-call]
        self.adam_g.step()
        for p in self.judge.parameters():
            p.requires_grad_(True)
        return {
            "loss": loss_g.detach(),
            "discriminator": loss_d.detach(),
            "told_apart": (said_real.mean() - said_fake.mean()).detach(),
        }
