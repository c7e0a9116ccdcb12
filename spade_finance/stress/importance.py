# SPDX-License-Identifier: Apache-2.0
r"""Importance sampling: estimates of rare losses from a mixture of tilts, with honest errors.

The paths of a cell are drawn with shifts :math:`\delta_j` in fixed numbers :math:`n_j`, n in all, one of the shifts
being 0 (the defensive part). Each path has a score v, N(0, 1) without a tilt, and gets the weight of the balance
heuristic, nominal density over that of the whole mixture,

.. math:: w(v) = \Big( \sum_j \tfrac{n_j}{n} e^{\delta_j v - \delta_j^2 / 2} \Big)^{-1} \le n / n_0,

bounded whatever happens (Veach & Guibas 1995; Owen & Zhou 2000, "Safe and effective importance sampling", JASA 95).
:math:`\hat p = \frac1n \sum_i w_i 1_i` is unbiased; because the numbers are fixed, its variance adds up over the
components, :math:`n^{-2} \sum_j n_j s_j^2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.stress.sums import dot

__all__ = ["Estimate", "cell_estimate", "effective_size", "mixture_weights", "spread"]

Array = NDArray[np.float64]

SHARES = (0.3, 0.3, 0.4)
"""Of a cell's paths: not tilted, tilted half way, tilted to where half of the paths break."""
LEAST_SHIFT, MOST_SHIFT = 0.3, 4.0
"""Below the first a tilt gains nothing; beyond the second the linear guess behind it is not to be trusted."""


@dataclass(frozen=True)
class Estimate:
    """A Monte-Carlo estimate: ``value``, ``std_error``, effective sample size of the paths that count, their number."""

    value: float
    std_error: float
    ess: float
    n_hits: int
    n_paths: int


def spread(n_paths: int, shift: float) -> Array:
    """Shift (n_paths,) of each path of a cell: none, half and all of `shift` in the shares of :data:`SHARES`."""
    shift = float(np.clip(shift, 0.0, MOST_SHIFT))
    if shift < LEAST_SHIFT or n_paths < 6:
        return np.zeros(n_paths)
    middle, most = round(SHARES[1] * n_paths), round(SHARES[2] * n_paths)
    return np.repeat([0.0, shift / 2, shift], [n_paths - middle - most, middle, most])


def mixture_weights(score: Array, shift: Array) -> Array:
    """Weights (n,) by the balance heuristic of one cell's paths.

    Parameters
    ----------
    score : (n,) N(0, 1) without a tilt, N(shift, 1) with one
    shift : (n,) shift with which each path was drawn
    """
    shifts, counts = np.unique(shift, return_counts=True)
    ratio = np.exp(shifts * score[:, None] - 0.5 * shifts**2)  # tilted over nominal density, (n, components)
    return np.asarray(1.0 / dot(ratio, counts / len(shift)))


def effective_size(weights: Array) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2; 0 without weights."""
    total = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0


def cell_estimate(hits: NDArray[np.bool_], score: Array, shift: Array) -> tuple[float, float, Array]:
    """Probability of a hit in one cell: value, variance of the estimate, weights (n,)."""
    weights = mixture_weights(score, shift)
    value = weights * hits
    n = len(hits)
    variance = 0.0
    for level in np.unique(shift):
        own = value[shift == level]
        spread_ = own.var(ddof=1) if len(own) > 1 else float(own[0]) ** 2
        variance += len(own) * float(spread_) / n**2
    return float(value.mean()), variance, weights


def combine(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Value and standard error of sum of mass * value over independent parts (mass, value, variance)."""
    value = sum(mass * v for mass, v, _ in parts)
    return float(value), float(np.sqrt(sum(mass**2 * variance for mass, _, variance in parts)))
