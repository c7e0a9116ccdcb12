# SPDX-License-Identifier: Apache-2.0
"""Columns against each other: Diebold-Mariano tests of the model against each baseline and of all against the
oracle, and the model confidence set.

Books are put together before the test (days are the sample, not books): the pinball score of each in units of
the oracle's mean, FZ0 as it is, then the mean over books.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.coverage import assessable
from spade_finance.evaluate.diebold_mariano import MIN_WINDOWS, diebold_mariano
from spade_finance.evaluate.forecasts import LEVELS
from spade_finance.evaluate.multiplicity import confidence_set, holm
from spade_finance.evaluate.portfolios import Windows
from spade_finance.evaluate.risk_measures import SCORES, TAILS, Noise, Scored

Array = NDArray[np.float64]

ORACLE = "oracle"
PREFERRED = (1, 0)
"""Levels shown in the tables, by position: 97.5 % (the level of regulatory ES), else 95 %."""


def shown_level(windows: Windows) -> int | None:
    """Position of the level at which a horizon is compared; None where too few breaches are expected."""
    for level in PREFERRED:
        if windows.count >= MIN_WINDOWS and assessable(windows.count, TAILS[level]):
            return level
    return None


def over_books(series: Array, best: Array, name: str) -> Array:
    """One score a window (windows,) from those of each book, (portfolios, windows); `best` is the oracle's."""
    if name == "fz0":
        return np.asarray(series.mean(0))
    return np.asarray((series / best.mean(1, keepdims=True)).mean(0))


def comparisons(
    scored: Mapping[str, Mapping[int, Scored]], noise: Mapping[int, Noise], windows: Mapping[int, Windows]
) -> pd.DataFrame:
    """Every Diebold-Mariano test.

    Parameters
    ----------
    scored : mapping of column to mapping of horizon to Scored
        The model first.
    noise, windows : mapping of horizon

    Returns
    -------
    DataFrame
        Columns ``against``, ``column``, ``score``, ``level``, ``horizon``, ``mean``, ``t``, ``p``,
        ``adjusted``. With ``against`` the model's name, the model against that column (t < 0: the model is
        better); with "oracle", that column against the oracle (t > 0: the oracle is better). ``adjusted`` is
        Holm's p over all tests of the same ``against``.
    """
    subject = next(iter(scored))
    rows = []
    for horizon, seen in windows.items():
        for level, tail in enumerate(TAILS):
            if not assessable(seen.count, tail) or seen.count < MIN_WINDOWS:
                continue
            for name in SCORES:
                best = noise[horizon].series[name][level]
                series = {
                    c: over_books(s[horizon].series[name][level], best, name) for c, s in scored.items()
                }
                truth = over_books(best, best, name)
                pairs = [(subject, c, series[subject], series[c]) for c in series if c != subject]
                pairs += [(ORACLE, c, series[c], truth) for c in series]
                for against, column, first, second in pairs:
                    found = diebold_mariano(first, second, seen.cluster)
                    rows.append(
                        {
                            "against": against,
                            "column": column,
                            "score": name,
                            "level": LEVELS[level],
                            "horizon": horizon,
                            "mean": found.mean,
                            "t": found.t,
                            "p": found.p,
                        }
                    )
    names = ["against", "column", "score", "level", "horizon", "mean", "t", "p", "adjusted"]
    table = pd.DataFrame(rows, columns=names)
    for _, part in table.groupby("against"):
        table.loc[part.index, "adjusted"] = holm(part["p"].to_numpy(dtype=np.float64))
    return table.astype({"adjusted": np.float64})


def confidence_sets(
    scored: Mapping[str, Mapping[int, Scored]],
    noise: Mapping[int, Noise],
    windows: Mapping[int, Windows],
    seed: int,
) -> dict[int, dict[str, bool]]:
    """Members of the 90 % model confidence set by FZ0 at each horizon's shown level, column by column.

    Columns that lack a forecast on more than a tenth of the windows are left out.
    """
    out: dict[int, dict[str, bool]] = {}
    for horizon, seen in windows.items():
        level = shown_level(seen)
        if level is None:
            continue
        best = noise[horizon].series["fz0"][level]
        series = {c: over_books(s[horizon].series["fz0"][level], best, "fz0") for c, s in scored.items()}
        series = {c: v for c, v in series.items() if np.isfinite(v).mean() > 0.9}
        if len(series) < 2:
            continue
        losses = np.stack(list(series.values()), axis=1)
        losses = losses[np.isfinite(losses).all(1)]
        out[horizon] = dict(zip(series, confidence_set(losses, seed + horizon).tolist(), strict=True))
    return out
