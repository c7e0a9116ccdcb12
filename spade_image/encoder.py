# SPDX-License-Identifier: Apache-2.0
r"""The style encoder: a photo to the mean and log-variance of its style.

.. math:: z = \mu + \epsilon\, e^{\mathrm{logvar} / 2}, \qquad \epsilon \sim N(0, 1)

Photos of any size are resized to 256 x 256 (bilinear); six convolutions of stride 2 lead to 4 x 4. All six are
always there: the official code leaves the last one out for crops below 256 and then cannot run, although its
input is 256 pixels wide whatever the crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_core.blocks import leaky
from spade_core.discriminator import conv_with_norm
from spade_core.initialise import init_weights
from spade_image.exceptions import InputError
from spade_image.generator import resolve
from spade_image.options import Options

__all__ = ["StyleEncoder", "build_encoder", "reparameterize"]

SIDE = 256
_MULTIPLES = (1, 2, 4, 8, 8, 8)
_LAST_SIDE = SIDE // 2 ** len(_MULTIPLES)


class StyleEncoder(nn.Module):
    """Photo ``(B, 3, H, W)`` in [-1, 1] to ``(mu, logvar)``, each ``(B, z_dim)``.

    Parameters
    ----------
    nf : int
        Base width; 8 nf at most.
    z_dim : int
        256 in the official weights.
    norm : str
        As of the discriminator, "spectralinstance" by default; the prefix may be missing.

    Raises
    ------
    ValueError
        An unknown norm.
    """

    def __init__(self, nf: int = 64, z_dim: int = 256, norm: str = "spectralinstance") -> None:
        super().__init__()
        self.nf, self.z_dim, self.norm = nf, z_dim, norm
        before = 3
        for i, multiple in enumerate(_MULTIPLES, 1):
            layer = conv_with_norm(2, before, multiple * nf, 3, norm, stride=2, padding=1)
            self.add_module(f"layer{i}", layer)
            before = multiple * nf
        flat = before * _LAST_SIDE**2
        self.fc_mu = nn.Linear(flat, z_dim)
        self.fc_var = nn.Linear(flat, z_dim)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode ``(B, 3, H, W)``."""
        h = image
        if tuple(h.shape[2:]) != (SIDE, SIDE):
            h = F.interpolate(h, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        for i in range(1, len(_MULTIPLES) + 1):
            h = leaky(self.get_submodule(f"layer{i}")(h))
        h = h.flatten(1)  # (B, 8 nf * 4 * 4)
        return self.fc_mu(h), self.fc_var(h)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"nf={self.nf}, z_dim={self.z_dim}, norm={self.norm}"


def build_encoder(flags: Options | Mapping[str, Any]) -> StyleEncoder:
    """Build the style encoder of official options (``ngf``, ``z_dim``, ``norm_E``), freshly initialised.

    Raises
    ------
    InputError
        An unknown ``norm_E``.
    """
    options = resolve(flags)
    try:
        net = StyleEncoder(options.ngf, options.z_dim, options.norm_E)
    except ValueError as error:
        raise InputError(f"norm_E: {error}") from error
    init_weights(net, options.init_type, options.init_variance)
    return net


def reparameterize(
    mu: Tensor, logvar: Tensor, eps: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Draw ``mu + eps * exp(logvar / 2)``; ``eps`` is drawn (on the generator's device) when absent."""
    if eps is None:
        device = mu.device if generator is None else generator.device
        eps = torch.randn(mu.shape, dtype=mu.dtype, device=device, generator=generator).to(mu.device)
    return mu + eps * torch.exp(0.5 * logvar)
