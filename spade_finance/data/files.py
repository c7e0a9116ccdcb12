# SPDX-License-Identifier: Apache-2.0
"""Tables of returns from files and back: CSV (``.csv``, ``.csv.gz``) and Parquet, the date first.

`read_raw` only parses, so that a faulty file can be looked at; `read_returns` parses, validates and converts.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.data.validate import MIN_ROWS, check_numbers, validate_returns
from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path, check_writable

SUFFIXES = (".csv", ".csv.gz", ".parquet")

_DATE_NAMES = {"date", "dates", "datetime", "timestamp", "time", "day", "index"}
_ISO = re.compile(r"\d{4}(?:-\d{2}-|/\d{2}/|\d{2})\d{2}(?:[ T].*)?$")
_ZONE = re.compile(r"[ T]\d{2}:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})$")


def read_returns(
    path: str | os.PathLike[str], kind: str = "simple", *, min_rows: int = MIN_ROWS
) -> pd.DataFrame:
    """Read a file of daily returns or prices into validated simple returns.

    Parameters
    ----------
    path : path
        ``.csv``, ``.csv.gz`` or ``.parquet``; the date first (or as a Parquet index), then one column per
        asset.
    kind : {"simple", "log", "price"}
        What the file holds: decimal simple returns, decimal log returns, or prices.
    min_rows : int
        Fewest rows of returns accepted.

    Returns
    -------
    DataFrame of shape (n_days, n_assets)
        Decimal simple returns, float64, index ``date``.

    Raises
    ------
    InputError
        One line naming the file, the column, the date, what is wrong and what to do.

    Examples
    --------
    >>> import spade_finance as sf
    >>> returns = sf.read_returns("prices.csv", kind="price")  # doctest: +SKIP
    """
    return validate_returns(read_raw(path), source=Path(path).name, kind=kind, min_rows=min_rows)


def read_raw(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a dated table of numbers as it is: duplicates, gaps and odd values included.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        float64, index ``date`` in the file's order.

    Raises
    ------
    InputError
        If there is no such table in the file: unreadable, empty, no date column, cells that are no numbers.
    """
    file = Path(path)
    source = file.name or str(file)
    if file.is_dir():
        raise InputError(f"{path} is a folder; pass a file ({', '.join(SUFFIXES)})")
    if not file.exists():
        raise InputError(f"{path} does not exist; check the name and the folder")
    suffix = suffix_of(file)
    try:
        if file.stat().st_size == 0:
            raise InputError(f"{source}: the file is empty (0 bytes)")
        table = _read_parquet(file, source) if suffix == ".parquet" else _read_csv(file, source)
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror or error})") from None
    return check_numbers(table, source)


