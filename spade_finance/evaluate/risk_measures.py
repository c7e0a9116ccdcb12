# SPDX-License-Identifier: Apache-2.0
"""What is measured of one column's forecasts, and of the real window's own noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.acerbi import Breaches, count_breaches
from spade_finance.evaluate.coverage import (
    assessable,
    conditional_coverage,
    independence,
    kupiec,
    transitions,
)
from spade_finance.evaluate.forecasts import LEVELS, Forecast
from spade_finance.evaluate.multiplicity import max_t, rank_p, studentised
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.portfolios import Book, Windows, compound
from spade_finance.evaluate.scoring import fz0, oracle, pinball

Array = NDArray[np.float64]

TAILS = tuple(round(1.0 - level, 10) for level in LEVELS)
SCORES = ("pinball", "fz0")
MOST_KNOWN = 0.9
"""A column with forecasts for a smaller share of the windows than this has no score there."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one column at one horizon.

    Attributes
    ----------
    series : dict of str to (levels, portfolios, windows)
        Score of each window by name ("pinball", "fz0"); NaN without a forecast.
    groups : dict of str to (n, levels, portfolios, windows)
        The same with the forecasts of disjoint groups of paths.
    var, es, hits : (levels, portfolios, windows)
    """

    series: dict[str, Array]
    groups: dict[str, Array]
    var: Array
    es: Array
    hits: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Noise:
    """The oracle (the window's own regime quantiles) at one horizon, and what sampling error does to it.

    Attributes
    ----------
    series : dict of str to (levels, portfolios, windows)
        Scores of the oracle.
    scores : dict of str to (levels, portfolios, groups, resamples)
        Mean scores on the real window of forecasters who know a resample of it.
    hit_rates : (levels, portfolios, groups, resamples)
        How often the oracle's VaR is exceeded in the resamples.
    """

    series: dict[str, Array]
    scores: dict[str, Array]
    hit_rates: Array


def score(forecast: Forecast, windows: Windows) -> Scored:
    """Scores of a forecast on what happened."""
    loss = -windows.returns
    parts = [_scores(var, es, loss) for var, es in forecast.groups]
    groups = {name: np.stack([part[name] for part in parts]) for name in SCORES} if parts else {}
    with np.errstate(invalid="ignore"):
        hits = loss > forecast.var
    return Scored(_scores(forecast.var, forecast.es, loss), groups, forecast.var, forecast.es, hits)


def _scores(var: Array, es: Array, loss: Array) -> dict[str, Array]:
    tail = np.array(TAILS)[:, None, None]
    return {"pinball": pinball(var, loss, tail), "fz0": fz0(var, es, loss, tail)}


def coverage_table(forecasts: dict[int, Forecast], windows: dict[int, Windows], book: Book) -> pd.DataFrame:
    """Every coverage and shortfall test of one column.

    Returns
    -------
    DataFrame
        One row a horizon, level, portfolio and regime (None: all days) with at least one window: ``windows``,
        ``expected``, ``hits``, ``hit_rate``, its Monte-Carlo error ``hit_rate_se``, ``z1``, ``z2``, ``z2_se``,
        ``repeat`` (share of hits right after a hit) and what the column's own paths show for it,
        ``repeat_own``; p-values ``kupiec_p``, ``independence_p``, ``cc_p`` (closed form), ``hits_p``,
        ``z1_p``, ``z2_p``, ``repeat_p`` (against the column's own paths), and ``hits_adjusted``,
        ``z2_adjusted``: max-t over the whole table. Tests are NaN where ``assessable`` is False.
    """
    rows: list[dict[str, object]] = []
    family: list[Array] = []
    for horizon, forecast in forecasts.items():
        seen = windows[horizon]
        masks = np.stack(list(seen.groups.values()))
        for level, tail in enumerate(TAILS):
            found = count_breaches(
                seen.returns, forecast.draws, forecast.var[level], forecast.es[level], masks, tail
            )
            spread = [
                _real_rates(seen, var[level], es[level], masks & forecast.known, tail)
                for var, es in forecast.groups
            ]
            part = _rows(found, forecast, seen, level, spread, masks)
            for (p, g), row in part:
                if row["assessable"]:
                    family += [studentised(found.hits[p, g]), studentised(found.z2[p, g], "low")]
                row |= {"horizon": horizon, "level": LEVELS[level], "portfolio": book.names[p]}
                rows.append(row)
    table = pd.DataFrame(rows)
    adjusted = max_t(np.stack(family)).reshape(-1, 2) if family else np.empty((0, 2))
    table[["hits_adjusted", "z2_adjusted"]] = np.nan
    table.loc[table["assessable"], ["hits_adjusted", "z2_adjusted"]] = adjusted
    return table


def _rows(
    found: Breaches,
    forecast: Forecast,
    seen: Windows,
    level: int,
    spread: list[tuple[Array, Array]],
    masks: NDArray[np.bool_],
) -> list[tuple[tuple[int, int], dict[str, object]]]:
    """Rows of one horizon and level, each with its portfolio and group."""
    tail = found.tail
    with np.errstate(invalid="ignore"):
        hit = seen.returns < -forecast.var[level]
    counts = np.stack([transitions(hit, mask & forecast.known) for mask in masks], axis=1)
    real = found.hits[..., 0]
    tests = {
        "kupiec_p": kupiec(real, found.windows, tail)[1],
        "independence_p": independence(counts)[1],
        "cc_p": conditional_coverage(counts, tail)[1],
        "hits_p": rank_p(found.hits),
        "z1_p": rank_p(found.z1, "low"),
        "z2_p": rank_p(found.z2, "low"),
        "repeat_p": rank_p(found.pairs, "high"),
    }
    repeat = np.divide(found.pairs, found.hits, out=np.full(found.pairs.shape, np.nan), where=found.hits > 0)
    own = np.nansum(found.pairs[..., 1:], -1) / np.maximum(found.hits[..., 1:].sum(-1), 1.0)
    rows: list[tuple[tuple[int, int], dict[str, object]]] = []
    for g, regime in enumerate(seen.groups):
        n = float(found.windows[g])
        if n == 0:
            continue
        can = assessable(n, tail)
        for p in range(len(real)):
            row: dict[str, object] = {
                "regime": regime,
                "windows": n,
                "expected": n * tail,
                "hits": real[p, g],
                "hit_rate": real[p, g] / n,
                "hit_rate_se": _error([rates[p, g] for rates, _ in spread]),
                "assessable": can,
                "z1": found.z1[p, g, 0] if can else np.nan,
                "z2": found.z2[p, g, 0] if can else np.nan,
                "z2_se": _error([z2[p, g] for _, z2 in spread]),
                "repeat": repeat[p, g, 0] if can else np.nan,
                "repeat_own": own[p, g] if can else np.nan,
            }
            row |= {name: p_values[p, g] if can else np.nan for name, p_values in tests.items()}
            rows.append(((p, g), row))
    return rows


def _real_rates(
    seen: Windows, var: Array, es: Array, masks: NDArray[np.bool_], tail: float
) -> tuple[Array, Array]:
    """Hit rates and Z2 (portfolios, groups) of one group's forecasts on what happened."""
    none = np.empty((len(var), seen.count, 0), dtype=np.float32)
    found = count_breaches(seen.returns, none, var, es, masks, tail)
    rate = found.hits[..., 0] / np.maximum(found.windows, 1.0)
    return rate, found.z2[..., 0]


def _error(values: list[float]) -> float:
    """Standard error of the mean of values from disjoint groups of paths; NaN for fewer than two."""
    seen = np.array(values)[np.isfinite(values)]
    return float(seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else float("nan")


def noise(real: Windows, floor: Panel, book: Book) -> Noise:
    """The oracle and its sampling error, from resamples of the window under its own labels."""
    daily = np.einsum("ntd,pd->pnt", floor.simple[..., 1:], book.weights, optimize=True)
    resampled = np.asarray(compound(daily, real.horizon), dtype=np.float64)
    masks = np.stack(list(real.groups.values())).astype(np.float64)
    weight = masks / np.maximum(masks.sum(1, keepdims=True), 1.0)
    shape = (len(TAILS), len(book.names), len(masks), floor.n_paths)
    series = {name: np.empty((len(TAILS), *real.returns.shape)) for name in SCORES}
    scores = {name: np.empty(shape) for name in SCORES}
    rates = np.empty(shape)
    for level, tail in enumerate(TAILS):
        for p, returns in enumerate(resampled):
            loss = -real.returns[p]
            var, es = oracle(real.daily[p], real, tail)
            rates[level, p] = weight @ (returns < -var).T
            series["pinball"][level, p] = pinball(var, loss, tail)
            series["fz0"][level, p] = fz0(var, es, loss, tail)
            var, es = oracle(daily[p], real, tail)
            scores["pinball"][level, p] = weight @ pinball(var, loss, tail).T
            scores["fz0"][level, p] = weight @ fz0(var, es, loss, tail).T
    return Noise(series, scores, rates)


def excess(column: Scored, noise_: Noise, name: str, level: int, mask: NDArray[np.bool_]) -> float:
    """How much worse than the oracle's the column's score is on some windows, mean over portfolios.

    Relative to the oracle's for pinball, a difference for FZ0 (which is a relative difference of risk).
    """
    ours, best = column.series[name][level], noise_.series[name][level]
    seen = mask & np.isfinite(ours).all(0) & np.isfinite(best).all(0)
    if seen.sum() < MOST_KNOWN * mask.sum() or not seen.any():
        return float("nan")
    return float(np.mean(relative(ours[:, seen].mean(1), best[:, seen].mean(1), name)))


def floor_excess(noise_: Noise, name: str, level: int, group: int, mask: NDArray[np.bool_]) -> float:
    """The same of forecasters who know a resample, mean over resamples: the floor of :func:`excess`."""
    best = noise_.series[name][level][:, mask].mean(1)
    worse = relative(noise_.scores[name][level][:, group], best[:, None], name).mean(0)
    return float(np.nanmean(np.maximum(worse, 0.0)))


def relative(value: Array, best: Array, name: str) -> Array:
    """Ratio less one for pinball, difference for FZ0."""
    return value / best - 1.0 if name == "pinball" else value - best
