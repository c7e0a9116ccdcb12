# SPDX-License-Identifier: Apache-2.0
"""The same share in every asset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.backtest.strategies.base import Known, Strategy, Values

__all__ = ["EqualWeight"]


@dataclass(frozen=True)
class EqualWeight(Strategy):
    """One S-th in each of S assets; the benchmark that is hard to beat (DeMiguel, Garlappi and Uppal 2009)."""

    name = "equal_weight"

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        n, _, assets = known.past.shape
        return np.full((n, assets), 1.0 / assets)
