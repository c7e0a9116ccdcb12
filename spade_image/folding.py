# SPDX-License-Identifier: Apache-2.0
r"""Networks for evaluation only: spectral norm and running statistics become part of the weights.

Spectral norm divides once instead of at every call. A batch norm with running statistics :math:`\mu, \sigma` is a scale
and a shift, and so is the modulation that follows it:

.. math:: \frac{x - \mu}{\sigma}(1 + \gamma) + \beta = x\,\frac{1 + \gamma}{\sigma}
          + \Bigl(\beta - \mu\,\frac{1 + \gamma}{\sigma}\Bigr) = x\,G(m) + B(m)

G and B are convolutions of the same hidden features as gamma and beta, with other weights: one convolution for both,
one multiply-add on the features, and no norm.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import remove_spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm

from spade_core import SPADE

__all__ = ["FoldedSPADE", "folded_copy"]

M = TypeVar("M", bound=nn.Module)


def _spectral_hook(layer: nn.Module) -> SpectralNorm | None:
    hooks = [h for h in layer._forward_pre_hooks.values() if isinstance(h, SpectralNorm)]
    return hooks[0] if hooks else None


@torch.no_grad()
def folded_copy(module: M) -> M:
    """Copy a network in evaluation mode, with spectral norm divided into the weights and no gradients.

    The state dict of the copy has ``weight`` where the original has ``weight_orig, weight_u, weight_v``.
    """
    layers = [layer for layer in module.modules() if _spectral_hook(layer) is not None]
    kept = [layer.__dict__.get("weight") for layer in layers]
    try:
        # after a training step the weight is a result with a history, which cannot be copied
        for layer in layers:
            layer.__dict__["weight"] = layer.get_parameter("weight_orig").detach()
        twin = copy.deepcopy(module).eval()
    finally:
        for layer, weight in zip(layers, kept, strict=True):
            layer.__dict__["weight"] = weight
    for layer in twin.modules():
        if _spectral_hook(layer) is not None:
            remove_spectral_norm(layer)
    return twin.requires_grad_(False)


class FoldedSPADE(nn.Module):
    """A :class:`spade_core.SPADE` for evaluation: ``x * G(m) + B(m)``, after an instance norm where it has one."""

    def __init__(self, layer: SPADE) -> None:
        super().__init__()
        if layer.mlp_shared is None:
            raise ValueError("a SPADE without a hidden layer cannot be folded")
        state = {name: value.detach() for name, value in layer.named_parameters()}
        norm = layer.param_free_norm
        weight_g, bias_g = state["mlp_gamma.weight"].double(), state["mlp_gamma.bias"].double() + 1.0
        weight_b, bias_b = state["mlp_beta.weight"].double(), state["mlp_beta.bias"].double()
        self.norm: nn.Module | None = None
        if isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None:
            scale = torch.rsqrt(norm.running_var.double() + norm.eps)
            weight_g, bias_g = weight_g * scale[:, None, None, None], bias_g * scale
            mean = norm.running_mean.double()
            weight_b, bias_b = weight_b - mean[:, None, None, None] * weight_g, bias_b - mean * bias_g
        elif not isinstance(norm, nn.Identity):
            self.norm = norm
        dtype = state["mlp_gamma.weight"].dtype
        self.channels, self.kernel_size = layer.channels, layer.kernel_size
        self.register_buffer("hidden_weight", state["mlp_shared.0.weight"].clone())
        self.register_buffer("hidden_bias", state["mlp_shared.0.bias"].clone())
        self.register_buffer("head_weight", torch.cat([weight_g, weight_b]).to(dtype))
        self.register_buffer("head_bias", torch.cat([bias_g, bias_b]).to(dtype))

    hidden_weight: Tensor
    hidden_bias: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def scale_and_shift(self, segmap: Tensor) -> Tensor:
        """Return G and B stacked, ``(B, 2 C, H, W)``, of a map already resized to the features."""
        padding = self.kernel_size // 2
        h = torch.relu_(F.conv2d(segmap, self.hidden_weight, self.hidden_bias, padding=padding))
        return F.conv2d(h, self.head_weight, self.head_bias, padding=padding)

    def forward(self, x: Tensor, both: Tensor) -> Tensor:
        """Return ``x * G + B`` for ``(B, C, H, W)`` and what :meth:`scale_and_shift` returned."""
        if self.norm is not None:
            x = self.norm(x)
        return torch.addcmul(both[:, self.channels :], x, both[:, : self.channels])
