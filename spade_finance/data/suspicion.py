# SPDX-License-Identifier: Apache-2.0
r"""Small statistics that tell sound daily series from doubtful ones; arrays in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

QUARTER = 63  # trading days
MAD_TO_SIGMA = 1.4826  # of a normal law

# A normal law has 2 % of its moves within 0.025 standard deviations. Shares in eighths of a dollar (1990: a
# tick of 0.2 to 1.9 %) have none within 0.15; rounding to 1e-4 of a one percent volatility stays at 0.03.
COARSE_STEP = 0.1
COARSE_ZEROS = 0.03

Floats = npt.NDArray[np.float64]


def robust_sigma(x: Floats) -> float:
    r"""Robust standard deviation :math:`1.4826 \cdot \mathrm{median}|x - \mathrm{median}(x)|`.

    Taken over the moves that are not zero, lest a stale series have a scale of zero and only outliers.
    """
    moves = x[x != 0]
    if moves.size == 0:
        return 0.0
    return float(MAD_TO_SIGMA * np.median(np.abs(moves - np.median(moves))))


def local_sigma(x: Floats, window: int = QUARTER) -> Floats:
    """Robust standard deviation of the `window` days around each day, never below half that of all days."""
    moves = pd.Series(np.where(x == 0, np.nan, np.abs(x - np.median(x))))
    near = MAD_TO_SIGMA * moves.rolling(window, center=True, min_periods=5).median()
    floor = 0.5 * robust_sigma(x)
    return np.asarray(near.ffill().bfill().fillna(floor).clip(lower=floor).to_numpy(), dtype="float64")


def runs(flags: npt.NDArray[np.bool_], at_least: int) -> list[tuple[int, int]]:
    """Start and length of every stretch of true values that is `at_least` long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    return [(int(s), int(e - s)) for s, e in zip(starts, ends, strict=True) if e - s >= at_least]


def acf1(x: Floats) -> float:
    """Lag-1 autocorrelation after cutting at ten robust sigmas (one bad print would otherwise decide it)."""
    limit = 10 * robust_sigma(x)
    y = np.clip(x, -limit, limit) - np.clip(x, -limit, limit).mean()
    power = float(y @ y)
    return float(y[1:] @ y[:-1]) / power if power > 0 else float("nan")


def coarse_years(series: pd.Series[Any]) -> list[tuple[Any, Any, float, float]]:
    """Runs of calendar years whose moves are steps: (first day, last day, share of zeros, step in sigmas).

    The step is the 2 % quantile of the moves that are not zero, in standard deviations of that year.
    """
    suspicious = []
    years = np.asarray(pd.DatetimeIndex(series.index).year)
    for year in np.unique(years).tolist():
        x = series[years == year]
        values = x.to_numpy(dtype="float64")
        moves = np.abs(values[values != 0])
        sigma = robust_sigma(values)
        if len(values) < QUARTER or moves.size < 20 or sigma == 0:
            continue
        zeros, step = float((values == 0).mean()), float(np.quantile(moves, 0.02)) / sigma
        if zeros > COARSE_ZEROS and step > COARSE_STEP:
            suspicious.append((year, x.index[0], x.index[-1], zeros, step))
    merged: list[tuple[Any, Any, float, float]] = []
    group: list[tuple[int, Any, Any, float, float]] = []
    for item in [*suspicious, None]:
        if group and (item is None or item[0] > group[-1][0] + 1):
            zeros, step = (float(np.mean([g[k] for g in group])) for k in (3, 4))
            merged.append((group[0][1], group[-1][2], zeros, step))
            group = []
        if item is not None:
            group.append(item)
    return merged