def write_returns(returns: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write simple returns with the date first, all digits kept; the file appears whole or not at all.

    Parameters
    ----------
    returns : DataFrame of shape (n_days, n_assets)
        Decimal simple returns with a DatetimeIndex.
    path : path
        ``.csv``, ``.csv.gz`` or ``.parquet``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the suffix is unknown or the place cannot be written. Missing folders are made.
    """
    file = Path(path)
    suffix = suffix_of(file)
    table = returns.rename_axis(index="date", columns=None)
    check_writable(file, name="path")
    try:
        with atomic_path(file) as part:
            if suffix == ".parquet":
                table.reset_index().to_parquet(part, index=False)
            else:
                text = table.to_csv(date_format="%Y-%m-%d", lineterminator="\n").encode("utf-8")
                part.write_bytes(gzip.compress(text, mtime=0) if suffix == ".csv.gz" else text)
    except OSError as error:
        raise InputError(f"path {file} cannot be written: {error.strerror or error}") from None
    return file


def suffix_of(file: Path) -> str:
    """Return the suffix that decides the format; InputError naming the known ones otherwise."""
    name = file.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    hint = "; save the sheet as CSV" if name.endswith((".xls", ".xlsx", ".ods")) else ""
    raise InputError(f"{file.name or file}: unknown kind of file; use {', '.join(SUFFIXES)}{hint}")


def _read_csv(file: Path, source: str) -> pd.DataFrame:
    raw = file.read_bytes()
    if suffix_of(file) == ".csv.gz":
        try:
            raw = gzip.decompress(raw)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise InputError(
                f"{source}: not a whole gzip file; pack it again, or rename it if it is plain CSV"
            ) from None
    elif raw[:2] == b"\x1f\x8b":
        raise InputError(f"{source}: is gzip-compressed; name it .csv.gz")
    if b"\0" in raw or raw[:4] == b"PK\x03\x04":
        raise InputError(f"{source}: is a binary file, not CSV text (a spreadsheet? save it as CSV)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{source}: is not UTF-8 text; save it as CSV in UTF-8") from None
    if not text.strip():
        raise InputError(f"{source}: the file is empty")
    header = next(csv.reader(text.lstrip().splitlines()[:1]))
    if len(header) == 1:
        other = next((mark for mark in (";", "\t", "|") if mark in header[0]), None)
        hint = (
            f"columns seem to be separated by {other!r}; separate them by commas"
            if other
            else "need date,NAME,..."
        )
        raise InputError(f"{source}: only one column ({header[0][:40]!r}); {hint}")
    names = [name.strip() for name in header]
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:  # pandas would quietly rename the second one
        raise InputError(f"{source}: column {repeated!r} appears {names.count(repeated)} times; keep one")
    try:
        table = pd.read_csv(io.StringIO(text.lstrip()), dtype=str, index_col=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{source}: is not a CSV table ({str(error).splitlines()[0]})") from None
    table.columns = pd.Index(names)
    return exact_floats(_dated(table, source))


def exact_floats(table: pd.DataFrame) -> pd.DataFrame:
    """Turn text columns into the nearest doubles, so that a file gives back what was written into it.

    (How exact ``read_csv`` is depends on the version of pandas.) Columns with other text stay as they are.
    """
    columns: dict[Any, Any] = {}
    for name in table.columns:
        try:
            columns[name] = table[name].to_numpy(dtype=object, na_value=np.nan).astype("float64")
        except ValueError:
            columns[name] = table[name]
    return pd.DataFrame(columns, index=table.index, columns=table.columns)


def _read_parquet(file: Path, source: str) -> pd.DataFrame:
    import pyarrow as pa

    try:
        table = pd.read_parquet(file)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(
            f"{source}: is not a readable Parquet file ({str(error).splitlines()[0][:80]})"
        ) from None
    if isinstance(table.index, pd.DatetimeIndex):
        return table.rename_axis(index="date")
    if not isinstance(table.index, pd.RangeIndex):  # dates as text or datetime.date in the index
        table = table.reset_index()
    return _dated(table, source)


def _dated(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Move the date column, the one so named or else the first, into the index."""
    named = [name for name in table.columns if str(name).strip().lower() == "date"]
    column = named[0] if named else table.columns[0]
    if table.empty:
        raise InputError(f"{source}: has a header but no rows")
    first = table[column]
    plain = (
        not named
        and str(column).strip().lower() not in _DATE_NAMES | {""}
        and not str(column).startswith("Unnamed")
    )
    if plain and not _looks_like_dates(first):
        raise InputError(
            f"{source}: no date column: the first column {str(column)!r} holds {str(first.iloc[0])[:40]!r}; "
            "put the dates first, named date, written YYYY-MM-DD"
        )
    index = _parse_dates(first, source)
    return table.drop(columns=column).set_axis(index, axis=0)


def _looks_like_dates(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return True
    return bool(column.dropna().astype(str).head(5).str.match(_ISO).all())


def _parse_dates(column: pd.Series[Any], source: str) -> pd.DatetimeIndex:
    """Dates from ISO text, YYYYMMDD or date objects; 01/02/2020 could be two days, so it is refused."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(column, name="date")
    if column.isna().any():
        at = int(column.isna().to_numpy().argmax())
        raise InputError(
            f"{source}: row {at + 1} (counted below the header) has no date; give it one or drop the row"
        )
    text = column.astype(str).str.strip()
    if pd.api.types.is_float_dtype(column.dtype):
        text = text.str.removesuffix(".0")
    zoned = text.str.contains(_ZONE)
    if zoned.any():
        raise InputError(
            f"{source}: dates carry a time zone ({text[zoned].iloc[0]!r}); write plain days, YYYY-MM-DD "
            "(in pandas: frame.index.tz_localize(None))"
        )
    wrong = ~text.str.match(_ISO).to_numpy()
    parsed = pd.to_datetime(text.str.replace("/", "-"), format="ISO8601", errors="coerce")
    wrong |= parsed.isna().to_numpy()
    if wrong.any():
        at = int(wrong.argmax())
        raise InputError(
            f"{source}: row {at + 1} (counted below the header) has the date {text.iloc[at][:40]!r}; "
            "write dates as YYYY-MM-DD"
        )
    return pd.DatetimeIndex(parsed, name="date")
