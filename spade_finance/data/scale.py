# SPDX-License-Identifier: Apache-2.0
"""Whether numbers are what they are said to be: not prices called returns, nor percent called decimals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError, ReturnScaleWarning

# Scale of one column, from the absolute values of its non-zero cells. In decimals a 95th percentile above 0.5
# means moves of fifty percent every month: a volatility near 25 % a day. In percent it is any asset above
# 0.26 % a day. Crypto (5 % a day: 0.1), 1932 (0.08) and leveraged funds (0.15) stay far below; equity indices
# in percent (2) far above. Quiet bonds in percent cannot be told from stocks in decimals by their size alone.
PERCENT_Q95 = 0.5
LARGE_DAILY_VOLATILITY = 0.10  # decimals: 160 % a year, where we ask rather than refuse
PRICE_MEDIAN = 0.5  # an always positive column around here or above is a level, not a return
SMOOTH_ROWS = 20


def check_kind_fits(table: pd.DataFrame, source: str, kind: str) -> None:
    """Refuse prices sold as returns, returns sold as prices, and percent sold as decimals."""
    for name in table.columns:
        values = table[name].to_numpy()
        finite = values[np.isfinite(values)]
        if finite.size < 2:
            continue
        if kind == "price":
            negative = float((finite < 0).mean())
            if negative > 0.1:
                raise InputError(
                    f"{source}: kind is price, but column {name!r} is negative on {negative:.0%} of the "
                    "days: these look like returns; drop --kind price"
                )
        elif finite.min() > 0 and (np.median(finite) > PRICE_MEDIAN or _all_smooth(table)):
            raise InputError(
                f"{source}: column {name!r} is always positive ({finite.min():.6g} to {finite.max():.6g}): "
                'it looks like prices: pass --kind price (in Python kind="price")'
            )
        else:
            moves = np.abs(finite[finite != 0])
            if moves.size and float(np.quantile(moves, 0.95)) > PERCENT_Q95:
                typical = float(np.median(moves))
                raise InputError(
                    f"{source}: column {name!r} looks like percent: half its moves exceed {typical:.2g}, "
                    f"which as decimals is {typical:.0%} a day; divide by 100 (returns are decimals, 0.01 is "
                    "one percent)"
                )


def _all_smooth(table: pd.DataFrame) -> bool:
    """Whether every column is positive and moves by little of itself: levels below one (a cheap coin).

    All of them, for a lone column of accrued interest (a risk-free rate) is smooth, positive, and a return.
    """
    values = table.to_numpy()
    if len(values) < SMOOTH_ROWS or not (np.nan_to_num(values, nan=1.0) > 0).all():
        return False
    with np.errstate(invalid="ignore"):
        moves = np.abs(values[1:] / values[:-1] - 1.0)
    return bool((np.nanmedian(moves, axis=0) < 0.2).all())


def warn_unusual(simple: pd.DataFrame, source: str) -> None:
    """Warn of what is allowed but rarely meant."""
    silence = "(silence: warnings.filterwarnings('ignore', category=ReturnScaleWarning))"
    volatility = simple.std()
    if volatility.max() > LARGE_DAILY_VOLATILITY:
        warnings.warn(
            f"{source}: column {volatility.idxmax()!r} has a volatility of {volatility.max():.0%} a day; if "
            f"these are percent, divide by 100 {silence}",
            ReturnScaleWarning,
            stacklevel=3,
        )
    gap = float(np.median(np.diff(pd.DatetimeIndex(simple.index).as_unit("ns").asi8))) / 86_400e9
    if gap > 3.5:
        warnings.warn(
            f"{source}: rows are {gap:g} days apart, not daily; annual figures take 252 rows for a year and "
            f"will be wrong {silence}",
            ReturnScaleWarning,
            stacklevel=3,
        )
