# SPDX-License-Identifier: Apache-2.0
"""The risk section's statistics as rows of the report, book by book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.coverage import assessable
from spade_finance.evaluate.forecasts import LEVELS
from spade_finance.evaluate.risk_compare import ORACLE
from spade_finance.evaluate.risk_found import Findings, level_name
from spade_finance.evaluate.risk_measures import MOST_KNOWN, SCORES, TAILS

Array = NDArray[np.float64]

TESTS = {
    "kupiec_p": "kupiec_p",
    "independence_p": "christoffersen_p",
    "cc_p": "conditional_coverage_p",
    "hits_p": "coverage_rank_p",
    "hits_adjusted": "coverage_adjusted_p",
    "z1": "acerbi_szekely_z1",
    "z1_p": "acerbi_szekely_z1_p",
    "z2": "acerbi_szekely_z2",
    "z2_p": "acerbi_szekely_z2_p",
    "z2_adjusted": "acerbi_szekely_z2_adjusted_p",
    "repeat": "breach_after_breach",
    "repeat_own": "breach_after_breach_own",
    "repeat_p": "breach_after_breach_p",
}
"""Columns of a coverage table -> metric names; the level is appended."""


def statistics_rows(found: Findings) -> pd.DataFrame:
    """Rows by book: hit rates with the interval of a right forecast, scores beside the oracle's, test results."""
    rows: list[dict[str, Any]] = []
    keyed = {c: _by_cell(t) for c, t in found.tables.items()}
    for horizon, seen in found.windows.items():
        for level, tail in enumerate(TAILS):
            for g, (regime, mask) in enumerate(seen.groups.items()):
                if not assessable(mask.sum(), tail):
                    continue
                for p, portfolio in enumerate(found.book.names):
                    key = (horizon, LEVELS[level], portfolio, regime or "")
                    cells = {c: keyed[c].get(key, {}) for c in found.columns}
                    rows += _book_rows(found, horizon, level, g, p, cells)
    return pd.DataFrame(rows + _test_rows(found) + _light_rows(found))


def _by_cell(table: pd.DataFrame) -> dict[tuple[int, float, str, str], dict[str, Any]]:
    """Rows of a coverage table under horizon, level, portfolio and regime ("" for all days)."""
    records: list[dict[str, Any]] = table.assign(regime=table["regime"].fillna("")).to_dict("records")  # type: ignore[assignment]
    return {(r["horizon"], r["level"], r["portfolio"], r["regime"]): r for r in records}


def _keys(metric: str, regime: str | None, asset: str, horizon: int, unit: str = "number") -> dict[str, Any]:
    return {
        "metric": metric,
        "group": "risk",
        "regime": regime,
        "asset": asset,
        "horizon_days": horizon,
        "unit": unit,
        "real": np.nan,
        "real_low": np.nan,
        "real_high": np.nan,
        "floor": np.nan,
    }


def _interval(real: float, centred: Array) -> dict[str, float]:
    """Real value, its 95 % interval and the floor from deviations (resamples,)."""
    seen = centred[np.isfinite(centred)]
    if len(seen) < 2:
        return {"real": real}
    low, high = np.quantile(seen, [0.025, 0.975])
    return {
        "real": real,
        "real_low": real + low,
        "real_high": real + high,
        "floor": float(np.abs(seen).mean()),
    }


def _book_rows(
    found: Findings, horizon: int, level: int, g: int, p: int, cells: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of one book, level, horizon and regime."""
    regime = list(found.windows[horizon].groups)[g]
    mask = found.windows[horizon].groups[regime]
    noise, name = found.noise[horizon], level_name(LEVELS[level])
    asset = found.book.names[p]
    rates = noise.hit_rates[level, p, g]
    row = _keys(f"hit_rate_{name}", regime, asset, horizon, "percent")
    row |= _interval(TAILS[level], rates - rates.mean())
    for c, cell in cells.items():
        row |= {c: cell.get("hit_rate", np.nan), f"{c}:se": cell.get("hit_rate_se", np.nan)}
    rows = [row]
    for score in SCORES:
        best = float(np.mean(noise.series[score][level, p, mask]))
        unit = "percent" if score == "pinball" else "number"
        row = _keys(f"{score}_{name}", regime, asset, horizon, unit)
        row |= _interval(best, noise.scores[score][level, p, g] - best)
        for c in found.columns:
            mine = found.scored[c][horizon]
            row |= {c: _mean(mine.series[score][level, p, mask])}
            parts = [_mean(part[level, p, mask]) for part in mine.groups.get(score, ())]
            row |= {f"{c}:se": float(np.std(parts, ddof=1) / len(parts) ** 0.5) if len(parts) > 1 else np.nan}
        rows.append(row)
    for key, metric in TESTS.items():
        row = _keys(f"{metric}_{name}", regime, asset, horizon)
        for c, cell in cells.items():
            error = cell.get("z2_se", np.nan) if key == "z2" else np.nan
            row |= {c: cell.get(key, np.nan), f"{c}:se": error}
        rows.append(row)
    return rows


def _mean(values: Array) -> float:
    """Mean of what is there; NaN if more than a tenth is missing."""
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) and len(seen) >= MOST_KNOWN * len(values) else float("nan")


def _test_rows(found: Findings) -> list[dict[str, Any]]:
    """Diebold-Mariano t and adjusted p, all books together."""
    rows = []
    subject = found.columns[0]
    keys = ["against", "score", "level", "horizon"]
    for against, score, level, horizon in found.tests[keys].drop_duplicates().itertuples(index=False):
        part = found.tests[(found.tests[keys] == [against, score, level, horizon]).all(axis=1)]
        kind = "oracle" if against == ORACLE else "model"
        by_column = part.set_index("column")[["t", "adjusted"]].astype(float)
        for key, what in (("t", "t"), ("adjusted", "adjusted_p")):
            metric = f"dm_{kind}_{score}_{level_name(level)}_{what}"
            row = _keys(metric, None, "all books", int(horizon))
            for c in found.columns:
                own = c == subject and kind == "model"
                row |= {c: np.nan if own else float(by_column[key][c]), f"{c}:se": np.nan}
            rows.append(row)
    return rows


def _light_rows(found: Findings) -> list[dict[str, Any]]:
    """Years of each colour for the equal-weight book."""
    rows = []
    for light, name in ((1, "yellow_years"), (2, "red_years")):
        row = _keys(f"traffic_light_{name}", None, found.book.names[0], 1)
        for c in found.columns:
            mine = found.years[found.years["column"] == c]
            row |= {c: float((mine["light"] == light).sum()), f"{c}:se": np.nan}
        rows.append(row)
    return rows
