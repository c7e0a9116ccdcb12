# SPDX-License-Identifier: Apache-2.0
"""Trunks: from the past's innovations and the map to features, day by day and never looking ahead.

Every trunk has two calls: :meth:`prepare` does the map's work (once per map), :meth:`forward` the path's work (once
per path, on what ``prepare`` returned, broadcast over the batch). Inputs are ``(B, C_in, T)`` and hold only what is
known before each day's return; outputs are ``(B, channels, T)``, normalised and modulated.

The ablations differ from SPADE in how the map comes in and in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spade_core.blocks import leaky
from spade_core.nd import conv, resize_nearest, upsample_nearest
from spade_core.norms import make_norm
from spade_core.spade import SPADE, Modulation
from spade_finance.model.config import Conditioning, GeneratorConfig


class Conditioned(nn.Module):
    """Norm, then the map's say: SPADE, one FiLM per window, or nothing (the map comes in elsewhere or not at all)."""

    def __init__(self, channels: int, map_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.conditioning: Conditioning = config.conditioning
        self.spade: SPADE | None = None
        if config.conditioning == "spade":
            self.spade = SPADE(
                channels, map_channels, config.map_hidden, 1, kernel_size=config.map_kernel, norm=config.norm,
                causal=True,
            )  # fmt: skip
        elif config.conditioning == "film":
            self.spade = SPADE(channels, map_channels, config.map_hidden, 1, kernel_size=1, norm=config.norm)
        else:
            self.norm = make_norm(config.norm, channels, 1)

    def prepare(self, segmap: Tensor) -> Modulation | None:
        """Gamma and beta of a map (B, L, T); for FiLM those of the window's mean map, the same every day."""
        if self.spade is None:
            return None
        if self.conditioning == "film":
            segmap = segmap.mean(-1, keepdim=True)
        return self.spade.modulation(segmap)

    def forward(self, x: Tensor, prepared: Modulation | None) -> Tensor:
        """Normalise and modulate (B, C, T)."""
        return self.norm(x) if self.spade is None or prepared is None else self.spade(x, prepared)


class TrunkBlock(nn.Module):
    """Residual block of the trunk: twice condition, LeakyReLU, causal convolution.

    With SPADE this is :class:`spade_core.SPADEResBlk` at equal widths; the ablations put something else in its place.
    """

    def __init__(self, channels: int, map_channels: int, dilation: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.concat = config.conditioning == "concat_layers"
        width = channels + map_channels if self.concat else channels
        self.norm_0 = Conditioned(channels, map_channels, config)
        self.norm_1 = Conditioned(channels, map_channels, config)
        self.conv_0 = conv(1, width, channels, 3, dilation=dilation, causal=True)
        self.conv_1 = conv(1, width, channels, 3, dilation=dilation, causal=True)

    def prepare(self, segmap: Tensor) -> list[Any]:
        """The map's part of both halves."""
        return [segmap if self.concat else norm.prepare(segmap) for norm in (self.norm_0, self.norm_1)]

    def forward(self, x: Tensor, prepared: Sequence[Any]) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        h = x
        for norm, convolution, m in zip(
            (self.norm_0, self.norm_1), (self.conv_0, self.conv_1), prepared, strict=True
        ):
            h = (
                torch.cat([leaky(norm(h, None)), m.expand(len(h), -1, -1)], 1)
                if self.concat
                else leaky(norm(h, m))
            )
            h = convolution(h)
        return x + h


class _Stem(nn.Module):
    """First convolution; the map is appended to its input for ``concat_input``."""

    def __init__(self, in_channels: int, channels: int, map_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.concat = config.conditioning == "concat_input" or config.trunk == "unet"
        self.conv = conv(1, in_channels + (map_channels if self.concat else 0), channels, 1)

    def forward(self, x: Tensor, segmap: Tensor) -> Tensor:
        return self.conv(torch.cat([x, segmap.expand(len(x), -1, -1)], 1) if self.concat else x)


class Trunk(nn.Module):
    """What every trunk can do."""

    def prepare(self, segmap: Tensor) -> list[Any]:
        """All that depends on the map (B, L, T) alone."""
        raise NotImplementedError


class _Blocks(nn.ModuleList):
    """A ModuleList that says what it holds."""

    def __iter__(self) -> Iterator[TrunkBlock]:
        return super().__iter__()  # type: ignore[return-value]


class CausalTrunk(Trunk):
    """Full resolution, dilated causal convolutions: any horizon."""

    def __init__(self, in_channels: int, map_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.stem = _Stem(in_channels, config.channels, map_channels, config)
        self.blocks = _Blocks(
            TrunkBlock(config.channels, map_channels, dilation, config) for dilation in config.dilations
        )
        self.last = Conditioned(config.channels, map_channels, config)

    def prepare(self, segmap: Tensor) -> list[Any]:
        """All that depends on the map (B, L, T) alone."""
        return [segmap, *(block.prepare(segmap) for block in self.blocks), self.last.prepare(segmap)]

    def forward(self, x: Tensor, prepared: Sequence[Any]) -> Tensor:
        """(B, C_in, T) -> (B, channels, T)."""
        h = self.stem(x, prepared[0])
        for block, m in zip(self.blocks, prepared[1:-1], strict=True):
            h = block(h, m)
        return leaky(self.last(h, prepared[-1]))


UPSAMPLING_LEVELS = 4
"""Doublings of the progressive trunk: its coarsest step is 2^4 = 16 days."""


class UpsamplingTrunk(Trunk):
    """Coarse to fine, as SPADE draws images: for fixed windows, a few times cheaper.

    A coarse cell reads the map at its first day and the past up to that day, so that nothing looks ahead here
    either; the price is that a switch inside a cell is answered at the finer levels only.
    """

    def __init__(self, in_channels: int, map_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        factors = [2**level for level in range(UPSAMPLING_LEVELS, -1, -1)]
        self.factors = factors
        self.stems = nn.ModuleList(_Stem(in_channels, config.channels, map_channels, config) for _ in factors)
        self.blocks = _Blocks(TrunkBlock(config.channels, map_channels, 1, config) for _ in factors)
        self.last = Conditioned(config.channels, map_channels, config)

    def prepare(self, segmap: Tensor) -> list[Any]:
        """The map at every resolution."""
        length = _padded(segmap.shape[-1], self.factors[0])
        full = F.pad(segmap, (0, length - segmap.shape[-1]), mode="replicate")
        maps = [resize_nearest(full, (length // f,)) for f in self.factors]
        return [
            segmap.shape[-1], maps, [b.prepare(m) for b, m in zip(self.blocks, maps, strict=True)],
            self.last.prepare(full),
        ]  # fmt: skip

    def forward(self, x: Tensor, prepared: Sequence[Any]) -> Tensor:
        """(B, C_in, T) -> (B, channels, T)."""
        n_days, maps, blocks, last = prepared
        x = F.pad(x, (0, _padded(n_days, self.factors[0]) - n_days))
        h: Tensor | None = None
        for factor, stem, block, segmap, m in zip(
            self.factors, self.stems, self.blocks, maps, blocks, strict=True
        ):
            past = F.avg_pool1d(F.pad(x, (factor - 1, 0)), factor, stride=1)[..., ::factor] * factor**0.5
            entry = stem(past, segmap)
            h = block(entry if h is None else entry + upsample_nearest(h), m)
        assert h is not None
        return leaky(self.last(h, last))[..., :n_days]


class UNetTrunk(Trunk):
    """Pix2Pix in 1-D: the map at the input, a strided encoder, skips, a decoder.

    A strided causal convolution lets a coarse cell see no day after the cell's first, so copying it to the cell's
    days looks at nothing to come.
    """

    def __init__(self, in_channels: int, map_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        c, self.depth = config.channels, UPSAMPLING_LEVELS
        self.stem = _Stem(in_channels, c, map_channels, config)
        self.down = nn.ModuleList(conv(1, c, c, 3, stride=2, causal=True) for _ in range(self.depth))
        self.up = nn.ModuleList(conv(1, 2 * c, c, 3, causal=True) for _ in range(self.depth))
        self.norms = nn.ModuleList(make_norm(config.norm, c, 1) for _ in range(2 * self.depth))

    def prepare(self, segmap: Tensor) -> list[Any]:
        """The padded map itself."""
        n_days = segmap.shape[-1]
        return [n_days, F.pad(segmap, (0, _padded(n_days, 2**self.depth) - n_days), mode="replicate")]

    def forward(self, x: Tensor, prepared: Sequence[Any]) -> Tensor:
        """(B, C_in, T) -> (B, channels, T)."""
        n_days, segmap = prepared
        h = self.stem(F.pad(x, (0, segmap.shape[-1] - n_days)), segmap)
        skips = []
        for down, norm in zip(self.down, self.norms, strict=False):
            skips.append(h)
            h = down(leaky(norm(h)))
        for up, norm in zip(self.up, self.norms[self.depth :], strict=False):
            h = up(leaky(torch.cat([norm(upsample_nearest(h)), skips.pop()], 1)))
        return leaky(h[..., :n_days])


def _padded(n_days: int, multiple: int) -> int:
    return -(-n_days // multiple) * multiple


def make_trunk(in_channels: int, map_channels: int, config: GeneratorConfig) -> Trunk:
    """The trunk that ``config.trunk`` names."""
    kinds: dict[str, Any] = {
        "causal": CausalTrunk,
        "upsampling": UpsamplingTrunk,
        "unet": UNetTrunk,
    }
    trunk: Trunk = kinds[config.trunk](in_channels, map_channels, config)
    return trunk
