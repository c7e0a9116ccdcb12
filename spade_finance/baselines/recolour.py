# SPDX-License-Identifier: Apache-2.0
r"""Move the correlation of given innovations by a slow state, as our generator does with its factors.

With the regime's correlation in factor form, :math:`R_k = A_k A_k' + D_k^2`, a state c multiplies what is common:

.. math:: R_k(c) = \operatorname{corr}(e^{2c} A_k A_k' + D_k^2)

The generator applies this to its factors before it draws. Innovations that are given whole, as a bootstrap's are,
get it from the linear map that changes their correlation alike and moves each as little as can be,

.. math:: e \mapsto R_k(c)^{1/2}\, R_k(0)^{-1/2}\, e
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RANK = 3
GRID_POINTS, GRID_SDS = 65, 3.2
"""The maps are tabulated at so many states up to so many standard deviations; the nearest one is taken."""
PRIOR_DAYS = 100.0
"""Weight, in days, of the correlation of all days in a regime's own."""


def regime_correlations(
    e: Array, codes: NDArray[np.integer], n_regimes: int, prior_days: float = PRIOR_DAYS
) -> Array:
    """Correlations (K, S, S) of innovations (days, S) by regime, shrunk to those of all days."""
    pooled = np.corrcoef(e, rowvar=False).reshape(e.shape[1], e.shape[1])
    out = np.repeat(pooled[None], n_regimes, axis=0)
    for k in range(n_regimes):
        days = e[codes == k]
        if len(days) > 2:
            keep = len(days) / (len(days) + prior_days)
            own = np.corrcoef(days, rowvar=False).reshape(pooled.shape)
            out[k] = keep * own + (1 - keep) * pooled
    return out


def tilted(loadings: Array, state: float) -> Array:
    """Correlation (S, S) of a factor form with loadings (S, r) at a state c."""
    common = loadings @ loadings.T
    out = np.exp(2 * state) * common
    out[np.diag_indices_from(out)] += 1 - np.diag(common)
    scale = np.sqrt(np.diag(out))
    return np.asarray(out / np.outer(scale, scale))


@dataclass(frozen=True)
class Recolouring:
    """Tabulated maps: ``to`` and ``back`` (K, points, S, S) at states ``grid`` (points,)."""

    grid: Array
    to: NDArray[np.float32]
    back: NDArray[np.float32]

    @classmethod
    def make(cls, correlations: Array, sd: float) -> Recolouring:
        """Tables for regime correlations (K, S, S) and a state of standard deviation `sd`."""
        from spade_finance.model.moments import factor

        rank = min(RANK, correlations.shape[1] - 1)
        grid = np.linspace(-GRID_SDS * sd, GRID_SDS * sd, GRID_POINTS)
        to = np.empty((len(correlations), GRID_POINTS, *correlations.shape[1:]), dtype=np.float32)
        back = np.empty_like(to)
        for k, correlation in enumerate(correlations):
            loadings = factor(correlation, rank)
            root, inverse = _roots(tilted(loadings, 0.0))
            for g, state in enumerate(grid):
                there, away = _roots(tilted(loadings, float(state)))
                to[k, g], back[k, g] = there @ inverse, root @ away
        return cls(grid, to, back)

    def apply(
        self,
        e: NDArray[np.floating],
        codes: NDArray[np.integer],
        states: NDArray[np.floating],
        *,
        undo: bool = False,
    ) -> NDArray[np.floating]:
        """Innovations (..., days, S) recoloured for states (..., days); `codes` broadcast to them."""
        step = self.grid[1] - self.grid[0]
        nearest = np.rint((states - self.grid[0]) / step).astype(np.intp).clip(0, len(self.grid) - 1)
        table = self.back if undo else self.to
        maps = table[np.broadcast_to(codes, nearest.shape), nearest]
        return np.asarray((maps @ e[..., None])[..., 0])


def _roots(matrix: Array) -> tuple[Array, Array]:
    """Symmetric square root and its inverse."""
    values, vectors = np.linalg.eigh(matrix)
    size = np.sqrt(np.maximum(values, 1e-10))
    return (vectors * size) @ vectors.T, (vectors / size) @ vectors.T
