# SPDX-License-Identifier: Apache-2.0
r"""The portfolio of least variance, exactly, on all paths at once.

Long-only minimum variance is a non-negative quadratic programme: with :math:`x \ge 0` the minimiser of
:math:`\tfrac12 x^\top \Sigma x - 1^\top x`, the weights are :math:`x / \sum x`. Block principal pivoting
(Júdice and Pires 1994) guesses which assets are held, solves for them, exchanges all that violate the optimality
conditions, and falls back on one exchange at a time (Murty's rule, which ends) where that stops helping. The
result is the exact optimum, not an iterate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.backtest.strategies.base import FLAT, Known, Strategy, Values, covariances, days
from spade_finance.exceptions import InputError

__all__ = ["MinimumVariance", "long_only_minimum_variance"]

_TOLERANCE = 1e-10  # of x and of the gradient, on correlations
_FULL_EXCHANGES = 3  # without progress, before single exchanges begin


@dataclass(frozen=True)
class MinimumVariance(Strategy):
    """Minimum variance on the sample covariance of the last `lookback` days.

    Parameters
    ----------
    lookback : int
        Days, at least 2; with fewer days than assets the sample covariance is singular and the result leans on
        a tiny ridge.
    long_only : bool
        Weights of at least 0; otherwise the closed form :math:`\\Sigma^{-1} 1 / 1^\\top \\Sigma^{-1} 1`, which goes
        short.
    """

    name = "minimum_variance"
    lookback: int = 126
    long_only: bool = True

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)
        if not isinstance(self.long_only, bool):
            raise InputError(f"long_only={self.long_only!r}: pass True or False")

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        covariance = covariances(known.past)
        assets = covariance.shape[-1]
        covariance[:, range(assets), range(assets)] += FLAT**2
        if self.long_only:
            return long_only_minimum_variance(covariance)
        x = np.linalg.solve(covariance, np.ones((len(covariance), assets, 1)))[..., 0]
        return np.asarray(x / x.sum(axis=1, keepdims=True))


def long_only_minimum_variance(covariance: Values) -> Values:
    """Weights (n, S) >= 0, summing to 1, of least variance under positive definite covariances (n, S, S)."""
    scale = np.sqrt(np.mean(np.diagonal(covariance, axis1=1, axis2=2), axis=1))
    matrix = covariance / (scale * scale)[:, None, None]
    n, assets = matrix.shape[:2]
    free = np.ones((n, assets), dtype=bool)
    best, patience = np.full(n, assets + 1), np.full(n, _FULL_EXCHANGES)
    x = np.zeros((n, assets))
    open_ = np.arange(n)
    for _ in range(50 + 2**assets if assets < 12 else 5000):
        x[open_], wrong = _solve(matrix[open_], free[open_])
        open_, wrong = open_[wrong.any(axis=1)], wrong[wrong.any(axis=1)]
        if not open_.size:
            break
        count = wrong.sum(axis=1)
        better = count < best[open_]
        best[open_] = np.minimum(best[open_], count)
        patience[open_] = np.where(better, _FULL_EXCHANGES, patience[open_] - 1)
        last = assets - 1 - wrong[:, ::-1].argmax(axis=1)
        single = np.zeros_like(wrong)
        single[np.arange(len(wrong)), last] = True
        free[open_] ^= np.where((patience[open_] >= 0)[:, None], wrong, single)
    x = np.maximum(x, 0.0)
    return np.asarray(x / x.sum(axis=1, keepdims=True))


def _solve(matrix: Values, free: NDArray[np.bool_]) -> tuple[Values, NDArray[np.bool_]]:
    """The minimiser over the free assets, and which assets then violate the optimality conditions."""
    assets = matrix.shape[-1]
    held = matrix * (free[:, :, None] & free[:, None, :])
    held[:, range(assets), range(assets)] += ~free
    x: Values = np.asarray(
        np.linalg.solve(held, free[..., None].astype(np.float64))[..., 0], dtype=np.float64
    )
    gradient = np.matmul(matrix, x[..., None])[..., 0] - 1.0
    return x, np.where(free, x < -_TOLERANCE, gradient < -_TOLERANCE)
