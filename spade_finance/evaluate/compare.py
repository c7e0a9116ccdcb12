# SPDX-License-Identifier: Apache-2.0
r"""From panels to numbers: one row a statistic, one distance a metric.

For metric m with features f (assets, pairs, quantiles), transformed to a scale where differences mean
something,

.. math::
    d_c = \operatorname{mean}_f \bigl| \operatorname{mean}_p x^{(c)}_{p f} - x^{real}_f \bigr|, \qquad floor =
    \operatorname{mean}_b \operatorname{mean}_f \bigl| x^{(b)}_f - \operatorname{mean}_{b'} x^{(b')}_f \bigr|

over replicates p of column c and resamples b of the real window. A perfect generator has :math:`d / floor`
near one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.catalogue import Metric, catalogue
from spade_finance.evaluate.panel import Panel

KEYS = ["metric", "group", "regime", "asset", "horizon_days"]


@dataclass(frozen=True)
class Comparison:
    """Tables of a comparison.

    Attributes
    ----------
    statistics : DataFrame
        One row a metric, regime and asset: ``real``, its 95 % interval ``real_low`` and ``real_high``, the
        ``floor`` (mean absolute sampling error of the real value), and for each column its mean over
        replicates and, as ``<column>:se``, that mean's standard error.
    distances : DataFrame
        One row a metric and regime: ``floor`` and each column's distance, both on the metric's scale.
    """

    statistics: pd.DataFrame
    distances: pd.DataFrame


def compare(real: Panel, floor: Panel, columns: Mapping[str, Panel]) -> Comparison:
    """Measure every metric of the catalogue on the real window, its resamples and the columns."""
    statistics: list[dict[str, Any]] = []
    distances: list[dict[str, Any]] = []
    for metric in catalogue(real):
        truth = _measured(metric, real)[0]
        noise = _measured(metric, floor)
        values = {
            name: _measured(metric, panel)
            for name, panel in columns.items()
            if panel.codes is not None or not metric.needs_regimes
        }
        distances.append(_distance_row(metric, truth, noise, values, columns))
        if not metric.curve:
            statistics += _statistic_rows(metric, real.assets, truth, noise, values, columns)
    order = [*KEYS, "unit", "real", "real_low", "real_high", "floor"]
    table = pd.DataFrame(statistics)
    return Comparison(table[[*order, *(c for c in table.columns if c not in order)]], pd.DataFrame(distances))


def _measured(metric: Metric, panel: Panel) -> NDArray[np.float64]:
    """The metric's values; what is infinite (a tail index of equal losses) counts as missing."""
    values = metric.measure(panel)
    return np.where(np.isfinite(values), values, np.nan)


def _keys(metric: Metric, asset: str | None) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "group": metric.group,
        "regime": metric.regime,
        "asset": asset,
        "horizon_days": metric.horizon_days,
        "unit": metric.unit,
    }


def _distance_row(
    metric: Metric,
    truth: NDArray[np.float64],
    noise: NDArray[np.float64],
    values: Mapping[str, NDArray[np.float64]],
    columns: Mapping[str, Panel],
) -> dict[str, Any]:
    """Distance of each column and of the resamples, averaged over features."""
    real = metric.transform(truth)
    # A quantile function in units of the asset's own spread, or else the widest sector would be the only one.
    unit = real.std(0) if metric.name == "w1" else 1.0
    spread = metric.transform(noise)
    error = np.abs(spread - _replicate_mean(spread)) / unit
    row = _keys(metric, None) | {"floor": _mean(error)}
    for name in columns:
        centre = _replicate_mean(metric.transform(values[name])) if name in values else None
        row[name] = np.nan if centre is None else _mean(np.abs(centre - real) / unit)
    return row


def _statistic_rows(
    metric: Metric,
    assets: tuple[str, ...],
    truth: NDArray[np.float64],
    noise: NDArray[np.float64],
    values: Mapping[str, NDArray[np.float64]],
    columns: Mapping[str, Panel],
) -> list[dict[str, Any]]:
    """One row an asset (one row in all for a statistic of all sectors)."""
    rows = []
    for i, asset in enumerate(assets if truth.ndim else (None,)):
        at = (slice(None), i) if truth.ndim else slice(None)
        real = float(truth[i] if truth.ndim else truth)
        resampled = noise[at][np.isfinite(noise[at])]
        low, high = np.nan, np.nan
        if len(resampled) > 1:
            spread = metric.transform(resampled)
            shift = np.quantile(spread, [0.025, 0.975]) - spread.mean()
            low, high = metric.restore(metric.transform(np.array(real)) + shift)
        row = _keys(metric, asset) | {
            "real": real,
            "real_low": float(low),
            "real_high": float(high),
            "floor": _mean(np.abs(resampled - _mean(resampled))),
        }
        for name in columns:
            sample = values[name][at] if name in values else np.array([np.nan])
            seen = sample[np.isfinite(sample)]
            row[name] = float(seen.mean()) if len(seen) else np.nan
            row[f"{name}:se"] = float(seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else np.nan
        rows.append(row)
    return rows


def _replicate_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over replicates that have the feature."""
    seen = np.isfinite(values)
    count = seen.sum(0)
    total = np.where(seen, values, 0.0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is finite; NaN if nothing is."""
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else float("nan")
