# SPDX-License-Identifier: Apache-2.0
"""The single checks behind `check_returns`: each returns what it found, an empty list if all is well."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from spade_finance.data.suspicion import Floats, acf1, coarse_years, local_sigma, robust_sigma, runs
from spade_finance.returns import _label

OUTLIER_SIGMAS = 10.0
GAP_DAYS = 3  # weekdays in a row; exchanges rest two at most, but for wars, storms and mourning
ACF1_SUSPICIOUS = 0.2  # broad indices of the 1960s reach 0.2 by asynchronous trading; above it is smoothing
SPLITS = (2, 3, 4, 5, 10, 20)


class Finding(NamedTuple):
    """One row of `DataCheck.findings`.

    ``error`` is refused by `read_returns`, ``look`` is probably a fault, ``note`` is worth knowing.
    """

    level: Literal["error", "look", "note"]
    kind: str
    detail: str
    column: str = ""
    date: Any = pd.NaT
    until: Any = pd.NaT
    value: float = float("nan")


def order(days: pd.DatetimeIndex) -> list[Finding]:
    """Rows without a date, dates given twice, steps back in time."""
    found = []
    undated = np.asarray(days.isna())
    if undated.any():
        count = int(undated.sum())
        found.append(Finding("error", "no date", f"{count} rows without a date", value=float(count)))
    counts = days[~undated].value_counts().sort_index()
    for day, count in counts[counts > 1].items():
        detail = f"{count} rows; the first is used here"
        found.append(Finding("error", "duplicate date", detail, date=day, value=float(count)))
    back = np.flatnonzero(np.diff(days.asi8) < 0)
    if back.size:
        at = int(back[0]) + 1
        first = f"the first from {_label(days[at - 1])} to {_label(days[at])}"
        detail = f"{back.size} steps back in time, {first}"
        found.append(Finding("error", "unsorted", detail, date=days[at], value=float(back.size)))
    return found


def calendar(days: pd.DatetimeIndex) -> list[Finding]:
    """Rows on weekends, and stretches of weekdays without a row."""
    found = []
    weekend = days[np.asarray(days.day_of_week) >= 5]
    if len(weekend):
        share = len(weekend) / len(days)
        detail = (
            f"{len(weekend)} rows on Saturdays or Sundays ({share:.1%} of all): crypto, Saturday trading "
            "before 1953, or wrong dates"
        )
        found.append(Finding("note", "weekend", detail, "", weekend[0], weekend[-1], float(len(weekend))))
    ordinals = days.to_numpy().astype("datetime64[D]")
    absent = np.busday_count(ordinals[:-1] + np.timedelta64(1, "D"), ordinals[1:])
    for at in np.flatnonzero(absent >= GAP_DAYS).tolist():
        count = int(absent[at])
        detail = f"no row on {count} weekdays in a row"
        level: Literal["look", "note"] = "look" if count > 5 else "note"
        found.append(Finding(level, "gap", detail, "", days[at], days[at + 1], float(count)))
    return found


def missing(raw: pd.Series[Any], name: str) -> list[Finding]:
    """Empty cells, stretch by stretch, and infinite ones."""
    found = []
    for first, length in runs(raw.isna().to_numpy(), 1):
        detail = f"{length} empty cell{'s' if length > 1 else ''} in a row"
        until = raw.index[first + length - 1]
        found.append(Finding("error", "missing", detail, name, raw.index[first], until, float(length)))
    for at in np.flatnonzero(np.isinf(raw.to_numpy())).tolist():
        found.append(Finding("error", "infinite", "infinite value", name, raw.index[at]))
    return found


def impossible(x: Floats, days: pd.DatetimeIndex, name: str) -> list[Finding]:
    """Simple returns of -1 and below, and columns that never move."""
    found = []
    for at in np.flatnonzero(x <= -1.0).tolist():
        found.append(
            Finding("error", "impossible", "a loss of all or more", name, days[at], value=float(x[at]))
        )
    if np.ptp(x) == 0:
        found.append(Finding("error", "constant", "never moves", name, days[0], days[-1], float(x[0])))
    return found


def stale(x: Floats, days: pd.DatetimeIndex, name: str) -> list[Finding]:
    """Runs of zero returns (a price that stood still) or of one value, longer than chance explains."""
    found = []
    share = float((x == 0).mean())
    # Of n independent days with this share of zeros the longest run is about log(n) / log(1 / share): two
    # more is odd.
    usual = np.log(x.size) / np.log(1 / share) if 0 < share < 1 else 1.0
    for first, length in runs(x == 0, max(4, int(np.ceil(usual)) + 2)):
        detail = f"{length} zero returns in a row"
        until = days[first + length - 1]
        found.append(Finding("look", "stale run", detail, name, days[first], until, float(length)))
    same = np.concatenate([[False], (x[1:] == x[:-1]) & (x[1:] != 0)])
    chance = float(same.mean())  # of two equal neighbours: not small where returns are rounded
    by_chance = int(np.ceil(np.log(0.01 / x.size) / np.log(chance))) if 0 < chance < 1 else 2
    for first, length in runs(same, max(2, by_chance)):
        detail = f"the return {x[first]:.6g} {length + 1} times in a row"
        until = days[first + length - 1]
        found.append(Finding("look", "repeated return", detail, name, days[first - 1], until, length + 1.0))
    return found


def outliers(series: pd.Series[Any], everything: pd.DataFrame) -> list[Finding]:
    """Returns beyond ten robust standard deviations of the whole column, each seen in its surroundings."""
    x: Floats = series.to_numpy(dtype="float64")
    sigma = robust_sigma(x)
    if not sigma > 0:
        return []
    center, near, name = float(np.median(x)), local_sigma(x), str(series.name)
    others = everything.drop(columns=name, errors="ignore").reindex(series.index)
    found = []
    for at in np.flatnonzero(np.abs(x - center) > OUTLIER_SIGMAS * sigma).tolist():
        far, local = abs(x[at] - center) / sigma, abs(x[at] - center) / near[at]
        detail = f"{far:.1f} robust sigmas of the whole span, {local:.1f} of the surrounding quarter"
        alone = True  # nothing else moved with it, or there is nothing else
        if others.shape[1]:
            rest = float(others.iloc[at].median())
            alone = not abs(rest) >= 0.2 * abs(x[at])
            detail += f"; the other columns' median {rest:+.2%}"
        undone = at + 1 < x.size and abs((1 + x[at]) * (1 + x[at + 1]) - 1) < 0.1 * abs(x[at])
        if undone:
            detail += "; undone the next day" + (": a bad print?" if alone else "")
        split = next((k for k in SPLITS for f in (k, 1 / k) if abs((1 + x[at]) / f - 1) < 0.02), None)
        if split:
            detail += f"; the size of a {split}:1 split that was not adjusted for"
        serious = split is not None or (alone and (undone or local > OUTLIER_SIGMAS))
        level: Literal["look", "note"] = "look" if serious else "note"
        found.append(Finding(level, "outlier", detail, name, series.index[at], value=float(x[at])))
    return found


def texture(series: pd.Series[Any]) -> list[Finding]:
    """Moves in steps of a coarse price grid, few decimals, and lag-1 autocorrelation."""
    found = []
    name, x = str(series.name), series.to_numpy(dtype="float64")
    for first, last, zeros, step in coarse_years(series):
        detail = (
            f"{zeros:.1%} zero returns and hardly a move below {step:.0%} of a day's standard deviation: "
            "prices on a coarse grid (tick size, rounding)"
        )
        found.append(Finding("note", "coarse prices", detail, name, first, last, step))
    digits = next((d for d in (2, 3, 4) if np.abs(x - np.round(x, d)).max() < 1e-9), None)
    if digits is not None:
        coarse: Literal["look", "note"] = "look" if digits < 4 else "note"
        detail = f"returns are rounded to {digits} decimals"
        found.append(
            Finding(coarse, "rounded", detail, name, series.index[0], series.index[-1], float(digits))
        )
    rho = acf1(x)
    if abs(rho) > ACF1_SUSPICIOUS and abs(rho) > 4 / np.sqrt(x.size):
        why = "stale or smoothed prices" if rho > 0 else "bid-ask bounce, bad prints or coarse prices"
        detail = f"lag-1 autocorrelation {rho:.2f}: {why}"
        found.append(Finding("look", "autocorrelation", detail, name, series.index[0], series.index[-1], rho))
    return found


def across(simple: pd.DataFrame) -> list[Finding]:
    """Days on which no column moved (holidays filled in), and columns that are copies of one another."""
    found: list[Finding] = []
    if simple.shape[1] < 2:
        return found
    still = simple.index[(simple == 0).all(axis=1).to_numpy()]
    if len(still):
        detail = f"no column moved on {len(still)} days: holidays filled in?"
        found.append(Finding("look", "standstill", detail, "", still[0], still[-1], float(len(still))))
    values = simple.to_numpy()
    for j in range(simple.shape[1]):
        for i in range(j):
            if np.array_equal(values[:, i], values[:, j], equal_nan=True):
                detail = f"the same numbers as column {simple.columns[i]}"
                found.append(Finding("look", "copy", detail, str(simple.columns[j])))
                break
    return found
