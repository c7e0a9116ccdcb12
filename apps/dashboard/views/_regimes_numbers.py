# SPDX-License-Identifier: Apache-2.0
"""What the Regimes page counts: how late causal labels are, how long spells last, what each regime was like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels

__all__ = ["by_regime", "delay_table", "delays", "episode_table", "moves", "spell_survival", "spells"]

Array = NDArray[np.float64]


def delays(smoothed: RegimeLabels, causal: RegimeLabels) -> pd.DataFrame:
    """How many days after each episode's first day the causal labels first said so.

    Returns
    -------
    DataFrame, one row an episode in hindsight but the first (whose beginning is not seen): ``start`` (date),
    ``regime``, ``days``, ``delay`` (trading days; 0 when it was known on the first day or before; NaN when the causal
    labels never said so while the episode lasted)
    """
    from spade_finance.regimes.spells import runs

    known, said = smoothed.codes, causal.codes
    rows = []
    for start, length, code in zip(*runs(known), strict=True):
        if start == 0:
            continue
        seen = np.flatnonzero(said[start : start + length] == code)
        rows.append(
            (smoothed.dates[start], smoothed.regimes[code], int(length), seen[0] if len(seen) else np.nan)
        )
    table = pd.DataFrame(rows, columns=["start", "regime", "days", "delay"])
    return table.astype({"delay": "float64"})


def delay_table(smoothed: RegimeLabels, causal: RegimeLabels) -> pd.DataFrame:
    """By regime: ``episodes``, ``noticed`` (share), ``delay`` (median days of those noticed), ``caught`` (share of the
    regime's days that the causal labels call so), ``right`` (share of the days so called that are), ``false_alarms``
    (causal episodes without a single day of that regime in hindsight)."""
    from spade_finance.regimes.spells import runs

    late, known, said = delays(smoothed, causal), smoothed.codes, causal.codes
    rows = {}
    for k, regime in enumerate(smoothed.regimes):
        own = late.loc[late["regime"] == regime, "delay"]
        alarms = sum(
            not (known[start : start + length] == k).any()
            for start, length, code in zip(*runs(said), strict=True)
            if code == k
        )
        rows[regime] = {
            "episodes": len(own),
            "noticed": float(own.notna().mean()) if len(own) else np.nan,
            "delay": float(own.median()) if own.notna().any() else np.nan,
            "caught": float((said[known == k] == k).mean()) if (known == k).any() else np.nan,
            "right": float((known[said == k] == k).mean()) if (said == k).any() else np.nan,
            "false_alarms": int(alarms),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")


def spells(labels: RegimeLabels, regime: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days of each spell of a regime, and whether an end of the history cuts it."""
    from spade_finance.regimes.spells import runs

    _, lengths, codes = runs(labels.codes)
    cut = np.zeros(len(lengths), dtype=bool)
    cut[[0, -1]] = True
    own = codes == labels.regimes.index(regime)
    return lengths[own], cut[own]


def spell_survival(lengths: NDArray[Any], cut: NDArray[Any]) -> tuple[Array, Array]:
    """Share of spells that last longer than so many days, by Kaplan and Meier (1958): spells cut by an end of the
    history count for as long as they were seen.

    Returns
    -------
    days, share : the steps, from (0, 1) on
    """
    lengths, cut = np.asarray(lengths, dtype=np.float64), np.asarray(cut, dtype=bool)
    days = np.unique(lengths[~cut])
    at_risk = np.array([(lengths >= day).sum() for day in days], dtype=np.float64)
    ended = np.array([((lengths == day) & ~cut).sum() for day in days], dtype=np.float64)
    return np.append(0.0, days), np.append(1.0, np.cumprod(1.0 - ended / at_risk))


def moves(labels: RegimeLabels) -> NDArray[np.int64]:
    """Moves seen from the row's regime to the column's, (K, K)."""
    from spade_finance.regimes.spells import runs

    _, _, codes = runs(labels.codes)
    counts = np.zeros((len(labels.regimes),) * 2, dtype=np.int64)
    np.add.at(counts, (codes[:-1], codes[1:]), 1)
    return counts


def by_regime(labels: RegimeLabels, returns: pd.DataFrame) -> pd.DataFrame:
    """The equal-weight market on each regime's days.

    Returns
    -------
    DataFrame, index the regimes: ``days``, ``share``, ``episodes``, ``mean_days``, ``annual_return`` (252 times the
    mean simple return), ``volatility`` (a year), ``worst_day``; ``annual_return_se`` and ``volatility_se`` by a
    bootstrap of episodes (long ones cut into quarters), NaN where there is a single one
    """
    from spade_finance.evaluate.errors import cluster_bootstrap, count_episodes, episode_clusters

    market, codes = returns.mean(axis=1).to_numpy(dtype=np.float64), labels.codes
    clusters = episode_clusters(codes)

    def figures(sample: Array) -> Array:
        return np.array([252 * sample.mean(), np.sqrt(252) * sample.std()])

    rows = {}
    for k, regime in enumerate(labels.regimes):
        inside = codes == k
        days, episodes = market[inside], count_episodes(codes, k)
        enough = len(days) > 1
        value = figures(days) if enough else np.full(2, np.nan)
        error = cluster_bootstrap(figures, days, clusters[inside]) if enough else np.full(2, np.nan)
        rows[regime] = {
            "days": len(days),
            "share": len(days) / len(codes),
            "episodes": episodes,
            "mean_days": len(days) / episodes if episodes else np.nan,
            "annual_return": value[0],
            "annual_return_se": error[0],
            "volatility": value[1],
            "volatility_se": error[1],
            "worst_day": days.min() if len(days) else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")


def episode_table(labels: RegimeLabels, returns: pd.DataFrame, typical: pd.Series | None) -> pd.DataFrame:
    """Episodes with their severity, and the market's simple ``return`` and worst ``drawdown`` over each."""
    from spade_finance.regimes.severity import episodes

    table = episodes(labels, returns, typical=typical)
    market = 1.0 + returns.mean(axis=1).to_numpy(dtype=np.float64)
    ends = table["days"].cumsum().to_numpy()
    total, fall = [], []
    for end, days in zip(ends, table["days"], strict=True):
        level = np.append(1.0, np.cumprod(market[end - days : end]))
        total.append(level[-1] - 1.0)
        fall.append(float((level / np.maximum.accumulate(level)).min() - 1.0))
    return table.assign(**{"return": total, "drawdown": fall})
