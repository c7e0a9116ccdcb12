# SPDX-License-Identifier: Apache-2.0
r"""Kolmogorov-Smirnov and Wasserstein distances of return distributions, raw and in shape.

With :math:`F` the distribution function of all generated values and :math:`F_r` that of the n real ones,

.. math::
    KS = \sup_x |F(x) - F_r(x)|, \qquad W_1 = \int |F(x) - F_r(x)|\,dx
       = \tfrac1n \sum_i |F^{-1}(u_i) - x_{(i)}|, \quad u_i = (i - \tfrac12) / n

(the last form holds up to the grid). Pass panels without their scale (:mod:`.shape`) and a generator with the
right shape and the wrong level of volatility has a small distance.

Both distances are linear in :math:`F` where the sign of the difference does not change, so their Monte-Carlo
error is that of the mean over paths of a fixed function (the envelope theorem): clustered by path at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import facts

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Distances:
    """KS and W1 of each asset (assets,), with standard errors clustered by path; W1 in real deviations."""

    ks: Array
    ks_se: Array
    w1: Array
    w1_se: Array


def summed(
    x: Array, days: int, segments: NDArray[np.integer], stride: int = 1
) -> tuple[Array, NDArray[np.intp]]:
    """Sums over `days` days that lie inside one segment.

    Parameters
    ----------
    x : (paths, days, assets)
    days, stride : int
        Sums overlap unless ``stride >= days``.
    segments : (days,) or (paths, days) int

    Returns
    -------
    values : (n, assets)
    path : (n,) int
        Where each sum comes from.
    """
    if days == 1:
        return x[:, ::stride].reshape(-1, x.shape[2]), np.repeat(np.arange(len(x)), len(x[0, ::stride]))
    sums, valid = facts.aggregate(x, days, segments)
    keep = np.zeros(sums.shape[:2], dtype=bool)
    keep[:, ::stride] = valid[:, ::stride]
    return sums[keep], np.nonzero(keep)[0]


def distances(values: Array, path: NDArray[np.intp], real: Array) -> Distances:
    """KS and W1 of generated against real values.

    Parameters
    ----------
    values : (n_generated, assets)
    path : (n_generated,) int
        Errors are clustered by it.
    real : (n, assets)

    Returns
    -------
    Distances
        W1 in units of the standard deviation of the real values. NaN without values.
    """
    out = np.full((4, real.shape[1]), np.nan)
    if len(values) and len(real):
        for a in range(real.shape[1]):
            order = np.argsort(values[:, a])
            out[:, a] = _one_asset(values[order, a], path[order], np.sort(real[:, a]))
    return Distances(*out)


def noise(values: Array, path: NDArray[np.intp]) -> tuple[Array, Array]:
    """KS and W1 of each path against all paths together, each (paths, assets): the sampling error of one path."""
    n_paths = int(path.max()) + 1
    ks = np.full((n_paths, values.shape[1]), np.nan)
    w1 = np.full_like(ks, np.nan)
    for a in range(values.shape[1]):
        order = np.sort(values[:, a])
        for p in np.unique(path):
            own = np.sort(values[path == p, a])
            ks[p, a], w1[p, a] = _supremum(order, own)[0], _matched(order, own)
    return ks, w1


def _one_asset(order: Array, path: NDArray[np.intp], real: Array) -> tuple[float, float, float, float]:
    """KS, its error, W1, its error of sorted generated values and their paths against sorted real ones."""
    n = len(real)
    ks, day, just_before = _supremum(order, real)
    below = order < real[day] if just_before else order <= real[day]
    # Moving mass from x to x + dx changes W1 by the sign of F - F_r there: the slope of this function.
    slope = np.sign(np.searchsorted(order, real[1:], "left") / len(order) - np.arange(1, n) / n)
    height = np.concatenate([[0.0], np.cumsum(slope * np.diff(real))]) / (real.std() or 1.0)
    lever = np.interp(order, real, height)
    return ks, _error(below.astype(float), path), _matched(order, real), _error(lever, path)


def _supremum(order: Array, real: Array) -> tuple[float, int, bool]:
    """KS of two sorted samples, the real value where it is reached, and whether just before it."""
    n, m = len(real), len(order)
    # F_r is constant between real values, so the supremum is reached just before or at one of them.
    before = np.abs(np.searchsorted(order, real, "left") / m - np.searchsorted(real, real, "left") / n)
    at = np.abs(np.searchsorted(order, real, "right") / m - np.searchsorted(real, real, "right") / n)
    if at.max() >= before.max():
        return float(at.max()), int(at.argmax()), False
    return float(before.max()), int(before.argmax()), True


def _matched(order: Array, real: Array) -> float:
    """W1 of two sorted samples in standard deviations of the second."""
    n, m = len(real), len(order)
    matched = order[np.minimum(((np.arange(n) + 0.5) / n * m).astype(np.intp), m - 1)]
    return float(np.abs(matched - real).mean() / (real.std() or 1.0))


def _error(values: Array, path: NDArray[np.intp]) -> float:
    """Standard error of the mean of values, clustered by path."""
    count = np.bincount(path)
    seen = count > 0
    if seen.sum() < 2:
        return float("nan")
    deviation = np.bincount(path, values - values.mean())[seen]
    return float(np.sqrt((deviation**2).sum() * seen.sum() / (seen.sum() - 1)) / len(values))
