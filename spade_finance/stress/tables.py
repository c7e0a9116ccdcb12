# SPDX-License-Identifier: Apache-2.0
"""Books into the rows of a report: every measure, overall and by regime, with errors clustered by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.stress.catalogue import DEPTH_LEVELS, LEVELS, THRESHOLDS, YEAR
from spade_finance.stress.drawdowns import Spells, find_spells
from spade_finance.stress.engine import Book, windows_inside
from spade_finance.stress.liquidity import BASE_DAYS, LEVEL, cascade_es
from spade_finance.stress.measures import Estimate, Sample, cluster_mean, path_mean, paths_for_one_percent

Row = dict[str, Any]
Clusters = NDArray[np.integer]


@dataclass(frozen=True)
class Writer:
    """Makes rows of one portfolio and source."""

    portfolio: str
    source: str
    n_days: int
    n_paths: int | None
    """None for history: more of it cannot be drawn."""

    def row(
        self,
        measure: str,
        estimate: Estimate,
        level: float | None = None,
        horizon_days: int | None = None,
        regime: str | None = None,
    ) -> Row:
        """One row; `horizon_days` None is the whole scenario."""
        needed = (
            paths_for_one_percent(estimate.value, estimate.std_error, self.n_paths)
            if self.n_paths is not None
            else float("nan")
        )
        return {
            "portfolio": self.portfolio,
            "source": self.source,
            "measure": measure,
            "level": level,
            "horizon_days": self.n_days if horizon_days is None else horizon_days,
            "regime": regime,
            "value": estimate.value,
            "std_error": estimate.std_error,
            "n_paths_for_1pct": needed,
        }


def book_rows(book: Book, codes: NDArray[np.integer], regimes: Sequence[str], write: Writer) -> Iterator[Row]:
    """Every row of a book on drawn paths; `codes` (T,) or (n, T)."""
    paths = np.arange(len(book.wealth))
    yield from horizon_rows(book, write)
    yield from window_rows(book, paths, None, None, write)
    yield from spell_rows(find_spells(book.wealth, None), len(paths), None, write)
    held = [k for k in range(len(regimes)) if (codes == k).any()]
    spells = find_spells(book.wealth, codes)
    for k in held:
        yield write.row("return", path_mean(book.contributions[:, k].sum(axis=1)), regime=regimes[k])
        yield from window_rows(book, paths, (codes, k), regimes[k], write)
        yield from spell_rows(spells.of(k), len(paths), regimes[k], write)


def horizon_rows(book: Book, write: Writer) -> Iterator[Row]:
    """Return, VaR, ES and probabilities at the end of the scenario."""
    losses = book.losses
    yield write.row("return", path_mean(-losses))
    sample = Sample(losses, np.arange(len(losses)), len(losses), sorted_share=1.0)
    median = sample.var(0.5)
    yield write.row("median_return", Estimate(-median.value, median.std_error))
    for level in LEVELS:
        yield write.row("var", sample.var(level), level)
        yield write.row("es", sample.es(level), level)
    for threshold in THRESHOLDS:
        yield write.row("prob_loss", share(losses >= threshold), threshold)
    yield write.row("prob_ruin", share(np.asarray((book.wealth <= 0).any(axis=1))))


def window_rows(
    book: Book,
    clusters: Clusters | Mapping[int, Clusters],
    inside: tuple[NDArray[np.integer], int] | None,
    regime: str | None,
    write: Writer,
    *,
    by_day: bool = False,
) -> Iterator[Row]:
    """Volatility, VaR and ES of windows, all of them or those within a regime's spells.

    Parameters
    ----------
    clusters : (n,) of each path, or with `by_day` (T,) of each starting day (one array a horizon if a mapping)
    inside : (codes, regime) or None
    """
    by_horizon = (
        clusters if isinstance(clusters, Mapping) else dict.fromkeys([*book.windows, BASE_DAYS], clusters)
    )
    size = max(int(c.max()) + 1 for c in by_horizon.values() if len(c))
    for h, windows in book.windows.items():
        if h == write.n_days and regime is None and not by_day:
            continue  # the horizon's own rows
        losses, own = _pooled(windows, by_horizon[h], inside, h, by_day)
        if not len(losses):
            continue
        if h == 1:
            yield write.row("volatility", volatility(losses, own, size), horizon_days=1, regime=regime)
        sample = Sample(losses, own, size)
        for level in LEVELS:
            yield write.row("var", sample.var(level), level, h, regime)
            yield write.row("es", sample.es(level), level, h, regime)
    parts = {r: _pooled(x, by_horizon[BASE_DAYS], inside, BASE_DAYS, by_day) for r, x in book.rungs.items()}
    if parts and len(parts[BASE_DAYS][0]):
        losses_by_rung = {r: part[0] for r, part in parts.items()}
        estimate = cascade_es(losses_by_rung, parts[BASE_DAYS][1], size)
        yield write.row("liquidity_es", estimate, LEVEL, BASE_DAYS, regime)


def spell_rows(spells: Spells, n_clusters: int, regime: str | None, write: Writer) -> Iterator[Row]:
    """Drawdowns and breaches of spells, clustered by path (or by spell where each is a cluster)."""
    if not len(spells.path):
        return

    def mean(values: NDArray[np.floating]) -> Estimate:
        return cluster_mean(np.asarray(values, dtype=np.float64), spells.path, n_clusters)

    yield write.row("max_drawdown", mean(spells.depth), regime=regime)
    yield write.row("drawdown_days", mean(spells.fall_days), regime=regime)
    yield write.row("longest_under_water", mean(spells.longest), regime=regime)
    yield write.row("under_water", mean(spells.under_water), regime=regime)
    for measure, values, sign in (
        ("max_drawdown", -spells.depth, -1.0),
        ("drawdown_days", spells.fall_days, 1.0),
        ("longest_under_water", spells.longest, 1.0),
    ):
        sample = Sample(values, spells.path, n_clusters)
        for level in DEPTH_LEVELS:
            found = sample.var(level)
            yield write.row(measure, Estimate(sign * found.value, found.std_error), level, regime=regime)
    for threshold in THRESHOLDS:
        hit = spells.low <= -threshold
        yield write.row("prob_breach", share(hit, spells.path, n_clusters), threshold, regime=regime)


def volatility(losses: NDArray[np.floating], clusters: Clusters, n_clusters: int) -> Estimate:
    """Annualised standard deviation of daily losses, clustered."""
    x = losses.astype(np.float64)
    square = (x - x.mean()) ** 2
    variance = cluster_mean(square, clusters, n_clusters)
    if not variance.value > 0:
        return Estimate(0.0, float("nan"))
    value = float(np.sqrt(YEAR * variance.value))
    return Estimate(value, value / (2 * variance.value) * variance.std_error)


def share(
    hit: NDArray[np.bool_], clusters: Clusters | None = None, n_clusters: int | None = None
) -> Estimate:
    """Share of hits. When none or all are, the error is that of one more case either way (Laplace)."""
    if clusters is None:
        clusters, n_clusters = np.arange(len(hit)), len(hit)
    assert n_clusters is not None
    found = cluster_mean(hit.astype(np.float64), clusters, n_clusters)
    if 0 < found.value < 1 or not np.isfinite(found.std_error):
        return found
    m = len(np.unique(clusters))
    p = 1.0 / (m + 2)
    return Estimate(found.value, float(np.sqrt(p * (1 - p) / m)))


def _pooled(
    windows: NDArray[np.floating],
    clusters: Clusters,
    inside: tuple[NDArray[np.integer], int] | None,
    h: int,
    by_day: bool,
) -> tuple[NDArray[np.floating], Clusters]:
    """Losses (N,) of the wanted windows and their clusters."""
    n, width = windows.shape
    of = np.broadcast_to(clusters[None, :width] if by_day else clusters[:, None], (n, width))
    if inside is None:
        return windows.reshape(-1), of.reshape(-1)
    mask = windows_inside(*inside, h)
    if mask.ndim == 1:
        return windows[:, mask].reshape(-1), of[:, mask].reshape(-1)
    return windows[mask], of[mask]
