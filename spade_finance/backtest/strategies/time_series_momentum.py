# SPDX-License-Identifier: Apache-2.0
"""Hold what has risen, each asset judged by its own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.strategies.base import Known, Strategy, Values, days, deviations
from spade_finance.backtest.strategies.momentum import past_return
from spade_finance.exceptions import InputError

__all__ = ["TimeSeriesMomentum"]


@dataclass(frozen=True)
class TimeSeriesMomentum(Strategy):
    r"""Trend following (Moskowitz, Ooi and Pedersen 2012): the sign of the past return times a risk share.

    The shares are those of inverse volatility, :math:`(1/\sigma_i) / \sum_j (1/\sigma_j)`; an asset that fell is
    left in cash, or sold short.

    Parameters
    ----------
    lookback : int
        Days of the past return.
    volatility_days : int
        Days of the volatility, at most `lookback`.
    short : bool
        Sell what fell instead of holding cash.
    """

    name = "time_series_momentum"
    lookback: int = 252
    volatility_days: int = 63
    short: bool = False

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)
        days("volatility_days", self.volatility_days, 2)
        if self.volatility_days > self.lookback:
            raise InputError(
                f"volatility_days={self.volatility_days}: it may not exceed lookback={self.lookback}"
            )
        if not isinstance(self.short, bool):
            raise InputError(f"short={self.short!r}: pass True or False")

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        inverse = 1.0 / deviations(known.past[:, -self.volatility_days :])
        share = inverse / inverse.sum(axis=1, keepdims=True)
        side = np.sign(past_return(known.past))
        return np.asarray(share * (side if self.short else np.maximum(side, 0.0)))
