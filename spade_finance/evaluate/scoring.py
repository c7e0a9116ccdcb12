# SPDX-License-Identifier: Apache-2.0
r"""Scores that the true VaR and ES minimise in expectation: lower is better, comparable only on the same days.

Quantile (pinball) score of VaR :math:`v` for a loss L, tail :math:`\alpha`:

.. math:: S(v, L) = \alpha (v - L) + (L - v)^+

the pinball loss of the return's :math:`\alpha`-quantile :math:`-v` (Koenker & Bassett 1978).

Joint score of (VaR, ES), the member of Fissler & Ziegel (2016) that is homogeneous of degree zero in its
differences, "FZ0" of Patton, Ziegel & Chen (2019), here with positive losses :math:`v, e > 0`:

.. math:: S(v, e, L) = \frac{(L - v)^+}{\alpha e} + \frac{v}{e} + \ln e - 1

A difference of .01 is about one percent of risk; it does not weigh volatile days more than calm ones, which the
pinball score does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.portfolios import Windows, rolling

Array = NDArray[np.float64]


def pinball(var: Array, loss: Array, tail: float | Array) -> Array:
    """Quantile score of positive losses; arguments broadcast. Same unit as the losses."""
    with np.errstate(invalid="ignore"):
        return np.asarray(tail * var + np.maximum(loss - var, 0.0) - tail * loss)


def fz0(var: Array, es: Array, loss: Array, tail: float | Array) -> Array:
    """Joint score of VaR and ES; arguments broadcast. NaN where ES is not positive: the score has no value."""
    shortfall = np.where(es > 0, es, np.nan)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            np.maximum(loss - var, 0.0) / (tail * shortfall) + var / shortfall + np.log(shortfall) - 1.0
        )


def sample_tail(returns: Array, tail: float) -> tuple[Array, Array]:
    """VaR and ES over the last axis that minimise both scores on that very sample.

    VaR is the loss number :math:`\\lceil \\alpha n \\rceil` counted from the worst, ES as in :mod:`.forecasts`.
    """
    n = returns.shape[-1]
    k = max(int(np.ceil(tail * n - 1e-9)), 1)
    worst = np.sort(np.partition(returns, k - 1, axis=-1)[..., :k], axis=-1)
    quantile = worst[..., -1]
    excess = (quantile[..., None] - worst).sum(-1) / (tail * n)
    return -quantile, excess - quantile


def oracle(daily: Array, windows: Windows, tail: float) -> tuple[Array, Array]:
    """One VaR and ES a regime from daily returns (..., days) under the window's labels, (..., windows) each.

    With the real returns themselves: the *oracle*, who knows what will happen and says one number a regime.
    With a resample of them: a forecaster who has seen as many days of the same regimes, whose loss to the
    oracle is the sampling error of real data, the floor. Windows of several days are estimated from all
    overlapping ones: a hundred that do not overlap would let the oracle learn every single one by heart.
    """
    returns = rolling(daily, windows.horizon)
    var, es = (np.empty((*returns.shape[:-1], windows.count)) for _ in range(2))
    for k in np.unique(windows.regime):
        found = sample_tail(returns[..., windows.every_regime == k], tail)
        at = windows.regime == k
        var[..., at], es[..., at] = found[0][..., None], found[1][..., None]
    return var, es
