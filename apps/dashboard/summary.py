# SPDX-License-Identifier: Apache-2.0
"""The few numbers that sum a sample up, each with its standard error (paths are independent, days are not)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spade_finance.scenarios import ScenarioSet

__all__ = ["Summary", "regime_correlations", "summarise", "wealth"]


@dataclass(frozen=True)
class Summary:
    """(value, standard error) pairs of an asset over the whole timeline.

    Attributes
    ----------
    mean_return : simple return over the timeline
    volatility : of daily returns, a year (times the root of 252)
    loss_chance : share of paths that end below their start
    shortfall : mean loss of the worst 5 % of paths at the end; positive is a loss
    drawdown : mean of the paths' worst drawdowns; negative
    """

    mean_return: tuple[float, float]
    volatility: tuple[float, float]
    loss_chance: tuple[float, float]
    shortfall: tuple[float, float]
    drawdown: tuple[float, float]


def wealth(scenarios: ScenarioSet, asset: str | None = None) -> NDArray[np.float64]:
    """Value of 1 after each day, (paths, 1 + days) from 1 on; the equal-weight market rebalanced daily, or a sector."""
    from spade_finance.plot_style import levels

    if asset is None:
        returns = scenarios.simple_array.mean(axis=2, dtype=np.float64)
    else:
        returns = scenarios.simple_array[:, :, scenarios.sectors.index(asset)].astype(np.float64)
    return levels(returns, 1.0)


def summarise(scenarios: ScenarioSet, asset: str | None = None) -> Summary:
    r"""Sum up the market (default) or a sector.

    The volatility's error follows from the paths' own mean squares, :math:`SE(\sigma) = SE(\sigma^2) / 2 \sigma`.
    """
    from spade_finance.stress.measures import Sample, path_mean

    value = wealth(scenarios, asset)
    end = value[:, -1] - 1.0
    daily = value[:, 1:] / value[:, :-1] - 1.0
    squares = path_mean(((daily - daily.mean()) ** 2).mean(axis=1))
    sigma = float(np.sqrt(squares.value))
    n = len(end)
    tail = Sample(-end, np.arange(n), n).es(0.95)
    depth = path_mean((value / np.maximum.accumulate(value, axis=1) - 1.0).min(axis=1))
    mean, loss = path_mean(end), path_mean((end < 0).astype(float))
    year = float(np.sqrt(252))
    return Summary(
        (mean.value, mean.std_error),
        (year * sigma, year * squares.std_error / (2 * sigma) if sigma > 0 else float("nan")),
        (loss.value, loss.std_error),
        (tail.value, tail.std_error),
        (depth.value, depth.std_error),
    )


def regime_correlations(returns: Any, codes: Any, regimes: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Correlation of daily returns between sectors on each regime's days; regimes of fewer than 20 days are left out.

    Parameters
    ----------
    returns : (n, T, S) simple returns
    codes : (T,) or (n, T) regime indices
    """
    returns = np.asarray(returns)
    codes = np.broadcast_to(codes, returns.shape[:2])
    found = {}
    for k, regime in enumerate(regimes):
        rows = returns[codes == k].astype(np.float64)
        if len(rows) >= 20 and (rows.std(axis=0) > 0).all():
            found[regime] = np.atleast_2d(np.corrcoef(rows, rowvar=False))
    return found
