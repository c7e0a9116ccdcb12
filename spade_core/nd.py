# SPDX-License-Identifier: Apache-2.0
"""The only place that knows one dimension from two.

Everything else in :mod:`spade_core` takes ``ndim`` (1: series ``(B, C, T)``; 2: images ``(B, C, H, W)``) and
looks its convolution, pooling and normalisation up here. No class of this package is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "CausalConv",
    "Ndim",
    "avg_pool",
    "batch_norm",
    "check_ndim",
    "conv",
    "instance_norm",
    "resize_nearest",
    "same_padding",
    "spatial_size",
    "upsample_nearest",
]

Ndim = Literal[1, 2]

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
_AVG_POOL: dict[int, type[nn.AvgPool1d] | type[nn.AvgPool2d]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d}
_BATCH_NORM: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm2d]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_INSTANCE_NORM: dict[int, type[nn.InstanceNorm1d] | type[nn.InstanceNorm2d]] = {
    1: nn.InstanceNorm1d,
    2: nn.InstanceNorm2d,
}


class CausalConv(nn.Conv1d):
    """Convolution over time that sees only the present and the past.

    Output ``t`` depends on inputs ``t - dilation * (kernel_size - 1) .. t``; before the first input there are
    zeros. Parameters and their names are those of ``nn.Conv1d``.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``(B, C, T)`` to ``(B, C', ceil(T / stride))``."""
        reach = self.dilation[0] * (self.kernel_size[0] - 1)
        if reach:
            input = F.pad(input, (reach, 0))
        return F.conv1d(input, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def check_ndim(ndim: int) -> int:
    """Return ``ndim`` if it is 1 or 2, otherwise raise ``ValueError``."""
    if ndim not in _CONV:
        raise ValueError(
            f"ndim={ndim!r} is not supported: pass 1 for series (B, C, T) or 2 for images (B, C, H, W)"
        )
    return ndim


def same_padding(kernel_size: int, dilation: int = 1) -> int:
    """Return the symmetric padding that keeps the size: ``dilation * (kernel_size - 1) / 2``, odd kernels."""
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size={kernel_size} with padding='same' changes the size: pass an odd kernel or a padding"
        )
    return dilation * (kernel_size - 1) // 2


def conv(
    ndim: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: Literal["same"] | int = "same",
    dilation: int = 1,
    bias: bool = True,
    causal: bool = False,
) -> nn.Module:
    """Build a convolution over one or two dimensions.

    Parameters
    ----------
    ndim : 1 or 2
    in_channels, out_channels, kernel_size, stride, dilation : int
        The kernel is square for images.
    padding : "same" or int
        Zeros on both sides. "same" keeps the size at stride 1 (odd kernels); leave it there if ``causal``.
    bias : bool
    causal : bool
        Only for ``ndim=1``: pad on the left only, so that output ``t`` depends on inputs up to ``t``; any
        kernel size keeps the length at stride 1.

    Raises
    ------
    ValueError
        Unknown ``ndim``, a causal image, an even kernel with "same", or a padding for a causal convolution.
    """
    check_ndim(ndim)
    if causal:
        if ndim != 1:
            raise ValueError("causal=True needs ndim=1: an image has no direction of time")
        if padding != "same":
            raise ValueError(
                f"padding={padding!r} with causal=True: leave it at 'same', causal pads on the left only"
            )
        return CausalConv(in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, bias=bias)
    pad = same_padding(kernel_size, dilation) if padding == "same" else padding
    return _CONV[ndim](
        in_channels, out_channels, kernel_size, stride=stride, padding=pad, dilation=dilation, bias=bias
    )


def avg_pool(
    ndim: int, kernel_size: int, *, stride: int, padding: int = 0, count_include_pad: bool = False
) -> nn.Module:
    """Build an average pool; padding does not count in the mean unless asked to."""
    check_ndim(ndim)
    return _AVG_POOL[ndim](kernel_size, stride=stride, padding=padding, count_include_pad=count_include_pad)


def batch_norm(ndim: int, channels: int, *, affine: bool = False) -> nn.Module:
    """Build a batch norm: eps 1e-5, momentum 0.1, running statistics kept."""
    check_ndim(ndim)
    return _BATCH_NORM[ndim](channels, affine=affine)


def instance_norm(ndim: int, channels: int, *, affine: bool = False) -> nn.Module:
    """Build an instance norm: eps 1e-5, statistics of the sample itself, in evaluation too."""
    check_ndim(ndim)
    return _INSTANCE_NORM[ndim](channels, affine=affine)


def spatial_size(x: Tensor) -> tuple[int, ...]:
    """Return the size after batch and channels: ``(T,)`` or ``(H, W)``."""
    return tuple(x.shape[2:])


def resize_nearest(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize ``(B, C, *S)`` to ``(B, C, *size)``: output ``i`` copies input ``floor(i * in / out)``.

    This is torch's older "nearest", not "nearest-exact" and not PIL's. The floor never looks ahead: position
    ``i`` of a finer grid copies a coarse position that began at or before it.
    """
    target = tuple(int(n) for n in size)
    if tuple(x.shape[2:]) == target:
        return x
    return F.interpolate(x, size=target, mode="nearest")


def upsample_nearest(x: Tensor, factor: int = 2) -> Tensor:
    """Repeat every position ``factor`` times along each spatial dimension."""
    return F.interpolate(x, size=tuple(n * factor for n in x.shape[2:]), mode="nearest")
