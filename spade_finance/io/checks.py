# SPDX-License-Identifier: Apache-2.0
"""What a scenario set is made of, checked once: returns, names, timelines, dates, path numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.io.layout import RESERVED, Codes, Floats, Paths

REGIME_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
MAX_REGIMES = 127
"""What an int8 code can count."""
BLOCK_VALUES = 1 << 22
"""Values converted at a time, so that the float64 intermediate stays small."""

__all__ = [
    "business_days",
    "check_codes",
    "check_cube",
    "check_dates",
    "check_paths",
    "check_regimes",
    "check_sectors",
    "convert",
]


def check_cube(values: npt.ArrayLike, name: str, low: float, high: float) -> Floats:
    """Return `values` as contiguous float32 (n, T, S), every number strictly between `low` and `high`."""
    with np.errstate(over="ignore"):
        cube = np.ascontiguousarray(values, dtype=np.float32)
    if cube.ndim != 3 or not cube.size:
        raise InputError(f"{name} has shape {cube.shape}: expected (paths, days, sectors), none of them 0")
    # A NaN fails both comparisons, so two reductions check everything without a mask of the whole cube.
    if not (float(cube.min()) > low and float(cube.max()) < high):
        n, t, s = (int(i[0]) for i in np.nonzero(~((cube > low) & (cube < high))))
        raise InputError(
            f"{name} holds {cube[n, t, s]:g} at path {n}, step {t}, sector {s}: every return must be "
            f"a number above {low:g}" + (f" and below {high:g}" if np.isfinite(high) else "")
        )
    return cube


def check_sectors(sectors: Sequence[str], count: int) -> tuple[str, ...]:
    """Return `count` usable, different column names."""
    if isinstance(sectors, str):
        raise InputError(f"sectors={sectors!r} is one text: give a list of names")
    names = tuple(sectors)
    for name in names:
        if not isinstance(name, str) or not name or not name.isprintable() or name != name.strip():
            raise InputError(f"sector name {name!r} is unusable: use printable text without outer spaces")
        if name in RESERVED:
            raise InputError(f"sector name {name!r} is the name of another column: rename that sector")
    if len(set(names)) < len(names):
        raise InputError(f"sectors are not unique: {', '.join(names)}")
    if len(names) != count:
        raise InputError(f"{len(names)} sectors are named but the returns have {count} columns")
    return tuple(str(name) for name in names)


def check_regimes(regimes: Sequence[str]) -> tuple[str, ...]:
    """Return 1 to 127 different regime names."""
    if isinstance(regimes, str):
        raise InputError(f"regimes={regimes!r} is one text: give a list of names")
    names = tuple(regimes)
    for name in names:
        if not isinstance(name, str) or not REGIME_NAME.match(name):
            raise InputError(f"regime name {name!r} is unusable: letters, digits and _ only, no digit first")
    if not 1 <= len(names) <= MAX_REGIMES or len(set(names)) < len(names):
        raise InputError(f"regimes must be 1 to {MAX_REGIMES} different names, got {list(names)}")
    return tuple(str(name) for name in names)


def check_codes(codes: npt.ArrayLike, n: int, days: int, regimes: tuple[str, ...]) -> Codes:
    """Return regime indices as int8 of shape (T,) or (n, T)."""
    found = np.asarray(codes)
    if found.shape not in ((days,), (n, days)) or not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            f"codes have shape {found.shape} and type {found.dtype}: "
            f"expected whole numbers, ({days},) or ({n}, {days})"
        )
    if found.min() < 0 or found.max() >= len(regimes):
        raise InputError(
            f"codes run from {found.min()} to {found.max()}, but there are {len(regimes)} regimes"
        )
    return np.ascontiguousarray(found, dtype=np.int8)


def check_dates(dates: pd.DatetimeIndex | None, days: int) -> pd.DatetimeIndex | None:
    """Return `days` rising calendar days in microseconds, the unit that every file format gives back."""
    if dates is None:
        return None
    index = pd.DatetimeIndex(dates)
    if len(index) != days:
        raise InputError(f"{len(index)} dates are given for {days} days")
    if index.tz is not None or index.hasnans or not index.equals(index.normalize()):
        raise InputError("dates must be calendar days without a time of day or a time zone")
    if not (index.is_monotonic_increasing and index.is_unique):
        raise InputError("dates must rise, each once")
    # Built from bare values: a frequency would not survive a file.
    return pd.DatetimeIndex(index.as_unit("us").to_numpy(), name="date")


def check_paths(paths: npt.ArrayLike | None, n: int) -> Paths:
    """Return n rising path numbers."""
    if paths is None:
        return np.arange(n, dtype=np.int32)
    found = np.asarray(paths)
    if found.shape != (n,) or not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"paths have shape {found.shape} and type {found.dtype}: expected {n} whole numbers")
    if (np.diff(found) <= 0).any() or found[0] < 0 or found[-1] > 2**31 - 1:
        raise InputError("paths must be rising numbers from 0 on")
    return found.astype(np.int32)


def business_days(start: str | date | pd.Timestamp, n_days: int) -> pd.DatetimeIndex:
    """Return `n_days` business days (Monday to Friday), the first on `start` or the next one after it.

    Raises
    ------
    InputError
        If `start` is no date or `n_days` is not positive.
    """
    try:
        first = pd.Timestamp(start).normalize()
    except (ValueError, TypeError) as error:
        raise InputError(f"start={start!r} is no date: write it as YYYY-MM-DD") from error
    if pd.isna(first) or n_days < 1:
        raise InputError(f"start={start!r}, n_days={n_days}: a date and at least one day are needed")
    if not 1700 <= first.year <= 2260 - n_days // 252:
        raise InputError(
            f"start={start!r}, n_days={n_days}: files hold dates of 1700 to 2260; choose a start between them"
        )
    return pd.bdate_range(first, periods=n_days, name="date").as_unit("us")


def convert(values: Floats, rule: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]) -> Floats:
    """Apply `rule` in float64 and round to float32, some paths at a time."""
    out = np.empty_like(values)
    step = max(1, BLOCK_VALUES // values[0].size)
    for i in range(0, len(values), step):
        out[i : i + step] = rule(values[i : i + step].astype(np.float64))
    return out
