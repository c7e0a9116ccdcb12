# SPDX-License-Identifier: Apache-2.0
"""Everything that the risk section measured, in one place for its rows, tables, figures and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.coverage import traffic_light
from spade_finance.evaluate.portfolios import Book, Windows
from spade_finance.evaluate.risk_measures import TAILS, Noise, Scored, excess, relative

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that the risk section measured.

    Attributes
    ----------
    columns : tuple of str
        The model (or the scenarios) first.
    book : Book
    windows, noise : dict of horizon
    tables : dict of column to the table of :func:`.risk_measures.coverage_table`
    scored : dict of column to dict of horizon to Scored
    years : DataFrame
        Column, year, days, hits, light of the equal-weight book, 1 day, 99 %; see :func:`yearly`.
    tests : DataFrame
        See :func:`.risk_compare.comparisons`.
    sets : dict of horizon to dict of column to bool
    """

    columns: tuple[str, ...]
    book: Book
    windows: Mapping[int, Windows]
    noise: Mapping[int, Noise]
    tables: Mapping[str, pd.DataFrame]
    scored: Mapping[str, Mapping[int, Scored]]
    years: pd.DataFrame
    tests: pd.DataFrame
    sets: Mapping[int, Mapping[str, bool]]


def yearly(
    scored: Mapping[str, Mapping[int, Scored]], years: Sequence[Any], portfolio: int = 0
) -> pd.DataFrame:
    """Traffic light of each year, 1 day, 99 %: columns column, year, days, hits, light (0 to 2).

    Parameters
    ----------
    years : (days,)
        The year of each day.
    """
    label = np.asarray(years)
    rows = []
    for column, by_horizon in scored.items():
        mine = by_horizon[1]
        known = np.isfinite(mine.var[-1, portfolio])
        for year in dict.fromkeys(label.tolist()):
            days = known & (label == year)
            hits, n = int(mine.hits[-1, portfolio][days].sum()), int(days.sum())
            if n:
                light = int(traffic_light(hits, n, TAILS[-1]))
                rows.append({"column": column, "year": year, "days": n, "hits": hits, "light": light})
    return pd.DataFrame(rows, columns=["column", "year", "days", "hits", "light"])


def level_name(level: float) -> str:
    """``97_5``, as the names of metrics have it."""
    return f"{100 * level:g}".replace(".", "_")


def mean_excess(found: Findings, column: str, horizon: int, level: int, score: str) -> float:
    """How much worse than the oracle on all windows; below zero where the column beats it."""
    mask = found.windows[horizon].groups[None]
    return excess(found.scored[column][horizon], found.noise[horizon], score, level, mask)


def excess_error(found: Findings, column: str, horizon: int, level: int, score: str) -> float:
    """Monte-Carlo error of :func:`mean_excess`, from the groups of paths."""
    parts = found.scored[column][horizon].groups.get(score)
    if parts is None or len(parts) < 2:
        return float("nan")
    best = found.noise[horizon].series[score][level].mean(1)
    values = relative(np.nanmean(parts[:, level], axis=-1), best, score).mean(1)
    return float(values.std(ddof=1) / np.sqrt(len(values)))
