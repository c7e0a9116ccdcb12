# SPDX-License-Identifier: Apache-2.0
"""Price paths of scenarios in the shapes that pandas users, vectorbt, backtrader and bt read.

Conventions, the same for all of them:

* the first row is the base, `price` in every asset, one business day before the first scenario day: T days of returns
  make T + 1 rows, and ``frame.pct_change()`` gives back every simple return;
* a scenario knows closes only. Where a bar is wanted, **open = high = low = close** and the volume is 0: orders that
  fill "at the next open" fill at the next close, and stops inside a day never trigger;
* dates are the scenario's own, else business days from `start` on; without either, rows are numbered from 0 (the
  base) where the library allows it;
* `path` is a path's position, 0 to n - 1, as in :meth:`ScenarioSet.path`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.integrations.optional import need

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

__all__ = [
    "backtrader_feeds",
    "price_frames",
    "to_backtrader",
    "to_bt",
    "to_ohlcv",
    "to_prices",
    "to_vectorbt",
]

FIELDS = ("open", "high", "low", "close", "volume")


def to_prices(
    scen: ScenarioSet, path: int = 0, *, price: float = 100.0, start: str | pd.Timestamp | None = None
) -> pd.DataFrame:
    """Closing prices of one path.

    Parameters
    ----------
    scen : ScenarioSet
    path : int
        Position of the path.
    price : float
        Price of every asset on the base row.
    start : date, optional
        First scenario day, where `scen` has no dates of its own; business days follow.

    Returns
    -------
    DataFrame of shape (T + 1, S), float64
        Index ``date`` (or ``step``, the base 0), one column a sector.

    Raises
    ------
    InputError
        No such path, no price, or a `start` that contradicts the scenario's own dates.
    """
    return _frame(scen, _position(scen, path), _check_price(price), _rows(scen, start))


def price_frames(
    scen: ScenarioSet,
    paths: Sequence[int] | None = None,
    *,
    price: float = 100.0,
    start: str | pd.Timestamp | None = None,
) -> dict[int, pd.DataFrame]:
    """Closing prices of several paths (default all): path number (``scen.paths``) -> frame of :func:`to_prices`."""
    index, level = _rows(scen, start), _check_price(price)
    return {int(scen.paths[i]): _frame(scen, i, level, index) for i in _positions(scen, paths)}


def to_ohlcv(
    scen: ScenarioSet, path: int = 0, *, price: float = 100.0, start: str | pd.Timestamp | None = None
) -> pd.DataFrame:
    """Bars of one path, (T + 1, 5 S): columns (asset, field), field open, high, low, close (all equal) and volume 0."""
    closes = to_prices(scen, path, price=price, start=start)
    bars = pd.concat({name: _bars(closes[name]) for name in closes.columns}, axis=1)
    bars.columns.names = ["asset", "field"]
    return bars


def to_vectorbt(
    scen: ScenarioSet,
    paths: Sequence[int] | None = None,
    *,
    price: float = 100.0,
    start: str | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Closing prices of several paths side by side, as ``vectorbt.Portfolio.from_*`` takes ``close``.

    Parameters
    ----------
    paths : sequence of int, optional
        Positions; default all. A table holds (T + 1) * S * 8 bytes a path: 14 MB for 1,000 paths of a year of 7.

    Returns
    -------
    DataFrame of shape (T + 1, n * S), float64
        Columns (path, asset), the path's number first; pass ``group_by="path"`` for one portfolio a path.

    Raises
    ------
    InputError
        As :func:`to_prices`.
    """
    index, chosen, level = _rows(scen, start), _positions(scen, paths), _check_price(price)
    values = np.concatenate([_levels(scen, i, level) for i in chosen], axis=1)
    columns = pd.MultiIndex.from_product([scen.paths[chosen], list(scen.sectors)], names=["path", "asset"])
    return pd.DataFrame(values, index=index, columns=columns)


