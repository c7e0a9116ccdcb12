# SPDX-License-Identifier: Apache-2.0
r"""Spill-over: what a sector in distress means for the others, generated and real.

For a sector i and the rest of the market r (equal weight of the other sectors), on the same days,

.. math:: CoVaR_q = VaR_q(r \mid L_i \ge VaR_q(i)), \qquad
          \Delta CoVaR_q = CoVaR_q - VaR_q(r \mid |L_i - \bar L_i| \le s_i)

(Girardi & Ergün 2013, after Adrian & Brunnermeier 2016): the rest's loss quantile when the sector is in its tail,
less that when the sector is within one standard deviation of its mean. Errors: groups of paths left out in
turn, or real spells drawn with replacement.

*Distress* is days on which the sector's own regime is one of the two worst while the market's is calm (bull or
sideways: the calmer half). With a script that gives a sector regimes of its own, those days; without one, days
by the market's regime, sector by sector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.errors import (
    cluster_bootstrap,
    count_episodes,
    episode_clusters,
    jackknife_groups,
    jackknife_spread,
)
from spade_finance.stress.catalogue import YEAR
from spade_finance.stress.history import LabelledHistory
from spade_finance.stress.sums import dot

Vector = NDArray[np.float64]

LEVEL = 0.95
N_BOOTSTRAP = 100
FEWEST_DAYS = 40
"""Below this many days a conditional quantile at 95 % rests on one or two of them."""
NAMES = ("volatility", "rest_volatility", "correlation", "covar_95", "delta_covar_95")
COLUMNS = ("sector", "source", "days_of", "days", "episodes", *(c for n in NAMES for c in (n, f"{n}_se")))

__all__ = ["Spillover", "spillover"]


@dataclass(frozen=True)
class Spillover:
    """Spill-over by sector.

    Attributes
    ----------
    table : DataFrame
        ``sector, source ("model" or "history"), days_of, days, episodes`` and, each with ``_se``,
        ``volatility`` of the sector and ``rest_volatility`` of the others (annual), ``correlation`` of the
        two, ``covar_95`` and ``delta_covar_95`` (one day, positive losses). ``days_of`` says which days:
        "own crisis, market calm" and "market calm" for a script with sectors' own regimes, else a regime.
    others : DataFrame or None
        For a script with sectors' own regimes, paired with the same noise and without them: ``sector,
        affected, mean_change, mean_change_se`` (return over those days), ``volatility_change`` (ratio minus
        1) and its ``_se``.
    notes : tuple of str
        What history has no example of.
    """

    table: pd.DataFrame
    others: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.table.to_dict("records"),
            "others": None if self.others is None else self.others.to_dict("records"),
            "notes": list(self.notes),
        }


def spillover(
    scenarios: Any,
    history: LabelledHistory | None = None,
    *,
    timeline: Any = None,
    without: Any = None,
    seed: int = 0,
) -> Spillover:
    """Measure spill-over in scenarios and in history.

    Parameters
    ----------
    scenarios : ScenarioSet
    history : LabelledHistory, optional
        Needs ``sector_labels`` for scripts with sectors' own regimes.
    timeline : RegimeTimeline, optional
        The scenarios' timeline; with sectors' own regimes it decides which days are looked at.
    without : ScenarioSet, optional
        The same paths without the sectors' own regimes, for the paired effect on the others.
    """
    own = {} if timeline is None else _own_days(timeline)
    notes: list[str] = []
    rows: list[dict[str, Any]] = []
    if own:
        for sector, (days, regimes) in own.items():
            rows += _own_rows(scenarios, history, timeline, sector, days, regimes, notes, seed)
        others = None if without is None else _paired(scenarios, without, own)
        return Spillover(pd.DataFrame(rows, columns=list(COLUMNS)), others, tuple(notes))
    simple = np.asarray(scenarios.simple_array, dtype=np.float64)
    codes = np.broadcast_to(scenarios.codes, simple.shape[:2])
    for k, regime in enumerate(scenarios.regimes):
        inside = codes == k
        if not inside.any():
            continue
        paths = np.nonzero(inside)[0]
        for i, sector in enumerate(scenarios.sectors):
            pair = _pair(simple[inside], i)
            rows.append(_by_path(pair, paths) | {"sector": sector, "source": "model", "days_of": regime})
    if history is not None:
        rows += _history_rows(history, {r["days_of"] for r in rows}, seed, notes)
    return Spillover(pd.DataFrame(rows, columns=list(COLUMNS)), None, tuple(notes))


def figures(pair: Vector) -> Vector:
    """:data:`NAMES` of rows (N, 2): returns of the sector and of the rest."""
    if len(pair) < FEWEST_DAYS:
        return np.full(len(NAMES), np.nan)
    sector, rest = -pair[:, 0], -pair[:, 1]
    x, y = sector - sector.mean(), rest - rest.mean()
    spread, rest_spread = np.sqrt(dot(x, x) / len(x)), np.sqrt(dot(y, y) / len(y))
    if not (spread > 0 and rest_spread > 0):
        return np.full(len(NAMES), np.nan)
    covar = _quantile(rest[sector >= _quantile(sector)])
    usual = _quantile(rest[np.abs(x) <= spread])
    correlation = dot(x, y) / (len(x) * spread * rest_spread)
    year = np.sqrt(YEAR)
    return np.array([year * spread, year * rest_spread, correlation, covar, covar - usual])


def _quantile(losses: Vector) -> float:
    """Smallest loss that a share :data:`LEVEL` of all do not exceed."""
    place = max(int(np.ceil(LEVEL * len(losses) - 1e-9)) - 1, 0)
    return float(np.partition(losses, place)[place])


def _own_days(timeline: Any) -> dict[str, tuple[NDArray[np.bool_], set[int]]]:
    """Days (T,) on which a sector has a bad regime of its own that is worse than the market's, and which."""
    out = {}
    codes, sector_codes = np.asarray(timeline.codes), np.asarray(timeline.sector_codes)
    worse = max(len(timeline.regimes) // 2, 1)
    for s, name in enumerate(timeline.sectors):
        days = (sector_codes[s] >= worse) & (sector_codes[s] > codes)
        if days.any():
            worst = int(sector_codes[s][days].max())
            out[name] = (
                days & (sector_codes[s] == worst),
                set(np.unique(codes[days & (sector_codes[s] == worst)])),
            )
    return out


def _own_rows(
    scenarios: Any, history: LabelledHistory | None, timeline: Any, sector: str, days: NDArray[np.bool_],
    market: set[int], notes: list[str], seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """The sector's own bad days beside days of the same market regime on which it is with the market."""
    simple = np.asarray(scenarios.simple_array, dtype=np.float64)
    i = scenarios.sectors.index(sector)
    codes, own = np.asarray(timeline.codes), np.asarray(timeline.sector_codes)[i]
    worst = timeline.regimes[int(own[days].max())]
    calm = "/".join(timeline.regimes[k] for k in sorted(market))
    what, beside = f"{sector} in {worst}, market {calm}", f"{sector} with the market, market {calm}"
    rows = []
    for label, mask in ((what, days), (beside, np.isin(codes, list(market)) & (own < 0))):
        if mask.any():
            part = simple[:, mask]
            pair = _pair(part.reshape(-1, part.shape[2]), i)
            paths = np.repeat(np.arange(len(part)), part.shape[1])
            rows.append(_by_path(pair, paths) | {"sector": sector, "source": "model", "days_of": label})
    if history is None or history.sector_labels is None:
        return rows
    names = list(timeline.regimes)
    real_own = np.array([names.index(x) for x in history.sector_labels[sector]])
    calm_days = np.isin(history.labels.codes, list(market))
    for label, mask in ((what, calm_days & (real_own == int(own[days].max()))),
                        (beside, calm_days & (real_own == history.labels.codes))):  # fmt: skip
        row = _of_history(history, i, mask, seed) | {"sector": sector, "source": "history", "days_of": label}
        rows.append(row)
        if label == what:
            notes.append(_told(row, history, what))
    return rows


def _told(row: dict[str, Any], history: LabelledHistory, what: str) -> str:
    days, spells = int(row["days"]), int(row["episodes"])
    if not days:
        return (
            f"history ({history.span}) has no day of '{what}': nothing real stands beside the model's numbers"
        )
    if days < FEWEST_DAYS:
        return f"history ({history.span}) has only {days} days of '{what}': too few for numbers beside the model's"
    return (
        f"history ({history.span}) has {days} days in {spells} spell{'s' * (spells != 1)} of '{what}' by the "
        "labeller's hindsight" + ("; one spell has no standard error" if spells == 1 else "")
    )


def _history_rows(
    history: LabelledHistory, regimes: set[str], seed: int, notes: list[str]
) -> list[dict[str, Any]]:
    rows = []
    for k, regime in enumerate(history.labels.regimes):
        if regime in regimes:
            for i, sector in enumerate(history.returns.columns):
                row = _of_history(history, i, history.labels.codes == k, seed)
                rows.append(row | {"sector": str(sector), "source": "history", "days_of": regime})
    return rows


def _of_history(history: LabelledHistory, i: int, mask: NDArray[np.bool_], seed: int) -> dict[str, Any]:
    simple = history.returns.to_numpy(dtype=np.float64)
    pair = _pair(simple[mask], i)
    row: dict[str, Any] = {"days": int(mask.sum()), "episodes": count_episodes(mask.astype(int), 1)}
    values = figures(pair)
    errors = np.full(len(NAMES), np.nan)
    if len(pair) >= FEWEST_DAYS:
        clusters = episode_clusters(mask.astype(np.int64))[mask]
        errors = cluster_bootstrap(figures, pair, clusters, n_bootstrap=N_BOOTSTRAP, random_state=seed)
    return row | _named(values, errors)


def _by_path(pair: Vector, paths: NDArray[np.integer]) -> dict[str, Any]:
    group, n_groups = jackknife_groups(paths, 20)
    values = figures(pair)
    errors = np.full(len(NAMES), np.nan)
    if n_groups > 1:
        errors = jackknife_spread(np.stack([figures(pair[group != g]) for g in range(n_groups)]))
    return {"days": len(pair), "episodes": None} | _named(values, errors)


def _named(values: Vector, errors: Vector) -> dict[str, float]:
    return {n: float(v) for n, v in zip(NAMES, values, strict=True)} | {
        f"{n}_se": float(e) for n, e in zip(NAMES, errors, strict=True)
    }


def _pair(rows: Vector, i: int) -> Vector:
    """The sector's returns beside the equal weight of the others, (N, 2)."""
    others = np.delete(np.arange(rows.shape[-1]), i)
    return np.stack([rows[:, i], rows[:, others].mean(axis=1)], axis=1)


def _paired(scenarios: Any, without: Any, own: dict[str, tuple[NDArray[np.bool_], Any]]) -> pd.DataFrame:
    """What the sectors' own regimes change for every sector, path by path on the same noise."""
    a, b = (np.asarray(s.log_array, dtype=np.float64) for s in (scenarios, without))
    rows = []
    for name, (days, _) in own.items():
        x, y = a[:, days], b[:, days]
        group, n_groups = jackknife_groups(np.arange(len(x)), 20)
        square = np.stack([[(z[group == g] ** 2).sum(axis=(0, 1)) for g in range(n_groups)] for z in (x, y)])
        for i, affected in enumerate(scenarios.sectors):
            change = np.expm1(x[:, :, i].sum(axis=1)) - np.expm1(y[:, :, i].sum(axis=1))
            total = square[:, :, i].sum(axis=1)
            left_out = np.sqrt((total[0] - square[0, :, i]) / (total[1] - square[1, :, i]))
            rows.append(
                {
                    "sector": name,
                    "affected": affected,
                    "mean_change": float(change.mean()),
                    "mean_change_se": float(change.std(ddof=1) / np.sqrt(len(change))),
                    "volatility_change": float(np.sqrt(total[0] / total[1]) - 1),
                    "volatility_change_se": float(jackknife_spread(left_out[:, None])[0]),
                }
            )
    return pd.DataFrame(rows)


def overrides(timeline: Any) -> Sequence[str]:
    """Sectors with a regime of their own on some day."""
    return [name for s, name in enumerate(timeline.sectors) if bool(timeline.has_override[s].any())]
