# SPDX-License-Identifier: Apache-2.0
"""The scorecard's part on VaR and ES: do they hold, in each regime and for books of every kind?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import risk_exhibits as exhibits
from spade_finance.evaluate.coverage import assessable
from spade_finance.evaluate.errors import episode_clusters
from spade_finance.evaluate.forecasts import (
    HORIZONS,
    Forecast,
    column_key,
    draw_daily,
    from_panel,
    from_paths,
)
from spade_finance.evaluate.portfolios import Book, Windows, make_windows, risk_book
from spade_finance.evaluate.risk_compare import comparisons, confidence_sets, shown_level
from spade_finance.evaluate.risk_distances import distance_rows
from spade_finance.evaluate.risk_findings import sentences
from spade_finance.evaluate.risk_found import Findings, yearly
from spade_finance.evaluate.risk_measures import TAILS, Scored, coverage_table, noise, score
from spade_finance.evaluate.risk_rows import statistics_rows
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult

STREAM = 310
BLOCK_DAYS = 63
YEAR_DAYS = 252


class RiskSection(Section):
    """VaR and ES of several books at three levels and horizons: coverage, shortfall, scores."""

    name: ClassVar[str] = "risk"
    title: ClassVar[str] = "VaR and ES backtests, given the regimes"

    def measure(self, material: Material) -> SectionResult:
        """Forecasts of every column, tested and scored on what happened; see the modules beside this one."""
        found, notes = _measured(material)
        if found is None:
            return SectionResult(notes=tuple(notes))
        return SectionResult(
            statistics_rows(found),
            distance_rows(found),
            _exhibits(found, material),
            sentences(found),
            tuple(notes),
        )


def _measured(material: Material) -> tuple[Findings | None, list[str]]:
    """Everything that the tables and figures show, and what was left out."""
    real = material.real
    codes = None if real.codes is None else np.asarray(real.codes).reshape(-1)
    notes: list[str] = []
    windows, book = _windows(material, codes, notes)
    if not windows:
        return None, notes
    tables, scored = {}, {}
    for column in material.columns:
        forecasts = _forecasts(material, column, windows, book, codes)
        tables[column] = coverage_table(forecasts, windows, book)
        scored[column] = {h: score(f, windows[h]) for h, f in forecasts.items()}
    errors = {h: noise(seen, material.floor, book) for h, seen in windows.items()}
    notes += _how_forecast(material, scored, windows)
    notes += _what_is_missing(windows)
    found = Findings(
        tuple(material.columns), book, windows, errors, tables, scored,
        yearly(scored, _years(material)),
        comparisons(scored, errors, windows),
        confidence_sets(scored, errors, windows, material.seed),
    )  # fmt: skip
    return found, notes


def _windows(
    material: Material, codes: NDArray[np.integer] | None, notes: list[str]
) -> tuple[dict[int, Windows], Book]:
    """What happened to the books at each horizon that the window has room for."""
    real = material.real
    history = material.training if material.training is not None else real
    if material.training is None and len(real.sectors) > 1:
        notes.append("no training days are known: the eigen portfolios are those of the real window itself")
    if len(real.sectors) == 1:
        notes.append("one sector: no long-short and no eigen portfolios")
    book = risk_book(np.asarray(history.simple[0][:, 1:]))
    cluster = np.arange(real.n_days) // BLOCK_DAYS if codes is None else episode_clusters(codes)
    windows = {}
    for horizon in HORIZONS:
        if not assessable(real.n_days // horizon, TAILS[0]):
            notes.append(
                f"{horizon}-day VaR is left out: {real.n_days // horizon} windows that do not overlap are too few"
            )
            continue
        windows[horizon] = make_windows(
            real.simple[0][:, 1:], book.weights, horizon, codes, real.regimes, cluster
        )
    if 1 not in windows:
        return {}, book
    return windows, book


def _forecasts(
    material: Material,
    column: str,
    windows: dict[int, Windows],
    book: Book,
    codes: NDArray[np.integer] | None,
) -> dict[int, Forecast]:
    """A column's VaR and ES at each horizon: from paths under the real labels, or else pooled by regime."""
    if column in material.generators and codes is not None:
        daily = draw_daily(material, column, book.weights)
        return {h: from_paths(daily, seen, codes) for h, seen in windows.items()}
    panel = material.columns[column]
    by_regime = codes is not None and panel.codes is not None and panel.regimes == material.real.regimes
    rng = material.rng(STREAM, column_key(column))
    return {h: from_panel(panel, seen, book.weights, rng, by_regime=by_regime) for h, seen in windows.items()}


