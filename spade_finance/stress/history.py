# SPDX-License-Identifier: Apache-2.0
"""History beside the scenario: the same numbers from real days of the same regimes and from the named episodes.

By regime, windows lie within real spells of the regime, over the whole labelled history; errors are clustered by
spell, long ones cut (few spells are few observations, however many days they have). Over all regimes they come
from the real episodes that the scenario names; a single episode has no standard error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.errors import episode_clusters
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.spells import runs
from spade_finance.stress.drawdowns import Spells, find_spells
from spade_finance.stress.engine import Book, Plan
from spade_finance.stress.liquidity import BASE_DAYS
from spade_finance.stress.measures import Estimate, path_mean
from spade_finance.stress.tables import Row, Writer, spell_rows, window_rows

Vector = NDArray[np.float64]

FEWEST_SPELLS = 2


@dataclass(frozen=True, eq=False)
class LabelledHistory:
    """Real returns with the model's own labels.

    Attributes
    ----------
    returns : DataFrame (days, S) of simple returns, columns in the model's order
    labels : RegimeLabels of these days
    sector_labels : DataFrame (days, S) of regime names, or None
    """

    returns: pd.DataFrame
    labels: RegimeLabels
    sector_labels: pd.DataFrame | None = None

    @classmethod
    def of_model(cls, model: Any, returns: pd.DataFrame | None) -> LabelledHistory:
        """Given returns, else those the model carries, labelled by the model's own labeller.

        Raises
        ------
        InputError
            If there are none, they lack a sector, or the model has no labeller.
        """
        if returns is None:
            if not getattr(model, "embedded_history_", True):
                raise InputError(
                    "this model carries no history: pass --history RETURNS to see history beside it"
                )
            from spade_finance.data import load_sectors

            returns = load_sectors()
        missing = [s for s in model.sectors_ if s not in returns.columns]
        if missing:
            raise InputError(f"history has no column {missing[0]!r}, a sector of the model")
        returns = returns[list(model.sectors_)]
        labels = model.label(returns)
        labeller = getattr(model, "labeller_", None)
        own = labeller.label_sectors(returns) if labeller is not None else None
        return cls(returns, labels, own)

    @property
    def span(self) -> str:
        """First and last day."""
        return f"{self.returns.index[0]:%Y-%m-%d}..{self.returns.index[-1]:%Y-%m-%d}"

    def rows(self, first: date, last: date) -> slice | None:
        """Rows of a date range; None where it does not lie within the history."""
        index = self.returns.index
        if pd.Timestamp(first) < index[0] or pd.Timestamp(last) > index[-1]:
            return None
        a, b = index.searchsorted(pd.Timestamp(first)), index.searchsorted(pd.Timestamp(last), side="right")
        return slice(int(a), int(b)) if b > a else None

    def episodes(self, ranges: Sequence[tuple[date, date]]) -> dict[str, slice]:
        """Rows of the ranges that lie within the history, by ``first..last``."""
        found = {f"{a:%Y-%m-%d}..{b:%Y-%m-%d}": self.rows(a, b) for a, b in ranges}
        return {name: rows for name, rows in found.items() if rows is not None}


def history_rows(
    history: LabelledHistory,
    plan: Plan,
    book_of: int,
    regimes: Sequence[str],
    write: Writer,
    held: Sequence[int],
) -> Iterator[Row]:
    """Rows by regime of one portfolio, for the regimes that the scenario holds."""
    simple = history.returns.to_numpy(dtype=np.float64)
    codes = history.labels.codes
    book = _one(plan, book_of).run(simple[None], codes)[0]
    clusters = episode_clusters(codes)
    for k in held:
        if (codes == k).any():
            yield from window_rows(book, clusters, (codes, k), regimes[k], write, by_day=True)
    spells = _fresh_spells(simple, codes, plan, book_of, held)
    for k in held:
        own = spells.of(k)
        if len(own.path) >= FEWEST_SPELLS:
            yield from spell_rows(own, int(own.path.max()) + 1, regimes[k], write)


def episode_rows(books: Sequence[Book], write: Writer) -> Iterator[Row]:
    """Rows over all regimes, from books of the named episodes, each a cluster of its own."""
    book, clusters = _pool(books)
    yield from window_rows(book, clusters, None, None, write, by_day=True)
    yield write.row("return", path_mean(np.array([b.wealth[0, -1] - 1.0 for b in books])))
    spells = [find_spells(b.wealth, None) for b in books]
    for measure, name in (
        ("max_drawdown", "depth"),
        ("drawdown_days", "fall_days"),
        ("longest_under_water", "longest"),
        ("under_water", "under_water"),
    ):
        values = np.concatenate([getattr(s, name) for s in spells])
        yield write.row(measure, path_mean(values) if len(values) else Estimate(np.nan, np.nan))


def episode_books(history: LabelledHistory, episodes: dict[str, slice], plan: Plan) -> list[dict[str, Book]]:
    """A book of each named episode, by portfolio."""
    out: list[dict[str, Book]] = [{} for _ in plan.portfolios]
    codes = history.labels.codes
    for name, rows in episodes.items():
        simple = history.returns.to_numpy(dtype=np.float64)[rows]
        for place, book in enumerate(plan.run(simple[None], codes[rows])):
            out[place][name] = book
    return out


def _one(plan: Plan, book_of: int) -> Plan:
    return Plan([plan.portfolios[book_of]], plan.sectors, plan.n_regimes, plan.horizons, plan.liquidity)


def _pool(books: Sequence[Book]) -> tuple[Book, dict[int, NDArray[np.int64]]]:
    """Windows of several episodes side by side, and for each horizon the episode of every window."""
    horizons = sorted({h for b in books for h in b.windows} | {BASE_DAYS})
    clusters = {
        h: np.concatenate(
            [np.full(max(b.wealth.shape[1] - h, 0), i, dtype=np.int64) for i, b in enumerate(books)]
        )
        for h in horizons
    }

    def side_by_side(name: str) -> dict[int, NDArray[np.float32]]:
        keys = sorted({key for b in books for key in getattr(b, name)})
        return {
            key: np.concatenate([getattr(b, name)[key] for b in books if key in getattr(b, name)], axis=1)
            for key in keys
        }

    return Book(
        books[0].wealth, books[0].contributions, side_by_side("windows"), side_by_side("rungs")
    ), clusters


def _fresh_spells(
    simple: Vector, codes: NDArray[np.integer], plan: Plan, book_of: int, held: Sequence[int]
) -> Spells:
    """Spells of some regimes, each with a fresh book: what one spell leaves is not the next one's capital."""
    starts, lengths, of = runs(codes)
    keep = np.isin(of, held)
    starts, lengths, of = starts[keep], lengths[keep], np.asarray(of[keep], dtype=np.int64)
    width = int(lengths.max())
    padded = np.zeros((len(starts), width, simple.shape[1]))
    for i, (a, n) in enumerate(zip(starts, lengths, strict=True)):
        padded[i, :n] = simple[a : a + n]
    filling = (np.arange(width) >= lengths[:, None]).astype(np.int64)
    single = Plan([plan.portfolios[book_of]], plan.sectors, 2, (), plan.liquidity)
    found = find_spells(single.run(padded, filling)[0].wealth, filling).of(0)
    return replace(found, regime=of[found.path])
