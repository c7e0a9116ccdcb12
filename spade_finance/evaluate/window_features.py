# SPDX-License-Identifier: Apache-2.0
"""Windows of return paths, and what a risk manager would measure on one: input of trees and of PRDC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel

Array = NDArray[np.float64]

CORE = ("volatility", "asymmetry", "tails", "clustering", "leverage", "variance_ratio", "drawdown",
        "mean_correlation", "dispersion")  # fmt: skip
"""Features that need no many sectors to be told apart: where neighbours are counted, few dimensions serve."""


def starts(panel: Panel, window: int, stride: int) -> NDArray[np.intp]:
    """First days of the windows that cross no border that all paths share, (n,)."""
    first = np.arange(0, panel.n_days - window + 1, stride)
    if panel.segments.ndim == 1:
        first = first[panel.segments[first] == panel.segments[first + window - 1]]
    return np.asarray(first, dtype=np.intp)


def cut(x: Array, first: NDArray[np.intp], window: int) -> Array:
    """Windows (paths, n, window, assets) of paths (paths, days, assets)."""
    return x[:, first[:, None] + np.arange(window)]


def window_features(x: Array) -> tuple[Array, tuple[str, ...]]:
    """Features of windows of returns.

    Parameters
    ----------
    x : (..., window, 1 + sectors)
        Decimal or scaled returns, market first.

    Returns
    -------
    features : (..., F)
        All finite.
    names : tuple of F str
    """
    market, sectors = x[..., 0], x[..., 1:]
    tiny = 1e-12
    sd = np.sqrt((market**2).mean(-1)) + tiny
    z = market / sd[..., None]
    size = np.abs(z)
    level = np.cumsum(z, axis=-1)
    depth = (np.maximum.accumulate(np.maximum(level, 0.0), axis=-1) - level).max(-1)
    week = z.shape[-1] // 5 * 5
    weekly = z[..., :week].reshape(*z.shape[:-1], -1, 5).sum(-1)
    half = z.shape[-1] // 2
    spread = np.sqrt((sectors**2).mean(-2)) + tiny
    out = {
        "volatility": np.log(sd),
        "mean": z.mean(-1),
        "asymmetry": np.tanh(z).mean(-1),
        "tails": size.mean(-1),
        "largest": np.log(size.max(-1) + tiny),
        "worst_to_best": np.log((0.1 - z.min(-1).clip(max=0)) / (0.1 + z.max(-1).clip(min=0))),
        "acf": _correlation(z[..., :-1], z[..., 1:]),
        "clustering": _correlation(size[..., :-1], size[..., 1:]),
        "clustering_5": _correlation(size[..., :-5], size[..., 5:]),
        "leverage": _correlation(z[..., :-1], size[..., 1:]),
        "variance_ratio": np.log((weekly**2).mean(-1) / 5 + 0.01),
        "drawdown": depth / np.sqrt(z.shape[-1]),
        "volatility_change": np.log((size[..., half:].mean(-1) + 0.05) / (size[..., :half].mean(-1) + 0.05)),
    }
    if sectors.shape[-1] > 1:
        normed = sectors / spread[..., None, :]
        apart = np.abs(sectors - sectors.mean(-1, keepdims=True)).mean(-1)
        total = normed.sum(-1)
        n = sectors.shape[-1]
        out |= {
            "mean_correlation": ((total**2).mean(-1) / n - 1.0) / (n - 1),
            "dispersion": np.log(apart.mean(-1) / sd + tiny),
            "dispersion_tails": np.log(apart.max(-1) / (apart.mean(-1) + tiny) + tiny),
            "dispersion_clustering": _correlation(apart[..., :-1], apart[..., 1:]),
            "joint_losses": (normed < -1.0).mean(-1).max(-1),
        }
        out |= {f"volatility_{i}": np.log(spread[..., i] / sd) for i in range(n)}
        beta = (sectors * market[..., None]).mean(-2) / (sd**2)[..., None]
        out |= {f"beta_{i}": beta[..., i] for i in range(n)}
    return np.stack(list(out.values()), axis=-1), tuple(out)


def _correlation(a: Array, b: Array) -> Array:
    a = a - a.mean(-1, keepdims=True)
    b = b - b.mean(-1, keepdims=True)
    scale = np.sqrt((a**2).mean(-1) * (b**2).mean(-1))
    return np.asarray((a * b).mean(-1) / np.maximum(scale, 1e-12))