def _how_forecast(
    material: Material, scored: dict[str, dict[int, Scored]], windows: dict[int, Windows]
) -> list[str]:
    """Columns without a generator, and columns that never enter a regime of the window."""
    given = [c for c in material.columns if c not in material.generators or material.real.codes is None]
    notes = []
    if given:
        pooled = "the days of each regime" if material.real.codes is not None else "all days"
        notes.append(
            f"nothing to draw paths under the window's labels from, so VaR and ES are pooled over {pooled} "
            f"(over all days without labels of the same regimes): {', '.join(given)}"
        )
    for column, by_horizon in scored.items():
        missing = int(np.isnan(by_horizon[1].var[0, 0]).sum())
        if missing:
            notes.append(
                f"{column}: no VaR on {missing} of {windows[1].count} days, in regimes that it never enters; its "
                "tests leave them out"
            )
    return notes


def _years(material: Material) -> list[str]:
    """Year of each day; without dates, blocks of 252 days."""
    if material.dates is None:
        return [f"year {1 + day // YEAR_DAYS}" for day in range(material.real.n_days)]
    return [str(year) for year in material.dates.year]


def _what_is_missing(windows: dict[int, Windows]) -> list[str]:
    """Regimes and levels that have too few days for a test."""
    few = [
        f"{regime or 'all days'} ({mask.sum():,} windows of {horizon} d)"
        for horizon, seen in windows.items()
        for regime, mask in seen.groups.items()
        if horizon == 1 and not assessable(mask.sum(), TAILS[0])
    ]
    notes = []
    if few:
        notes.append(f"not assessable, under 5 expected breaches even at 95 %: {', '.join(few)}")
    if any(horizon > 1 for horizon in windows):
        notes.append(
            "several days: windows that do not overlap, books rebalanced daily; a window has the regime of most "
            "of its days"
        )
    return notes


def _exhibits(found: Findings, material: Material) -> tuple[Exhibit, ...]:
    real = material.real
    codes = None if real.codes is None else np.asarray(real.codes).reshape(-1)
    shown = [
        Exhibit("Coverage by regime", _COVERAGE, table=exhibits.coverage_exhibit(found)),
        Exhibit(
            "Breaches in time",
            _BREACHES,
            figure=exhibits.breach_figure(found, material.dates, codes, real.regimes),
        ),
        Exhibit("Breaches by book and level", _MAP, figure=exhibits.hit_map(found)),
    ]
    if assessable(real.n_days, TAILS[-1]):
        shown.append(Exhibit("Traffic light by year", _YEARS, figure=exhibits.year_map(found)))
    if any(shown_level(seen) is not None for seen in found.windows.values()):
        shown.append(Exhibit("Scores of VaR and ES", _SCORES, table=exhibits.score_exhibit(found)))
    return tuple(shown)


_COVERAGE = (
    "Equal weight, one day. Breaches of VaR of those expected, Kupiec's p, and at 99 % the Basel light of that many "
    "days. Not forecasts: every column knows the regime of each day, and nothing of yesterday's return, so "
    "breaches may cluster inside a regime. Z2: Acerbi-Székely, negative when ES is too small; its p, and that of "
    "clustering (a breach right after a breach), is the share of the column's own paths that are as bad. "
    "Independence: Christoffersen. Failed: coverage and Z2 tests of every book, horizon and regime at that level "
    "that remain at 5 % after the max-t correction for all of them together."
)
_BREACHES = (
    "Each bar a day's return, the lines the forecast of the evaluated column given that day's regime; a dot is a "
    "breach of the 99 % VaR."
)
_MAP = (
    "1.00 is right; above, VaR is too small. A star: coverage or ES fails after the correction for all tests of "
    "that column. Long-short books are dollar-neutral, eigen books are those of the training correlation's largest "
    "and smallest eigenvalue."
)
_YEARS = "Equal weight. Green below 95 % binomial probability, red from 99.99 % on, for that year's number of days."
_SCORES = (
    "How much worse than the oracle, who takes each regime's VaR and ES from the window itself: pinball in percent, "
    "FZ0 as 100 times the difference (1 is what one percent more risk would cost); mean over books, ± Monte-Carlo "
    "error; below zero beats it. ▲ clearly worse than the first row, ▼ clearly better, ° clearly "
    "worse than the oracle: Diebold-Mariano with the larger of the Newey-West and the episode-clustered error, "
    "Holm at 5 % over all scores, levels, horizons and columns. FZ0: joint score of VaR and ES (Patton, Ziegel & "
    "Chen 2019). The confidence set is Hansen's, by FZ0, at the horizons named."
)
