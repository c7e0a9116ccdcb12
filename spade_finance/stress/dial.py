# SPDX-License-Identifier: Apache-2.0
r"""The severity dial and its calibration: what a severity does to volatility, correlation and losses.

For a grid of severities over the trained range (and, flagged, beyond it) the model is sampled under one regime
with the same seed throughout, so that neighbouring points share their noise and their difference has a small
error. A step is *monotone* unless it goes the wrong way by more than two of its paired standard errors. Real
episodes of the regime are the check: at the severity that each of them had, the dial should give the
volatility that it had.

Figures of a single day cannot see the drift, which decides what a quarter loses; so the dial also shows the mean
and median return over its horizon, which should not rise with severity, and the probability of losing a fifth.
(A mean of simple returns gains half the variance: it may rise where the median falls.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_spread
from spade_finance.stress.catalogue import YEAR
from spade_finance.stress.dial_measure import (
    DAILY,
    LOSS,
    RISES,
    mean_correlation,
    measure,
    shortfall,
    spread_of,
)
from spade_finance.stress.history import LabelledHistory
from spade_finance.stress.portfolio import as_portfolios
from spade_finance.stress.sums import gram

Vector = NDArray[np.float64]

N_DAYS = 63
BEYOND = 1.25
"""The grid's outermost points, flagged: this factor below and above the trained range."""
FEWEST_DAYS = 10
TOO_NEAR = 0.03
SIGMAS = 2.0
ROUNDING = 1e-9

__all__ = ["SeverityDial", "severity_dial", "severity_grid"]


@dataclass(frozen=True)
class SeverityDial:
    """Calibration curve of the severity of one regime.

    Attributes
    ----------
    regime : str
    table : DataFrame
        One row a severity and portfolio: ``severity, portfolio, trained, volatility, mean_correlation, es_97_5,
        mean_return, median_return, prob_loss_20``, each with ``_se``; annual volatility and one-day ES of the
        portfolio, mean correlation of all sectors, mean and median return and P(loss >= 20 %) at the end of
        ``n_days``. ``portfolio`` "market" is the equal weight.
    episodes : DataFrame
        Real episodes of the regime: ``start, end, days, severity, in_training, volatility,
        mean_correlation, es_97_5`` of the market, and ``dial_volatility, dial_mean_correlation``: the curve
        at their severity (NaN outside the grid).
    monotone : dict measure -> bool
        Of the market over the trained range: nothing falls, and neither mean nor median return rises.
    elasticity, elasticity_real : float
        Slope of log volatility on log severity, of the dial and over the real episodes (NaN with fewer than
        three); 1 is a volatility that grows in proportion.
    trained : (low, high) severity
    """

    regime: str
    table: pd.DataFrame
    episodes: pd.DataFrame
    monotone: dict[str, bool]
    elasticity: float
    elasticity_real: float
    trained: tuple[float, float]
    n_paths: int
    n_days: int

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        days = self.episodes.copy()
        for column in ("start", "end"):
            if column in days:
                days[column] = [f"{d:%Y-%m-%d}" for d in days[column]]
        return {
            "regime": self.regime,
            "rows": self.table.to_dict("records"),
            "episodes": days.to_dict("records"),
            "monotone": self.monotone,
            "elasticity": self.elasticity,
            "elasticity_real": self.elasticity_real,
            "trained_range": list(self.trained),
            "n_paths": self.n_paths,
            "n_days": self.n_days,
            "loss": LOSS,
        }


def severity_grid(low: float, high: float, points: int = 7) -> Vector:
    """Severities over the trained range, with 1 among them, and one beyond either end."""
    between = np.geomspace(low, high, points)[1:-1]
    inside = [low, *between[np.abs(np.log(between)) > TOO_NEAR], high]
    if low < 1 < high:
        inside.append(1.0)
    return np.concatenate([[low / BEYOND], np.unique(inside), [high * BEYOND]])


