# SPDX-License-Identifier: Apache-2.0
"""What a table of daily returns must be before anything is fitted to it; a fault is one line with its remedy.

The checks run from the outside in (is it a dated table of numbers? are the numbers returns, and decimals? are
they all there?), so that the message names the cause, not a consequence of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spade_finance.data.scale import check_kind_fits, warn_unusual
from spade_finance.exceptions import InputError
from spade_finance.returns import _label, check_kind, to_simple

MIN_ROWS = 20  # about a month of trading days: below it not even a volatility means anything
RESERVED_COLUMNS = frozenset({"date", "path", "step", "regime"})  # columns of our own scenario files


def validate_returns(
    returns: pd.DataFrame, *, source: str = "returns", kind: str = "simple", min_rows: int = MIN_ROWS
) -> pd.DataFrame:
    """Check a table of daily returns (or prices) and give it back as simple returns.

    Parameters
    ----------
    returns : DataFrame of shape (n_days, n_assets)
        Index of dates, one numeric column per asset.
    source : str
        What to call the table in messages: a file's name, or the parameter's.
    kind : {"simple", "log", "price"}
        What the cells are: decimal simple returns, decimal log returns, or prices.
    min_rows : int
        Fewest rows of returns accepted.

    Returns
    -------
    DataFrame of shape (n_days, n_assets)
        A new float64 table of decimal simple returns; index ``date``, sorted, unique, without time zone or
        time of day; columns are strings. For prices one row fewer.

    Raises
    ------
    InputError
        One line naming the source, column, date and value at fault, and what to do.

    Warns
    -----
    ReturnScaleWarning
        If a column moves more than 10 % on a typical day, or rows are not daily.
    """
    check_kind(kind)
    if not isinstance(returns, pd.DataFrame):
        raise InputError(
            f"{source}: expected a pandas DataFrame with dates as index and one column per asset, "
            f"got {type(returns).__name__}"
        )
    table = returns.copy()
    table.columns = _column_names(table.columns, source)
    table.index = check_dates(table.index, source)
    table = check_numbers(table, source)
    check_kind_fits(table, source, kind)
    _check_complete(table, source)
    try:
        simple = to_simple(table, kind)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    _check_possible(simple, source)
    if len(simple) < min_rows:
        span = f" ({_label(simple.index[0])} to {_label(simple.index[-1])})" if len(simple) else ""
        raise InputError(
            f"{source}: {_rows(len(simple))} of returns{span}, at least {min_rows} are needed; pass a "
            "longer history"
        )
    _check_alive(simple, source)
    warn_unusual(simple, source)
    return simple


def check_dates(index: pd.Index[Any], source: str) -> pd.DatetimeIndex:
    """Return `index` as sorted, unique days named ``date``; InputError naming the first offenders."""
    if not isinstance(index, pd.DatetimeIndex):
        raise InputError(
            f"{source}: the index is {index.dtype}, not dates; set it with "
            "frame.index = pd.to_datetime(...) or name the file's first column date"
        )
    days = to_days(index, source)
    if days.hasnans:
        raise InputError(
            f"{source}: row {int(np.argmax(days.isna())) + 1} has no date; give it one or drop the row"
        )
    repeated = days[days.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"{source}: {_count(len(repeated), 'date')} more than once ({_some(repeated)}); "
            "keep one row per day (intraday rows must be compounded to days first)"
        )
    if not days.is_monotonic_increasing:
        at = int(np.argmax(np.diff(days.asi8) < 0)) + 1
        raise InputError(
            f"{source}: dates are not sorted: {_label(days[at])} comes after {_label(days[at - 1])}; "
            "sort the rows by date, oldest first"
        )
    return days


def to_days(index: pd.DatetimeIndex, source: str) -> pd.DatetimeIndex:
    """Dates without time of day, at nanosecond resolution (as netCDF reads back); a time zone is refused."""
    if index.tz is not None:
        raise InputError(
            f"{source}: dates carry the time zone {index.tz}; remove it with frame.index.tz_localize(None), "
            "so that a day is a day everywhere"
        )
    try:
        return index.normalize().as_unit("ns").rename("date")
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        raise InputError(
            f"{source}: dates run from {index.min()} to {index.max()}; they must lie between 1678 and 2262"
        ) from None


def _column_names(columns: pd.Index[Any], source: str) -> pd.Index[Any]:
    """Column names as unique, usable strings."""
    if isinstance(columns, pd.MultiIndex):
        raise InputError(
            f"{source}: columns have {columns.nlevels} levels; keep one level, one name per asset"
        )
    if len(columns) == 0:
        raise InputError(f"{source}: no columns besides the date; one column per asset is needed")
    names = [str(name).strip() for name in columns]
    for position, name in enumerate(names, start=1):
        if not name:
            raise InputError(f"{source}: column {position} has no name; name it or delete it")
        if name in RESERVED_COLUMNS:
            raise InputError(
                f"{source}: a column may not be called {name!r} (scenario files use it); rename it"
            )
        if '"' in name or not name.isprintable():
            raise InputError(
                f"{source}: column {name!r} has a quote or control character in its name; rename it"
            )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{source}: column {repeated[0]!r} appears {names.count(repeated[0])} times; keep one"
        )
    return pd.Index(names)


def check_numbers(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the table as float64; InputError naming the first cell that is no number."""
    numeric = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_bool_dtype(column.dtype):
            raise InputError(f"{source}: column {name!r} holds true/false, not returns; delete that column")
        converted = (
            column if pd.api.types.is_numeric_dtype(column.dtype) else pd.to_numeric(column, errors="coerce")
        )
        if pd.api.types.is_complex_dtype(converted.dtype) or pd.api.types.is_datetime64_any_dtype(
            column.dtype
        ):
            raise InputError(
                f"{source}: column {name!r} holds {column.dtype}, not real numbers; delete that column"
            )
        bad = (converted.isna() & column.notna()).to_numpy()
        if bad.any():
            at = int(np.argmax(bad))
            raise InputError(_not_a_number(column.iloc[at], table.index[at], name, int(bad.sum()), source))
        numeric[name] = converted.to_numpy(dtype="float64", na_value=np.nan)
    return pd.DataFrame(numeric, index=table.index, columns=table.columns, dtype="float64")


