# SPDX-License-Identifier: Apache-2.0
r"""Equal contributions to risk, on all paths at once, by Spinu's damped Newton method.

The long-only portfolio in which every asset contributes the same to variance is :math:`w \propto x`, x the
minimiser of the strictly convex, self-concordant

.. math:: f(x) = \tfrac12 x^\top C x - \sum_i \ln x_i,

solved on the correlation matrix C and scaled back by volatilities. With the Newton decrement :math:`\lambda` the
step is divided by :math:`1 + \lambda` until :math:`\lambda < 0.36`, which converges from any start.

References
----------
F. Spinu (2013), An algorithm for computing risk parity weights. S. Maillard, T. Roncalli and J. Teïletche (2010),
The properties of equally weighted risk contribution portfolios.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.strategies.base import FLAT, Known, Strategy, Values, covariances, days

__all__ = ["RiskParity", "risk_parity"]


@dataclass(frozen=True)
class RiskParity(Strategy):
    """Equal risk contributions on the sample covariance of the last `lookback` days.

    Parameters
    ----------
    lookback : int
        Days, at least 2.
    """

    name = "risk_parity"
    lookback: int = 126

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        covariance = covariances(known.past)
        assets = covariance.shape[-1]
        covariance[:, range(assets), range(assets)] += FLAT**2
        return risk_parity(covariance)


def risk_parity(covariance: Values) -> Values:
    """Weights (n, S) > 0, summing to 1, whose risk contributions are equal, for covariances (n, S, S)."""
    assets = covariance.shape[-1]
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    correlation = covariance / (sigma[:, :, None] * sigma[:, None, :])
    x = np.ones((len(covariance), assets)) / np.sqrt(np.maximum(correlation.sum(axis=(1, 2)), 1e-6))[:, None]
    for _ in range(100):
        gradient = np.matmul(correlation, x[..., None])[..., 0] - 1.0 / x
        hessian = correlation.copy()
        hessian[:, range(assets), range(assets)] += 1.0 / x**2
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        decrement = np.sqrt(np.maximum(np.sum(gradient * step, axis=1), 0.0))
        x = x - step / np.where(decrement < 0.36, 1.0, 1.0 + decrement)[:, None]
        if decrement.max() < 1e-9:
            break
    weights = x / sigma
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
