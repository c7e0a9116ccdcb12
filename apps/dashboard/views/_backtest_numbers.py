# SPDX-License-Identifier: Apache-2.0
"""The Backtest page's tables, as texts in the units of finance: strategies, regimes, differences, measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..formats import number, percent

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.backtest import BacktestResult
    from spade_finance.backtest.compare import Comparison

__all__ = [
    "SHORT", "difference_table", "measure_table", "regime_table", "said", "spaced", "strategy_table", "with_error",
]  # fmt: skip

REGIME_COLUMNS = ("mean_return", "volatility", "sharpe", "max_drawdown", "es_97_5")
COLUMNS = ("annual_return", "volatility", "sharpe", "max_drawdown", "es_97_5", "turnover", "loss_1y")
SHORT = {
    "annual_return": "return a year",
    "mean_return": "return a year",
    "volatility": "volatility a year",
    "sharpe": "Sharpe ratio",
    "max_drawdown": "worst drawdown",
    "es_97_5": "ES 97.5 %, 1 day",
    "turnover": "turnover a year",
    "loss_1y": "P(loss in 1 year)",
}


def said(result: BacktestResult, name: str, column: str) -> str:
    """A number of the result's table in its unit."""
    value = result.value(name, column=column)
    return (
        percent(value)
        if _unit(name) == "percent"
        else number(value, digits=0 if _unit(name) == "days" else 2)
    )


def strategy_table(results: dict[str, BacktestResult], column: str = "mean") -> pd.DataFrame:
    """Text: a row a strategy, a column a measure; means with ± or the real mark."""
    import pandas as pd

    rows = []
    for name, result in results.items():
        row = {"strategy": spaced(name)}
        for measure in COLUMNS:
            if column == "real" and measure == "loss_1y":
                continue  # of a stretch of a year, it is one case
            if measure in set(result.table["measure"]):
                row[SHORT[measure]] = (
                    with_error(result, measure) if column == "mean" else said(result, measure, column)
                )
        rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def difference_table(found: Comparison) -> pd.DataFrame:
    """Text: one strategy minus each of the others, path by path, with bootstrap intervals."""
    import pandas as pd

    rows = []
    for name in found.strategies[1:]:
        row = {"against": spaced(name)}
        for measure in ("sharpe", "annual_return", "max_drawdown"):
            line = found.table[(found.table["strategy"] == name) & (found.table["measure"] == measure)]
            if line.empty:
                continue
            one = line.iloc[0]
            write: Callable[..., str] = percent if one["unit"] == "percent" else number
            low, high = (write(one[c], signed=True).removesuffix(" %") for c in ("low", "high"))
            row[SHORT[measure]] = f"{write(one['difference'], signed=True)} ({low} to {high})"
            if measure == "sharpe":
                row["better on"] = f"{percent(one['wins'], digits=0)} of paths"
        rows.append(row)
    return pd.DataFrame(rows)


def regime_table(results: dict[str, BacktestResult]) -> pd.DataFrame:
    """Text: a row a regime and strategy."""
    import pandas as pd

    first = next(iter(results.values()))
    rows = []
    for regime in first.record.regimes:
        for name, result in results.items():
            row = {"regime": regime, "strategy": spaced(name)}
            known = False
            for measure in REGIME_COLUMNS:
                value = result.value(measure, regime)
                known |= bool(np.isfinite(value))
                row[SHORT[measure]] = with_error(result, measure, regime)
            if known:
                rows.append(row)
    table = pd.DataFrame(rows)
    return table.loc[:, [name for name in table.columns if (table[name] != "–").any()]]


def measure_table(result: BacktestResult, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Text: a row a measure, over paths and on the real history."""
    import pandas as pd

    from spade_finance.backtest.measures import MEASURES

    rows = []
    for name in wanted:
        line = result.table[(result.table["measure"] == name) & result.table["regime"].isna()]
        if line.empty:
            continue
        row = {"measure": MEASURES[name].title, "mean": with_error(result, name)}
        row |= {
            title: said(result, name, c) for title, c in (("5 %", "p05"), ("median", "p50"), ("95 %", "p95"))
        }
        row |= {
            "real": said(result, name, "real"),
            "its percentile": percent(line["real_percentile"].iloc[0], digits=0),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def with_error(
    result: BacktestResult, name: str, regime: str | None = None, digits: int | None = None
) -> str:
    """A mean and its standard error in the measure's unit."""
    value, error = (result.value(name, regime, column) for column in ("mean", "std_error"))
    if _unit(name) == "percent":
        return percent(value, error, digits=(2 if name == "es_97_5" else 1) if digits is None else digits)
    return number(value, error, digits=(0 if _unit(name) == "days" else 2) if digits is None else digits)


def _unit(name: str) -> str:
    from spade_finance.backtest.measures import MEASURES

    return MEASURES[name].unit


def spaced(name: str) -> str:
    """A name of the registry as words."""
    return name.replace("_", " ")
