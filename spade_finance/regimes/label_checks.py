# SPDX-License-Identifier: Apache-2.0
"""What a table of regime labels must be; each fault is one line that names the column and the date."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

__all__ = ["checked_table", "dates_of", "known_order", "probability_fault"]

SUM_TOLERANCE = 1e-6
"""Rows of probabilities may miss 1 by this much (six written digits)."""

_STANDARD = ("bull", "sideways", "bear", "crisis")


def dates_of(index: pd.Index[Any], source: str) -> pd.DatetimeIndex:
    """Sorted, unique, non-empty dates named ``date``; InputError otherwise."""
    if not isinstance(index, pd.DatetimeIndex):
        raise InputError(f"{source}: the index holds {index.dtype}, not dates; use a DatetimeIndex")
    if not len(index):
        raise InputError(f"{source}: no rows; at least one day is needed")
    if index.hasnans:
        raise InputError(f"{source}: a row has no date; give it one or drop the row")
    if index.has_duplicates:
        raise InputError(
            f"{source}: {index[index.duplicated()][0]:%Y-%m-%d} appears twice; keep one row a day"
        )
    if not index.is_monotonic_increasing:
        raise InputError(f"{source}: dates are not sorted; sort the rows, oldest first")
    return index.rename("date").as_unit("ns")


def probability_fault(numbers: NDArray[np.float64], dates: pd.DatetimeIndex) -> str | None:
    """What is wrong with probabilities (T, K), or None."""
    wrong = ~np.isfinite(numbers).all(axis=1)
    if wrong.any():
        return f"a number is missing on {dates[int(np.argmax(wrong))]:%Y-%m-%d}; every regime needs one"
    wrong = ((numbers < 0) | (numbers > 1)).any(axis=1)
    if wrong.any():
        return f"a number on {dates[int(np.argmax(wrong))]:%Y-%m-%d} is outside 0 to 1"
    total = numbers.sum(axis=1)
    wrong = np.abs(total - 1) > SUM_TOLERANCE
    if wrong.any():
        at = int(np.argmax(wrong))
        return f"the row of {dates[at]:%Y-%m-%d} sums to {total[at]:.6g}, not 1; divide it by its sum"
    return None


def checked_table(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The labels table with dates as index and numeric ``p_`` columns, its column names checked."""
    table = frame.copy()
    table.columns = [str(name).strip() for name in table.columns]
    if "date" in table.columns:
        texts = table.pop("date")
        days = pd.to_datetime(texts, errors="coerce", format="ISO8601")
        bad = days.isna().to_numpy()
        if bad.any():
            at = int(np.argmax(bad))
            raise InputError(
                f"{source}: row {at + 1} has the date {texts.iloc[at]!r}; write it as YYYY-MM-DD"
            )
        table.index = pd.DatetimeIndex(days, name="date")
    repeated = [name for name in table.columns if list(table.columns).count(name) > 1]
    if repeated:
        raise InputError(f"{source}: column {repeated[0]!r} appears twice; keep one")
    if "regime" not in table.columns:
        shown = ", ".join(table.columns[:6]) or "none"
        raise InputError(
            f"{source}: no column 'regime' (found: {shown}); a labels file has date,regime,p_<regime>..."
        )
    for name in table.columns:
        if name != "regime" and not re.fullmatch(r"p_.+|sector:.+", name):
            raise InputError(
                f"{source}: unknown column {name!r}; allowed are date, regime, p_<regime> and sector:<name>"
            )
        if name.startswith("p_"):
            table[name] = _numbers(table[name], table.index, name, source)
    dates_of(table.index, source)
    return table


def _numbers(column: pd.Series, index: pd.Index[Any], name: str, source: str) -> NDArray[np.float64]:
    values = np.empty(len(column))
    for i, cell in enumerate(column):
        try:
            values[i] = float(cell)
        except (TypeError, ValueError):
            day = index[i]
            shown = f"{day:%Y-%m-%d}" if isinstance(day, pd.Timestamp) else f"row {i + 1}"
            raise InputError(
                f"{source}: column {name!r} on {shown} holds {cell!r}, not a number from 0 to 1"
            ) from None
    return values


def known_order(labels: pd.Series, source: str) -> tuple[str, ...]:
    """Order of regimes that are named in the standard way; InputError for any other name."""
    found = {str(name) for name in labels}
    if found <= set(_STANDARD):
        return tuple(name for name in _STANDARD if name in found)
    if all(re.fullmatch(r"r[1-9]\d*", name) for name in found):
        return tuple(f"r{k}" for k in range(1, max(int(name[1:]) for name in found) + 1))
    odd = sorted(found - set(_STANDARD))[0]
    raise InputError(
        f"{source}: the order of the regimes, calm to worst, is unknown ({odd!r} is no standard name); "
        "add p_<regime> columns in that order"
    )
