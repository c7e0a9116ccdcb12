# SPDX-License-Identifier: Apache-2.0
"""What is kept of a strategy's run over many paths: every path's measures, and some paths' daily returns.

Records are made chunk by chunk and joined, so that 100,000 paths need no more memory than their measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from spade_finance.backtest import metrics
from spade_finance.backtest.measures import YEAR, Array
from spade_finance.exceptions import InputError

KEPT_PATHS = 4096
"""Paths whose daily returns stay for figures, tearsheets and the statistics of overfitting."""
MIN_REGIME_DAYS = 21
"""A path with fewer days of a regime says nothing about it."""

Codes = NDArray[np.integer]

__all__ = ["KEPT_PATHS", "MIN_REGIME_DAYS", "PathRecord", "RealRun"]


@dataclass(frozen=True, eq=False)
class PathRecord:
    """Measures of a strategy on n paths of T days.

    Attributes
    ----------
    measures : {measure: (n,) float64}
        See :data:`spade_finance.backtest.measures.MEASURES`; NaN where a path has no such number. ``loss_1y``
        is the share of a path's windows of a year that lost, so that its mean over paths is a probability.
    by_regime : {regime: {measure: (n,) float64}}
        Over each path's days of the regime; NaN where it has fewer than 21 of them.
    returns : (m, T) float32
        Daily net simple returns of the first m = min(n, 4,096) paths.
    codes : (T,) or (m, T) int8
        Regime of each day of those paths.
    regimes : tuple of str
        Calm to worst.
    """

    measures: dict[str, Array]
    by_regime: dict[str, dict[str, Array]]
    returns: NDArray[np.float32]
    codes: Codes
    regimes: tuple[str, ...]

    @property
    def n_paths(self) -> int:
        """Number of paths, n."""
        return len(next(iter(self.measures.values())))

    @property
    def n_days(self) -> int:
        """Number of days of a path, T."""
        return self.returns.shape[1]

    @classmethod
    def from_returns(
        cls,
        returns: ArrayLike,
        turnover: ArrayLike | None,
        costs: ArrayLike | None,
        codes: ArrayLike,
        regimes: Sequence[str],
        keep: int = KEPT_PATHS,
    ) -> PathRecord:
        """Measure paths.

        Parameters
        ----------
        returns : (n, T)
            Daily simple returns, net of costs.
        turnover : (n, T), optional
            Traded value of each day over the portfolio's value.
        costs : (n, T), optional
            Costs of each day over the portfolio's value, decimal.
        codes : (T,) or (n, T) int
        regimes : sequence of str
        keep : int
            Paths whose daily returns stay, the first ones; a stream passes what it has room for.
        """
        values = np.asarray(returns, dtype=np.float64)
        if values.ndim != 2 or not values.size:
            raise InputError(f"returns has shape {values.shape}: pass (paths, days), at least one of each")
        n, n_days = values.shape
        code = np.asarray(codes)
        if code.shape not in ((n_days,), (n, n_days)):
            raise InputError(f"codes has shape {code.shape}: pass ({n_days},) or ({n}, {n_days})")
        traded = None if turnover is None else np.asarray(turnover, dtype=np.float64)
        paid = None if costs is None else np.asarray(costs, dtype=np.float64)
        measures = metrics.measure(values, traded)
        measures["total_return"] = np.prod(1.0 + values, axis=1) - 1.0
        if paid is not None:
            measures["costs"] = paid.mean(axis=1) * YEAR
        by_regime = {
            str(regime): _within(values, code, k, traded)
            for k, regime in enumerate(regimes)
            if (code == k).any()
        }
        kept = code if code.ndim == 1 else code[:keep]
        return cls(
            measures,
            by_regime,
            values[:keep].astype(np.float32),
            kept.astype(np.int8),
            tuple(str(r) for r in regimes),
        )

    @classmethod
    def concat(cls, parts: Sequence[PathRecord]) -> PathRecord:
        """Join records of consecutive paths of the same strategy."""
        if not parts:
            raise InputError("no records to join: the strategy was run on no path")
        first = parts[0]
        if len(parts) == 1:
            return first
        shared = all(p.codes.ndim == 1 and np.array_equal(p.codes, first.codes) for p in parts)
        codes = (
            first.codes
            if shared
            else np.concatenate([np.broadcast_to(p.codes, p.returns.shape) for p in parts])[:KEPT_PATHS]
        )
        names = [r for r in first.regimes if any(r in p.by_regime for p in parts)]
        return cls(
            {name: np.concatenate([p.measures[name] for p in parts]) for name in first.measures},
            {
                regime: {
                    name: np.concatenate(
                        [p.by_regime.get(regime, {}).get(name, np.full(p.n_paths, np.nan)) for p in parts]
                    )
                    for name in _names(parts, regime)
                }
                for regime in names
            },
            np.concatenate([p.returns for p in parts])[:KEPT_PATHS],
            codes,
            first.regimes,
        )

    def ranked_path(self, level: float) -> int:
        """Position of the kept path whose terminal wealth is nearest the `level` quantile of the kept paths'."""
        growth = self.measures["total_return"][: len(self.returns)]
        return int(np.argsort(growth, kind="stable")[round(level * (len(growth) - 1))])

    def path_codes(self, i: int) -> Codes:
        """Regime codes (T,) of a kept path."""
        return self.codes if self.codes.ndim == 1 else np.asarray(self.codes[i])


