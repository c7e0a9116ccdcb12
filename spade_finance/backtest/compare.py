# SPDX-License-Identifier: Apache-2.0
r"""Strategies on common paths: paired differences, and the set that may hold the best.

Every strategy meets the same markets, so differences are taken path by path,
:math:`d_i = m_i^{A} - m_i^{B}`, and the paths' own luck cancels. Intervals are percentiles of a bootstrap over
paths, which are independent.

The model confidence set (Hansen, Lunde & Nason 2011, :class:`arch.bootstrap.MCS`) uses minus the annual Sharpe
ratio of a path as the loss. It says which strategies cannot be told from the best *under this generator*: more
paths make it smaller, they do not make the generator truer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.backtest.measures import MEASURES, Array
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.backtest.result import BacktestResult

N_BOOTSTRAP = 1000
MCS_SIZE = 0.1
MCS_PATHS = 2000
"""Paths that enter the confidence set (its bootstrap holds all pairs at once), and groups of the intervals."""
COMPARED = (
    "annual_return",
    "volatility",
    "sharpe",
    "max_drawdown",
    "calmar",
    "es_97_5",
    "turnover",
    "loss_1y",
)

__all__ = ["Comparison", "compare", "confidence_set"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of :func:`compare`.

    Attributes
    ----------
    base : str
        The strategy that the others are subtracted from.
    table : DataFrame
        One row a strategy and measure: ``strategy``, ``measure``, ``unit``, ``mean``, ``std_error``, ``p05``,
        ``p50``, ``p95``, ``real``; and base minus strategy, path by path: ``difference``, ``low``, ``high``
        (95 % bootstrap interval over paths), ``wins`` (share of paths on which the base is better).
    confidence : Series
        Model confidence set p-value of each strategy; below 0.1 it is out.
    values : {strategy: {measure: (n,)}}
        Path by path.
    """

    base: str
    table: pd.DataFrame
    confidence: pd.Series
    values: dict[str, dict[str, Array]]

    @property
    def strategies(self) -> list[str]:
        """The base first."""
        return list(self.values)

    def in_set(self, size: float = MCS_SIZE) -> list[str]:
        """Strategies in the model confidence set of level 1 - `size`, by Sharpe ratio."""
        return [str(name) for name in self.confidence.index[self.confidence >= size]]

    def verdict(self) -> str:
        """One sentence for the terminal."""
        kept = self.in_set()
        return f"best Sharpe ratio under this generator ({1 - MCS_SIZE:.0%} model confidence set): {', '.join(kept)}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the report's JSON."""
        return {
            "base": self.base,
            "rows": self.table.to_dict("records"),
            "model_confidence_set": {
                "size": MCS_SIZE,
                "loss": "minus annual Sharpe ratio of a path",
                "p_values": self.confidence.to_dict(),
                "included": self.in_set(),
            },
        }

    def __repr__(self) -> str:
        wide = self.table.pivot_table(index="strategy", columns="measure", values="mean", sort=False)
        return f"Comparison: {self.verdict()}\n{wide.round(3).to_string()}"


def compare(
    results: Mapping[str, BacktestResult], base: str | None = None, *, random_state: int = 0
) -> Comparison:
    """Compare strategies that were run on the same paths.

    Parameters
    ----------
    results : {name: BacktestResult}
        At least two, of equally many paths; the caller answers for their being the same paths.
    base : str, optional
        Default the first.

    Raises
    ------
    InputError
        On fewer than two results, different numbers of paths, or an unknown base.
    """
    if len(results) < 2:
        raise InputError("compare needs at least 2 strategies on common paths")
    names = list(results)
    base = names[0] if base is None else base
    if base not in results:
        raise InputError(f"base={base!r} is none of the strategies {', '.join(names)}")
    counts = {(r.n_paths, r.record.n_days) for r in results.values()}
    if len(counts) > 1:
        raise InputError(
            "compare needs the same paths for every strategy: their numbers of paths or days differ"
        )
    values = {name: results[name].record.measures for name in [base, *(n for n in names if n != base)]}
    n = results[base].n_paths
    rng = np.random.default_rng(random_state)
    n_groups = min(n, MCS_PATHS)
    weights = rng.multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=N_BOOTSTRAP).astype(
        np.float64
    )
    rows = []
    for name, found in values.items():
        table = results[name].table
        for measure in COMPARED:
            if measure not in found or measure not in values[base]:
                continue
            line = table[(table["measure"] == measure) & table["regime"].isna()]
            if line.empty:
                continue
            row: dict[str, Any] = {"strategy": name, "measure": measure, "unit": MEASURES[measure].unit}
            row |= {c: line[c].iloc[0] for c in ("mean", "std_error", "p05", "p50", "p95", "real")}
            rows.append(row | _paired(values[base][measure], found[measure], weights, measure, name == base))
    sharpe = {name: found["sharpe"] for name, found in values.items()}
    return Comparison(base, pd.DataFrame(rows), confidence_set(sharpe, random_state=random_state), values)


def confidence_set(
    sharpe: Mapping[str, Array], *, n_draws: int = N_BOOTSTRAP, random_state: int = 0
) -> pd.Series:
    """Model confidence set p-values by strategy, best mean Sharpe ratio first.

    Parameters
    ----------
    sharpe : {strategy: (n,)}
        One annual Sharpe ratio a path; paths on which a strategy has none are left out for all. Of more than
        2,000 paths the first count.
    """
    from arch.bootstrap import MCS

    frame = pd.DataFrame(dict(sharpe)).replace([np.inf, -np.inf], np.nan)
    frame = frame.loc[:, frame.notna().any()].dropna().iloc[:MCS_PATHS]
    order = frame.mean().sort_values(ascending=False).index
    frame = frame[order]
    # Twins have a difference without variance, which the test divides by: they share their twin's p-value.
    twin_of: dict[str, str] = {}
    for name in frame.columns:
        first = next(
            (o for o in frame.columns if o not in twin_of and (frame[o] - frame[name]).std() < 1e-12), name
        )
        if first != name:
            twin_of[name] = first
    own = frame.drop(columns=list(twin_of))
    if own.shape[1] < 2 or len(own) < 2:
        return pd.Series(1.0, index=order, name="p_value")
    test = MCS(
        -own, size=MCS_SIZE, reps=n_draws, block_size=1, method="R", bootstrap="stationary", seed=random_state
    )
    test.compute()
    found = test.pvalues["Pvalue"]
    values = {name: float(found[twin_of.get(name, name)]) for name in order}
    return pd.Series(values, name="p_value")


def _paired(base: Array, other: Array, weights: Array, measure: str, same: bool) -> dict[str, float]:
    """Mean of base minus other, its interval, and how often the base is better."""
    if same:
        return dict.fromkeys(("difference", "low", "high", "wins"), float("nan"))
    gap = base - other
    known = np.isfinite(gap)
    if not known.any():
        return dict.fromkeys(("difference", "low", "high", "wins"), float("nan"))
    # Very many paths are dealt into groups, which are drawn whole.
    group = np.arange(len(gap)) % weights.shape[1]
    sums = weights @ np.bincount(group, np.where(known, gap, 0.0))
    counts = weights @ np.bincount(group, known.astype(np.float64))
    draws = sums[counts > 0] / counts[counts > 0]
    low, high = np.quantile(draws, [0.025, 0.975])
    better = MEASURES[measure].better
    wins = ((better * gap[known] > 0) + 0.5 * (gap[known] == 0)).mean() if better else float("nan")
    return {
        "difference": float(gap[known].mean()),
        "low": float(low),
        "high": float(high),
        "wins": float(wins),
    }
