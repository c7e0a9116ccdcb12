# SPDX-License-Identifier: Apache-2.0
"""What the generator is trained on: a proper score of paths given the map, and pooled stylised facts.

*Energy score* (Gneiting and Raftery 2007): for two samples a, b of the model under the real window's map and the real
window y, ``(|f(a) - f(y)| + |f(b) - f(y)| - |f(a) - f(b)|) / 2``, averaged over many small feature vectors f; it is
least, in expectation, only for the true distribution of f given the map.

*Facts loss*: Huber distances between statistics pooled over the batch, all days and per regime: what the perceptual
loss is to images.

Both read log returns divided by their regime's typical volatility, so that a bull market counts as much as a crisis.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IN_LOSS = frozenset(
    {
        "mean", "volatility", "tail_exceedance", "skew", "correlation", "tail_dependence", "acf_abs", "leverage",
        "acf", "aggregated_volatility", "volatility_of_volatility", "energy_score",
    }
)  # fmt: skip
"""Families of statistics that the default objective looks at; evaluations mark them."""

ABS_LAGS = (1, 2, 3, 5, 10, 20, 45)
LEVERAGE_LAGS = (1, 2, 5, 10, 20)
PATCH = 4
"""Steps in a patch of the energy score."""


def energy_features(x: Tensor, portfolios: Tensor) -> list[Tensor]:
    """Feature vectors of windows x (B, S, T): a list of (B, positions, dimension).

    Parameters
    ----------
    portfolios : (P, S)
        Fixed random weights, rows of unit length.
    """
    features: list[Tensor] = []
    for days in (1, 4, 16):
        total = F.avg_pool1d(x, days) * days**0.5  # (B, S, T / days)
        features += [_patches(total), _patches(torch.log(total.abs() + 0.1))]
    for days in (5, 20):
        features.append((F.avg_pool1d(x, days, stride=days // 5 * 3) * days**0.5).transpose(1, 2))
    size = x.abs()
    for days in (8, 32):
        features.append(torch.log(F.avg_pool1d(size, days, stride=days // 4) + 0.05).transpose(1, 2))
    features.append(_patches(portfolios @ x))
    market = x.mean(1, keepdim=True)
    rows = torch.cat([x, market], 1)
    rows_size = rows.abs()
    features.append(torch.stack([rows[..., :-1], rows_size[..., 1:]], -1).flatten(1, 2))
    for k in (1, 5, 20):
        features.append(torch.stack([rows_size[..., :-k], rows_size[..., k:]], -1).flatten(1, 2))
    return features


def energy_score(first: Tensor, second: Tensor, real: Tensor, portfolios: Tensor) -> Tensor:
    """Energy score of two samples against the real windows, each (B, S, T), averaged over features."""
    scores = [
        (_norm(a - y) + _norm(b - y) - _norm(a - b)).mean() / (2 * y.shape[-1] ** 0.5)
        for a, b, y in zip(*(energy_features(x, portfolios) for x in (first, second, real)), strict=True)
    ]
    return torch.stack(scores).mean()


def facts(x: Tensor, regimes: Tensor) -> dict[str, Tensor]:
    """Pooled statistics of windows x (B, S, T) under ``regimes`` (B, K, T): name -> values.

    Per regime where a day is enough, over all days where time matters.
    """
    groups = torch.cat([torch.ones_like(regimes[:, :1]), regimes], 1)  # (B, G, T), all days first
    days = groups.sum((0, 2)).clamp(min=1.0)  # (G,)

    def pooled(values: Tensor) -> Tensor:
        """Mean over each group's days, (B, N, T) -> (G, N)."""
        return torch.einsum("bgt,bnt->gn", groups, values) / days[:, None]

    size = x.abs()
    mean, second = pooled(x), pooled(x**2) + 1e-4
    out = {
        "mean": 3 * mean,
        "volatility": 0.5 * torch.log(second) + torch.log(pooled(size) + 1e-2),
        "tail_exceedance": torch.cat([4 * pooled(_beyond(size, 2.0)), 20 * pooled(_beyond(size, 4.0))], 1),
        "skew": torch.cat([3 * pooled(torch.tanh(x)), 8 * pooled(_beyond(-x, 2.0) - _beyond(x, 2.0))], 1),
    }
    n = x.shape[1]
    if n > 1:
        i, j = torch.triu_indices(n, n, 1, device=x.device)
        scale = torch.sqrt(second)
        out["correlation"] = pooled(x[:, i] * x[:, j]) / (scale[:, i] * scale[:, j])
        low = _beyond(-x, 1.5)
        out["tail_dependence"] = 10 * pooled(low[:, i] * low[:, j])
    rows = torch.cat([x, x.mean(1, keepdim=True)], 1)
    rows_size = rows.abs()
    # Persistence of a window's own volatility and of deviations from the pooled mean alike: no window is demeaned.
    deviation = rows_size - rows_size.mean((0, 2), keepdim=True).detach()
    variance = (deviation**2).mean((0, 2)) + 1e-3
    out["acf_abs"] = torch.stack(
        [(deviation[..., :-k] * deviation[..., k:]).mean((0, 2)) / variance for k in ABS_LAGS]
    )
    spread = torch.sqrt((rows**2).mean((0, 2)) * variance)
    out["leverage"] = 2 * torch.stack(
        [(rows[..., :-k] * deviation[..., k:]).mean((0, 2)) / spread for k in LEVERAGE_LAGS]
    )
    total = (rows**2).mean((0, 2)) + 1e-3
    out["acf"] = torch.stack([(rows[..., :-k] * rows[..., k:]).mean((0, 2)) / total for k in (1, 2, 5)])
    aggregated = [F.avg_pool1d(rows, d, stride=max(d // 4, 1)) * d**0.5 for d in (5, 20)]
    out["aggregated_volatility"] = torch.stack(
        [torch.log(a.abs().mean((0, 2)) + 1e-2) for a in aggregated]
        + [8 * _beyond(a.abs(), 2.5).mean((0, 2)) for a in aggregated]
    )
    monthly = torch.log(F.avg_pool1d(rows_size, 21, stride=7) + 0.05)
    out["volatility_of_volatility"] = monthly.transpose(0, 1).flatten(1).std(1)
    return out


def facts_loss(fake: Tensor, real: Tensor, regimes: Tensor) -> Tensor:
    """Mean Huber distance over the families of :func:`facts`; ``fake`` may hold several samples of each map."""
    repeats = len(fake) // len(real)
    generated = facts(fake, regimes.repeat(repeats, 1, 1))
    target = facts(real, regimes)
    return torch.stack([F.smooth_l1_loss(generated[k], target[k], beta=0.1) for k in target]).mean()


def random_portfolios(n_sectors: int, n_portfolios: int = 8, seed: int = 0) -> Tensor:
    """Fixed random long-short weights (P, S), rows of unit length."""
    weights = torch.randn(n_portfolios, n_sectors, generator=torch.Generator().manual_seed(seed))
    return weights / weights.norm(dim=1, keepdim=True)


def _patches(x: Tensor) -> Tensor:
    """(B, S, T) -> (B, T // PATCH, S * PATCH); a remainder is left out."""
    n = x.shape[-1] // PATCH
    cut = x[..., : n * PATCH].reshape(*x.shape[:2], n, PATCH)
    return cut.permute(0, 2, 1, 3).flatten(2)


def _norm(x: Tensor) -> Tensor:
    return torch.sqrt((x**2).sum(-1) + 1e-8)


def _beyond(x: Tensor, threshold: float) -> Tensor:
    """Smooth indicator of ``x > threshold``."""
    return torch.sigmoid(4 * (x - threshold))
