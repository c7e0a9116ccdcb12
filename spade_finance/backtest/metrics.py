# SPDX-License-Identifier: Apache-2.0
r"""Performance measures of many paths at once: arrays (n, T) of daily simple returns in, (n,) out.

Conventions are those of empyrical-reloaded, path by path, with 252 days a year: annual return is compound
growth, volatility and Sharpe use the sample deviation (``ddof=1``) and no risk-free rate, Sortino divides by
the root mean square of the negative returns over all days, drawdowns are negative and measured from the start
value on. A measure that is undefined on a path (a Sharpe ratio without movement, a Calmar ratio without a
drawdown, a recovery that never came) is NaN there. ES is a positive loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.backtest.costs import DAYS
from spade_finance.exceptions import InputError

__all__ = [
    "HORIZONS",
    "annual_return",
    "annual_turnover",
    "annual_volatility",
    "by_regime",
    "calmar",
    "days_to_recover",
    "drawdowns",
    "expected_shortfall",
    "longest_under_water",
    "loss_share",
    "max_drawdown",
    "measure",
    "sharpe",
    "sortino",
    "unrecovered",
    "wealth",
]

Values = NDArray[np.float64]

HORIZONS: Mapping[str, int] = {"loss_1y": DAYS, "loss_3y": 3 * DAYS, "loss_5y": 5 * DAYS}
"""Measure of the probability of a loss -> days of its window."""

ES_LEVEL = 0.975


def _matrix(returns: Any) -> Values:
    array = np.asarray(returns, dtype=np.float64)
    if array.ndim != 2 or not array.shape[1]:
        raise InputError(f"returns have shape {array.shape}: pass (paths, days) with at least one day")
    return array


def _divide(above: Values, below: Values) -> Values:
    """Quotient as empyrical has it: infinite, or NaN where both are zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below)


def wealth(returns: Values) -> Values:
    """Value (n, T) at the end of each day of 1 invested before the first."""
    return np.asarray(np.cumprod(1.0 + _matrix(returns), axis=1), dtype=np.float64)


def annual_return(returns: Values) -> Values:
    r"""Compound growth a year, :math:`(\prod_t (1+r_t))^{252/T} - 1`."""
    array = _matrix(returns)
    return np.asarray(np.prod(1.0 + array, axis=1) ** (DAYS / array.shape[1]) - 1.0)


def annual_volatility(returns: Values) -> Values:
    r"""Sample standard deviation times :math:`\sqrt{252}`; NaN for a single day."""
    array = _matrix(returns)
    if array.shape[1] < 2:
        return np.full(len(array), np.nan)
    return np.asarray(array.std(axis=1, ddof=1) * DAYS**0.5)


def sharpe(returns: Values) -> Values:
    r"""Mean over sample standard deviation times :math:`\sqrt{252}`; NaN or infinite without movement."""
    array = _matrix(returns)
    if array.shape[1] < 2:
        return np.full(len(array), np.nan)
    spread = array.std(axis=1, ddof=1)
    # Equal returns have a deviation of 1e-18 by rounding: a ratio of 1e15 would be nonsense.
    spread = np.where(np.ptp(array, axis=1) == 0.0, 0.0, spread)
    return _divide(array.mean(axis=1), spread) * DAYS**0.5


def sortino(returns: Values) -> Values:
    r"""Mean over downside deviation :math:`\sqrt{\tfrac1T \sum_t \min(r_t, 0)^2}`, times :math:`\sqrt{252}`."""
    array = _matrix(returns)
    if array.shape[1] < 2:
        return np.full(len(array), np.nan)
    downside = np.sqrt(np.mean(np.minimum(array, 0.0) ** 2, axis=1) * DAYS)
    return _divide(array.mean(axis=1) * DAYS, downside)


def drawdowns(returns: Values) -> Values:
    """Value below its highest so far (start included), (n, T), zero or negative decimals."""
    value = wealth(returns)
    peak = np.maximum(np.maximum.accumulate(value, axis=1), 1.0)
    return np.asarray(value / peak - 1.0)


def max_drawdown(returns: Values) -> Values:
    """Deepest drawdown, a negative decimal (0 for a path that never fell)."""
    return np.asarray(drawdowns(returns).min(axis=1))


def calmar(returns: Values) -> Values:
    """Annual return over the depth of the maximum drawdown; NaN for a path that never fell."""
    return _calmar(annual_return(returns), max_drawdown(returns))


def _calmar(growth: Values, depth: Values) -> Values:
    return np.where(depth < 0.0, growth / np.where(depth < 0.0, -depth, 1.0), np.nan)


def expected_shortfall(returns: Values, level: float = ES_LEVEL) -> Values:
    """Expected shortfall of one day, a positive loss: mean of the worst ``int((T-1)(1-level)) + 1`` days."""
    array = _matrix(returns)
    if not 0.5 <= level < 1:
        raise InputError(f"level={level!r} is no confidence: pass one from 0.5 to below 1, such as 0.975")
    # The tail that empyrical takes: 1 - 0.975 is 0.025000000000000022 in floating point.
    last = int((array.shape[1] - 1) * (1.0 - level))
    return np.asarray(-np.partition(array, last, axis=1)[:, : last + 1].mean(axis=1))


