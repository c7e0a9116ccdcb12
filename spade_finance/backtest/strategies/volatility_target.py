# SPDX-License-Identifier: Apache-2.0
"""A steady risk: more of the market when it is calm, less when it is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.costs import DAYS
from spade_finance.backtest.strategies.base import FLAT, Known, Strategy, Values, days, number

__all__ = ["VolatilityTarget"]


@dataclass(frozen=True)
class VolatilityTarget(Strategy):
    r"""Equal weights scaled to :math:`\min(\text{target} / \sigma, \text{max leverage})` of wealth.

    :math:`\sigma` is the annual sample volatility of the equal-weight portfolio over the last `lookback` days; the
    rest is cash, or borrowed.

    Parameters
    ----------
    target : float
        Annual volatility, decimal.
    lookback : int
        Days, at least 2.
    max_leverage : float
        Largest exposure, in multiples of wealth.
    """

    name = "volatility_target"
    target: float = 0.10
    lookback: int = 21
    max_leverage: float = 1.5

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)
        number("target", self.target, 1e-4, 5.0)
        number("max_leverage", self.max_leverage, 1e-3, 100.0)

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        assets = known.past.shape[-1]
        sigma = np.maximum(known.past.mean(axis=2).std(axis=1, ddof=1), FLAT) * DAYS**0.5
        exposure = np.minimum(self.target / sigma, self.max_leverage)
        return np.repeat(exposure[:, None] / assets, assets, axis=1)