def severity_dial(
    model: Any,
    portfolios: Any = None,
    *,
    regime: str | None = None,
    n_paths: int = 1000,
    n_days: int = N_DAYS,
    seed: int = 0,
    history: LabelledHistory | None = None,
    grid: Vector | None = None,
) -> SeverityDial:
    """Measure the dial of `regime` (default the worst).

    Parameters
    ----------
    history : LabelledHistory, optional
        Real episodes to check against; None leaves them out.
    grid : severities, optional
        Default :func:`severity_grid` of the trained range.
    """
    regime = regime or model.regimes_[-1]
    low, high = (float(x) for x in model.severity_range_)
    levels = severity_grid(low, high) if grid is None else np.asarray(grid, dtype=np.float64)
    books = [as_portfolios({s: 1 / len(model.sectors_) for s in model.sectors_}, model.sectors_)[0]]
    others = [b for b in as_portfolios(portfolios, model.sectors_) if b.name != "equal weight"]
    names = ["market", *(b.name for b in others)]
    weights = np.stack([b.vector(model.sectors_) for b in [*books, *others]])
    rows, errors = [], []
    for level in levels:
        scenarios = model.sample(
            f"{regime}*{level:.6g}:{n_days}", n_paths, seed, extrapolate=bool(level < low or level > high)
        )
        values, left_out = measure(scenarios.simple_array, weights)
        errors.append(left_out)
        spread = spread_of(left_out, n_paths)
        trained = bool(low - 1e-9 <= level <= high + 1e-9)
        for name, value, error in zip(names, values, spread, strict=True):
            figures = {c: float(v) for c, v in zip(RISES, value, strict=True)}
            figures |= {f"{c}_se": float(v) for c, v in zip(RISES, error, strict=True)}
            rows.append({"severity": float(level), "portfolio": name, "trained": trained} | figures)
    table = pd.DataFrame(rows)
    market = table[table["portfolio"] == "market"].reset_index(drop=True)
    monotone = {name: _monotone(market, [e[:, 0, i] for e in errors], name) for i, name in enumerate(RISES)}
    inside = market[market["trained"]]
    real = _episodes(model, regime, history, market)
    return SeverityDial(
        regime, table, real, monotone, _slope(inside["severity"], inside["volatility"]),
        _slope(real["severity"], real["volatility"]), (low, high), n_paths, n_days,
    )  # fmt: skip


def _monotone(market: pd.DataFrame, left_out: list[Vector], name: str) -> bool:
    """Whether no step over the trained range goes the wrong way by more than two paired errors."""
    sign = 1.0 if RISES[name] else -1.0
    rows = np.flatnonzero(market["trained"].to_numpy())
    values = market[name].to_numpy()
    for a, b in itertools.pairwise(rows):
        paired = float(jackknife_spread((left_out[b] - left_out[a])[:, None])[0])
        if sign * (values[b] - values[a]) < -SIGMAS * paired - ROUNDING:
            return False
    return True


def _episodes(model: Any, regime: str, history: LabelledHistory | None, market: pd.DataFrame) -> pd.DataFrame:
    """Real episodes of the regime with their own figures and the dial's at their severity."""
    columns = [
        "start",
        "end",
        "days",
        "severity",
        "in_training",
        *DAILY,
        "dial_volatility",
        "dial_mean_correlation",
    ]
    typical = getattr(model, "typical_", None)
    if history is None or typical is None:
        return pd.DataFrame(columns=columns)
    from spade_finance.regimes.severity import episodes

    found = episodes(history.labels, history.returns, typical=typical.market)
    found = found[(found["regime"] == regime) & (found["days"] >= FEWEST_DAYS)].reset_index(drop=True)
    end = pd.Timestamp(model.training_window_[1])
    rows = []
    for start, last, severity in zip(found["start"], found["end"], found["severity"], strict=True):
        part = history.returns.loc[start:last].to_numpy(dtype=np.float64)
        own = part.mean(axis=1)
        rows.append(
            {
                "start": start,
                "end": last,
                "days": len(part),
                "severity": float(severity),
                "in_training": bool(last <= end),
                "volatility": float(np.sqrt(YEAR) * own.std()),
                "mean_correlation": mean_correlation(gram(part - part.mean(axis=0))),
                "es_97_5": shortfall(-own),
            }
        )
    table = pd.DataFrame(rows, columns=columns)
    x = market["severity"].to_numpy()
    for name in ("volatility", "mean_correlation"):
        at = np.interp(table["severity"].to_numpy(dtype=float), x, market[name].to_numpy(), np.nan, np.nan)
        table[f"dial_{name}"] = at
    return table


def _slope(severity: Any, volatility: Any) -> float:
    x, y = np.log(np.asarray(severity, dtype=float)), np.log(np.asarray(volatility, dtype=float))
    if len(x) < 3 or not np.ptp(x) > 0:
        return float("nan")
    apart = x - x.mean()
    return float((apart * y).sum() / (apart**2).sum())
