# SPDX-License-Identifier: Apache-2.0
r"""Is one column's mean score lower than another's by more than chance? (Diebold & Mariano 1995)

For the loss differential :math:`d_t`, :math:`t = \bar d / se(\bar d)` with one of two standard errors, both
for dependent days:

Newey & West (1987), Bartlett weights, L lags:
:math:`se^2 = \frac1T (\gamma_0 + 2 \sum_{l \le L} (1 - \frac{l}{L+1}) \gamma_l)`;

clustered by episode: :math:`se^2 = \frac{G}{G-1} \frac{1}{T^2} \sum_g (\sum_{t \in g} (d_t - \bar d))^2`.

The reported p-value is the larger of the two: a gain that rests on one episode is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_WINDOWS = 30


@dataclass(frozen=True)
class Difference:
    """Mean difference of two scores; `t` and `p` (two-sided) are those of the more cautious standard error."""

    mean: float
    t: float
    p: float


def newey_west_lags(n: int) -> int:
    """Bandwidth :math:`\\lfloor 4 (n/100)^{2/9} \\rfloor` (Newey & West 1994)."""
    return int(4.0 * (n / 100.0) ** (2.0 / 9.0))


def hac_error(values: Array, lags: int) -> float:
    """Standard error of the mean of a series (n,), Newey-West."""
    x = values - values.mean()
    n = len(x)
    variance = float(x @ x) / n
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * float(x[lag:] @ x[:-lag]) / n
    return float(np.sqrt(max(variance, 0.0) / n))


def cluster_error(values: Array, cluster: NDArray[np.integer]) -> float:
    """Standard error of the mean of a series (n,) whose clusters are independent; NaN with one cluster."""
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, weights=values - values.mean())
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums @ sums)) / len(values))


def diebold_mariano(
    first: Array, second: Array, cluster: NDArray[np.integer], lags: int | None = None
) -> Difference:
    """Test of equal expected score of two series (n,); negative: the first is better.

    Days on which either is missing are left out. NaN for fewer than :data:`MIN_WINDOWS` days or one cluster;
    two equal series have p = 1.
    """
    from scipy.special import stdtr

    d = first - second
    seen = np.isfinite(d)
    d, cluster = d[seen], cluster[seen]
    n_clusters = len(np.unique(cluster))
    if len(d) < MIN_WINDOWS or n_clusters < 2:
        return Difference(float(d.mean()) if len(d) else float("nan"), float("nan"), float("nan"))
    mean = float(d.mean())
    if not d.any():
        return Difference(0.0, 0.0, 1.0)
    candidates = []
    for error, freedom in (
        (hac_error(d, newey_west_lags(len(d)) if lags is None else lags), len(d) - 1),
        (cluster_error(d, cluster), n_clusters - 1),
    ):
        t = mean / error if error > 0 else float(np.copysign(np.inf, mean))
        candidates.append((2.0 * float(stdtr(freedom, -abs(t))), t))
    p, t = max(candidates)
    return Difference(mean, t, p)
