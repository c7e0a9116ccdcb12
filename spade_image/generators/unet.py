# SPDX-License-Identifier: Apache-2.0
"""The U-Net of pix2pix: the map is read once, at the input, and reaches the output through the norms and by skips.

Encoder: convolutions 4 x 4 of stride 2, LeakyReLU(0.2) before and a norm after each but the first and the innermost;
decoder: ReLU, transposed convolutions 4 x 4 of stride 2, norm, dropout 0.5 in training on the innermost three, and the
encoder's features of the same grid concatenated. Widths are 1, 2, 4, 8, 8, ... times ``ngf``; there are as many
halvings as the SPADE generator has doublings. With noise, a linear layer of z joins the innermost grid.

Reference: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", arXiv 1611.07004,
section 6.1; written from the paper.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_core import make_norm
from spade_core.blocks import leaky
from spade_core.initialise import init_weights
from spade_image.generators.grid import check_size, draw_noise, refuse_noise
from spade_image.options import Options, parse_norm_g

__all__ = ["UNetGenerator", "build_unet"]

_WIDEST = 8
_DROPPED = 3


class UNetGenerator(nn.Module):
    """U-Net ``G(segmap, z=None)``: ``(B, label_nc, H, W)`` to ``(B, 3, H, W)``.

    Parameters
    ----------
    label_nc : int
    depth : int
        Halvings; H and W are multiples of ``2^depth``.
    ngf : int
    norm : str
        A name from :data:`spade_core.NORMS`, used with scale and shift.
    z_dim : int or None
        Length of the noise; None for none.
    dropout : float
        Of the innermost three decoder stages, in training.
    """

    def __init__(
        self,
        label_nc: int,
        depth: int,
        ngf: int = 64,
        norm: str = "batch",
        z_dim: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.label_nc, self.n_doublings, self.norm, self.dropout = label_nc, depth, norm, dropout
        self.z_dim = 0 if z_dim is None else z_dim
        self.first = "noise" if z_dim else "map"
        widths = [min(2**i, _WIDEST) * ngf for i in range(depth)]
        self.down = nn.ModuleList()
        self.down_norms = nn.ModuleList()
        before = label_nc
        for i, width in enumerate(widths):
            self.down.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            plain = i in (0, depth - 1)
            self.down_norms.append(nn.Identity() if plain else make_norm(norm, width, 2, affine=True))
            before = width
        self.from_noise = nn.Linear(z_dim, before) if z_dim else None
        self.up = nn.ModuleList()
        self.up_norms = nn.ModuleList()
        for i in reversed(range(depth)):
            # the innermost stage has no skip beside it
            fin = widths[i] if i == depth - 1 else 2 * widths[i]
            fout = widths[i - 1] if i else 3
            self.up.append(nn.ConvTranspose2d(fin, fout, 4, stride=2, padding=1))
            self.up_norms.append(make_norm(norm, fout, 2, affine=True) if i else nn.Identity())

    def sample_noise(self, n: int, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``(n, z_dim)`` standard normals, on the generator's device, then moved beside ``like``."""
        return draw_noise(n, self.z_dim, like, generator)

    def forward(self, segmap: Tensor, z: Tensor | None = None) -> Tensor:
        """Generate ``(B, 3, H, W)``."""
        check_size(segmap, self.n_doublings)
        h, skips = segmap, []
        for i, (layer, norm) in enumerate(zip(self.down, self.down_norms, strict=True)):
            h = norm(layer(leaky(h) if i else h))
            skips.append(h)
        if self.from_noise is None:
            refuse_noise(z)
        else:
            z = self.sample_noise(segmap.shape[0], segmap) if z is None else z
            h = h + self.from_noise(z)[:, :, None, None]  # (B, 8 ngf, H / 2^depth, W / 2^depth)
        for i, (layer, norm) in enumerate(zip(self.up, self.up_norms, strict=True)):
            if i:
                h = torch.cat([h, skips[-1 - i].expand(h.shape[0], -1, -1, -1)], 1)
            h = norm(layer(F.relu(h)))
            if i < min(_DROPPED, len(self.up) - 1):
                h = F.dropout(h, self.dropout, self.training)
        return torch.tanh(h)


def build_unet(options: Options) -> UNetGenerator:
    """Build it from options: ``ngf``, depth by ``num_upsampling_layers``, the norm's name, ``z_dim``."""
    net = UNetGenerator(
        options.semantic_nc,
        options.n_doublings,
        options.ngf,
        parse_norm_g(options.norm_G).norm,
        options.z_dim if options.use_vae else None,
    )
    init_weights(net, options.init_type, options.init_variance)
    return net
