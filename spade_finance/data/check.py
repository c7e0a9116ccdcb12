# SPDX-License-Identifier: Apache-2.0
r"""What a careful person wants to know about a table of returns before trusting it.

`check_returns` takes any dated table of numbers, faulty ones too, and describes instead of refusing: span,
gaps, duplicates, weekends, empty cells, stale runs, outliers, coarse prices, suspicious autocorrelation.

An *outlier* lies beyond ten robust standard deviations, :math:`1.4826\,\mathrm{MAD}` of the column. Its
detail also says how many of the surrounding quarter's it is (a crisis day is far out over the decades and
ordinary in its month; a bad print is far out in both), whether the next day undoes it, and whether it has the
size of a split.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.data import findings as look
from spade_finance.data.findings import Finding
from spade_finance.data.suspicion import Floats, acf1, runs
from spade_finance.data.validate import MIN_ROWS, to_days, validate_returns
from spade_finance.exceptions import InputError
from spade_finance.returns import _label, check_kind, simple_from_log

LEVELS = ("error", "look", "note")


@dataclass(frozen=True, repr=False)
class DataCheck:
    """What `check_returns` found.

    Attributes
    ----------
    table : DataFrame, one row per column of the data
        ``rows, missing, first, last``; ``return`` and ``volatility`` (decimals a year, 252 days), ``skew``,
        ``kurtosis`` (excess), ``worst, worst_date, best, best_date`` (decimals), ``zeros`` (share of rows),
        ``longest_stale`` (rows), ``outliers`` (count), ``acf1`` (lag-1 autocorrelation), ``distinct`` (share
        of different values among the moves that are not zero).
    findings : DataFrame, the gravest first
        ``level`` ("error": `read_returns` refuses it; "look": probably a fault; "note": worth knowing),
        ``kind``, ``column`` ("" for the whole table), ``date``, ``until``, ``value``, ``detail``.
    span : dict
        ``start, end, rows, columns, years, business_days, absent_business_days, longest_gap_days``.
    refusal : str or None
        The message with which `read_returns` refuses this table, or None where it is accepted.
    """

    table: pd.DataFrame
    findings: pd.DataFrame
    span: dict[str, Any]
    refusal: str | None

    @property
    def ok(self) -> bool:
        """Whether `read_returns` accepts the table."""
        return self.refusal is None

    @property
    def summary(self) -> str:
        """A few lines of text."""
        s = self.span
        lines = [
            f"{s['rows']} rows from {s['start']} to {s['end']} ({s['years']} years), {s['columns']} columns; "
            f"{s['absent_business_days']} of {s['business_days']} weekdays absent, longest gap "
            f"{s['longest_gap_days']} days"
        ]
        for (level, kind), group in self.findings.groupby(["level", "kind"], sort=False):
            where = ", ".join(dict.fromkeys(name for name in group["column"] if name))
            lines.append(f"{level}: {kind} x{len(group)}" + (f" ({where})" if where else ""))
        lines.append("usable as it is" if self.ok else f"refused: {self.refusal}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"DataCheck\n{self.summary}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able data; dates as YYYY-MM-DD, undefined numbers as null."""

        def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
            stamps = frame.select_dtypes("datetime").columns.map(str)
            dates = {name: frame[name].dt.strftime("%Y-%m-%d") for name in stamps}
            text = frame.assign(**dates).to_json(orient="records", double_precision=15)
            rows: list[dict[str, Any]] = json.loads(text)
            return rows

        return {
            "schema": 1,
            "ok": self.ok,
            "refusal": self.refusal,
            "span": self.span,
            "columns": plain(self.table.reset_index()),
            "findings": plain(self.findings),
        }


