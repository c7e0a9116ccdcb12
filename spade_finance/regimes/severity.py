# SPDX-License-Identifier: Apache-2.0
r"""Severity of an episode: its realised volatility over what is typical of its regime.

For an episode (a spell of equal labels) of n days with market log returns :math:`r`, in regime k,

.. math:: s = \left( \sqrt{\tfrac1n \textstyle\sum r_t^2} \; / \; v_k \right)^{\min(1, n / 5)}, \qquad
          v_k = \sqrt{\operatorname{mean}(r_t^2 : \text{day } t \text{ in } k)}

with :math:`v_k` from the training data, pooled over the regime's days, so that a script at severity 1 has the
regime's historical volatility. Episodes under five days say little about themselves: their log severity is
shrunk toward 0 in proportion to their days (1 of 5 counts a fifth). The market is the equal-weight mean of
the sectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.features import market_log_returns
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.spells import runs
from spade_finance.returns import log_from_simple

__all__ = [
    "SHRINK_DAYS",
    "episodes",
    "sector_severity",
    "sector_typical_volatility",
    "severity_range",
    "severity_series",
    "typical_volatility",
]

SHRINK_DAYS = 5
"""Episodes shorter than this many days are drawn toward severity 1."""

_FLOOR = 1e-8  # daily volatility: an episode of zero returns has a tiny severity, not none

Array = NDArray[np.float64]


def typical_volatility(labels: RegimeLabels, returns: pd.DataFrame) -> pd.Series:
    """Root mean square daily market log return (decimal) of each regime's days; index: the K regimes.

    A regime without days has the volatility of all days. Fit this on training data and pass it to the others.
    """
    labels = labels.align(returns)
    return pd.Series(
        _typical(labels.codes, market_log_returns(returns), len(labels.regimes)),
        index=pd.Index(labels.regimes, name="regime"),
        name="typical_volatility",
    )


def episodes(
    labels: RegimeLabels, returns: pd.DataFrame, *, typical: pd.Series | None = None
) -> pd.DataFrame:
    """Every episode with its severity.

    Parameters
    ----------
    labels : RegimeLabels with the dates of `returns` among its own
    returns : DataFrame (T, S) of simple returns
    typical : Series (K,) from :func:`typical_volatility` of the training data; None takes these data's own

    Returns
    -------
    DataFrame, one row an episode: ``start``, ``end`` (dates), ``regime``, ``days``, ``severity`` (ratio > 0)

    Raises
    ------
    InputError
        Dates without labels; a typical volatility missing or not positive.
    """
    labels = labels.align(returns)
    market = market_log_returns(returns)
    level = _levels(labels, market, typical)
    starts, lengths, of, severity = _episodes(labels.codes, market, level)
    return pd.DataFrame(
        {
            "start": labels.dates[starts],
            "end": labels.dates[starts + lengths - 1],
            "regime": np.array(labels.regimes, dtype=object)[of],
            "days": lengths,
            "severity": severity,
        }
    )


def severity_series(
    labels: RegimeLabels, returns: pd.DataFrame, *, typical: pd.Series | None = None
) -> pd.Series:
    """Severity of the episode that each day belongs to, (T,); arguments as in :func:`episodes`."""
    table = episodes(labels, returns, typical=typical)
    return pd.Series(
        np.repeat(table["severity"].to_numpy(), table["days"].to_numpy()),
        index=returns.index,
        name="severity",
    )


def severity_range(table: pd.DataFrame, regimes: Sequence[str] | None = None) -> pd.DataFrame:
    """Range of severities, from the table of :func:`episodes`.

    Returns
    -------
    DataFrame, index the regimes and ``all``: ``episodes``, ``min``, ``p05``, ``median``, ``p95``, ``max``
        (NaN for a regime without episodes)
    """
    names = list(dict.fromkeys(table["regime"])) if regimes is None else list(regimes)
    rows = {}
    for name in [*names, "all"]:
        own = table["severity"] if name == "all" else table.loc[table["regime"] == name, "severity"]
        levels = own.quantile([0.0, 0.05, 0.5, 0.95, 1.0]).to_numpy() if len(own) else np.full(5, np.nan)
        rows[name] = [len(own), *levels]
    columns = ["episodes", "min", "p05", "median", "p95", "max"]
    out = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return out.astype({"episodes": "int64"}).rename_axis("regime")


def sector_typical_volatility(
    sector_labels: pd.DataFrame, returns: pd.DataFrame, regimes: Sequence[str]
) -> pd.DataFrame:
    """Root mean square daily log return of each sector (rows) on the days of its own regimes (columns)."""
    codes, log_returns = _sector_inputs(sector_labels, returns, regimes)
    table = [_typical(codes[:, s], log_returns[:, s], len(regimes)) for s in range(codes.shape[1])]
    return pd.DataFrame(
        table, index=pd.Index(sector_labels.columns, name="sector"), columns=list(regimes), dtype=np.float64
    )


def sector_severity(
    sector_labels: pd.DataFrame,
    returns: pd.DataFrame,
    regimes: Sequence[str],
    *,
    typical: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Severity (T, S) of each sector's own episodes, by its own labels and returns.

    Parameters
    ----------
    sector_labels : DataFrame (T, S) of regime names, from ``label_sectors``
    returns : DataFrame of simple returns that has these sectors and dates
    regimes : the K regimes, calm to worst
    typical : DataFrame (S, K) from :func:`sector_typical_volatility` of the training data; None: these data's
        own

    Raises
    ------
    InputError
        A sector or date without returns, an unknown regime, a typical volatility missing or not positive.
    """
    codes, log_returns = _sector_inputs(sector_labels, returns, regimes)
    if typical is None:
        typical = sector_typical_volatility(sector_labels, returns, regimes)
    out = np.empty(codes.shape)
    for s, name in enumerate(sector_labels.columns):
        if name not in typical.index:
            raise InputError(
                f"typical: sector {name!r} is missing; it has {', '.join(map(str, typical.index))}"
            )
        level = _checked_level(pd.Series(typical.loc[str(name)]), regimes)
        _, lengths, _, severity = _episodes(codes[:, s], log_returns[:, s], level)
        out[:, s] = np.repeat(severity, lengths)
    return pd.DataFrame(out, index=sector_labels.index, columns=sector_labels.columns)


