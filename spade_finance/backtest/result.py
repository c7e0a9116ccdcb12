# SPDX-License-Identifier: Apache-2.0
"""`BacktestResult`: a strategy's distributions over paths, the real history's own result beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.backtest.measures import MEASURES, SHARES, Array, shown
from spade_finance.backtest.record import PathRecord, RealRun
from spade_finance.io.plain import plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.backtest.compare import Comparison
    from spade_finance.backtest.grid import Overfitting
    from spade_finance.backtest.ranks import RankTest

SCHEMA = 1
QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}

__all__ = ["BacktestResult"]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Result of :func:`spade_finance.backtest.backtest`.

    Attributes
    ----------
    strategy : str
        Its name.
    record : PathRecord
        Measures of every path, daily returns of the first ones.
    real : RealRun or None
        The same strategy over the real history.
    assumptions : dict
        Costs, rebalancing and what else was assumed, as text or numbers.
    provenance : dict
        Model hash, script, seed, version.
    dates : DatetimeIndex or None
        Days of the paths, if the scenarios have dates.
    notes : tuple of str
        What a reader must know.
    comparison, overfitting, ranks : optional
        What :func:`~spade_finance.backtest.compare.compare`, :func:`~spade_finance.backtest.grid.assess` and
        :func:`~spade_finance.backtest.ranks.rank_test` found; shown on the page and in the JSON.
    """

    strategy: str
    record: PathRecord
    real: RealRun | None = None
    assumptions: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    dates: pd.DatetimeIndex | None = None
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None
    overfitting: Overfitting | None = None
    ranks: RankTest | None = None

    def with_panels(
        self,
        comparison: Comparison | None = None,
        overfitting: Overfitting | None = None,
        ranks: RankTest | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> BacktestResult:
        """Return the same result with these panels, and more provenance, in its report."""
        return replace(
            self,
            comparison=comparison or self.comparison,
            overfitting=overfitting or self.overfitting,
            ranks=ranks or self.ranks,
            provenance={**self.provenance, **(provenance or {})},
        )

    # -- numbers

    @property
    def remarks(self) -> tuple[str, ...]:
        """:attr:`notes`, and what must be known about the real mark."""
        said = list(self.notes)
        if self.real is not None and self.real_window is not None:
            series, end = self.real_window[0], self.real.training_end
            if end is not None and series.index[0] <= end:
                said.append(
                    f"the real stretch begins {series.index[0]:%Y-%m-%d}, before the model's training ended "
                    f"({end:%Y-%m-%d}): the model has seen part of it"
                )
            if len(series) < self.record.n_days:
                said.append(
                    f"the real history has only {len(series):,} invested days: its marks are of a shorter stretch"
                )
            if series.index[0] > self.real.returns.index[0]:
                said.append(
                    "turnover and costs of the paths include buying in from cash on their first day; those of the "
                    "real stretch, cut from a longer run, do not"
                )
        return tuple(said)

    @property
    def n_paths(self) -> int:
        """Number of paths."""
        return self.record.n_paths

    @cached_property
    def real_window(self) -> tuple[pd.Series, PathRecord] | None:
        """Returns and measures of the most recent stretch of history as long as a path."""
        return None if self.real is None else self.real.window(self.record.n_days)

    @cached_property
    def real_windows(self) -> list[PathRecord]:
        """Measures of all stretches of history as long as a path, not overlapping, latest first."""
        if self.real is None:
            return []
        days = self.record.n_days
        return [self.real.window(days, back)[1] for back in range(self.real.n_windows(days))]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Distribution of every measure over paths.

        Columns: ``measure``, ``regime`` (None: all days), ``unit``; ``mean``, ``std_error``; quantiles ``p05``,
        ``p50``, ``p95`` and their standard errors ``p05_se`` ...; ``real`` (the most recent stretch of history
        as long as a path), ``real_percentile`` (share of paths below it, ties half), ``n_paths`` (that have
        such a number). Decimals.
        """
        window = None if self.real_window is None else self.real_window[1]
        rows = [
            self._row(name, None, self.record.measures[name], window and window.measures.get(name))
            for name in MEASURES
            if name in self.record.measures and np.isfinite(self.record.measures[name]).any()
        ]
        for regime in self.record.regimes:
            found = self.record.by_regime.get(regime, {})
            real = {} if window is None else window.by_regime.get(regime, {})
            rows += [
                self._row(name, regime, found[name], real.get(name))
                for name in MEASURES
                if name in found and np.isfinite(found[name]).any()
            ]
        return pd.DataFrame(rows)

    def value(self, measure: str, regime: str | None = None, column: str = "mean") -> float:
        """One number of :attr:`table`; NaN where there is none."""
        rows = self.table[self.table["measure"] == measure]
        rows = rows[rows["regime"].isna() if regime is None else rows["regime"] == regime]
        return float(rows[column].iloc[0]) if len(rows) else float("nan")

    def typical_path(self) -> pd.Series:
        """Daily returns of the path of median terminal wealth among those kept."""
        return self._path(0.5, "median path")

    def bad_path(self) -> pd.Series:
        """Daily returns of the path at the worst decile of terminal wealth among those kept."""
        return self._path(0.1, "worst-decile path")

    def _path(self, level: float, name: str) -> pd.Series:
        i = self.record.ranked_path(level)
        index = self.dates if self.dates is not None else pd.RangeIndex(self.record.n_days, name="step")
        return pd.Series(self.record.returns[i].astype(np.float64), index=index, name=f"{name} ({i})")

    @staticmethod
    def _row(name: str, regime: str | None, values: Array, real: Any) -> dict[str, Any]:
        known = values[np.isfinite(values)]
        n = len(known)
        row: dict[str, Any] = {"measure": name, "regime": regime, "unit": MEASURES[name].unit}
        row["mean"] = float(known.mean())
        row["std_error"] = float(known.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        ordered = np.sort(known)
        for column, level in QUANTILES.items():
            whole = name not in SHARES
            row[column] = float(np.quantile(ordered, level)) if whole else float("nan")
            row[f"{column}_se"] = _quantile_error(ordered, level) if whole else float("nan")
        mark = float("nan") if real is None else float(np.asarray(real)[0])
        row["real"] = mark
        below = (known < mark).mean() + 0.5 * (known == mark).mean()
        row["real_percentile"] = float(below) if np.isfinite(mark) and name not in SHARES else float("nan")
        row["n_paths"] = n
        return row

    # -- figures

    def plot_wealth(self) -> go.Figure:
        """Value over time: median, 50 % and 90 % of paths, the real history on it, regimes beneath."""
        from spade_finance.backtest import figures

        return figures.wealth_fan(self)

    def plot_drawdown(self) -> go.Figure:
        """Depth below the highest value so far, as a cone over paths."""
        from spade_finance.backtest import figures

        return figures.drawdown_cone(self)

    def plot_distribution(self, measure: str = "sharpe") -> go.Figure:
        """Histogram of a measure over paths with the real history's mark."""
        from spade_finance.backtest import figures

        return figures.histogram(self, measure)

    def plot_regimes(self) -> go.Figure:
        """Return, volatility, Sharpe ratio and ES by regime: median and 90 % of paths, real marks."""
        from spade_finance.backtest import figures

        return figures.by_regime(self)

    def plot_rolling_sharpe(self, days: int = 126) -> go.Figure:
        """Band of the rolling Sharpe ratio over paths, the real history on it."""
        from spade_finance.backtest import figures

        return figures.rolling_sharpe(self, days)

    def plot_months(self) -> go.Figure:
        """Monthly returns of the median path as a heat map."""
        from spade_finance.backtest import figures

        return figures.months(self)

    def plot_loss(self) -> go.Figure:
        """Probability of being below the start value, by how long it is held."""
        from spade_finance.backtest import figures

        return figures.loss_probability(self)

    # -- output

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values in the schema of the interface; absent numbers are None."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        span = self.real_window
        out: dict[str, Any] = {
            "schema": SCHEMA,
            "strategy": self.strategy,
            "n_paths": self.n_paths,
            "n_days": self.record.n_days,
            "real": None
            if span is None or self.real is None
            else {
                "start": f"{span[0].index[0]:%Y-%m-%d}",
                "end": f"{span[0].index[-1]:%Y-%m-%d}",
                "days": len(span[0]),
                "windows": len(self.real_windows),
            },
            "rows": rows,
            "assumptions": self.assumptions,
            "notes": list(self.remarks),
            "provenance": self.provenance,
        }
        for name in ("comparison", "overfitting", "ranks"):
            panel = getattr(self, name)
            if panel is not None:
                out[name] = panel.to_dict()
        return plain(out)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """JSON text; also written to `path`, whole or not at all, if one is given."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
        if path is not None:
            from spade_finance.io.atomic import write_text

            write_text(path, text + "\n")
        return text

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Self-contained page; also written to `path`, whole or not at all, if one is given."""
        from spade_finance.backtest.page import backtest_page

        text = backtest_page(self)
        if path is not None:
            from spade_finance.io.atomic import write_text

            write_text(path, text)
        return text

    def summary(self) -> pd.DataFrame:
        """The table over all days as text: mean ± standard error, quantiles, real; percent as percent."""
        rows = {}
        for _, row in self.table[self.table["regime"].isna()].iterrows():
            measure, unit = MEASURES[row["measure"]], row["unit"]
            label = measure.title + (" %" if unit == "percent" else "")
            rows[label] = {
                "mean": f"{shown(row['mean'], unit)} ± {shown(row['std_error'], unit, 2)}",
                **{name: shown(row[name], unit) for name in QUANTILES},
                "real": shown(row["real"], unit),
                "real's percentile": shown(row["real_percentile"], "percent", 0),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("measure")

    def __repr__(self) -> str:
        head = f"BacktestResult: {self.strategy} on {self.n_paths:,} paths of {self.record.n_days:,} days"
        if self.real_window is not None:
            index = self.real_window[0].index
            head += f"; real: {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}"
        lines = [head, self.summary().to_string()]
        lines += [panel.verdict() for panel in (self.overfitting, self.ranks) if panel is not None]
        return "\n".join([*lines, *(f"note: {note}" for note in self.remarks)])


def _quantile_error(ordered: Array, level: float) -> float:
    """Standard error of a sample quantile from the order statistics one binomial deviation away (Woodruff 1952)."""
    n = len(ordered)
    if n < 2:
        return float("nan")
    spread = np.sqrt(level * (1 - level) / n)
    low, high = np.quantile(ordered, [max(level - spread, 0.0), min(level + spread, 1.0)])
    return float((high - low) / 2)
