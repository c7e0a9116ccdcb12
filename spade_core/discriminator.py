# SPDX-License-Identifier: Apache-2.0
"""The multi-scale patch discriminator: the same small network on the input, and on the input pooled.

Every scale returns all its stages' outputs (for feature matching), the last of which is the prediction map:
one score a patch. The input is map and sample stacked on channels, ``(B, input_nc, *S)``.

Reference: Wang et al. 2018 (pix2pixHD), arXiv 1711.11585; spectral norm as in Park et al. 2019.
"""

from __future__ import annotations

from torch import Tensor, nn

from spade_core.nd import avg_pool, check_ndim, conv
from spade_core.norms import NORMS, make_norm
from spade_core.spectral import spectral_norm

__all__ = ["MultiscaleDiscriminator", "PatchDiscriminator", "conv_with_norm", "parse_conv_norm"]

_MAX_WIDTH = 512
_WITHOUT_SCALE = ("instance", "layer", "rms")  # affine-free, as published for instance


def parse_conv_norm(norm: str) -> tuple[bool, str]:
    """Split "spectralinstance" into (spectral norm?, "instance"); the empty rest means "none".

    Raises
    ------
    ValueError
        The rest is no norm's name.
    """
    spectral = norm.startswith("spectral")
    rest = norm.removeprefix("spectral") or "none"
    rest = {"syncbatch": "sync_batch"}.get(rest, rest)
    if rest not in NORMS:
        raise ValueError(
            f"norm={norm!r} is unknown: choose one of {', '.join(NORMS)}, optionally after 'spectral'"
        )
    return spectral, rest


def conv_with_norm(
    ndim: int, in_channels: int, out_channels: int, kernel_size: int, norm: str, *, stride: int, padding: int
) -> nn.Module:
    """Build a convolution, spectrally normalised or not, and the norm after it.

    With a norm the convolution has no bias (the norm removes it) and the pair is a ``Sequential``; without
    one it is the convolution alone, with a bias.
    """
    spectral, after = parse_conv_norm(norm)
    layer = conv(
        ndim, in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=after == "none"
    )
    if spectral:
        layer = spectral_norm(layer)
    if after == "none":
        return layer
    return nn.Sequential(layer, make_norm(after, out_channels, ndim, affine=after not in _WITHOUT_SCALE))


class PatchDiscriminator(nn.Module):
    """One scale: ``n_layers`` convolutions of stride 2, 2, ..., 1 and a last one to the prediction.

    Parameters
    ----------
    input_nc, ndf, n_layers, kernel_size : int
        Width doubles from ``ndf`` up to 512. Padding is ``kernel_size // 2``.
    ndim : 1 or 2
    norm : str
        Of the stages between the first and the last, see :func:`parse_conv_norm`.
    """

    def __init__(
        self, input_nc: int, ndim: int, ndf: int, n_layers: int, norm: str, kernel_size: int
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        first = conv(ndim, input_nc, ndf, kernel_size, stride=2, padding=padding)
        self.model0 = nn.Sequential(first, nn.LeakyReLU(0.2))
        width = ndf
        for i in range(1, n_layers):
            before, width = width, min(2 * width, _MAX_WIDTH)
            stride = 1 if i == n_layers - 1 else 2
            layer = conv_with_norm(ndim, before, width, kernel_size, norm, stride=stride, padding=padding)
            self.add_module(f"model{i}", nn.Sequential(layer, nn.LeakyReLU(0.2)))
        last = conv(ndim, width, 1, kernel_size, stride=1, padding=padding)
        self.add_module(f"model{n_layers}", nn.Sequential(last))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return every stage's output for ``(B, input_nc, *S)``; last the prediction ``(B, 1, *S')``."""
        outputs: list[Tensor] = []
        for stage in self.children():
            x = stage(x)
            outputs.append(x)
        return outputs


class MultiscaleDiscriminator(nn.Module):
    """Patch discriminators on several scales.

    Parameters
    ----------
    input_nc : int
        Channels of map plus sample.
    n_scales : int
        Each scale sees the one before, averaged over 3 with stride 2 (padding does not count).
    ndim : 1 or 2
    ndf : int
        Width of the first stage.
    n_layers : int
        Stages before the prediction, at least 1.
    norm : str
        "spectralinstance" as published; "spectral", "instance", "batch", "none", ... alone or combined.
    kernel_size : int
    features : bool
        Return every stage's output; otherwise the prediction alone, still in a list.

    Raises
    ------
    ValueError
        A count below 1 or an unknown norm or ndim.
    """

    def __init__(
        self,
        input_nc: int,
        n_scales: int = 2,
        ndim: int = 2,
        *,
        ndf: int = 64,
        n_layers: int = 4,
        norm: str = "spectralinstance",
        kernel_size: int = 4,
        features: bool = True,
    ) -> None:
        super().__init__()
        check_ndim(ndim)
        counts = {"input_nc": input_nc, "n_scales": n_scales, "ndf": ndf, "n_layers": n_layers}
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.n_scales, self.ndim, self.features, self.norm = n_scales, ndim, features, norm
        for i in range(n_scales):
            scale = PatchDiscriminator(input_nc, ndim, ndf, n_layers, norm, kernel_size)
            self.add_module(f"discriminator_{i}", scale)
        self._pool = [
            avg_pool(ndim, 3, stride=2, padding=1)
        ]  # in a list: stateless, kept out of the children

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Judge ``(B, input_nc, *S)``: a list over scales of lists over stages, the prediction last."""
        results: list[list[Tensor]] = []
        for i in range(self.n_scales):
            if i:
                x = self._pool[0](x)
            outputs: list[Tensor] = getattr(self, f"discriminator_{i}")(x)
            results.append(outputs if self.features else outputs[-1:])
        return results

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"n_scales={self.n_scales}, ndim={self.ndim}, norm={self.norm}, features={self.features}"
