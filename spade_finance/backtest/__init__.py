# SPDX-License-Identifier: Apache-2.0
"""Strategies on thousands of paths: an engine that cannot look ahead, measures, and how far to trust them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from spade_finance.backtest.costs import Costs
from spade_finance.backtest.engine import run_batches, run_paths
from spade_finance.backtest.ledger import Ledger
from spade_finance.backtest.result import BacktestResult
from spade_finance.backtest.run import backtest
from spade_finance.backtest.strategies import (
    STRATEGIES,
    SkfolioStrategy,
    Strategy,
    as_strategy,
    make_strategy,
)
from spade_finance.backtest.user import strategy

__all__ = [
    "STRATEGIES",
    "BacktestResult",
    "Costs",
    "Ledger",
    "SkfolioStrategy",
    "Strategy",
    "as_strategy",
    "backtest",
    "make_strategy",
    "run_batches",
    "run_paths",
    "strategy",
]


class _CallablePackage(ModuleType):
    """`spade_finance.backtest` names this package and the promised function: it is both."""

    def __call__(self, *args: Any, **kwargs: Any) -> BacktestResult:
        return backtest(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
