# SPDX-License-Identifier: Apache-2.0
"""Rows of statistics as a table to read: real value and interval, each column with its error and its mark."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.evaluate.verdicts import AS_REAL, MARKS, NOT_ASSESSABLE

NO_VALUE = "–"
LEGEND = (
    "Real value with its 95 % interval; each column's mean over replicates ± standard error; ▲ above the "
    "interval, ▼ below it, no mark inside it, ? not assessable; statistics in brackets are shown without a "
    "verdict"
)


@dataclass(frozen=True)
class Line:
    """One line of a table: the words for a row of statistics, and which row it is."""

    title: str
    metric: str
    regime: str | None = None
    asset: str | None = None
    horizon_days: int | None = None

    def find(self, statistics: pd.DataFrame) -> dict[Hashable, Any] | None:
        """The row, or None where this window has none."""
        if statistics.empty:
            return None
        keep = statistics["metric"] == self.metric
        for key in ("regime", "asset", "horizon_days"):
            wanted = getattr(self, key)
            keep &= statistics[key].isna() if wanted is None else statistics[key] == wanted
        found = statistics[keep]
        return None if found.empty else found.to_dict("records")[0]


def verdict_table(
    lines: Sequence[Line], statistics: pd.DataFrame, columns: Sequence[str], *, papers: bool = True
) -> pd.DataFrame:
    """Table of text: index the lines' titles, columns real, its interval, the columns, the paper."""
    rows: dict[str, dict[str, str]] = {}
    for line in lines:
        row = line.find(statistics)
        if row is None:
            continue
        shown_only = all(row[f"{name}:verdict"] == "" for name in columns)
        cells = {"real": number(row["real"], row["unit"]), "95 % interval": interval(row)}
        cells |= {name: cell(row, name) for name in columns}
        if papers:
            cells["reference"] = str(row["reference"])
        unit = ", %" if row["unit"] == "percent" else ""
        rows[f"({line.title}{unit})" if shown_only else line.title + unit] = cells
    return pd.DataFrame.from_dict(rows, orient="index")


def cell(row: Mapping[Hashable, Any], name: str) -> str:
    """``.24 ± .01 ▼``."""
    if pd.isna(row[name]):
        return NO_VALUE
    text = number(row[name], row["unit"])
    error = row[f"{name}:se"]
    if np.isfinite(error):
        text += f" ± {number(error, row['unit'])}"
    return text + MARKS.get(row[f"{name}:verdict"], "")


def interval(row: Mapping[Hashable, Any]) -> str:
    """``.10 to .31``, a dash without one."""
    if not np.isfinite(row["real_low"]) or row["real_low"] == row["real_high"]:
        return NO_VALUE
    return f"{number(row['real_low'], row['unit'])} to {number(row['real_high'], row['unit'])}"


def number(value: float, unit: str) -> str:
    """A number with as many digits as a reader compares; percents without their sign."""
    if not np.isfinite(value):
        return NO_VALUE
    value = 100 * value if unit == "percent" else value
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def tally(statistics: pd.DataFrame, name: str) -> tuple[int, int]:
    """How many of a column's assessable rows are as real, and how many there are."""
    verdicts = statistics[f"{name}:verdict"]
    judged = verdicts[(verdicts != "") & (verdicts != NOT_ASSESSABLE)]
    return int((judged == AS_REAL).sum()), len(judged)
