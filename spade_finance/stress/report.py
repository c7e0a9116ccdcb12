# SPDX-License-Identifier: Apache-2.0
"""`StressReport`: the numbers of a stress test, ready to read, print, save as data or as a page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.stress.counterfactual import Counterfactual
    from spade_finance.stress.dial import SeverityDial
    from spade_finance.stress.library import Scenario
    from spade_finance.stress.portfolio import Portfolio
    from spade_finance.stress.spillover import Spillover
    from spade_finance.stress.views import PooledScenarios

SCHEMA = 1
SOURCES = ("model", "block_bootstrap", "history")
"""Where a number comes from. ``scenarios`` takes the model's place when only a ScenarioSet was given."""

SAME_LEVEL = 1e-9

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class StressReport:
    """Result of :func:`spade_finance.stress.run_stress` and of ``sf.stress(scenarios, weights)``.

    Attributes
    ----------
    scenario : Scenario
        ``name, title, narrative, script, history`` (date ranges of the analogue), ``source``.
    portfolios : tuple of Portfolio
        ``name, weights`` (Series sector -> weight, cash apart), ``cash, rebalance, gross, net``.
    table : DataFrame
        One row a number: ``portfolio, source, measure, level, horizon_days, regime, value, std_error,
        n_paths_for_1pct``. ``source`` is one of :data:`SOURCES` (or ``scenarios``); ``regime`` is None for
        all days; :data:`~spade_finance.stress.catalogue.MEASURES` says what each measure and its level is.
        VaR and ES are positive losses, drawdowns negative, everything decimal; NaN where there is no number.
    contributions : DataFrame
        ``portfolio, source, kind, level, regime, sector, value, std_error``. Kind ``pnl``: expected profit by
        sector (and by regime where ``regime`` is not None); kind ``es``: its share of the horizon's ES at
        `level`. Over sectors (with ``cash``) they add up to the portfolio's ``return`` and ``es`` rows.
    fans, drawdown_cones : dict portfolio name -> DataFrame
        Index ``step`` 0..T (0 is the start), columns ``mean, p01, p05, p25, p50, p75, p95, p99``: value of 1
        invested, and its drawdown (<= 0).
    losses : dict portfolio name -> dict source -> array (paths,)
        Loss (positive) at the horizon of each path of ``model`` (or ``scenarios``) and ``block_bootstrap``.
    analogue : dict portfolio name -> dict "start..end" -> array (days + 1,)
        Value of 1 invested through the real episodes named by the scenario; empty where there are none.
    ribbon : DataFrame (T, K)
        Share of the paths that is in each regime on each day.
    dial, counterfactual, spillover, reverse, nowcast
        The parts of a full report, or None where they were left out.
    views : PooledScenarios or None
        The same paths reweighted so that the views hold, with the first portfolio's losses before and after.
    notes : tuple of str
        What was left out, or must be known to read the numbers.
    provenance : dict
        Model hash, script, seed, versions, data hashes.
    options : dict
        What ``--rerun`` needs, as JSON has it.
    """

    scenario: Scenario
    portfolios: tuple[Portfolio, ...]
    table: pd.DataFrame
    contributions: pd.DataFrame
    fans: Mapping[str, pd.DataFrame]
    drawdown_cones: Mapping[str, pd.DataFrame]
    losses: Mapping[str, Mapping[str, Vector]] = field(repr=False)
    analogue: Mapping[str, Mapping[str, Vector]] = field(repr=False)
    ribbon: pd.DataFrame
    n_paths: int
    n_days: int
    regimes: tuple[str, ...]
    sectors: tuple[str, ...]
    dial: SeverityDial | None = None
    counterfactual: Counterfactual | None = None
    spillover: Spillover | None = None
    reverse: Any = None
    nowcast: Any = None
    views: PooledScenarios | None = None
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    # -- numbers

    @property
    def subject(self) -> str:
        """``model``, or ``scenarios`` when only a ScenarioSet was given."""
        return str(self.table["source"].iloc[0])

    def number(
        self,
        measure: str,
        level: float | None = None,
        horizon_days: int | None = None,
        regime: str | None = None,
        *,
        portfolio: str | None = None,
        source: str | None = None,
    ) -> tuple[float, float]:
        """(value, standard error) of one row; NaN where there is none. `portfolio` defaults to the first.

        `horizon_days` None takes the whole scenario.
        """
        wanted = {
            "measure": measure,
            "portfolio": portfolio or self.portfolios[0].name,
            "source": source or self.subject,
        }
        columns = {name: self.table[name].to_numpy() for name in self.table.columns}
        mask = columns["horizon_days"] == (self.n_days if horizon_days is None else horizon_days)
        for name, value in wanted.items():
            mask &= columns[name] == value
        levels = columns["level"]
        mask &= np.isnan(levels) if level is None else np.abs(levels - level) < SAME_LEVEL
        rows = np.flatnonzero(mask)
        regimes = columns["regime"][rows]
        rows = rows[[r is None if regime is None else r == regime for r in regimes]]
        if not len(rows):
            return float("nan"), float("nan")
        return float(columns["value"][rows[0]]), float(columns["std_error"][rows[0]])

    def summary(self, portfolio: str | None = None) -> pd.DataFrame:
        """The chief numbers as text, a row a measure, a column a source."""
        from spade_finance.stress.summary import summary

        return summary(self, portfolio)

    def __repr__(self) -> str:
        head = (
            f"StressReport: {self.scenario.title} ({self.scenario.script}), {self.n_paths:,} paths of "
            f"{self.n_days:,} days"
        )
        lines = [head]
        for portfolio in self.portfolios:
            lines += [str(portfolio), self.summary(portfolio.name).to_string()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    # -- files

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values in the schema of the interface; NaN is None."""
        from spade_finance.stress.serialise import report_dict

        return report_dict(self)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """JSON text; also written to `path`, whole or not at all, if one is given."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
        if path is not None:
            from spade_finance.io.atomic import write_text

            write_text(path, text + "\n")
        return text

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Self-contained page; also written to `path`, whole or not at all, if one is given."""
        from spade_finance.stress.page import stress_page

        text = stress_page(self)
        if path is not None:
            from spade_finance.io.atomic import write_text

            write_text(path, text)
        return text

    # -- figures

    def plot_fan(self, portfolio: str | None = None) -> go.Figure:
        """Fan chart of the portfolio's value with the regime ribbon."""
        from spade_finance.stress import figures

        return figures.fan(self, portfolio)

    def plot_losses(self, portfolio: str | None = None) -> go.Figure:
        """Distribution of the loss at the horizon with VaR and ES marked."""
        from spade_finance.stress import figures

        return figures.losses(self, portfolio)

    def plot_contributions(self, portfolio: str | None = None) -> go.Figure:
        """Profit and expected shortfall by sector."""
        from spade_finance.stress import figures

        return figures.contributions(self, portfolio)

    def plot_drawdowns(self, portfolio: str | None = None) -> go.Figure:
        """Cone of drawdowns."""
        from spade_finance.stress import figures

        return figures.drawdowns(self, portfolio)

    def plot_dial(self) -> go.Figure:
        """Calibration curve of the severity dial with the real episodes."""
        from spade_finance.stress import figures

        return figures.dial(self)

    def plot_views(self) -> go.Figure:
        """Distribution of the first portfolio's loss before and after the views."""
        from spade_finance.exceptions import InputError
        from spade_finance.stress import figures

        if self.views is None:
            raise InputError("this report has no views: pass some with views=... when it is made")
        return figures.pooled_losses(self.views)

    def plot_spillover(self) -> go.Figure:
        """Delta-CoVaR by sector, generated and real."""
        from spade_finance.stress import figures

        return figures.spillover(self)
