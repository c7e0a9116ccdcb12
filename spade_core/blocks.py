# SPDX-License-Identifier: Apache-2.0
"""The SPADE residual block: twice SPADE, LeakyReLU(0.2), convolution; plus a shortcut.

``fm = min(fin, fout)``::

    x (fin) -> norm_0 -> LeakyReLU -> conv_0 (fin -> fm)
                                      -> norm_1 -> LeakyReLU -> conv_1 (fm -> fout) -> + -> out
    x (fin) -> norm_s -> conv_s (1x1, no bias, no activation) -----------------------> +

The shortcut is the identity when ``fin == fout``.

Reference: Park et al. 2019, arXiv 1903.07291, appendix A. Submodule names are those of the published weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from spade_core.nd import conv
from spade_core.norms import Norm
from spade_core.spade import SPADE, Modulation
from spade_core.spectral import spectral_norm

__all__ = ["BlockModulations", "SPADEResBlk", "leaky"]


def leaky(x: Tensor) -> Tensor:
    """Return LeakyReLU with slope 0.2, the activation of the published networks."""
    return F.leaky_relu(x, 0.2)


class BlockModulations(NamedTuple):
    """What one map makes of a block's SPADE layers; ``norm_s`` is None when the shortcut is the identity."""

    norm_0: Modulation
    norm_1: Modulation
    norm_s: Modulation | None = None


class SPADEResBlk(nn.Module):
    """SPADE residual block.

    Parameters
    ----------
    fin, fout : int
        Channels in and out. A shortcut with its own SPADE is learned when they differ.
    label_nc : int
        Channels of the map.
    ndim : 1 or 2
    nhidden : int or None
        Width of each SPADE's shared layer; None is linear.
    kernel_size : int
        Of the convolutions on the map.
    conv_kernel, dilation : int
        Of the two convolutions on the features.
    norm : str or callable
        The parameter-free norm of every SPADE.
    spectral : bool
        Spectral norm on conv_0, conv_1 and conv_s (never inside SPADE).
    causal : bool
        ``ndim=1``: nothing at t depends on features or map after t.
    """

    def __init__(
        self,
        fin: int,
        fout: int,
        label_nc: int,
        ndim: int = 2,
        *,
        nhidden: int | None = 128,
        kernel_size: int = 3,
        conv_kernel: int = 3,
        norm: Norm = "instance",
        spectral: bool = False,
        dilation: int = 1,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.fin, self.fout, self.label_nc, self.ndim = fin, fout, label_nc, ndim
        fm = min(fin, fout)

        def make_conv(c_in: int, c_out: int, kernel: int, dilate: int, bias: bool) -> nn.Module:
            layer = conv(ndim, c_in, c_out, kernel, dilation=dilate, bias=bias, causal=causal)
            return spectral_norm(layer) if spectral else layer

        def make_spade(channels: int) -> SPADE:
            return SPADE(channels, label_nc, nhidden, ndim, kernel_size=kernel_size, norm=norm, causal=causal)

        self.conv_0 = make_conv(fin, fm, conv_kernel, dilation, True)
        self.conv_1 = make_conv(fm, fout, conv_kernel, dilation, True)
        self.conv_s = make_conv(fin, fout, 1, 1, False) if fin != fout else None
        self.norm_0 = make_spade(fin)
        self.norm_1 = make_spade(fm)
        self.norm_s = make_spade(fin) if fin != fout else None

    def modulations(self, segmap: Tensor, size: Sequence[int] | None = None) -> BlockModulations:
        """Compute every layer's modulation of one map, to be passed to :meth:`forward` as often as wanted.

        Parameters
        ----------
        segmap : Tensor (B or 1, label_nc, *S')
        size : sequence of int, optional
            Spatial size of the features; default the map's own.
        """
        return BlockModulations(
            self.norm_0.modulation(segmap, size),
            self.norm_1.modulation(segmap, size),
            None if self.norm_s is None else self.norm_s.modulation(segmap, size),
        )

    def forward(
        self, x: Tensor, segmap: Tensor | BlockModulations | Mapping[str, Modulation | None]
    ) -> Tensor:
        """Run the block.

        Parameters
        ----------
        x : Tensor (B, fin, *S)
        segmap : Tensor (B or 1, label_nc, *S'), BlockModulations or mapping
            The map, or what :meth:`modulations` made of it (a mapping holds the keys norm_0, norm_1 and,
            for a learned shortcut, norm_s).

        Returns
        -------
        Tensor (B, fout, *S)
        """
        if isinstance(segmap, Tensor):
            m = self.modulations(segmap, x.shape[2:])
        elif isinstance(segmap, BlockModulations):
            m = segmap
        else:
            m = BlockModulations(**segmap)  # type: ignore[arg-type]
        shortcut = x
        if self.norm_s is not None and self.conv_s is not None:
            if m.norm_s is None:
                raise ValueError(
                    "the modulations lack norm_s, which a block with fin != fout needs: use .modulations()"
                )
            shortcut = self.conv_s(self.norm_s(x, m.norm_s))  # (B, fout, *S)
        h = self.conv_0(leaky(self.norm_0(x, m.norm_0)))  # (B, fm, *S)
        h = self.conv_1(leaky(self.norm_1(h, m.norm_1)))  # (B, fout, *S)
        return shortcut + h

    def extra_repr(self) -> str:
        """Show the widths."""
        return f"fin={self.fin}, fout={self.fout}, label_nc={self.label_nc}, ndim={self.ndim}"
