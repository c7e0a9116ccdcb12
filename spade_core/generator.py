# SPDX-License-Identifier: Apache-2.0
"""The SPADE generator: a coarse grid, residual blocks and doublings, under one map.

A list of :class:`Stage` (block name, widths, doubling before it or not) describes the trunk, so the same
class is

* the published simple form, ``SPADEGenerator(label_nc, z_dim, ngf, resolution, ndim)``: noise to a
  4 x 4 grid, ``log2(resolution / 4)`` doublings, tanh;
* the official networks, by ``stages_for(ngf, 5 | 6 | 7)`` with another latent size or norm, or the map as
  input;
* a progressive causal network over time (``ndim=1, causal=True, norm="rms"``).

The output is as large as the map. Reference: Park et al. 2019, arXiv 1903.07291.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from spade_core.blocks import BlockModulations, SPADEResBlk, leaky
from spade_core.distributed import world_size
from spade_core.nd import check_ndim, conv, resize_nearest, spatial_size, upsample_nearest
from spade_core.norms import Norm

__all__ = ["SPADEGenerator", "Stage", "stages_for"]

_LATENT_SIDE = 4
_MIN_DOUBLINGS, _MAX_DOUBLINGS = 4, 7


class Stage(NamedTuple):
    """One residual block of the trunk: its name, its channels, and whether the grid doubles before it."""

    name: str
    fin: int
    fout: int
    double: bool


def stages_for(ngf: int, doublings: int) -> tuple[Stage, ...]:
    """Describe the published trunk.

    Widths are 16, 16, 16, then 8, 4, 2, 1 times ``ngf`` (and a half with 7 doublings). The grid doubles
    before each ``up_i``; with 5 also before ``G_middle_0``, with 6 before both middles, and with 7 there is
    an ``up_4``. In the official option names 5 is "normal", 6 "more" and 7 "most".

    Raises
    ------
    ValueError
        Doublings outside 4..7, or an ``ngf`` that leaves a block without channels.
    """
    if not _MIN_DOUBLINGS <= doublings <= _MAX_DOUBLINGS:
        raise ValueError(f"doublings={doublings} must be between {_MIN_DOUBLINGS} and {_MAX_DOUBLINGS}")
    least = 2 if doublings == _MAX_DOUBLINGS else 1
    if ngf < least:
        raise ValueError(
            f"ngf={ngf} leaves a block without channels: pass at least {least} for {doublings} doublings"
        )
    stages = [
        Stage("head_0", 16 * ngf, 16 * ngf, False),
        Stage("G_middle_0", 16 * ngf, 16 * ngf, doublings >= 5),
        Stage("G_middle_1", 16 * ngf, 16 * ngf, doublings >= 6),
        *(Stage(f"up_{i}", 2 ** (4 - i) * ngf, 2 ** (3 - i) * ngf, True) for i in range(4)),
    ]
    if doublings == _MAX_DOUBLINGS:
        stages.append(Stage("up_4", ngf, ngf // 2, True))
    return tuple(stages)


def _doublings(resolution: int) -> int:
    n = round(math.log2(resolution / _LATENT_SIDE)) if resolution > 0 else 0
    if resolution != _LATENT_SIDE * 2**n or not _MIN_DOUBLINGS <= n <= _MAX_DOUBLINGS:
        valid = [_LATENT_SIDE * 2**i for i in range(_MIN_DOUBLINGS, _MAX_DOUBLINGS + 1)]
        raise ValueError(
            f"resolution={resolution} is not {_LATENT_SIDE} doubled {_MIN_DOUBLINGS} to {_MAX_DOUBLINGS} "
            f"times: choose one of {', '.join(map(str, valid))}"
        )
    return n


class SPADEGenerator(nn.Module):
    """Image or series from a map.

    Parameters
    ----------
    label_nc : int
        Channels of the map.
    z_dim : int
        Length of the noise vector (ignored with ``first="map"``).
    ngf : int
        Base width; the trunk is 16 ngf to ngf wide.
    resolution : int
        64, 128, 256 or 512: fixes the number of doublings. The output follows the map: any sides that are
        multiples of ``2 ** doublings``.
    ndim : 1 or 2
    out_channels : int
    stages : sequence of Stage, optional
        Another trunk; then ``resolution`` says nothing, and the latent grid is ``latent_size``.
    latent_size : sequence of int, optional
        Grid of the noise layer; default 4 along each side. A map that asks for another grid gets this one
        resized (nearest).
    first : "noise" or "map"
        First layer: Linear of the noise, or a convolution of the coarse map (then there is no noise).
    norm, nhidden, kernel_size
        Of every SPADE, see :class:`SPADEResBlk`.
    spectral : bool
        Spectral norm on the blocks' convolutions.
    head : "tanh" or "linear"
    output_size : sequence of int, optional
        A fixed output size; default follows the map.
    causal : bool
        ``ndim=1``: nothing at t depends on the map after t.

    Raises
    ------
    ValueError
        An impossible resolution, width, norm or ndim.
    """

    def __init__(
        self,
        label_nc: int,
        z_dim: int = 256,
        ngf: int = 64,
        resolution: int = 256,
        ndim: int = 2,
        *,
        out_channels: int = 3,
        stages: Sequence[Stage] | None = None,
        latent_size: Sequence[int] | None = None,
        first: Literal["noise", "map"] = "noise",
        norm: Norm = "instance",
        nhidden: int | None = 128,
        kernel_size: int = 3,
        spectral: bool = True,
        head: Literal["tanh", "linear"] = "tanh",
        output_size: Sequence[int] | None = None,
        causal: bool = False,
    ) -> None:
        super().__init__()
        check_ndim(ndim)
        for option, value, valid in (("first", first, ("noise", "map")), ("head", head, ("tanh", "linear"))):
            if value not in valid:
                raise ValueError(f"{option}={value!r} is unknown: choose one of {', '.join(valid)}")
        self.label_nc, self.z_dim, self.ndim, self.first, self.head = label_nc, z_dim, ndim, first, head
        self.stages = tuple(stages) if stages is not None else stages_for(ngf, _doublings(resolution))
        self.n_doublings = sum(stage.double for stage in self.stages)
        self.latent_size = tuple(latent_size) if latent_size is not None else (_LATENT_SIDE,) * ndim
        self.output_size = None if output_size is None else tuple(output_size)
        self._needs_many_positions = norm == "instance"
        self._needs_many_values = norm in ("batch", "sync_batch")

        width = self.stages[0].fin
        self.fc: nn.Module
        if first == "map":
            self.fc = conv(ndim, label_nc, width, 3, causal=causal)
        else:
            self.fc = nn.Linear(z_dim, width * math.prod(self.latent_size))
        for name, fin, fout, _ in self.stages:
            block = SPADEResBlk(
                fin, fout, label_nc, ndim,
                nhidden=nhidden, kernel_size=kernel_size, norm=norm, spectral=spectral, causal=causal,
            )  # fmt: skip
            self.add_module(name, block)
        self.conv_img = conv(ndim, self.stages[-1].fout, out_channels, 3, causal=causal)

    def blocks(self) -> dict[str, SPADEResBlk]:
        """Return the residual blocks by name, in the order of the trunk."""
        return {stage.name: getattr(self, stage.name) for stage in self.stages}

    def latent_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the coarse grid for an output size; ``ValueError`` if the doublings do not reach it."""
        step = 2**self.n_doublings
        if len(size) != self.ndim or any(n < step or n % step for n in size):
            raise ValueError(
                f"a map of size {tuple(size)} does not fit {self.n_doublings} doublings: "
                f"pass {self.ndim} side(s), each a multiple of {step}"
            )
        grid = tuple(n // step for n in size)
        if self._needs_many_positions and math.prod(grid) == 1:
            raise ValueError(
                f"a map of size {tuple(size)} leaves one coarse position, which norm='instance' cannot "
                f"normalise: pass a side of {2 * step} or more, a smaller resolution, or another norm"
            )
        return grid

    def sizes(self, size: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Return the grid on which each block works, for an output size."""
        grid, out = self.latent_grid(size), {}
        for stage in self.stages:
            grid = tuple(n * 2 for n in grid) if stage.double else grid
            out[stage.name] = grid
        return out

    def modulations(self, segmap: Tensor) -> dict[str, BlockModulations]:
        """Compute every block's modulation of one map ``(B or 1, label_nc, *S)``, for :meth:`forward`."""
        sizes = self.sizes(self.output_size or spatial_size(segmap))
        return {name: block.modulations(segmap, sizes[name]) for name, block in self.blocks().items()}

    def sample_noise(self, n: int, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``(n, z_dim)`` standard normals, on the generator's device, then moved beside ``like``."""
        device = like.device if generator is None else generator.device
        z = torch.randn(n, self.z_dim, device=device, dtype=like.dtype, generator=generator)
        return z.to(like.device)

    def forward(
        self,
        segmap: Tensor,
        z: Tensor | None = None,
        *,
        modulations: Mapping[str, BlockModulations] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Generate.

        Parameters
        ----------
        segmap : Tensor (B or 1, label_nc, *S)
            One map serves all of ``z``.
        z : Tensor (B, z_dim), optional
            Noise; drawn (from ``generator`` if given) when absent.
        modulations : mapping, optional
            What :meth:`modulations` made of the same map, to save computing it again.

        Returns
        -------
        Tensor (B, out_channels, *S)

        Raises
        ------
        ValueError
            The map's size does not fit the doublings, or noise is given to a network that takes none.
        """
        return self.trunk(self.start(segmap, z, generator=generator), segmap, modulations=modulations)

    def start(
        self,
        segmap: Tensor,
        z: Tensor | None = None,
        *,
        grid: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Compute the coarse features that the trunk begins with: ``(B, 16 ngf, *grid)``; see :meth:`forward`.

        ``grid`` is the coarse grid where the map's size does not say it (a map already resized to it).
        """
        if grid is None:
            grid = self.latent_grid(self.output_size or spatial_size(segmap))
        if self.first == "map":
            if z is not None:
                raise ValueError(
                    "z was given, but first='map' takes no noise: leave it out, or build with first='noise'"
                )
            return self.fc(resize_nearest(segmap, grid))
        if z is None:
            z = self.sample_noise(segmap.shape[0], segmap, generator)
        x: Tensor = self.fc(z).view(z.shape[0], self.stages[0].fin, *self.latent_size)
        return resize_nearest(x, grid)

    def trunk(
        self,
        x: Tensor,
        segmap: Tensor,
        *,
        modulations: Mapping[str, BlockModulations] | None = None,
    ) -> Tensor:
        """Turn coarse features ``(B, 16 ngf, *grid)`` into the output, under the map or its modulations.

        Raises
        ------
        ValueError
            In training, a batch norm would see a single value a channel.
        """
        values = x.numel() // x.shape[1]
        if self.training and self._needs_many_values and values * world_size() == 1:
            raise ValueError(
                f"a batch of {x.shape[0]} with a coarse grid of {' x '.join(map(str, x.shape[2:]))} gives batch "
                "norm one value a channel to train on: pass a batch of 2 or more, a larger map, or fewer "
                "doublings (evaluation has no such limit)"
            )
        for stage in self.stages:
            if stage.double:
                x = upsample_nearest(x)
            block = getattr(self, stage.name)
            x = block(x, segmap if modulations is None else modulations[stage.name])
        x = self.conv_img(leaky(x))  # (B, out_channels, *S)
        return torch.tanh(x) if self.head == "tanh" else x

    def extra_repr(self) -> str:
        """Show the settings."""
        return (
            f"label_nc={self.label_nc}, z_dim={self.z_dim}, ndim={self.ndim}, doublings={self.n_doublings}, "
            f"latent_size={self.latent_size}, first={self.first}"
        )
