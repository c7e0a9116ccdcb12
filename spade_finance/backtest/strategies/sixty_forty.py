# SPDX-License-Identifier: Apache-2.0
"""The balanced portfolio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.strategies.base import Known, Strategy, Values, number

__all__ = ["SixtyForty"]


@dataclass(frozen=True)
class SixtyForty(Strategy):
    """A fixed share in the assets, equally weighted, the rest in cash (which earns the costs' ``cash_rate``).

    The panel holds no bonds: cash stands in for the forty.

    Parameters
    ----------
    risky : float
        Share in the assets, decimal.
    """

    name = "sixty_forty"
    risky: float = 0.6

    def __post_init__(self) -> None:
        number("risky", self.risky, 0.0, 1.0)

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        n, _, assets = known.past.shape
        return np.full((n, assets), self.risky / assets)
