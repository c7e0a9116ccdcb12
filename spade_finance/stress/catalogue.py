# SPDX-License-Identifier: Apache-2.0
"""What is measured: names as in ``report.json``, what their level and horizon mean, how to print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HORIZONS = (1, 5, 10, 20, 60)
LEVELS = (0.95, 0.975, 0.99, 0.995)
DEPTH_LEVELS = (0.95, 0.975, 0.99)
THRESHOLDS = (0.10, 0.20, 0.30, 0.50)
YEAR = 252

COLUMNS = (
    "portfolio",
    "source",
    "measure",
    "level",
    "horizon_days",
    "regime",
    "value",
    "std_error",
    "n_paths_for_1pct",
)


@dataclass(frozen=True)
class Measure:
    """Name for people, unit (``percent`` of the capital, ``share`` of days or paths, ``days``), meaning."""

    title: str
    unit: Literal["percent", "share", "days"]
    level: str
    text: str


MEASURES = {
    "return": Measure(
        "mean return", "percent", "", "expected profit over the scenario; by regime: earned on its days"
    ),
    "median_return": Measure("median return", "percent", "", "profit that half of the paths exceed"),
    "volatility": Measure(
        "volatility a year", "percent", "", "standard deviation of daily returns times sqrt 252"
    ),
    "var": Measure(
        "VaR", "percent", "confidence", "loss that a window of so many days exceeds with 1 - level; positive"
    ),
    "es": Measure("ES", "percent", "confidence", "mean loss of the worst 1 - level of the windows; positive"),
    "liquidity_es": Measure(
        "ES, liquidity horizons", "percent", "confidence", "FRTB cascade of ten-day ES; positive"
    ),
    "max_drawdown": Measure(
        "worst drawdown",
        "percent",
        "confidence",
        "mean, or what a share 1 - level of paths falls below; negative",
    ),
    "drawdown_days": Measure(
        "days from peak to bottom", "days", "confidence", "of the worst drawdown: mean, or quantile at level"
    ),
    "under_water": Measure("time under water", "share", "", "share of the days below the previous peak"),
    "longest_under_water": Measure(
        "longest under water",
        "days",
        "confidence",
        "days without a new peak, cut off at the end: mean or quantile",
    ),
    "prob_loss": Measure(
        "P(loss at the end)", "share", "loss", "share of paths that end so much lower or more"
    ),
    "prob_breach": Measure(
        "P(loss at any close)", "share", "loss", "share that are ever so much below the start"
    ),
    "prob_ruin": Measure("P(ruin)", "share", "", "share of paths on which the capital is lost"),
}
"""By regime, drawdowns and probabilities are of its spells: the clock and the peak start with the spell."""
