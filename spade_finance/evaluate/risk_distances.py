# SPDX-License-Identifier: Apache-2.0
"""The risk section's distances: how often VaR is exceeded, and how good VaR and ES are, over the floor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.coverage import assessable
from spade_finance.evaluate.forecasts import LEVELS
from spade_finance.evaluate.risk_compare import shown_level
from spade_finance.evaluate.risk_found import Findings, level_name
from spade_finance.evaluate.risk_measures import SCORES, TAILS, excess, floor_excess


def distance_rows(found: Findings) -> pd.DataFrame:
    """Distances that enter the score.

    ``hit_rate``: mean over books of \\|share of breaches - expected share\\|, every level and horizon on all days,
    one day by regime; floor: how far the oracle's rates lie off in resamples of the window. ``pinball`` and
    ``fz0``: how much worse than the oracle, at the shown level; floor: the same of forecasters who know a
    resample. A column that beats the oracle has distance zero.
    """
    rows: list[dict[str, Any]] = []
    for horizon, seen in found.windows.items():
        shown = shown_level(seen)
        for g, (regime, mask) in enumerate(seen.groups.items()):
            if regime is not None and horizon > 1:
                continue
            for level, tail in enumerate(TAILS):
                if not assessable(mask.sum(), tail):
                    continue
                rows.append(_hit_distance(found, horizon, level, g, regime))
                if level == shown:
                    rows += [_score_distance(found, horizon, level, g, regime, mask, s) for s in SCORES]
    return pd.DataFrame(rows)


def _distance_keys(metric: str, regime: str | None, horizon: int) -> dict[str, Any]:
    unit = "percent" if metric.startswith("hit_rate") else "number"
    return {
        "metric": metric,
        "group": "risk",
        "regime": regime,
        "asset": None,
        "horizon_days": horizon,
        "unit": unit,
    }


def _hit_distance(found: Findings, horizon: int, level: int, g: int, regime: str | None) -> dict[str, Any]:
    rates = found.noise[horizon].hit_rates[level, :, g]
    row = _distance_keys(f"hit_rate_{level_name(LEVELS[level])}", regime, horizon)
    row["floor"] = float(np.abs(rates - rates.mean(-1, keepdims=True)).mean())
    for c, table in found.tables.items():
        part = table[(table["horizon"] == horizon) & (table["level"] == LEVELS[level])]
        part = part[part["regime"].isna() if regime is None else part["regime"] == regime]
        part = part[part["assessable"]]
        row[c] = float((part["hit_rate"] - TAILS[level]).abs().mean()) if len(part) else np.nan
    return row


def _score_distance(
    found: Findings, horizon: int, level: int, g: int, regime: str | None, mask: NDArray[np.bool_], score: str
) -> dict[str, Any]:
    noise = found.noise[horizon]
    row = _distance_keys(f"{score}_{level_name(LEVELS[level])}", regime, horizon)
    row["floor"] = floor_excess(noise, score, level, g, mask)
    for c in found.columns:
        worse = excess(found.scored[c][horizon], noise, score, level, mask)
        row[c] = float(np.maximum(worse, 0.0))
    return row
