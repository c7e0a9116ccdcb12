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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.catalogue import Metric, catalogue
from spade_finance.evaluate.episodes import (
    MIN_EPISODES,
    clusters_in,
    episodes_in,
    few_clusters,
    resample_episodes,
)
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.verdicts import NOT_ASSESSABLE, verdict

KEYS = ["metric", "group", "regime", "asset", "horizon_days"]
RESAMPLED = "resampled"
"""Column of the distances that says how they move with the real window; not for show."""


@dataclass(frozen=True)
class Comparison:
    """Tables of a comparison.

    Attributes
    ----------
    statistics : DataFrame
        One row a metric, regime and asset: ``real``, its 95 % interval ``real_low`` and ``real_high``, the
        ``floor`` (mean absolute sampling error of the real value), and for each column its mean over
        replicates and, as ``<column>:se``, that mean's standard error. ``interval`` says how the real
        interval was made, "block" or "episode" (see :mod:`.episodes`), ``<column>:verdict`` where the
        column's mean lies against it ("as real", "too high", "too low", "not assessable"; empty for
        statistics shown without one), ``reference`` the paper.
    distances : DataFrame
        One row a metric and regime: ``floor`` and each column's distance, both on the metric's scale;
        :data:`RESAMPLED` holds what the columns' distances would have been, had the real window been each of its
        resamples, an array (columns, resamples).
    """

    statistics: pd.DataFrame
    distances: pd.DataFrame


def compare(
    real: Panel,
    floor: Panel,
    columns: Mapping[str, Panel],
    metrics: Sequence[Metric] | None = None,
) -> Comparison:
    """Measure metrics on the real window, its resamples and the columns.

    Parameters
    ----------
    real, floor : Panel
        The real window (one path) and its resamples.
    columns : mapping of str to Panel
    metrics : sequence of Metric, optional
        Default: the whole catalogue of this window.
    """
    statistics: list[dict[str, Any]] = []
    distances: list[dict[str, Any]] = []
    for metric in catalogue(real) if metrics is None else metrics:
        truth = measured(metric, real)[0]
        noise = measured(metric, seamless(floor) if metric.seamless else floor)
        values = {
            name: measured(metric, panel)
            for name, panel in columns.items()
            if panel.codes is not None or not metric.needs_regimes
        }
        distances.append(_distance_row(metric, truth, noise, values, columns))
        if not metric.curve:
            statistics += _statistic_rows(metric, real, truth, noise, values, columns)
    table = pd.DataFrame(statistics)
    order = [*KEYS, "unit", "real", "real_low", "real_high", "floor"]
    if not table.empty:
        table = table[[*order, *(c for c in table.columns if c not in order)]]
    return Comparison(table, pd.DataFrame(distances))


def measured(metric: Metric, panel: Panel) -> NDArray[np.float64]:
    """The metric's values, computed once a panel; what is infinite (a tail of equal losses) is missing."""

    def compute() -> NDArray[np.float64]:
        values = metric.measure(panel)
        return np.where(np.isfinite(values), values, np.nan)

    return np.asarray(panel.memo(("metric", *metric.key), compute))


def seamless(floor: Panel) -> Panel:
    """The resamples read as if their blocks had followed each other."""
    borders = np.zeros(floor.n_days, dtype=np.int32)
    whole: Panel = floor.memo(
        "seamless", lambda: Panel(floor.simple, floor.codes, borders, floor.sectors, floor.regimes)
    )
    return whole


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
    row = _keys(metric, None) | {"floor": _mean(error) if metric.scored and metric.verdict else np.nan}
    moved = real + (spread - _replicate_mean(spread))
    resampled = np.full((len(columns), len(noise)), np.nan)
    for i, name in enumerate(columns):
        centre = _replicate_mean(metric.transform(values[name])) if name in values else None
        row[name] = np.nan if centre is None else _mean(np.abs(centre - real) / unit)
        if centre is not None:
            resampled[i] = _row_means(np.abs(centre - moved) / unit)
    return row | {RESAMPLED: resampled}


def _statistic_rows(
    metric: Metric,
    window: Panel,
    truth: NDArray[np.float64],
    noise: NDArray[np.float64],
    values: Mapping[str, NDArray[np.float64]],
    columns: Mapping[str, Panel],
) -> list[dict[str, Any]]:
    """One row an asset (one row in all for a statistic of all sectors)."""
    rows = []
    episodes = _episode_noise(metric, window)
    assets = metric.assets or window.assets
    assessable = metric.verdict and _seen_often(metric, window)
    for i, asset in enumerate(assets if truth.ndim else (None,)):
        at = (slice(None), i) if truth.ndim else slice(None)
        real = float(truth[i] if truth.ndim else truth)
        resampled = noise[at][np.isfinite(noise[at])]
        low, high, kind = *_interval(metric, real, noise[at]), "block"
        if episodes is not None:
            by_episode = _interval(metric, real, episodes[0][at], episodes[1])
            if np.isfinite(by_episode).all():
                low, high, kind = *by_episode, "episode"
        row = _keys(metric, asset) | {
            "real": real,
            "real_low": low,
            "real_high": high,
            "floor": _mean(np.abs(resampled - _mean(resampled))),
            "interval": kind,
            "reference": metric.reference,
        }
        for name in columns:
            sample = values[name][at] if name in values else np.array([np.nan])
            seen = sample[np.isfinite(sample)]
            row[name] = float(seen.mean()) if len(seen) else np.nan
            row[f"{name}:se"] = float(seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else np.nan
            if not metric.verdict:
                row[f"{name}:verdict"] = ""
            else:
                row[f"{name}:verdict"] = verdict(row[name], low, high) if assessable else NOT_ASSESSABLE
        rows.append(row)
    return rows


def _interval(
    metric: Metric, real: float, sample: NDArray[np.float64], stretch: float = 1.0
) -> tuple[float, float]:
    """95 % interval of the real value: the spread of resamples about their own mean, set on it."""
    seen = sample[np.isfinite(sample)]
    if len(seen) < 2 or not np.isfinite(real):
        return np.nan, np.nan
    spread = metric.transform(seen)
    shift = stretch * (np.quantile(spread, [0.025, 0.975]) - spread.mean())
    low, high = metric.restore(metric.transform(np.array(real)) + shift)
    return float(low), float(high)


def _episode_noise(metric: Metric, window: Panel) -> tuple[NDArray[np.float64], float] | None:
    """The metric on resamples of whole spells, and how far few of them must be stretched.

    None for statistics of all days and for too few spells.
    """
    if not metric.of_episodes or window.codes is None:
        return None
    counts = window.memo("clusters", lambda: clusters_in(window))
    fewest = min(counts[name] for name in metric.of_episodes)
    if fewest < MIN_EPISODES:
        return None
    return measured(metric, window.memo("episodes", lambda: resample_episodes(window))), few_clusters(fewest)


def _seen_often(metric: Metric, window: Panel) -> bool:
    """Whether every regime that the metric speaks of came often enough to say what is usual."""
    counts = window.memo("episode counts", lambda: episodes_in(window))
    return all(counts[name] >= MIN_EPISODES for name in metric.of_episodes)


def _replicate_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over replicates that have the feature."""
    seen = np.isfinite(values)
    count = seen.sum(0)
    total = np.where(seen, values, 0.0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the features of each resample that are finite; NaN if none is."""
    flat = values.reshape(len(values), -1)
    seen = np.isfinite(flat)
    count = seen.sum(1)
    return np.where(count > 0, np.where(seen, flat, 0.0).sum(1) / np.maximum(count, 1), np.nan)


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is finite; NaN if nothing is."""
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else float("nan")
