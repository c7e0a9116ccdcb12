# SPDX-License-Identifier: Apache-2.0
r"""Simple returns, log returns, prices: the one place where one becomes another.

.. math:: r^{simple}_t = P_t / P_{t-1} - 1 \qquad r^{log}_t = \ln(P_t / P_{t-1}) = \ln(1 + r^{simple}_t)

Log returns add up over *time*, simple returns add up over *assets*: models work in log returns, portfolios
and files in simple ones (Meucci 2010, "Quant nugget 2: linear vs. compounded returns").

Everything here is decimal (0.01 is one percent) and keeps its container: an array gives an array, a DataFrame
a DataFrame with the same labels, an xarray object an xarray object with the same coordinates.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, cast

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError

Kind = Literal["simple", "log", "price"]
"""What the numbers of a table are."""

KINDS: tuple[Kind, ...] = ("simple", "log", "price")

Container = TypeVar("Container")
"""A float array, DataFrame, Series, xarray DataArray or Dataset of any shape."""

__all__ = ["KINDS", "Kind", "log_from_simple", "prices", "simple_from_log", "to_log", "to_simple"]


def check_kind(kind: str) -> Kind:
    """Return `kind` if it is one of :data:`KINDS`; InputError naming the choices otherwise."""
    if kind not in KINDS:
        raise InputError(f"kind={kind!r} is unknown: pass one of {', '.join(KINDS)}")
    return kind


def simple_from_log(log_returns: Container) -> Container:
    r"""Decimal simple returns of decimal log returns, :math:`e^{r} - 1`, elementwise and exact near zero."""
    return cast(Container, np.expm1(cast(Any, log_returns)))


def log_from_simple(simple_returns: Container) -> Container:
    r"""Decimal log returns of decimal simple returns, :math:`\ln(1 + r)`, elementwise and exact near zero.

    Raises
    ------
    InputError
        If a return is -1 or less: a loss of everything has no logarithm. NaN passes through as NaN.
    """
    values = np.asarray(_values(simple_returns))
    worst = float(np.nanmin(values)) if values.size and not np.isnan(values).all() else 0.0
    if worst <= -1.0:
        raise InputError(
            f"simple_returns holds {worst:g}: a return of -1 or less loses everything and has no log return; "
            "mend that value (returns are decimals: -0.05 is five percent down)"
        )
    return cast(Container, np.log1p(cast(Any, simple_returns)))


def to_simple(frame: pd.DataFrame, kind: str = "simple") -> pd.DataFrame:
    """Turn a table of simple returns, log returns or prices into simple returns.

    Parameters
    ----------
    frame : DataFrame of shape (n_days, n_assets)
        Decimal returns, or prices (then the first row only starts the series and is dropped).
    kind : {"simple", "log", "price"}
        What `frame` holds.

    Returns
    -------
    DataFrame of shape (n_days, n_assets), or (n_days - 1, n_assets) for prices
        Decimal simple returns, float64.

    Raises
    ------
    InputError
        If `kind` is unknown or a price is zero or negative.
    """
    kind = check_kind(kind)
    if kind == "simple":
        return frame.astype("float64")
    if kind == "log":
        return simple_from_log(frame.astype("float64"))
    level = frame.astype("float64")
    bad = level.le(0.0)
    if bad.to_numpy().any():
        row, column = (int(i[0]) for i in np.nonzero(bad.to_numpy()))
        price = float(level.to_numpy()[row, column])
        raise InputError(
            f"price of {frame.columns[column]!r} on {_label(frame.index[row])} is {price:g}: "
            "prices must be positive; mend or drop that row"
        )
    # A plain ratio, not pct_change: its fill_method would hide a missing price as a zero return.
    return (level / level.shift(1) - 1.0).iloc[1:]


def to_log(simple: pd.DataFrame) -> pd.DataFrame:
    """Decimal log returns of a table of decimal simple returns (same shape); see :func:`log_from_simple`."""
    return log_from_simple(simple.astype("float64"))


def prices(simple: pd.DataFrame, start: float = 100.0) -> pd.DataFrame:
    r"""Price, after each day, of what cost `start` before: :math:`P_t = P_0 \prod_{s \le t}(1 + r_s)`.

    Parameters
    ----------
    simple : DataFrame of shape (n_days, n_assets)
        Decimal simple returns.
    start : float
        The price before the first day; the first row is ``start * (1 + first return)``.

    Returns
    -------
    DataFrame of shape (n_days, n_assets)
        Prices in the unit of `start`.

    Raises
    ------
    InputError
        If `start` is not a positive finite number.
    """
    if not (np.isfinite(start) and start > 0):
        raise InputError(f"start={start!r} is no price: pass a positive number such as 100")
    return start * (1.0 + simple.astype("float64")).cumprod()


def _values(container: Any) -> Any:
    """The bare numbers of a container, so that a minimum means the same for all of them."""
    if hasattr(container, "data_vars"):  # an xarray.Dataset, recognised without importing xarray
        container = container.to_array()
    return container.to_numpy() if hasattr(container, "to_numpy") else container


def _label(stamp: Any) -> str:
    """A date as YYYY-MM-DD (with the time of day only where there is one), anything else as it prints."""
    if isinstance(stamp, pd.Timestamp):
        return stamp.strftime("%Y-%m-%d") if stamp == stamp.normalize() else str(stamp)
    return str(stamp)