def longest_under_water(returns: Values) -> Values:
    """Longest run of days below an earlier high, the unfinished one at the end included."""
    return _longest(drawdowns(returns) < 0.0)


def _longest(below: NDArray[np.bool_]) -> Values:
    day = np.arange(1, below.shape[1] + 1)
    last_high = np.maximum.accumulate(np.where(below, 0, day), axis=1)
    return np.asarray((day - last_high).max(axis=1), dtype=np.float64)


def days_to_recover(returns: Values) -> Values:
    """Days from the trough of the maximum drawdown until its earlier high is regained; NaN if never.

    A path that never fell took 0 days. The paths that had not recovered by the end are left out, which makes
    the others' mean too small: read it beside :func:`unrecovered`.
    """
    return _recovery(drawdowns(returns))


def _recovery(depth: Values) -> Values:
    day = np.arange(depth.shape[1])
    trough = depth.argmin(axis=1)
    healed = (depth >= 0.0) & (day >= trough[:, None])
    return np.where(healed.any(axis=1), healed.argmax(axis=1) - trough, np.nan)


def unrecovered(returns: Values) -> Values:
    """1 for a path that ends below the high before its maximum drawdown, else 0."""
    return np.isnan(days_to_recover(returns)).astype(np.float64)


def loss_share(returns: Values, days: int = DAYS) -> Values:
    """Share of all windows of `days` days (every day starts one) that end with a loss; NaN if T < `days`.

    Its mean over paths is the probability that an investor who enters on any day has lost after `days` days.
    """
    return _loss_share(wealth(returns), days)


def _loss_share(value: Values, days: int) -> Values:
    if days < 1:
        raise InputError(f"days={days!r}: a window has at least one day")
    if value.shape[1] < days:
        return np.full(len(value), np.nan)
    before = np.concatenate([np.ones((len(value), 1)), value[:, :-days]], axis=1)
    # Wealth that is gone stays gone: a window that starts in ruin is a loss too.
    return np.asarray(((value[:, days - 1 :] < before) | (before <= 0.0)).mean(axis=1))


def annual_turnover(turnover: Values) -> Values:
    """Notional bought plus notional sold a year, in multiples of wealth (2 is: everything replaced once)."""
    array = _matrix(turnover)
    return np.asarray(array.sum(axis=1) * (DAYS / array.shape[1]))


def measure(returns: Values, turnover: Values | None = None) -> dict[str, Values]:
    """All measures of whole paths, name -> (n,); `turnover` adds ``turnover``."""
    array = _matrix(returns)
    value = wealth(array)
    depth = np.asarray(value / np.maximum(np.maximum.accumulate(value, axis=1), 1.0) - 1.0)
    growth, deepest, recovery = annual_return(array), np.asarray(depth.min(axis=1)), _recovery(depth)
    found = {
        "annual_return": growth,
        "volatility": annual_volatility(array),
        "sharpe": sharpe(array),
        "sortino": sortino(array),
        "calmar": _calmar(growth, deepest),
        "max_drawdown": deepest,
        "days_to_recover": recovery,
        "unrecovered": np.isnan(recovery).astype(np.float64),
        "longest_under_water": _longest(depth < 0.0),
        "es_97_5": expected_shortfall(array),
    }
    if turnover is not None:
        found["turnover"] = annual_turnover(turnover)
    return found | {name: _loss_share(value, days) for name, days in HORIZONS.items()}


IN_REGIME: Mapping[str, Callable[[Values], Values]] = {
    "annual_return": annual_return,
    "volatility": annual_volatility,
    "sharpe": sharpe,
    "sortino": sortino,
    "es_97_5": expected_shortfall,
}
"""Measures that need no unbroken run of days."""


def by_regime(
    returns: Values, codes: NDArray[Any], k: int, turnover: Values | None = None, *, min_days: int = 20
) -> dict[str, Values]:
    """Measures over the days of regime `k` only, name -> (n,).

    Parameters
    ----------
    returns, turnover : (n, T)
    codes : int (T,) or (n, T)
    k : int
    min_days : int
        Paths with fewer days of the regime are NaN.
    """
    array = _matrix(returns)
    inside = np.broadcast_to(np.asarray(codes) == k, array.shape)
    counts = inside.sum(axis=1)
    names = [*IN_REGIME, *(["turnover"] if turnover is not None else [])]
    found = {name: np.full(len(array), np.nan) for name in names}
    # Paths with equally many days of the regime are measured together.
    for count in np.unique(counts[counts >= max(min_days, 1)]):
        rows = np.flatnonzero(counts == count)
        chosen = inside[rows]
        days = array[rows][chosen].reshape(len(rows), count)
        for name, function in IN_REGIME.items():
            found[name][rows] = function(days)
        if turnover is not None:
            traded = np.asarray(turnover, dtype=np.float64)[rows][chosen].reshape(len(rows), count)
            found["turnover"][rows] = annual_turnover(traded)
    return found