def _not_a_number(cell: object, date: Any, name: object, count: int, source: str) -> str:
    text = str(cell).strip()
    if text.endswith("%"):
        remedy = "write decimals without the sign (1.2% is 0.012)"
    elif "," in text:
        remedy = "write the decimal point as a point, without thousands separators"
    else:
        remedy = "mend it, or leave the cell empty and then drop that row"
    more = f" (and {count - 1} more such cells)" if count > 1 else ""
    return f"{source}: column {name!r} on {_label(date)} holds {text[:40]!r}, not a number{more}; {remedy}"


def _check_complete(table: pd.DataFrame, source: str) -> None:
    """Refuse missing and infinite cells: filling them in is a decision about the market, the user's."""
    for name in table.columns:
        column = table[name]
        infinite = np.isinf(column.to_numpy())
        if infinite.any():
            at = int(np.argmax(infinite))
            raise InputError(
                f"{source}: column {name!r} on {_label(table.index[at])} is infinite "
                f"({_count(int(infinite.sum()), 'such cell')}); "
                "a division by a zero price? mend or drop that row"
            )
        missing = column.isna()
        if missing.all() and len(column):
            raise InputError(f"{source}: column {name!r} has no values at all; delete it")
        if missing.any():
            first = column.index[int(np.argmax(missing.to_numpy()))]
            started = column.first_valid_index()
            remedy = (
                f"it starts on {_label(started)}: use rows from there on, or delete it"
                if not missing.loc[started:].any()
                else "drop those rows (frame.dropna()) or that column"
            )
            raise InputError(
                f"{source}: column {name!r} has {_count(int(missing.sum()), 'missing value')} of "
                f"{len(column)}, the first on {_label(first)}; {remedy}"
            )


def _check_possible(simple: pd.DataFrame, source: str) -> None:
    """Refuse simple returns of -1 and below."""
    values = simple.to_numpy()
    if values.size and values.min() <= -1.0:
        row, column = (int(i[0]) for i in np.nonzero(values <= -1.0))
        raise InputError(
            f"{source}: column {simple.columns[column]!r} on {_label(simple.index[row])} returns "
            f"{values[row, column]:g}: nothing can lose more than it is worth; mend that row "
            "(or divide by 100 if these are percent, or pass --kind log for log returns)"
        )


def _check_alive(simple: pd.DataFrame, source: str) -> None:
    """Refuse columns that never move."""
    for name in simple.columns:
        values = simple[name].to_numpy()
        if (values == values[0]).all():
            raise InputError(
                f"{source}: column {name!r} is {values[0]:g} on every day: a dead series has no volatility "
                "to model; delete it"
            )


def _rows(n: int) -> str:
    return f"{n} row" if n == 1 else f"{n} rows"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _some(dates: pd.DatetimeIndex, most: int = 3) -> str:
    shown = ", ".join(_label(date) for date in dates[:most])
    return f"{shown}, ..." if len(dates) > most else shown
