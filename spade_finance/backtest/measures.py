# SPDX-License-Identifier: Apache-2.0
"""Names, units and order of what a backtest reports; the numbers come from :mod:`spade_finance.backtest.metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

YEAR = 252

__all__ = ["MEASURES", "YEAR", "Array", "Measure", "shown", "upper"]


@dataclass(frozen=True)
class Measure:
    """How a measure is called and printed.

    Attributes
    ----------
    title : str
    unit : "percent", "ratio" or "days"
        Percent are decimals, printed times 100.
    better : int
        1 if more is better, -1 if less is, 0 if it depends.
    """

    title: str
    unit: str
    better: int = 1


MEASURES: dict[str, Measure] = {
    "annual_return": Measure("annual return", "percent"),
    "mean_return": Measure("mean return a year", "percent"),
    "total_return": Measure("total return", "percent"),
    "volatility": Measure("volatility a year", "percent", -1),
    "sharpe": Measure("Sharpe ratio", "ratio"),
    "sortino": Measure("Sortino ratio", "ratio"),
    "calmar": Measure("Calmar ratio", "ratio"),
    "max_drawdown": Measure("maximum drawdown", "percent"),
    "days_to_recover": Measure("days to recover from it", "days", -1),
    "unrecovered": Measure("paths that do not recover", "percent", -1),
    "longest_under_water": Measure("longest time under water", "days", -1),
    "es_97_5": Measure("ES 97.5 % of a day", "percent", -1),
    "turnover": Measure("turnover a year", "ratio", 0),
    "costs": Measure("costs a year", "percent", -1),
    "loss_1y": Measure("probability of a loss over 1 year", "percent", -1),
    "loss_3y": Measure("probability of a loss over 3 years", "percent", -1),
    "loss_5y": Measure("probability of a loss over 5 years", "percent", -1),
}
"""In the order of every table. By regime ``mean_return`` (252 times the mean) stands for ``annual_return``:
compounding a few days to a year says nothing."""

SHARES = ("unrecovered",)
"""Measures that are 0 or 1 on a path: their quantiles say nothing."""


def shown(value: float, unit: str, digits: int | None = None) -> str:
    """A number as text in its unit, a dash for a missing one; percent without the sign."""
    if value is None or not np.isfinite(value):
        return "–"
    if unit == "percent":
        return f"{100 * value:.{1 if digits is None else digits}f}"
    if unit == "days":
        return f"{value:,.0f}"
    return f"{value:.{2 if digits is None else digits}f}"


def upper(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]