def _typical(codes: NDArray[np.int64], log_returns: Array, n_regimes: int) -> Array:
    square = log_returns**2
    days = np.bincount(codes, minlength=n_regimes)
    total = np.bincount(codes, weights=square, minlength=n_regimes)
    mean = np.where(days > 0, total / np.maximum(days, 1), square.mean())
    return np.asarray(np.sqrt(np.maximum(mean, _FLOOR**2)))


def _episodes(
    codes: NDArray[np.int64], log_returns: Array, level: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    starts, lengths, of = runs(codes)
    square = np.add.reduceat(log_returns**2, starts) / lengths
    realised = np.maximum(np.sqrt(square), _FLOOR)
    severity = np.exp(np.log(realised / level[of]) * np.minimum(1.0, lengths / SHRINK_DAYS))
    return starts, lengths, of, severity


def _levels(labels: RegimeLabels, market: Array, typical: pd.Series | None) -> Array:
    if typical is None:
        return _typical(labels.codes, market, len(labels.regimes))
    return _checked_level(typical, labels.regimes)


def _checked_level(typical: pd.Series, regimes: Sequence[str]) -> Array:
    missing = [name for name in regimes if name not in typical.index]
    if missing:
        raise InputError(
            f"typical: regime {missing[0]!r} is missing; pass typical_volatility of the training data"
        )
    level = typical.loc[list(regimes)].to_numpy(dtype=np.float64)
    if not (np.isfinite(level) & (level > 0)).all():
        raise InputError(f"typical: volatilities must be positive numbers, got {level.tolist()}")
    return np.asarray(level)


def _sector_inputs(
    sector_labels: pd.DataFrame, returns: pd.DataFrame, regimes: Sequence[str]
) -> tuple[NDArray[np.int64], Array]:
    missing: list[Any] = [c for c in sector_labels.columns if c not in returns.columns]
    if missing:
        raise InputError(
            f"returns: sector {missing[0]!r} has labels but no column; pass all labelled sectors"
        )
    absent = sector_labels.index.difference(returns.index)
    if len(absent):
        raise InputError(f"returns: {len(absent)} labelled dates are missing (first {absent[0]:%Y-%m-%d})")
    position = {name: k for k, name in enumerate(regimes)}
    table = sector_labels.to_numpy(dtype=object)
    unknown = {str(name) for name in table.ravel()} - set(position)
    if unknown:
        raise InputError(
            f"sector_labels: {sorted(unknown)[0]!r} is no regime; known are {', '.join(regimes)}"
        )
    codes = np.array([[position[name] for name in row] for row in table], dtype=np.int64)
    own = returns.loc[sector_labels.index, list(sector_labels.columns)].to_numpy(dtype=np.float64)
    return codes, np.asarray(log_from_simple(own), dtype=np.float64)
