# SPDX-License-Identifier: Apache-2.0
r"""Spectral norm under the published names, and keys from and to torch's newer ones.

``W / sigma`` with ``sigma = u^T W v`` the largest singular value, by one power iteration a training forward
(Miyato et al. 2018, arXiv 1802.05957). torch has two forms of it; the published weights are in the older:

=====================  =========================================
older, used here       newer (``nn.utils.parametrizations``)
=====================  =========================================
``weight_orig``        ``parametrizations.weight.original``
``weight_u``           ``parametrizations.weight.0._u``
``weight_v``           ``parametrizations.weight.0._v``
=====================  =========================================

In evaluation sigma comes from the stored u and v, so a fresh network has a meaningless sigma until some
training forwards have run: :func:`warm_up_spectral` runs the iterations without data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm as _torch_spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm

__all__ = ["from_parametrized_keys", "spectral_norm", "to_parametrized_keys", "warm_up_spectral"]

_OLD_TO_NEW = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}

M = TypeVar("M", bound=nn.Module)


def spectral_norm(module: M) -> M:
    """Put spectral norm on a module's weight (1 power iteration, eps 1e-12, over dimension 0)."""
    return _torch_spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=0)


def _rename(state: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        for old, new in table.items():
            if key == old or key.endswith("." + old):
                key = key[: len(key) - len(old)] + new
                break
        out[key] = value
    return out


def to_parametrized_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename ``weight_orig, weight_u, weight_v`` to torch's parametrisation names; other keys stay."""
    return _rename(state, _OLD_TO_NEW)


def from_parametrized_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename torch's parametrisation names to ``weight_orig, weight_u, weight_v``; other keys stay."""
    return _rename(state, {new: old for old, new in _OLD_TO_NEW.items()})


@torch.no_grad()
def warm_up_spectral(module: nn.Module, iterations: int = 15) -> None:
    """Run power iterations on every spectrally normalised layer, so that a fresh network can be evaluated."""
    for layer in module.modules():
        for hook in layer._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm):
                for _ in range(iterations):
                    hook.compute_weight(layer, do_power_iteration=True)
