# SPDX-License-Identifier: Apache-2.0
r"""SPADE: normalise without parameters, then let the map say the scale and the shift at every position.

.. math:: y = \mathrm{norm}(x)\,(1 + \gamma(m)) + \beta(m)

``x: (B, C, *S)``, map ``m: (B, L, *S')`` (resized to S by nearest neighbour), result ``(B, C, *S)``. Gamma
and beta come from the map alone through two small convolutions, so one map's :class:`Modulation` is
computed once and broadcast over any number of samples.

Reference: Park, Liu, Wang, Zhu, "Semantic Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019,
arXiv 1903.07291. The "1 +" is not in the paper's formula, but in the networks that it reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from spade_core.nd import check_ndim, conv, resize_nearest
from spade_core.norms import Norm, check_causal_norm, make_norm

__all__ = ["SPADE", "MapModulation", "Modulation"]


class Modulation(NamedTuple):
    """Scale and shift, each ``(B or 1, C, *S)``: ``y = h * (1 + gamma) + beta``."""

    gamma: Tensor
    beta: Tensor

    def apply_to(self, h: Tensor) -> Tensor:
        """Return ``h * (1 + gamma) + beta`` for ``h: (B, C, *S)``, broadcasting over the batch."""
        # add_ works on the fresh product: one tensor of the trunk's size less on every call
        return (h * (1 + self.gamma)).add_(self.beta)


class _FromMap(nn.Module):
    """The convolutions from map to modulation, under the names that the published weights have."""

    mlp_shared: nn.Sequential | None

    def __init__(
        self,
        channels: int,
        label_nc: int,
        nhidden: int | None,
        kernel_size: int,
        ndim: int,
        causal: bool,
    ) -> None:
        super().__init__()
        check_ndim(ndim)
        for name, value in (("channels", channels), ("label_nc", label_nc), ("nhidden", nhidden)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.channels, self.label_nc, self.nhidden = channels, label_nc, nhidden
        self.kernel_size, self.ndim, self.causal = kernel_size, ndim, causal
        if nhidden is None:
            self.mlp_shared = None
        else:
            self.mlp_shared = nn.Sequential(
                conv(ndim, label_nc, nhidden, kernel_size, causal=causal), nn.ReLU()
            )
        width = label_nc if nhidden is None else nhidden
        self.mlp_gamma = conv(ndim, width, channels, kernel_size, causal=causal)
        self.mlp_beta = conv(ndim, width, channels, kernel_size, causal=causal)

    def modulation(self, segmap: Tensor, size: Sequence[int] | None = None) -> Modulation:
        """Compute gamma and beta.

        Parameters
        ----------
        segmap : Tensor (B, label_nc, *S')
            One channel per class (soft values allowed) plus whatever else the model reads.
        size : sequence of int, optional
            Spatial size S of the features; the map is resized to it first. Default: the map's own.

        Returns
        -------
        Modulation
            gamma and beta, each ``(B, channels, *S)``.

        Raises
        ------
        ValueError
            The map's rank or number of channels is not the layer's.
        """
        if segmap.dim() != self.ndim + 2 or segmap.shape[1] != self.label_nc:
            axes = "T" if self.ndim == 1 else "H, W"
            raise ValueError(
                f"segmap of shape {tuple(segmap.shape)} does not fit label_nc={self.label_nc}, "
                f"ndim={self.ndim}: pass (B, {self.label_nc}, {axes})"
            )
        m = segmap if size is None else resize_nearest(segmap, size)  # (B, L, *S)
        if self.mlp_shared is not None:
            m = self.mlp_shared(m)  # (B, nhidden, *S)
        return Modulation(self.mlp_gamma(m), self.mlp_beta(m))  # 2 x (B, C, *S)

    def extra_repr(self) -> str:
        """Show the settings."""
        return (
            f"channels={self.channels}, label_nc={self.label_nc}, nhidden={self.nhidden}, "
            f"kernel_size={self.kernel_size}, ndim={self.ndim}, causal={self.causal}"
        )


class MapModulation(_FromMap):
    """From a map to gamma and beta: convolution, ReLU, then one convolution each.

    Parameters
    ----------
    channels : int
        Channels C of the features to be modulated.
    label_nc : int
        Channels L of the map.
    nhidden : int or None
        Width of the shared layer; None makes gamma and beta linear in the map (no shared layer, no ReLU).
    kernel_size : int
        Of each convolution (odd unless ``causal``).
    ndim : 1 or 2
    causal : bool
        Day t's modulation depends on the map up to day t (``ndim=1`` only).
    """

    def __init__(
        self,
        channels: int,
        label_nc: int,
        *,
        nhidden: int | None = 128,
        kernel_size: int = 3,
        ndim: int = 2,
        causal: bool = False,
    ) -> None:
        super().__init__(channels, label_nc, nhidden, kernel_size, ndim, causal)

    def forward(self, segmap: Tensor, size: Sequence[int] | None = None) -> Modulation:
        """Compute the map's :class:`Modulation`; see :meth:`modulation`."""
        return self.modulation(segmap, size)


class SPADE(_FromMap):
    """Spatially-adaptive normalisation.

    Parameters
    ----------
    norm_nc : int
        Channels C of the features.
    label_nc : int
        Channels L of the map.
    nhidden : int or None
        Width of the shared layer; None is linear in the map.
    ndim : 1 or 2
    kernel_size : int
        Of the map's convolutions.
    norm : str or callable
        The parameter-free norm: a name from :data:`spade_core.norms.NORMS` or a function of channels.
    causal : bool
        Nothing at t depends on x or map after t: left padding, and a norm of ``CAUSAL_NORMS``.

    Raises
    ------
    ValueError
        An unknown norm or ndim, or a norm that pools over time with ``causal``.
    """

    def __init__(
        self,
        norm_nc: int,
        label_nc: int,
        nhidden: int | None = 128,
        ndim: int = 2,
        *,
        kernel_size: int = 3,
        norm: Norm = "instance",
        causal: bool = False,
    ) -> None:
        super().__init__(norm_nc, label_nc, nhidden, kernel_size, ndim, causal)
        if causal:
            check_causal_norm(norm)
        self.norm = norm if isinstance(norm, str) else getattr(norm, "__name__", type(norm).__name__)
        self.param_free_norm = make_norm(norm, norm_nc, ndim)

    def forward(self, x: Tensor, segmap: Tensor | Modulation) -> Tensor:
        """Normalise and modulate.

        Parameters
        ----------
        x : Tensor (B, C, *S)
        segmap : Tensor (B or 1, L, *S') or Modulation
            The map, or what :meth:`modulation` made of it, broadcast over the batch.

        Returns
        -------
        Tensor (B, C, *S)
        """
        if not isinstance(segmap, Modulation):
            segmap = self.modulation(segmap, x.shape[2:])
        return segmap.apply_to(self.param_free_norm(x))

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"{super().extra_repr()}, norm={self.norm}"
