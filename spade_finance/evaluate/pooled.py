# SPDX-License-Identifier: Apache-2.0
"""Figures of pooled days, and their jackknife over paths without recomputing anything from scratch.

Moments and correlations come from power sums, which groups of paths add up to and can be taken off again;
VaR, ES and the worst of 60 days come from the lower tail, sorted once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.errors import N_GROUPS, jackknife_groups, jackknife_spread
from spade_finance.evaluate.facts import DAYS_A_YEAR, var_es

Array = NDArray[np.float64]

WORST_OF_DAYS = 60
STATISTICS = (
    "annual_return",
    "volatility",
    "skewness",
    "excess_kurtosis",
    "mean_correlation",
    "worst_day",
    "worst_of_60",
    "var_95",
    "es_95",
)
"""The figures, in the order of :func:`pooled_statistics`."""

TAIL_SHARE = 0.4
"""Share of the days that carries all but 1e-13 of the worst of 60's weight, and VaR and ES at 95 %."""


def pooled_statistics(rows: Array, at: int) -> Array:
    """:data:`STATISTICS` of simple returns.

    Parameters
    ----------
    rows : (days, 1 + sectors)
        Market first.
    at : int
        Column of the asset; the mean correlation is that of the sectors.
    """
    n = len(rows)
    keep = _tail_days(n)
    lowest = np.sort(np.partition(rows[:, at], keep - 1)[:keep])
    return _figures(_Sums.of(rows, at, rows.mean(0)), lowest)


def pooled_errors(rows: Array, at: int, path: NDArray[np.integer], n_groups: int = N_GROUPS) -> Array:
    """Standard errors of :func:`pooled_statistics`, clustered by path.

    The same numbers as :func:`~spade_finance.evaluate.errors.jackknife` of the statistics, several times
    faster."""
    group, n_groups = jackknife_groups(path, n_groups)
    if n_groups < 2:
        return np.full(len(STATISTICS), np.nan)
    n, centre = len(rows), rows.mean(0)
    order = np.argsort(group, kind="stable")
    borders = np.searchsorted(group[order], np.arange(n_groups + 1))
    parts = [_Sums.of(rows[order[a:b]], at, centre) for a, b in itertools.pairwise(borders)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    # Enough of the tail that any group can be taken out of it and TAIL_SHARE of the others is left.
    largest = int(np.diff(borders).max())
    keep = min(n, _tail_days(n) + largest)
    low = np.argpartition(rows[:, at], keep - 1)[:keep]
    low = low[np.argsort(rows[low, at], kind="stable")]
    value, owner = rows[low, at], group[low]
    left_out = [
        _figures(total - part, value[owner != g][: _tail_days(n - int(part.count))])
        for g, part in enumerate(parts)
    ]
    return jackknife_spread(np.stack(left_out))


@dataclass(frozen=True)
class _Sums:
    """Power sums about a fixed centre: of the asset up to the fourth, of the sectors and their products."""

    count: float
    centre: float
    powers: Array
    first: Array
    second: Array

    @classmethod
    def of(cls, rows: Array, at: int, centre: Array) -> _Sums:
        y = rows[:, at] - centre[at]
        square = y * y
        powers = np.array([y.sum(), square.sum(), square @ y, square @ square])
        x = rows[:, 1:] - centre[1:]
        return cls(len(rows), float(centre[at]), powers, x.sum(0), x.T @ x)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.count + other.count,
            self.centre,
            self.powers + other.powers,
            self.first + other.first,
            self.second + other.second,
        )

    def __sub__(self, other: _Sums) -> _Sums:
        minus = _Sums(-other.count, self.centre, -other.powers, -other.first, -other.second)
        return self + minus


def _figures(sums: _Sums, lowest: Array) -> Array:
    """:data:`STATISTICS` from power sums and the sorted lowest returns."""
    n = sums.count
    m1, m2, m3, m4 = sums.powers / n
    variance = (m2 - m1**2) or np.nan
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    tail = len(lowest)
    beyond = (np.arange(n, n - tail - 1, -1) / n) ** WORST_OF_DAYS
    var, es = var_es(lowest[None, :, None], 1.0 - 0.05 * n / tail)  # the same number of worst days
    return np.array(
        [
            (m1 + sums.centre) * DAYS_A_YEAR,
            np.sqrt(max(variance, 0.0) * DAYS_A_YEAR),
            third / variance**1.5,
            fourth / variance**2 - 3.0,
            _mean_correlation(sums),
            lowest[0],
            float(lowest @ (beyond[:-1] - beyond[1:])),
            float(var[0, 0]),
            float(es[0, 0]),
        ]
    )


def _mean_correlation(sums: _Sums) -> float:
    """Mean pairwise correlation of the sectors; one if there is a single one."""
    size = len(sums.first)
    if size == 1:
        return 1.0
    mean = sums.first / sums.count
    covariance = sums.second / sums.count - np.outer(mean, mean)
    std = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = covariance / np.outer(std, std)
    return float((matrix.sum() - size) / (size * (size - 1)))


def _tail_days(n: int) -> int:
    """How many of n sorted days :func:`_figures` needs."""
    return min(n, max(int(TAIL_SHARE * n) + 1, 20))