@dataclass(frozen=True, eq=False)
class RealRun:
    """The same strategy over the real history.

    Attributes
    ----------
    returns : Series (D,)
        Daily net simple returns by date.
    turnover, costs : (D,), optional
    codes : (D,) int, optional
        Hindsight regime of each day, -1 where none; used to attribute results, never shown to a strategy.
    regimes : tuple of str
    training_end : Timestamp, optional
        Last day that the model was trained on.
    """

    returns: pd.Series
    turnover: Array | None = None
    costs: Array | None = None
    codes: Codes | None = None
    regimes: tuple[str, ...] = ()
    training_end: pd.Timestamp | None = None

    def window(self, n_days: int, back: int = 0) -> tuple[pd.Series, PathRecord]:
        """Returns and measures of the last `n_days` days, or of those `back` windows earlier.

        A history shorter than `n_days` is taken whole.
        """
        end = len(self.returns) - back * n_days
        rows = slice(max(0, end - n_days), end)
        part = self.returns.iloc[rows]
        codes = np.full(len(part), -1) if self.codes is None else np.asarray(self.codes)[rows]
        record = PathRecord.from_returns(
            part.to_numpy(dtype=np.float64)[None],
            None if self.turnover is None else np.asarray(self.turnover)[rows][None],
            None if self.costs is None else np.asarray(self.costs)[rows][None],
            codes,
            self.regimes,
        )
        return part, record

    def n_windows(self, n_days: int) -> int:
        """Non-overlapping windows of `n_days` that the history holds, at least 1."""
        return max(1, len(self.returns) // n_days)


def _within(values: Array, code: Codes, k: int, turnover: Array | None) -> dict[str, Array]:
    """Measures over the days of a regime, by path."""
    found = metrics.by_regime(values, code, k, turnover, min_days=MIN_REGIME_DAYS)
    inside = np.broadcast_to(code == k, values.shape)
    days = inside.sum(axis=1)
    mean = np.where(inside, values, 0.0).sum(axis=1) / np.maximum(days, 1)
    del found["annual_return"]
    return {"mean_return": np.where(days >= MIN_REGIME_DAYS, YEAR * mean, np.nan), **found}


def _names(parts: Sequence[PathRecord], regime: str) -> list[str]:
    """Measures known of a regime."""
    return list(next(part.by_regime[regime] for part in parts if regime in part.by_regime))
