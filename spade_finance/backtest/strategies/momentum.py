# SPDX-License-Identifier: Apache-2.0
"""What rose most keeps rising: sectors ranked against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.strategies.base import Known, Strategy, Values, days, number
from spade_finance.exceptions import InputError

__all__ = ["Momentum", "past_return"]


def past_return(past: Values) -> Values:
    """Compound returns (n, S) over all days of `past` (n, t, S)."""
    return np.asarray(np.prod(1.0 + past, axis=1) - 1.0)


@dataclass(frozen=True)
class Momentum(Strategy):
    """Cross-sectional momentum: equal weights in the assets of highest past return (Jegadeesh and Titman 1993).

    Parameters
    ----------
    lookback : int
        Days of the formation period, the skipped ones included: 252 with `skip` 21 is "12 minus 1 months".
    skip : int
        Latest days left out, since last month's winners tend to revert.
    top : float in (0, 1]
        Share of the assets that is held, rounded, at least one.
    short : bool
        Also sell the same number of losers short (one dollar long, one short; the wealth itself is cash).
    """

    name = "momentum"
    lookback: int = 252
    skip: int = 21
    top: float = 0.34
    short: bool = False

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)
        days("skip", self.skip, 0)
        if self.skip >= self.lookback:
            raise InputError(f"skip={self.skip}: it must be below lookback={self.lookback}")
        number("top", self.top, 1e-9, 1.0)
        if not isinstance(self.short, bool):
            raise InputError(f"short={self.short!r}: pass True or False")

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        n, _, assets = known.past.shape
        order = np.argsort(past_return(known.past[:, : self.lookback - self.skip]), axis=1, kind="stable")
        held = max(1, round(self.top * assets))
        weights = np.zeros((n, assets))
        np.put_along_axis(weights, order[:, assets - held :], 1.0 / held, axis=1)
        if self.short:
            held = min(held, assets // 2)
            weights[:] = 0.0
            np.put_along_axis(weights, order[:, assets - held :], 1.0 / max(held, 1), axis=1)
            np.put_along_axis(weights, order[:, :held], -1.0 / max(held, 1), axis=1)
        return weights
