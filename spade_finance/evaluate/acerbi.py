# SPDX-License-Identifier: Apache-2.0
r"""Expected shortfall tests of Acerbi & Székely (2014), "Backtesting Expected Shortfall".

With losses :math:`L_t`, hits :math:`I_t = 1\{L_t > VaR_t\}`, N hits in T windows, tail :math:`\alpha`,

.. math:: Z_1 = 1 - \frac{1}{N} \sum_t \frac{L_t I_t}{ES_t}, \qquad
    Z_2 = 1 - \sum_t \frac{L_t I_t}{T \alpha ES_t}

Both are zero in expectation under the truth and negative when ES is understated; :math:`Z_1` looks at the
size of the losses beyond VaR only, :math:`Z_2` at their number too. Their law has no closed form: p-values
come from the column's own paths (one-sided: how many of them are as bad), so its own clustering of breaches
is in the null.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Breaches:
    """Sums over hits, on the real window (index 0 of the last axis) and on each draw of the column.

    Attributes
    ----------
    windows : (groups,)
        Number of windows of each group.
    hits : (portfolios, groups, 1 + draws)
    ratio : (portfolios, groups, 1 + draws)
        Sum of loss over ES at hits.
    pairs : (portfolios, groups, 1 + draws)
        Hits right after a hit of the same group.
    tail : float
        1 - level.
    """

    windows: Array
    hits: Array
    ratio: Array
    pairs: Array
    tail: float

    @property
    def z1(self) -> Array:
        """First statistic; NaN without a hit."""
        share = np.divide(self.ratio, self.hits, out=np.full(self.hits.shape, np.nan), where=self.hits > 0)
        return np.asarray(1.0 - share)

    @property
    def z2(self) -> Array:
        """Second statistic; NaN for a group without windows."""
        expected = np.where(self.windows > 0, self.windows * self.tail, np.nan)
        return np.asarray(1.0 - self.ratio / expected[:, None])


def count_breaches(
    real: Array,
    draws: NDArray[np.float32],
    var: Array,
    es: Array,
    groups: NDArray[np.bool_],
    tail: float,
) -> Breaches:
    """Hits and their sizes, group by group.

    Parameters
    ----------
    real : (portfolios, windows)
        Simple returns.
    draws : (portfolios, windows, n) float32
        What the column gives to the same windows.
    var, es : (portfolios, windows)
        Positive losses; windows with a NaN are left out.
    groups : (groups, windows) bool
    tail : float
    """
    known = np.isfinite(var).all(0)
    chosen = (groups & known).astype(np.float32)
    paired = chosen[:, 1:] * chosen[:, :-1]
    sums = np.empty((3, len(real), len(groups), 1 + draws.shape[-1]))
    for p in range(len(real)):
        x = np.concatenate([real[p][:, None].astype(np.float32), draws[p]], axis=1)
        with np.errstate(invalid="ignore"):
            hit = x < -var[p].astype(np.float32)[:, None]
        size = np.where(hit, x, np.float32(0.0)) * (-1.0 / _positive(es[p]))[:, None]
        sums[0, p] = chosen @ hit.astype(np.float32)
        sums[1, p] = chosen @ size
        sums[2, p] = paired @ (hit[1:] & hit[:-1]).astype(np.float32)
    return Breaches(chosen.sum(1, dtype=np.float64), sums[0], sums[1], sums[2], tail)


def _positive(es: Array) -> NDArray[np.float32]:
    """ES to divide by: missing or not positive, which no loss can be measured against, becomes huge."""
    return np.where(np.isfinite(es) & (es > 0), es, 1e30).astype(np.float32)
