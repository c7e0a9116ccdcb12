# SPDX-License-Identifier: Apache-2.0
"""The risk section's sentences: each says a number that stands in a row or a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spade_finance.evaluate.coverage import LIGHTS, traffic_light
from spade_finance.evaluate.forecasts import LEVELS
from spade_finance.evaluate.multiplicity import SIZE
from spade_finance.evaluate.risk_compare import shown_level
from spade_finance.evaluate.risk_found import Findings, mean_excess
from spade_finance.evaluate.risk_measures import TAILS, floor_excess

MOST_NAMED = 3


def sentences(found: Findings) -> tuple[str, ...]:
    """Coverage of the equal-weight book, what all tests say, scores against the baselines, clustering."""
    said = [_market(found), _tests(found), _clustering(found), *_scores(found)]
    return tuple(text for text in said if text)


def _row(table: pd.DataFrame, level: float, portfolio: str) -> pd.Series:
    mine = table[(table["horizon"] == 1) & (table["level"] == level) & (table["portfolio"] == portfolio)]
    return mine[mine["regime"].isna()].iloc[0]


def _market(found: Findings) -> str:
    subject, book = found.columns[0], found.book.names[0]
    row = _row(found.tables[subject], LEVELS[-1], book)
    text = f"Equal weight, one day, 99 %: {row['hits']:.0f} breaches of {subject}'s VaR, {row['expected']:.1f} expected"
    if not row["assessable"]:
        return text + ", not assessable."
    light = LIGHTS[int(traffic_light(row["hits"], row["windows"], TAILS[-1]))]
    years = found.years[found.years["column"] == subject]["light"]
    return (
        text
        + f" (Kupiec p {row['kupiec_p']:.2f}, {light} in all; {int((years == 0).sum())} of {len(years)} years "
        "green)."
    )


def _failed(table: pd.DataFrame) -> int:
    return int((table[["hits_adjusted", "z2_adjusted"]] < SIZE).to_numpy().sum())


def _tests(found: Findings) -> str:
    subject, *others = found.columns
    table = found.tables[subject]
    counted = table[table["assessable"]]
    if counted.empty:
        return ""
    text = (
        f"Of {2 * len(counted)} coverage and ES tests over books, levels, horizons and regimes, {_failed(table)} "
        f"reject {subject} at 5 % after the max-t correction"
    )
    bad = counted[(counted[["hits_adjusted", "z2_adjusted"]] < SIZE).any(axis=1)]
    worst = bad.assign(p=bad[["hits_adjusted", "z2_adjusted"]].min(axis=1)).sort_values("p").head(MOST_NAMED)
    if len(worst):
        named = [
            f"{r['portfolio']} {100 * r['level']:g} % {r['horizon']} d"
            + (f" in {r['regime']}" if isinstance(r["regime"], str) else "")
            + f" ({r['hits']:.0f} of {r['expected']:.1f})"
            for r in worst.to_dict("records")
        ]
        text += f" ({'first ' if len(bad) > len(worst) else ''}{', '.join(named)})"
    if others:
        counts = {c: _failed(found.tables[c]) for c in others}
        best, worse = min(counts, key=lambda c: counts[c]), max(counts, key=lambda c: counts[c])
        span = f"from {counts[best]} ({best}) to {counts[worse]} ({worse})"
        text += f"; baselines: {span if counts[worse] > counts[best] else f'{counts[best]} each'}"
    return text + "."


def _clustering(found: Findings) -> str:
    subject, book = found.columns[0], found.book.names[0]
    row = _row(found.tables[subject], LEVELS[0], book)
    if not row["assessable"] or not np.isfinite(row["repeat"]):
        return ""
    return (
        f"After a day beyond {subject}'s 95 % VaR of equal weight the next is beyond it in {100 * row['repeat']:.0f} % "
        f"of cases, on {subject}'s own paths in {100 * row['repeat_own']:.0f} % (p {row['repeat_p']:.2f})."
    )


def _scores(found: Findings) -> list[str]:
    subject, *others = found.columns
    said = []
    for horizon, seen in found.windows.items():
        level = shown_level(seen)
        if level is None:
            continue
        value = {c: 100 * mean_excess(found, c, horizon, level, "fz0") for c in found.columns}
        floor = 100 * floor_excess(found.noise[horizon], "fz0", level, 0, seen.groups[None])
        text = (
            f"VaR and ES at {100 * LEVELS[level]:g} %, {horizon} day{'s' * (horizon > 1)}, all books: {subject} is "
            f"{value[subject]:.1f} % worse than the window's own regime quantiles (FZ0), real resamples {floor:.1f} %"
        )
        rivals = {c: value[c] for c in others if np.isfinite(value[c])}
        if rivals:
            best = min(rivals, key=lambda c: rivals[c])
            text += f", the best baseline ({best}) {rivals[best]:.1f} %; {_against(found, horizon, LEVELS[level])}"
        said.append(text + ".")
    return said


def _against(found: Findings, horizon: int, level: float) -> str:
    """Whom the model clearly beats and who beats it, by both scores together."""
    tests = found.tests
    same = tests[
        (tests["against"] == found.columns[0]) & (tests["horizon"] == horizon) & (tests["level"] == level)
    ]
    same = same[(same["score"] == "fz0") & np.isfinite(same["p"])]
    clear = same[same["adjusted"] < SIZE]
    beaten, beating = clear[clear["t"] < 0]["column"].tolist(), clear[clear["t"] > 0]["column"].tolist()
    if not beaten and not beating:
        return f"no difference to any of {len(same)} baselines is significant (Diebold-Mariano, Holm)"
    parts = [f"clearly better than {', '.join(beaten)}"] if beaten else []
    parts += [f"clearly worse than {', '.join(beating)}"] if beating else []
    return f"{' and '.join(parts)}; {len(same) - len(clear)} ties (Diebold-Mariano, Holm)"
