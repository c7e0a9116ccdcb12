# SPDX-License-Identifier: Apache-2.0
"""Strategies: rules from past returns to target weights, for many paths at once."""

from __future__ import annotations

from spade_finance.backtest.strategies.base import Known, Strategy
from spade_finance.backtest.strategies.equal_weight import EqualWeight
from spade_finance.backtest.strategies.inverse_volatility import InverseVolatility
from spade_finance.backtest.strategies.minimum_variance import MinimumVariance
from spade_finance.backtest.strategies.momentum import Momentum
from spade_finance.backtest.strategies.optimiser import SkfolioStrategy
from spade_finance.backtest.strategies.regime_switching import RegimeSwitching
from spade_finance.backtest.strategies.registry import STRATEGIES, as_strategy, make_strategy
from spade_finance.backtest.strategies.risk_parity import RiskParity
from spade_finance.backtest.strategies.sixty_forty import SixtyForty
from spade_finance.backtest.strategies.time_series_momentum import TimeSeriesMomentum
from spade_finance.backtest.strategies.volatility_target import VolatilityTarget

__all__ = [
    "STRATEGIES",
    "EqualWeight",
    "InverseVolatility",
    "Known",
    "MinimumVariance",
    "Momentum",
    "RegimeSwitching",
    "RiskParity",
    "SixtyForty",
    "SkfolioStrategy",
    "Strategy",
    "TimeSeriesMomentum",
    "VolatilityTarget",
    "as_strategy",
    "make_strategy",
]