def to_backtrader(
    scen: ScenarioSet, path: int = 0, *, price: float = 100.0, start: str | pd.Timestamp | None = None
) -> dict[str, pd.DataFrame]:
    """Bars of one path for ``backtrader.feeds.PandasData(dataname=...)``, one frame an asset.

    Returns
    -------
    dict of sector -> DataFrame of shape (T + 1, 6)
        Index ``datetime``; columns open, high, low, close (all equal), volume and openinterest (both 0).

    Raises
    ------
    InputError
        As :func:`to_prices`; or there are no dates, which backtrader needs.
    """
    _need_dates(scen, start, "backtrader")
    closes = to_prices(scen, path, price=price, start=start).rename_axis("datetime")
    return {str(name): _bars(closes[name]).assign(openinterest=0.0) for name in closes.columns}


def backtrader_feeds(
    scen: ScenarioSet, path: int = 0, *, price: float = 100.0, start: str | pd.Timestamp | None = None
) -> dict[str, Any]:
    """Feeds of one path, sector -> ``backtrader.feeds.PandasData`` named after it, for ``cerebro.adddata``.

    Raises
    ------
    InputError
        As :func:`to_backtrader`; or backtrader is not installed.
    """
    feeds = need("backtrader", "backtrader", "a feed of backtrader").feeds
    frames = to_backtrader(scen, path, price=price, start=start)
    return {name: feeds.PandasData(dataname=frame, name=name) for name, frame in frames.items()}


def to_bt(
    scen: ScenarioSet, path: int = 0, *, price: float = 100.0, start: str | pd.Timestamp | None = None
) -> pd.DataFrame:
    """Closing prices of one path for ``bt.Backtest(strategy, data)`` and ffn: (T + 1, S), dated.

    bt makes attribute names of columns; those that it would rename (``Health Care`` to ``healthcare``) are left to it.

    Raises
    ------
    InputError
        As :func:`to_prices`; or there are no dates, which bt needs.
    """
    _need_dates(scen, start, "bt")
    return to_prices(scen, path, price=price, start=start)


# -- inside


def _levels(scen: ScenarioSet, i: int, price: float) -> NDArray[np.float64]:
    growth = np.cumprod(1.0 + scen.simple_array[i].astype(np.float64), axis=0)
    return price * np.concatenate([np.ones((1, growth.shape[1])), growth])


def _frame(scen: ScenarioSet, i: int, price: float, index: pd.Index[Any]) -> pd.DataFrame:
    return pd.DataFrame(_levels(scen, i, price), index=index, columns=list(scen.sectors))


def _bars(closes: pd.Series[float]) -> pd.DataFrame:
    bars = pd.DataFrame(dict.fromkeys(FIELDS, closes))
    bars["volume"] = 0.0
    return bars


def _rows(scen: ScenarioSet, start: str | pd.Timestamp | None) -> pd.Index[Any]:
    """Labels of the T + 1 rows."""
    from spade_finance.scenarios import business_days

    days = scen.dates
    if days is not None and start is not None:
        raise InputError(
            f"start={start!r}: these scenarios have dates, from {days[0]:%Y-%m-%d}; leave start out"
        )
    if days is None:
        if start is None:
            return pd.RangeIndex(scen.n_days + 1, name="step")
        days = business_days(start, scen.n_days)
    base = days[0] - pd.offsets.BDay(1)
    return pd.DatetimeIndex([base, *days], name="date").as_unit(days.unit)


def _need_dates(scen: ScenarioSet, start: str | pd.Timestamp | None, library: str) -> None:
    if scen.dates is None and start is None:
        raise InputError(
            f"{library} needs dates and these scenarios have none: pass start, such as '2026-01-05'"
        )


def _check_price(price: float) -> float:
    if isinstance(price, bool) or not isinstance(price, int | float | np.number) or not 0 < price < np.inf:
        raise InputError(f"price={price!r} is no price: pass a positive number such as 100")
    return float(price)


def _position(scen: ScenarioSet, path: int) -> int:
    if isinstance(path, bool) or not isinstance(path, int | np.integer) or not -len(scen) <= path < len(scen):
        raise InputError(f"path {path!r} does not exist: there are {len(scen)}, counted from 0")
    return int(path) % len(scen)


def _positions(scen: ScenarioSet, paths: Sequence[int] | None) -> list[int]:
    chosen = list(range(len(scen))) if paths is None else [_position(scen, i) for i in paths]
    if not chosen:
        raise InputError("paths is empty: name at least one")
    return chosen
