# SPDX-License-Identifier: Apache-2.0
"""Read a scenario file, ours or anyone's, and refuse what would mislead: gaps, percent, ragged paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.io.cube import read_cube
from spade_finance.io.layout import RESERVED, Codes, Floats, Paths, file_format
from spade_finance.io.long import read_csv, read_parquet

PERCENT_ABOVE = 0.15
"""No market has a median absolute daily return above this; percent data easily do."""

__all__ = ["Loaded", "read_scenarios"]


@dataclass(frozen=True)
class Loaded:
    """A scenario file's contents: simple returns (n, T, S), codes (T,) or (n, T), paths (n,), provenance."""

    simple: Floats
    codes: Codes
    paths: Paths
    sectors: tuple[str, ...]
    regimes: tuple[str, ...]
    dates: pd.DatetimeIndex | None
    provenance: dict[str, Any]


def read_scenarios(path: str | os.PathLike[str]) -> Loaded:
    """Read a scenario file of any format.

    A file from elsewhere needs no metadata and no regimes (then all days belong to the one regime ``all``);
    its regimes are put in order by the volatility of their days.

    Parameters
    ----------
    path : path
        ``.parquet``, ``.csv``, ``.csv.gz`` or ``.nc``, ``.zarr``; see :mod:`spade_finance.io.layout`.

    Raises
    ------
    InputError
        If the file is missing, unreadable or damaged, lacks ``path`` or ``step``, has paths of unequal length
        or missing values, or its returns look like percent or prices.
    """
    path = Path(path)
    kind = file_format(path)
    if not path.exists():
        raise InputError(f"scenario file {path} does not exist")
    try:
        if kind in (".nc", ".zarr"):
            (simple, codes, paths, sectors, regimes, dates), metadata = read_cube(path)
            if paths is None:
                paths = np.arange(len(simple), dtype=np.int32)
        else:
            frame, metadata = read_parquet(path) if kind == ".parquet" else read_csv(path)
            simple, codes, paths, sectors, regimes, dates = _from_long(frame, path, metadata)
    except InputError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        # The readers underneath raise a dozen kinds of error for a damaged file.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} cannot be read as {kind}: {reason}") from error
    _check_values(simple, paths, sectors, path, ours=metadata is not None)
    if codes is None:
        codes, regimes = np.zeros(simple.shape[1], dtype=np.int8), ("all",)
    elif metadata is None:
        codes, regimes = _calm_to_worst(simple, codes, regimes)
    if codes.ndim == 2 and (not metadata["regime_per_path"] if metadata else bool((codes == codes[0]).all())):
        codes = codes[0]
    return Loaded(simple, codes, paths, sectors, regimes, dates, metadata["provenance"] if metadata else {})


def _from_long(
    frame: pd.DataFrame, path: Path, metadata: dict[str, Any] | None
) -> tuple[Floats, Codes | None, Paths, tuple[str, ...], tuple[str, ...], pd.DatetimeIndex | None]:
    """Turn rows into the cube, sorting them if need be."""
    sectors = tuple(str(name) for name in frame.columns if name not in RESERVED)
    if "path" not in frame or not ({"step", "date"} & set(frame.columns)):
        raise InputError(
            f"{path} needs the columns path and step (or date), then sectors; it has {_some(frame.columns)}"
        )
    if not sectors or not len(frame):
        raise InputError(f"{path} holds no {'rows' if sectors else 'sector columns'}")
    if metadata is not None and sectors != tuple(metadata["sectors"]):
        raise InputError(f"{path}: its sector columns are not those of its metadata; one of them was changed")
    dates = _dates(frame["date"], path) if "date" in frame else None
    number = _whole(frame["path"], "path", path)
    if "step" in frame:
        step = _whole(frame["step"], "step", path)
    else:
        assert dates is not None
        step = pd.factorize(dates, sort=True)[0].astype(np.int64)
    order = np.lexsort((step, number))
    if (order == np.arange(len(order))).all():
        order = np.arange(len(order))
    ids, counts = np.unique(number, return_counts=True)
    days = int(counts[0])
    if (odd := np.flatnonzero(counts != days)).size:
        raise InputError(
            f"{path} is ragged: path {ids[odd[0]]} has {counts[odd[0]]} days, path {ids[0]} has {days}; "
            "give every path the same days"
        )
    steps = step[order].reshape(len(ids), days)
    if (steps != steps[0]).any() or (np.diff(steps[0]) != 1).any():
        raise InputError(
            f"{path}: the steps of a path must be consecutive whole numbers, the same in every path"
        )
    shared_dates = None
    if dates is not None:
        grid = dates.to_numpy()[order].reshape(len(ids), days)
        if (grid != grid[0]).any():
            raise InputError(f"{path}: its paths have different dates; remove the date column and keep step")
        shared_dates = pd.DatetimeIndex(grid[0])
    simple = np.empty((len(ids), days, len(sectors)), dtype=np.float32)
    for s, sector in enumerate(sectors):
        column = frame[sector]
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            raise InputError(
                f"{path}: column {sector!r} holds no numbers; sector columns are decimal simple returns"
            )
        simple[:, :, s] = column.to_numpy(dtype=column.dtype.type, na_value=np.nan)[order].reshape(
            len(ids), days
        )
    codes, regimes = _codes(frame, path, metadata)
    if codes is not None:
        codes = codes[order].reshape(len(ids), days)
    return simple, codes, ids.astype(np.int32), sectors, regimes, shared_dates


