# SPDX-License-Identifier: Apache-2.0
"""The numbers of drawn paths: books run batch by batch, then tables, fans and contributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.stress.catalogue import COLUMNS, HORIZONS
from spade_finance.stress.contributions import COLUMNS as CONTRIBUTION_COLUMNS
from spade_finance.stress.contributions import contribution_rows
from spade_finance.stress.drawdowns import drawdown_paths
from spade_finance.stress.engine import Book, Plan
from spade_finance.stress.liquidity import liquidity_days
from spade_finance.stress.portfolio import Portfolio
from spade_finance.stress.tables import Row, Writer, book_rows

Vector = NDArray[np.float64]

BLOCK = 1024
"""Paths run at a time: few enough for the cache."""
MOST_VALUES = 2_000_000_000
"""Numbers kept for paths x days x portfolios."""
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Drawn:
    """Books of every portfolio on all paths of one source, and the regimes they ran under."""

    books: tuple[Book, ...]
    codes: NDArray[np.integer]


class Gatherer:
    """Takes batches of scenarios, keeps books."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.parts: list[list[Book]] = []
        self.codes: list[NDArray[np.integer]] = []

    def add(self, simple: NDArray[np.floating], codes: NDArray[np.integer]) -> None:
        """Run the books on paths (n, T, S) with regimes (T,) or (n, T)."""
        for first in range(0, len(simple), BLOCK):
            own = codes if codes.ndim == 1 else codes[first : first + BLOCK]
            self.parts.append(self.plan.run(simple[first : first + BLOCK], own))
        self.codes.append(codes)

    def done(self) -> Drawn:
        """Everything gathered; the batches' own copies are let go."""
        count = len(self.plan.portfolios)
        books = tuple(Book.join([part[i] for part in self.parts]) for i in range(count))
        self.parts.clear()
        codes = self.codes[0] if self.codes[0].ndim == 1 else np.concatenate(self.codes)
        return Drawn(books, codes)


def make_plan(
    portfolios: Sequence[Portfolio],
    sectors: Sequence[str],
    n_regimes: int,
    liquidity: Mapping[str, int] | None,
) -> Plan:
    """Plan with the standard horizons."""
    days = liquidity_days(sectors, liquidity)
    return Plan(portfolios, tuple(sectors), n_regimes, HORIZONS, [days[s] for s in sectors])


def check_size(n_paths: int, n_days: int, n_portfolios: int) -> None:
    """Refuse what would not fit in memory."""
    values = n_paths * n_days * n_portfolios * (len(HORIZONS) + 3)
    if values > MOST_VALUES:
        most = MOST_VALUES // (n_days * n_portfolios * (len(HORIZONS) + 3))
        raise InputError(
            f"{n_paths:,} paths of {n_days:,} days with {n_portfolios} portfolio(s) need more than "
            f"{MOST_VALUES * 4 / 2**30:.0f} GiB: ask for at most {most:,} paths"
        )


def drawn_rows(drawn: Drawn, plan: Plan, regimes: Sequence[str], source: str) -> Iterator[Row]:
    """Rows of every portfolio."""
    for portfolio, book in zip(plan.portfolios, drawn.books, strict=True):
        n, days = book.wealth.shape[0], book.wealth.shape[1] - 1
        yield from book_rows(book, drawn.codes, regimes, Writer(portfolio.name, source, days, n))


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Table of rows; those without a number are left out."""
    table = pd.DataFrame([r for r in rows if np.isfinite(r["value"])], columns=list(COLUMNS))
    for name in ("level", "value", "std_error", "n_paths_for_1pct"):
        table[name] = table[name].astype(np.float64)
    table["regime"] = table["regime"].astype(object).where(table["regime"].notna(), None)
    return table


def contributions_of(drawn: Drawn, plan: Plan, regimes: Sequence[str], source: str) -> list[dict[str, Any]]:
    """Rows of every portfolio's contributions."""
    return [
        row
        for portfolio, book in zip(plan.portfolios, drawn.books, strict=True)
        for row in contribution_rows(book, plan.sectors, regimes, portfolio.name, source)
    ]


def contributions_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Contributions as a table."""
    table = pd.DataFrame(list(rows), columns=list(CONTRIBUTION_COLUMNS))
    table["level"] = table["level"].astype(np.float64)
    table["regime"] = table["regime"].astype(object).where(table["regime"].notna(), None)
    return table


def cone(values: Vector) -> pd.DataFrame:
    """Mean and quantiles by day, index ``step`` from 0."""
    table = np.quantile(values, list(QUANTILES.values()), axis=0)
    columns = {"mean": values.mean(axis=0), **dict(zip(QUANTILES, table, strict=True))}
    return pd.DataFrame(columns, index=pd.RangeIndex(values.shape[1], name="step"))


def fan_and_cone(book: Book) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quantiles by day of value and of drawdown."""
    return cone(book.wealth), cone(drawdown_paths(book.wealth))


def ribbon(codes: NDArray[np.integer], regimes: Sequence[str]) -> pd.DataFrame:
    """Share of the paths in each regime by day, (T, K)."""
    shares = {
        name: (codes == k).astype(np.float64) if codes.ndim == 1 else (codes == k).mean(axis=0)
        for k, name in enumerate(regimes)
    }
    return pd.DataFrame(shares, index=pd.RangeIndex(codes.shape[-1], name="step"))
