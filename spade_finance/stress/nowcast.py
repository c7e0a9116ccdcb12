# SPDX-License-Identifier: Apache-2.0
r"""Nowcast: the next quarter from where the history ends, beside the quarter in general.

Paths begin with today's filtered regime probabilities and spell ages (script ``now:63``) and with the slow volatility
states as the history left them (``start_vol="last"``). The comparison draws the stationary process (``markov:63``) with
volatility from its long-run law, from the same seed. Both are the generator's own law, severity 1 on drawn days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.stress.money import run_book
from spade_finance.stress.narrative import percent
from spade_finance.stress.portfolio import Portfolio, as_portfolios
from spade_finance.stress.weighted import WeightedLosses

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.scenarios import ScenarioSet

__all__ = ["Nowcast", "nowcast"]

Array = NDArray[np.float64]

LEVELS = (0.95, 0.975, 0.99)
THRESHOLDS = (0.1, 0.2, 0.3)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
YEAR = 252
FIRST_DAYS = 21
"""Volatility is compared over the first month, before the start is forgotten."""


@dataclass(frozen=True)
class Nowcast:
    """Result of :func:`nowcast`.

    Attributes
    ----------
    as_of : Timestamp
        Last day of the history.
    today : Series (K,)
        Filtered probabilities of the regimes on that day; ``ages`` the days that a spell of each would have lasted.
    stationary : Series (K,), the regimes' long-run shares
    regimes_ahead : DataFrame (days, K)
        Share of paths in each regime on day 1, 2, ...
    fan, usual_fan : DataFrame
        Index ``step`` 0 to days; columns ``mean, p01, p05, p25, p50, p75, p95, p99`` of the value of 1 invested;
        now and in general.
    table : DataFrame
        ``measure, level, value, std_error, usual, usual_error``: VaR and ES (positive losses) and probabilities of
        losses at the horizon, mean return, annual volatility of the first month.
    losses, usual_losses : (n,) at the horizon
    """

    as_of: pd.Timestamp
    days: int
    n_paths: int
    portfolio: Portfolio
    today: pd.Series
    ages: pd.Series
    stationary: pd.Series
    regimes_ahead: pd.DataFrame
    fan: pd.DataFrame
    usual_fan: pd.DataFrame
    table: pd.DataFrame
    losses: Array = field(repr=False)
    usual_losses: Array = field(repr=False)
    provenance: dict[str, Any] = field(default_factory=dict)

    def number(self, measure: str, level: float | None = None) -> tuple[float, float, float, float]:
        """(value, standard error, usual, its standard error) of one row of the table."""
        rows = self.table[self.table["measure"] == measure]
        rows = rows[rows["level"].isna() if level is None else np.isclose(rows["level"].astype(float), level)]
        if rows.empty:
            raise InputError(f"measure {measure!r} at {level!r} is not in the table; see .table")
        return tuple(float(rows[c].iloc[0]) for c in ("value", "std_error", "usual", "usual_error"))  # type: ignore[return-value]

    @property
    def headline(self) -> str:
        """The nowcast in two sentences."""
        likeliest = str(self.today.idxmax())
        es, error, usual, _ = self.number("es", 0.975)
        return (
            f"On {self.as_of:%Y-%m-%d} the filter gives {likeliest} {percent(float(self.today.max()), 0)}. "
            f"Over the next {self.days} trading days ES 97.5 % is {percent(es)} ± {percent(error)}, "
            f"against {percent(usual)} in general."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = self.table.astype(object)
        return {
            "as_of": f"{self.as_of:%Y-%m-%d}", "days": self.days, "n_paths": self.n_paths,
            "portfolio": self.portfolio.name,
            "today": {str(k): float(v) for k, v in self.today.items()},
            "ages": {str(k): int(v) for k, v in self.ages.items()},
            "stationary": {str(k): float(v) for k, v in self.stationary.items()},
            "regimes_at_the_end": {str(k): float(v) for k, v in self.regimes_ahead.iloc[-1].items()},
            "rows": rows.where(pd.notna(rows), None).to_dict("records"),
            "provenance": self.provenance,
        }  # fmt: skip

    def plot(self) -> go.Figure:
        """Fan of the next days over that in general, with the regimes beneath."""
        from spade_finance.stress import figures

        return figures.nowcast_fan(self)

    def __repr__(self) -> str:
        today = ", ".join(f"{k} {100 * v:.0f} %" for k, v in self.today.items())
        return f"Nowcast({self.n_paths:,} paths of {self.days} days; today {today})\n{self.headline}"


def nowcast(
    model: Any,
    days: int = 63,
    n_paths: int = 5000,
    random_state: int = 0,
    *,
    history: Any = None,
    portfolio: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> Nowcast:
    """Distribution of the next `days` given today's filtered regime and volatility level.

    Parameters
    ----------
    model : ScenarioGenerator
    days : int
        Trading days ahead.
    n_paths : int
        Drawn from now, and again in general.
    history : DataFrame, optional
        Simple returns up to today; default the model's own.
    portfolio : as :func:`~spade_finance.stress.portfolio.as_portfolios` takes one
    progress : callable, optional
        Called with (paths done, paths in all).

    Raises
    ------
    InputError
        Numbers out of range, or a model without a history.
    """
    for name, value, least, most in (("days", days, 1, 2520), ("n_paths", n_paths, 100, 10_000_000)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
            raise InputError(f"{name}={value!r} must be a whole number from {least} to {most:,}")
    books = as_portfolios(portfolio, model.sectors_)
    if len(books) != 1:
        raise InputError(f"portfolio holds {len(books)} portfolios; a nowcast takes one at a time")
    past = model.history(history).timeline
    today, ages = past.now()
    regimes = tuple(model.regimes_)
    parts = []
    for i, (script, start_vol) in enumerate(((f"now:{days}", "last"), (f"markov:{days}", "long-run"))):
        done = i * n_paths
        drawn = model.sample(
            script, n_paths, random_state, start_vol=start_vol, history=history,
            progress=None if progress is None else lambda k, _, d=done: progress(d + k, 2 * n_paths),
        )  # fmt: skip
        parts.append((drawn, _values(drawn, len(regimes), books[0])))
    (now, values), (_, usual) = parts
    ahead = np.stack([(np.atleast_2d(now.codes) == k).mean(0) for k in range(len(regimes))], axis=1)
    index = pd.Index(regimes, name="regime")
    return Nowcast(
        as_of=past.dates[-1], days=int(days), n_paths=int(n_paths), portfolio=books[0],
        today=pd.Series(today, index=index), ages=pd.Series(ages, index=index),
        stationary=pd.Series(model.process_.stationary_, index=index),
        regimes_ahead=pd.DataFrame(ahead, columns=list(regimes), index=pd.RangeIndex(1, days + 1, name="step")),
        fan=quantile_fan(values), usual_fan=quantile_fan(usual), table=_table(values, usual),
        losses=1.0 - values[:, -1], usual_losses=1.0 - usual[:, -1], provenance=_provenance(now),
    )  # fmt: skip


def _values(scenarios: ScenarioSet, n_regimes: int, book: Portfolio) -> Array:
    return run_book(scenarios.simple_array, scenarios.codes, n_regimes, book, scenarios.sectors).wealth


def quantile_fan(values: Array) -> pd.DataFrame:
    """Mean and quantiles of values (n, T + 1) by step."""
    columns = {"mean": values.mean(0)}
    for share, row in zip(QUANTILES, np.quantile(values, QUANTILES, axis=0), strict=True):
        columns[f"p{100 * share:02.0f}"] = row
    return pd.DataFrame(columns, index=pd.RangeIndex(values.shape[1], name="step"))


def _table(values: Array, usual: Array) -> pd.DataFrame:
    both = [_numbers(values), _numbers(usual)]
    rows = [[*key, *both[0][key], *both[1][key]] for key in both[0]]
    return pd.DataFrame(rows, columns=["measure", "level", "value", "std_error", "usual", "usual_error"])


def _numbers(values: Array) -> dict[tuple[str, float | None], tuple[float, float]]:
    """Every measure of values (n, T + 1) with its standard error."""
    losses = WeightedLosses(1.0 - values[:, -1])
    mean, error = losses.mean()
    found: dict[tuple[str, float | None], tuple[float, float]] = {("return", None): (-mean, error)}
    for level in LEVELS:
        found["var", level] = losses.var(level)
        found["es", level] = losses.es(level)
    n = len(values)
    for threshold in THRESHOLDS:
        share = float((1.0 - values[:, -1] >= threshold).mean())
        # none or all: the error of one more case either way
        p = share if 0 < share < 1 else 1.0 / (n + 2)
        found["prob_loss", threshold] = share, float(np.sqrt(p * (1 - p) / n))
    days = min(FIRST_DAYS, values.shape[1] - 1)
    daily = np.square(values[:, 1 : days + 1] / values[:, :days] - 1.0).mean(1) * YEAR
    level = float(np.sqrt(daily.mean()))
    found["volatility_first_month", None] = (
        level,
        float(daily.std(ddof=1) / np.sqrt(n) / (2 * max(level, 1e-12))),
    )
    return found


def _provenance(scenarios: ScenarioSet) -> dict[str, Any]:
    keep = ("model_hash", "script", "seed", "history", "start_vol", "version")
    return {name: scenarios.provenance[name] for name in keep if name in scenarios.provenance}