def _codes(
    frame: pd.DataFrame, path: Path, metadata: dict[str, Any] | None
) -> tuple[Codes | None, tuple[str, ...]]:
    if "regime" not in frame:
        return None, ()
    column = pd.Categorical(frame["regime"])
    empty = (column.codes < 0) | (column == "")
    if empty.any():
        raise InputError(f"{path}: regime is empty in row {int(np.flatnonzero(empty)[0]) + 1}")
    found = tuple(str(name) for name in column.categories)
    regimes = tuple(metadata["regimes"]) if metadata else found
    used = {found[i] for i in np.unique(column.codes)}
    if strangers := sorted(used - set(regimes)):
        raise InputError(
            f"{path}: regime {strangers[0]!r} is not among those of its metadata ({', '.join(regimes)})"
        )
    place = {name: k for k, name in enumerate(regimes)}
    table = np.array([place.get(name, -1) for name in found], dtype=np.int8)
    return table[column.codes], regimes


def _check_values(simple: Floats, paths: Paths, sectors: tuple[str, ...], path: Path, *, ours: bool) -> None:
    if not simple.size:
        raise InputError(f"{path} holds no returns (shape {simple.shape})")
    bad = ~np.isfinite(simple)
    if bad.any():
        n, t, s = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(
            f"{path}: {sectors[s]!r} is missing or infinite in path {paths[n]}, step {t}; drop that path"
        )
    if ours:
        return
    # A sample of 2 million values tells the scale of any file.
    size = float(np.median(np.abs(simple[: 1 + 2_000_000 // simple[0].size])))
    if size > PERCENT_ABOVE and float(simple.min()) > 0:
        raise InputError(
            f"{path} looks like prices (median {size:.4g}): scenario files hold decimal simple returns"
        )
    if size > PERCENT_ABOVE:
        raise InputError(
            f"{path} looks like percent (median absolute daily return {size:.2g}): "
            "divide by 100; 0.01 is one percent"
        )
    if float(simple.min()) <= -1:
        n, t, s = (int(i[0]) for i in np.nonzero(simple <= -1))
        raise InputError(
            f"{path}: {sectors[s]!r} is {simple[n, t, s]:g} in path {paths[n]}, step {t}: "
            "a simple return of -1 or less loses everything"
        )


def _calm_to_worst(simple: Floats, codes: Codes, regimes: tuple[str, ...]) -> tuple[Codes, tuple[str, ...]]:
    """Order regimes of unknown rank by the mean square of the equal-weight market on their days."""
    square = np.square(simple.mean(axis=2, dtype=np.float64))
    each = np.broadcast_to(codes, square.shape)
    risk = [float(square[each == k].mean()) if (each == k).any() else np.inf for k in range(len(regimes))]
    order = np.argsort(risk, kind="stable")
    return np.argsort(order).astype(np.int8)[codes], tuple(regimes[k] for k in order)


def _whole(column: pd.Series[Any], name: str, path: Path) -> npt.NDArray[np.int64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(values).any() or (values != np.floor(values)).any() or (np.abs(values) > 2**31 - 1).any():
        raise InputError(f"{path}: column {name} must hold whole numbers")
    return values.astype(np.int64)


def _dates(column: pd.Series[Any], path: Path) -> pd.DatetimeIndex:
    try:
        dates = pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: column date holds something that is no date; write YYYY-MM-DD") from error
    if dates.isna().any():
        raise InputError(f"{path}: date is empty in row {int(np.flatnonzero(dates.isna())[0]) + 1}")
    return dates


def _some(names: Any) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
