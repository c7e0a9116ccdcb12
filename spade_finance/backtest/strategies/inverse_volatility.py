# SPDX-License-Identifier: Apache-2.0
"""Less of what moves more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.strategies.base import Known, Strategy, Values, days, deviations

__all__ = ["InverseVolatility"]


@dataclass(frozen=True)
class InverseVolatility(Strategy):
    r"""Weights proportional to :math:`1/\sigma_i`, the sample deviation of the last `lookback` days.

    Parameters
    ----------
    lookback : int
        Days, at least 2.
    """

    name = "inverse_volatility"
    lookback: int = 63

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        inverse = 1.0 / deviations(known.past)
        return np.asarray(inverse / inverse.sum(axis=1, keepdims=True))
