# SPDX-License-Identifier: Apache-2.0
"""Proper scores of paths against what happened; lower is better (Gneiting & Raftery 2007; Scheuerer & Hamill 2015)."""

from __future__ import annotations

import numpy as np
import torch


def energy(fake: torch.Tensor, real: torch.Tensor) -> float:
    """Energy score of (n, positions, d) samples against (1, positions, d), per root dimension."""
    n = len(fake)
    near = torch.linalg.norm(fake - real, dim=-1).mean()
    shifts = range(1, 9)
    spread = torch.stack([torch.linalg.norm(fake - fake.roll(s, 0), dim=-1).mean() for s in shifts]).mean()
    assert n > 8
    return float((near - 0.5 * spread) / fake.shape[-1] ** 0.5)


def crps(fake: np.ndarray, real: np.ndarray) -> np.ndarray:
    """CRPS by order statistics, (n, positions) against (positions,)."""
    n = len(fake)
    ordered = np.sort(fake, axis=0)
    weight = (2 * np.arange(1, n + 1) - n - 1)[:, None]
    spread = 2 * (weight * ordered).sum(0) / (n * (n - 1))
    return np.abs(fake - real).mean(0) - 0.5 * spread


def variogram(fake: np.ndarray, real: np.ndarray) -> float:
    """Variogram score of order 1/2 over pairs of sectors (same day) and of days (1, 5, 20 apart)."""
    out = []
    s = real.shape[1]
    i, j = np.triu_indices(s, 1)
    out.append(
        np.mean(
            (
                np.sqrt(np.abs(fake[:, :, i] - fake[:, :, j])).mean(0)
                - np.sqrt(np.abs(real[:, i] - real[:, j]))
            )
            ** 2
        )
    )
    for k in (1, 5, 20):
        a = np.sqrt(np.abs(np.abs(fake[:, k:]) - np.abs(fake[:, :-k]))).mean(0)
        out.append(np.mean((a - np.sqrt(np.abs(np.abs(real[k:]) - np.abs(real[:-k])))) ** 2))
    return float(np.mean(out))


def drawdown(x: np.ndarray) -> np.ndarray:
    wealth = np.cumsum(np.concatenate([np.zeros((len(x), 1)), x], 1), 1)
    return (np.maximum.accumulate(wealth, 1) - wealth).max(1)
