# SPDX-License-Identifier: Apache-2.0
"""On which days a strategy decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.strategies.base import Strategy
from spade_finance.exceptions import InputError

__all__ = ["FREQUENCIES", "Rebalance", "rebalance_steps", "schedule"]

Rebalance = str | int | Any
"""``"daily"``, ``"weekly"``, ``"monthly"``, ``"quarterly"``, a number of days, or a mask of T booleans."""

FREQUENCIES = {"daily": 1, "weekly": 5, "monthly": 21, "quarterly": 63}
"""Name -> trading days between decisions where days have no dates."""

_PERIODS = {"weekly": "W", "monthly": "M", "quarterly": "Q"}


def rebalance_steps(
    rebalance: Rebalance, n_days: int, first: int = 0, dates: pd.DatetimeIndex | None = None
) -> NDArray[np.int64]:
    """Steps at which the strategy decides, rising; a decision at step d knows the returns of steps below d.

    Parameters
    ----------
    rebalance : str, int or bool array of shape (T,)
        With `dates`, ``"monthly"`` is the first trading day of each month (decided on the closes of the month
        before), likewise weekly (weeks end on Sunday) and quarterly; without, every 21, 5 and 63 steps. A
        number counts trading days. Both decide at `first` too. A mask is taken as it is, from `first` on.
    n_days : int
        T.
    first : int
        First step that may decide (the warm-up).
    dates : DatetimeIndex of length T, optional

    Raises
    ------
    InputError
        An unknown frequency, a number below 1, a mask of another length or without a day from `first` on,
        a warm-up as long as the path.
    """
    if not 0 <= first < n_days:
        raise InputError(
            f"the first decision needs {first} days of past returns and the path has {n_days}: make paths "
            "longer, give history=, or choose a strategy with a shorter lookback (lookback=, warm_up=)"
        )
    if isinstance(rebalance, str):
        if rebalance not in FREQUENCIES:
            raise InputError(
                f"rebalance={rebalance!r} is unknown: pass one of {', '.join(FREQUENCIES)}, a number of days or "
                "a mask"
            )
        if dates is None or rebalance == "daily":
            return np.arange(first, n_days, FREQUENCIES[rebalance])
        period = dates.to_period(_PERIODS[rebalance]).asi8
        new = np.flatnonzero(np.diff(period, prepend=period[0]) != 0)
        return np.concatenate([[first], new[new > first]]).astype(np.int64)
    if isinstance(rebalance, int | np.integer) and not isinstance(rebalance, bool | np.bool_):
        if rebalance < 1:
            raise InputError(f"rebalance={rebalance}: pass 1 day or more")
        return np.arange(first, n_days, int(rebalance))
    mask = np.asarray(rebalance)
    if mask.dtype != np.bool_ or mask.shape != (n_days,):
        raise InputError(
            f"rebalance is an array of {mask.dtype} and shape {mask.shape}: a mask holds a boolean for each of "
            f"the {n_days} days"
        )
    steps = np.flatnonzero(mask)
    steps = steps[steps >= first]
    if not steps.size:
        raise InputError(f"rebalance: the mask has no day from the first possible one, {first}, on")
    return steps.astype(np.int64)


def schedule(
    strategy: Strategy,
    rebalance: Rebalance,
    n_days: int,
    *,
    warm_up: int | None = None,
    lag: int = 1,
    history_days: int = 0,
    dates: pd.DatetimeIndex | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps (R,) of a strategy's decisions and of the trades that execute them; those that come too late are left out.

    Raises
    ------
    InputError
        As :func:`rebalance_steps`; a warm-up below what the strategy needs, a lag below 1, no trade in time.
    """
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < 1:
        raise InputError(
            f"execution_lag={lag!r}: pass 1 or more days; at 0 a decision would earn a return it has already seen"
        )
    needed = max(strategy.needs - history_days, 0)
    if warm_up is None:
        first = max(strategy.warm_up - history_days, 0)
    elif isinstance(warm_up, bool) or not isinstance(warm_up, int | np.integer) or warm_up < 0:
        raise InputError(f"warm_up={warm_up!r}: pass a number of days, 0 or more")
    elif warm_up < needed:
        raise InputError(
            f"warm_up={warm_up}: strategy {strategy.name!r} needs {strategy.needs} days of past returns before it "
            f"can decide{f' and history has {history_days}' if history_days else ''}; pass warm_up={needed} or more"
        )
    else:
        first = int(warm_up)
    steps = rebalance_steps(rebalance, n_days, first, dates)
    steps = steps[steps + lag - 1 < n_days]
    if not steps.size:
        raise InputError(f"execution_lag={lag}: no trade falls into the path's {n_days} days")
    return steps, steps + (lag - 1)
