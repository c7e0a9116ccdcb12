# SPDX-License-Identifier: Apache-2.0
r"""Dependence between sectors: spectrum of the correlation, leverage across assets, low-variance portfolios.

Arrays as in :mod:`.facts`: simple returns ``x (paths, time, sectors)``, days that count in ``mask``. Pairwise
correlation and tail dependence are in :mod:`.facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import facts

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def eigenvalues(x: Array, mask: Mask | None = None) -> Array:
    """Eigenvalues of the correlation matrix, largest first, (paths, sectors); NaN without days."""
    matrix = facts.correlation(x, mask)
    seen = np.isfinite(matrix).all((1, 2))
    out = np.full(matrix.shape[:2], np.nan)
    if seen.any():
        out[seen] = np.linalg.eigvalsh(matrix[seen])[:, ::-1]
    return out


def marchenko_pastur_edge(n_sectors: int, n_days: float) -> float:
    r"""Largest eigenvalue that independent series would show, :math:`(1 + \sqrt{d/n})^2`.

    Marchenko & Pastur (1967), for a correlation matrix (variance one) and many series. Heavy tails and shared
    volatility move the edge of uncorrelated returns upwards: one above it is a mode, one just above it may be
    a shared volatility.
    """
    return float((1.0 + np.sqrt(n_sectors / n_days)) ** 2)


def correlation_breakdown(x: Array, worst: Mask, calm: Mask) -> Array:
    """Mean correlation on the days of the worst regime less that on calm days, (paths,)."""
    return facts.mean_correlation(x, worst) - facts.mean_correlation(x, calm)


def cross_leverage(
    market: Array,
    x: Array,
    lags: Sequence[int],
    groups: NDArray[np.integer] | None = None,
    mask: Mask | None = None,
) -> Array:
    r"""Leverage of the market on each sector, :math:`corr(r^m_t, |r_{j,t+k}|)`, (paths, lags, sectors).

    Negative: a fall of the market is followed by large moves of the sector.

    Parameters
    ----------
    market : (paths, time)
    x : (paths, time, sectors)
    """
    wide = np.broadcast_to(market[..., None], x.shape)
    return facts.cross_correlation(np.ascontiguousarray(wide), np.abs(x), lags, groups, mask)


@dataclass(frozen=True)
class EigenPortfolios:
    """Long-short portfolios along the smallest eigenvalues of a training correlation.

    Attributes
    ----------
    weights : (portfolios, sectors)
        Eigenvectors over training volatilities, gross exposure (sum of absolute weights) one; the smallest
        eigenvalue first.
    shares : (portfolios,)
        Eigenvalue over the number of sectors: the share of standardised training variance.
    """

    weights: Array
    shares: Array

    @property
    def names(self) -> tuple[str, ...]:
        """``eigen 7`` for the smallest of seven eigenvalues, and so on."""
        size = self.weights.shape[1]
        return tuple(f"eigen {size - i}" for i in range(len(self.weights)))

    def returns(self, x: Array) -> Array:
        """Simple returns (paths, time, portfolios) of daily rebalanced portfolios of sectors x."""
        return np.asarray(x @ self.weights.T)


def low_variance_portfolios(training: Array, n_portfolios: int = 3) -> EigenPortfolios:
    """Portfolios of the smallest eigenvalues: what long-short books hold and generators neglect.

    Weights come from training data alone: taken from the window itself, its own variance along them would be
    the smallest by construction. See Cetingoz & Lehalle (2025), arXiv 2501.03993.

    Parameters
    ----------
    training : (days, sectors)
        Simple returns.
    n_portfolios : int
        At most sectors less one: the market mode is no long-short book.
    """
    correlation = facts.correlation(training[None])[0]
    values, vectors = np.linalg.eigh(correlation)
    count = min(n_portfolios, len(values) - 1)
    weights = vectors[:, :count].T / training.std(0)
    weights /= np.abs(weights).sum(1, keepdims=True)
    # eigenvectors have no sign of their own: the largest position is long
    largest = np.take_along_axis(weights, np.abs(weights).argmax(1)[:, None], axis=1)
    return EigenPortfolios(weights * np.sign(largest), values[:count] / len(values))
