# SPDX-License-Identifier: Apache-2.0
"""Initial weights by name, written through spectral norm to the raw weight."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["INITS", "init_weights"]

INITS: dict[str, Callable[[Tensor, float], object]] = {
    "normal": lambda w, gain: nn.init.normal_(w, 0.0, gain),
    "xavier": lambda w, gain: nn.init.xavier_normal_(w, gain),
    "xavier_uniform": lambda w, gain: nn.init.xavier_uniform_(w, 1.0),
    "kaiming": lambda w, gain: nn.init.kaiming_normal_(w, a=0.0, mode="fan_in"),
    "orthogonal": lambda w, gain: nn.init.orthogonal_(w, gain),
}


def init_weights(module: nn.Module, kind: str = "xavier", gain: float = 0.02) -> None:
    """Initialise every convolution and linear layer in place; biases become 0.

    Parameters
    ----------
    module : nn.Module
    kind : str
        One of :data:`INITS`, or "none" to leave all as it is. The published networks use "xavier" with 0.02.
    gain : float
        Gain (xavier, orthogonal) or standard deviation (normal). Affine batch norms get weights N(1, gain).

    Raises
    ------
    ValueError
        An unknown kind.
    """
    if kind == "none":
        return
    if kind not in INITS:
        raise ValueError(f"init={kind!r} is unknown: choose one of {', '.join(INITS)} or none")
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            weight = getattr(layer, "weight_orig", None)  # spectral norm keeps the trained weight here
            INITS[kind](layer.weight if weight is None else weight, gain)
        elif isinstance(layer, _BatchNorm) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, gain)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