def check_returns(returns: pd.DataFrame, *, kind: str = "simple", source: str = "returns") -> DataCheck:
    """Describe a table of daily returns or prices and list what looks wrong.

    Parameters
    ----------
    returns : DataFrame of shape (n_rows, n_columns)
        Validated or not: duplicates, gaps, any order, empty cells are reported, not refused.
    kind : {"simple", "log", "price"}
        What the cells are. Statistics are of simple returns.
    source : str
        What to call the table.

    Returns
    -------
    DataCheck

    Raises
    ------
    InputError
        If `kind` is unknown, the index does not hold dates, or there is nothing to check.
    """
    check_kind(kind)
    if not isinstance(returns, pd.DataFrame) or not isinstance(returns.index, pd.DatetimeIndex):
        raise InputError(f"{source}: needs a DataFrame with dates as index; read it with read_raw(path)")
    if returns.empty or returns.index.isna().all():
        raise InputError(
            f"{source}: {len(returns)} rows and {returns.shape[1]} columns with dates; nothing to check"
        )
    refusal = _refusal(returns, kind, source)
    found = [] if refusal is None else [Finding("error", "refused", refusal)]
    days = to_days(returns.index.tz_localize(None), source)
    found += look.order(days)
    keep = ~np.asarray(days.isna()) & ~days.duplicated(keep="first")
    table = returns.loc[keep].astype("float64").set_axis(days[keep], axis=0).sort_index()
    table.columns = pd.Index([str(name) for name in table.columns])
    found += look.calendar(pd.DatetimeIndex(table.index))
    simple = _as_simple(table, kind)
    rows = []
    for position, name in enumerate(table.columns):
        raw = table.iloc[:, position]
        row, more = _column(simple.iloc[:, position], simple)
        rows.append({"column": name, "rows": len(raw), "missing": int(raw.isna().sum())} | row)
        found += look.missing(raw, name) + more
    found += look.across(simple)
    findings = pd.DataFrame(found, columns=Finding._fields)
    findings = findings.astype({"date": "datetime64[ns]", "until": "datetime64[ns]", "value": "float64"})
    gravest_first = findings["level"].map(LEVELS.index).sort_values(kind="stable").index
    findings = findings.loc[gravest_first, ["level", "kind", "column", "date", "until", "value", "detail"]]
    findings = findings.reset_index(drop=True)
    table = pd.DataFrame(rows).set_index("column")
    missing = [name for name in _FIGURES if name not in table]  # too few days for any figure
    return DataCheck(
        table.assign(**dict.fromkeys(missing, float("nan"))), findings, _span(days, returns), refusal
    )


_FIGURES = (
    "first", "last", "return", "volatility", "skew", "kurtosis", "worst", "worst_date", "best", "best_date", "zeros",
    "longest_stale", "outliers", "acf1", "distinct",
)  # fmt: skip
"""What `_column` measures of a column with three days or more."""


def _refusal(returns: pd.DataFrame, kind: str, source: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            validate_returns(returns, kind=kind, source=source)
        except InputError as error:
            return str(error)
    return None


def _as_simple(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Simple returns wherever the cells allow, NaN elsewhere (where `to_simple` would refuse)."""
    if kind == "log":
        with np.errstate(over="ignore"):  # prices called log returns are reported, not computed with
            return simple_from_log(table)
    if kind == "price":
        level = table.where(table > 0)
        return (level / level.shift(1) - 1.0).iloc[1:]
    return table


def _span(days: pd.DatetimeIndex, returns: pd.DataFrame) -> dict[str, Any]:
    known = days[~np.asarray(days.isna())].unique().sort_values()
    start, end = known[0], known[-1]
    business = pd.bdate_range(start, end)
    gaps = np.diff(known.to_numpy()) / np.timedelta64(1, "D")
    return {
        "start": _label(start),
        "end": _label(end),
        "rows": len(returns),
        "columns": returns.shape[1],
        "years": round((end - start).days / 365.25, 2),
        "business_days": len(business),
        "absent_business_days": len(business.difference(known)),
        "longest_gap_days": int(gaps.max()) if gaps.size else 0,
    }


def _shape(x: Floats) -> tuple[float, float]:
    """Skewness and excess kurtosis (population form); NaN for a column that never moves."""
    z = x - x.mean()
    variance = float((z**2).mean())
    if not variance > 0:
        return float("nan"), float("nan")
    return float((z**3).mean()) / variance**1.5, float((z**4).mean()) / variance**2 - 3.0


def _column(simple: pd.Series[Any], everything: pd.DataFrame) -> tuple[dict[str, Any], list[Finding]]:
    """Statistics of one column, and what is odd about it."""
    name = str(simple.name)
    series = simple[np.isfinite(simple.to_numpy())]
    x: Floats = series.to_numpy(dtype="float64")
    if x.size < 3:
        return {}, []
    days = pd.DatetimeIndex(series.index)
    found = look.stale(x, days, name) + look.outliers(series, everything) + look.impossible(x, days, name)
    if np.ptp(x) > 0 and x.size >= MIN_ROWS:
        found += look.texture(series)
    moves = x[x != 0]
    skew, kurtosis = _shape(x)
    row = {
        "first": days[0],
        "last": days[-1],
        "return": 252 * float(x.mean()),
        "volatility": float(np.sqrt(252) * x.std(ddof=1)),
        "skew": skew,
        "kurtosis": kurtosis,
        "worst": float(x.min()),
        "worst_date": days[int(x.argmin())],
        "best": float(x.max()),
        "best_date": days[int(x.argmax())],
        "zeros": float((x == 0).mean()),
        "longest_stale": max((length for _, length in runs(x == 0, 1)), default=0),
        "outliers": sum(finding.kind == "outlier" for finding in found),
        "acf1": acf1(x),
        "distinct": len(np.unique(moves)) / max(moves.size, 1),
    }
    return row, found
