# SPDX-License-Identifier: Apache-2.0
"""Rows of a section's tables, for statistics whose noise comes from the resamples of the real window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Row = dict[str, Any]


def keys(
    metric: str,
    group: str,
    unit: str = "number",
    regime: str | None = None,
    asset: str | None = None,
    horizon_days: int | None = None,
) -> Row:
    """What identifies a row."""
    return {
        "metric": metric, "group": group, "regime": regime, "asset": asset, "horizon_days": horizon_days, "unit": unit,
    }  # fmt: skip


def statistic(
    key: Row,
    real: float,
    noise: NDArray[np.floating] | float,
    values: Mapping[str, tuple[float, float]],
) -> Row:
    """A row of statistics: the real value, its 95 % interval and mean error, values with errors.

    `noise` are values of the resamples, whose spread about their own mean is put around the real value, or that
    standard error itself.
    """
    if isinstance(noise, float):
        error, apart = noise, noise * np.sqrt(2 / np.pi)  # the mean absolute value of a Gaussian
    else:
        seen = noise[np.isfinite(noise)]
        error = float(seen.std(ddof=1)) if len(seen) > 1 else np.nan
        apart = float(np.abs(seen - seen.mean()).mean()) if len(seen) > 1 else np.nan
    row = key | {
        "real": real,
        "real_low": real - 1.96 * error,
        "real_high": real + 1.96 * error,
        "floor": apart,
    }
    for name, (value, error) in values.items():
        row |= {name: value, f"{name}:se": error}
    return row


def distance(key: Row, floor: float, values: Mapping[str, float]) -> Row:
    """A row of distances."""
    return key | {"floor": floor} | dict(values)


@dataclass
class Part:
    """What one measure of a section adds to it."""

    statistics: list[Row] = field(default_factory=list)
    distances: list[Row] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def values(self, metric: str, **where: Any) -> Row | None:
        """The statistics row of a metric (and keys), if there is one."""
        wanted = {"metric": metric, "regime": None} | where
        return next((r for r in self.statistics if all(r.get(k) == v for k, v in wanted.items())), None)


def frame(rows: list[Row]) -> pd.DataFrame:
    """The rows as a table; empty without columns if there are none."""
    return pd.DataFrame(rows)


def cell(value: float, error: float, digits: int = 3) -> str:
    """``0.123 ± 0.004``; a dash for what is missing."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return f"{text} ± {error:.{digits}f}" if np.isfinite(error) else text
