# SPDX-License-Identifier: Apache-2.0
"""What SPADE replaces: the same trunk, told about the map by concatenation instead of modulation.

Stage by stage (names, widths, doublings) it is the SPADE generator, and so is its residual block, except that each
SPADE becomes an ordinary norm with a learned scale and shift, after which the map, resized to the features, joins them
as further channels::

    x (fin) -> norm_0 -> LeakyReLU -> cat map -> conv_0 -> norm_1 -> LeakyReLU -> cat map -> conv_1 -> + -> out
    x (fin) -> norm_s -> cat map -> conv_s (1x1, no bias) ------------------------------------------> +

Whatever the map says at a scale thus passes through the next norm, which removes what is constant over the picture:
the effect that SPADE was made against (Park et al. 2019, arXiv 1903.07291, section 3.1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spade_core import Stage, make_norm, stages_for
from spade_core.blocks import leaky
from spade_core.initialise import init_weights
from spade_core.nd import conv, resize_nearest, upsample_nearest
from spade_core.spectral import spectral_norm
from spade_image.exceptions import InputError
from spade_image.generators.grid import check_size, check_values, draw_noise, refuse_noise
from spade_image.options import Options, parse_norm_g

__all__ = ["ConcatBlock", "ConcatGenerator", "build_concat"]


class ConcatBlock(nn.Module):
    """Residual block ``(B, fin, H, W)`` to ``(B, fout, H, W)`` with the map ``(B, label_nc, H', W')`` concatenated."""

    def __init__(self, fin: int, fout: int, label_nc: int, norm: str, spectral: bool) -> None:
        super().__init__()
        fm = min(fin, fout)

        def make_conv(c_in: int, c_out: int, kernel: int, bias: bool) -> nn.Module:
            layer = conv(2, c_in + label_nc, c_out, kernel, bias=bias)
            return spectral_norm(layer) if spectral else layer

        self.norm_0 = make_norm(norm, fin, 2, affine=True)
        self.conv_0 = make_conv(fin, fm, 3, True)
        self.norm_1 = make_norm(norm, fm, 2, affine=True)
        self.conv_1 = make_conv(fm, fout, 3, True)
        self.norm_s = make_norm(norm, fin, 2, affine=True) if fin != fout else None
        self.conv_s = make_conv(fin, fout, 1, False) if fin != fout else None

    def forward(self, x: Tensor, segmap: Tensor) -> Tensor:
        """Run the block."""
        m = resize_nearest(segmap, x.shape[2:]).expand(x.shape[0], -1, -1, -1)
        shortcut = x
        if self.norm_s is not None and self.conv_s is not None:
            shortcut = self.conv_s(torch.cat([self.norm_s(x), m], 1))
        h = self.conv_0(torch.cat([leaky(self.norm_0(x)), m], 1))  # (B, fm, H, W)
        h = self.conv_1(torch.cat([leaky(self.norm_1(h)), m], 1))  # (B, fout, H, W)
        return shortcut + h


class ConcatGenerator(nn.Module):
    """Generator by concatenation, ``G(segmap, z=None)``.

    Parameters
    ----------
    label_nc : int
        Channels of the map.
    stages : sequence of Stage
        See :func:`spade_core.stages_for`.
    z_dim : int
    latent_size : (int, int)
        Coarse grid of the noise layer.
    first : "map" or "noise"
    norm : str
        A name from :data:`spade_core.NORMS`.
    spectral : bool
        Spectral norm on the blocks' convolutions.
    """

    def __init__(
        self,
        label_nc: int,
        stages: tuple[Stage, ...],
        *,
        z_dim: int = 256,
        latent_size: tuple[int, int] = (4, 4),
        first: str = "map",
        norm: str = "sync_batch",
        spectral: bool = True,
    ) -> None:
        super().__init__()
        self.label_nc, self.stages, self.z_dim, self.first, self.norm = label_nc, stages, z_dim, first, norm
        self.latent_size = latent_size
        self.n_doublings = sum(stage.double for stage in stages)
        width = stages[0].fin
        self.fc: nn.Module
        if first == "map":
            self.fc = conv(2, label_nc, width, 3)
        else:
            self.fc = nn.Linear(z_dim, width * math.prod(latent_size))
        for name, fin, fout, _ in stages:
            self.add_module(name, ConcatBlock(fin, fout, label_nc, norm, spectral))
        self.conv_img = conv(2, stages[-1].fout, 3, 3)

    def sample_noise(self, n: int, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``(n, z_dim)`` standard normals, on the generator's device, then moved beside ``like``."""
        return draw_noise(n, self.z_dim, like, generator)

    def forward(self, segmap: Tensor, z: Tensor | None = None) -> Tensor:
        """Generate ``(B, 3, H, W)``; ``H`` and ``W`` are the map's, multiples of ``2^n``."""
        grid = check_size(segmap, self.n_doublings)
        if self.first == "map":
            refuse_noise(z)
            x = self.fc(resize_nearest(segmap, grid))
        else:
            z = self.sample_noise(segmap.shape[0], segmap) if z is None else z
            x = self.fc(z).view(z.shape[0], self.stages[0].fin, *self.latent_size)
            x = resize_nearest(x, grid)
        check_values(x, self.norm, training=self.training)
        for stage in self.stages:
            x = upsample_nearest(x) if stage.double else x
            x = getattr(self, stage.name)(x, segmap)
        return torch.tanh(self.conv_img(leaky(x)))


def build_concat(options: Options) -> ConcatGenerator:
    """Build it from options: widths, doublings, norm and spectral norm as the SPADE generator's."""
    word = parse_norm_g(options.norm_G)
    try:
        stages = stages_for(options.ngf, options.n_doublings)
    except ValueError as error:
        raise InputError(str(error)) from error
    net = ConcatGenerator(
        options.semantic_nc,
        stages,
        z_dim=options.z_dim,
        latent_size=options.latent_size,
        first="noise" if options.use_vae else "map",
        norm=word.norm,
        spectral=word.spectral,
    )
    init_weights(net, options.init_type, options.init_variance)
    return net
