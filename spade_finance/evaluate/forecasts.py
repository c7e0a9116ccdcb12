# SPDX-License-Identifier: Apache-2.0
r"""VaR and ES that a column gives for each day of the window: its distribution given the regimes.

A generator is asked for many paths under the window's own labels. For one day, the lower quantile over paths
of the returns on that day **and on its neighbours inside the same spell** (:data:`NEIGHBOURS` on each side)
is the forecast: five times the draws for a law that hardly changes within a week of one regime, and no day of
another regime mixed in. For h days it is the quantile over paths of the window's compounded return, not
pooled, for windows that share days with different regimes have different laws.

With N draws the quantile of level :math:`\alpha` is the order statistic :math:`\alpha (N + 1)`, interpolated
(Hyndman & Fan 1996, type 6): if reality is one more path of the column, it is breached with probability
:math:`\alpha` whatever N, so few draws do not bias coverage. ES is (Rockafellar & Uryasev 2000)

.. math:: ES = VaR + \frac{1}{\alpha N} \sum_i (L_i - VaR)^+

Both are positive losses. Paths are drawn from labels that are smoothed, known for the whole window: these are
forecasts *given the regimes*, a test of the conditional law, not a trading-time forecast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.portfolios import Windows, compound, window_regimes
from spade_finance.evaluate.section import Material

Array = NDArray[np.float64]
Draws = NDArray[np.float32]

LEVELS = (0.95, 0.975, 0.99)
HORIZONS = (1, 5, 20)
N_PATHS = 800
BATCH_PATHS = 200
MOST_PATH_DAYS = 6_000_000
"""Long windows are drawn in fewer paths: the draws of all books are kept in memory."""
NEIGHBOURS = 2
N_GROUPS = 5
"""Groups of paths whose forecasts are compared for the Monte-Carlo error."""
KEY = 31


@dataclass(frozen=True, eq=False)
class Forecast:
    """VaR and ES of each window, and what the column itself draws there.

    Attributes
    ----------
    var, es : (levels, portfolios, windows)
        Positive losses; NaN where the column says nothing about the window.
    draws : (portfolios, windows, n) float32
        Returns that the column gives to the window, draw i of every window and book being one path (given
        the regimes, so what its own statistics would be if it were true).
    groups : tuple of (var, es)
        The same forecast from disjoint groups of paths.
    """

    var: Array
    es: Array
    draws: Draws
    groups: tuple[tuple[Array, Array], ...]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Windows that have a forecast, (windows,)."""
        return np.asarray(np.isfinite(self.var).all(axis=(0, 1)))


def lower_tail(draws: NDArray[np.floating], levels: tuple[float, ...] = LEVELS) -> tuple[Array, Array]:
    """VaR and ES (levels, ...) over the last axis of returns, by the formulas above.

    Fewer draws than 1 / (1 - level) put the VaR at the worst of them: too mild a forecast.
    """
    n = draws.shape[-1]
    tails = [round(1.0 - level, 10) for level in levels]
    deepest = min(int(max(tails) * (n + 1)) + 1, n)
    worst = np.partition(draws, deepest - 1, axis=-1)[..., :deepest] if deepest < n else draws
    worst = np.sort(worst, axis=-1).astype(np.float64)
    var, es = [], []
    for tail in tails:
        place = np.clip(tail * (n + 1), 1, n)
        k = min(int(place), worst.shape[-1])
        above = worst[..., min(k, worst.shape[-1] - 1)]
        quantile = worst[..., k - 1] + (place - k) * (above - worst[..., k - 1])
        excess = np.maximum(quantile[..., None] - worst, 0.0).sum(-1) / (tail * n)
        var.append(-quantile)
        es.append(excess - quantile)
    return np.stack(var), np.stack(es)


def pooled_tail(
    draws: Draws, codes: NDArray[np.integer], neighbours: int = NEIGHBOURS
) -> tuple[Array, Array]:
    """VaR and ES (levels, portfolios, days) over paths and over the days within reach in the same spell.

    Near a switch the reach is shifted inwards: a day always has ``2 neighbours + 1`` days, or its whole spell
    when that is shorter.
    """
    n_books, n_days, n = draws.shape
    first, length = reach(codes, neighbours)
    var, es = (np.empty((len(LEVELS), n_books, n_days)) for _ in range(2))
    for days in np.unique(length):
        at = np.flatnonzero(length == days)
        starts, back = np.unique(first[at], return_inverse=True)
        for p in range(n_books):
            flat = np.ascontiguousarray(draws[p]).reshape(-1)
            view = np.lib.stride_tricks.sliding_window_view(flat, days * n)[::n]
            found = [lower_tail(view[part]) for part in _parts(starts, days * n)]
            both = np.concatenate([np.stack(f) for f in found], axis=-1)
            var[:, p, at], es[:, p, at] = both[0][:, back], both[1][:, back]
    return var, es


def reach(codes: NDArray[np.integer], neighbours: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First day and number of days that are pooled for each day, (days,) each."""
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    ends = np.append(starts[1:], len(codes))
    spell = np.repeat(np.arange(len(starts)), ends - starts)
    length = np.minimum(2 * neighbours + 1, (ends - starts)[spell])
    days = np.arange(len(codes))
    return np.clip(days - neighbours, starts[spell], ends[spell] - length), length


def _parts(starts: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64]]:
    """Starts in pieces whose rows fill about 16 MB."""
    step = max(4_000_000 // width, 1)
    for a in range(0, len(starts), step):
        yield starts[a : a + step]


def from_paths(
    daily: Draws, windows: Windows, codes: NDArray[np.integer] | None, n_groups: int = N_GROUPS
) -> Forecast:
    """Forecast from paths drawn under the window's labels, daily portfolio returns (portfolios, days, n)."""
    n = daily.shape[-1]
    if windows.horizon == 1:
        draws = daily
    else:
        count = windows.count * windows.horizon
        cut = daily[:, :count].reshape(len(daily), windows.count, windows.horizon, n)
        draws = (1.0 + cut).prod(2, dtype=np.float64).astype(np.float32) - np.float32(1.0)
    spells = np.zeros(daily.shape[1], dtype=np.int64) if codes is None else codes

    def tail(part: Draws) -> tuple[Array, Array]:
        return pooled_tail(part, spells) if windows.horizon == 1 else lower_tail(part)

    edges = np.linspace(0, n, n_groups + 1).astype(int)
    groups = tuple(tail(np.ascontiguousarray(draws[..., a:b])) for a, b in pairwise(edges))
    return Forecast(*tail(draws), draws, groups)


def column_key(column: str) -> int:
    """Number of a column's name: its draws do not depend on which other columns stand in the table."""
    return crc32(column.encode())


def draw_daily(material: Material, column: str, weights: Array, n_paths: int = N_PATHS) -> Draws:
    """Daily portfolio returns (portfolios, days, n) that a column's generator draws under the real labels.

    Drawn in batches of :data:`BATCH_PATHS`, each with a seed of its own, so that no more than one batch of
    all sectors is in memory.
    """
    from spade_finance.regimes.timeline import RegimeTimeline

    real = material.real
    assert real.codes is not None
    codes = np.asarray(real.codes).reshape(-1)
    timeline = RegimeTimeline.from_codes(codes, real.regimes, real.sectors)
    most = max(MOST_PATH_DAYS // len(codes), 200)
    n = min(n_paths, most)
    out = np.empty((len(weights), len(codes), n), dtype=np.float32)
    for batch, first in enumerate(range(0, n, BATCH_PATHS)):
        size = min(BATCH_PATHS, n - first)
        simple = material.sample(column, timeline, size, KEY, column_key(column), batch)[..., 1:]
        out[..., first : first + size] = np.einsum("ntd,pd->ptn", simple, weights, optimize=True)
    return out


def from_panel(
    panel: Panel,
    windows: Windows,
    weights: Array,
    rng: np.random.Generator,
    *,
    by_regime: bool,
    n_draws: int = N_PATHS,
) -> Forecast:
    """Forecast from paths that follow regimes of their own: quantiles pooled over windows of the same regime.

    Every window of a regime gets one VaR and one ES. The draws are single windows of that regime, picked
    independently for each real window, all books together.
    """
    daily = np.einsum("ntd,pd->pnt", panel.simple[..., 1:], weights, optimize=True)
    returns = np.asarray(compound(daily, windows.horizon))  # (portfolios, paths, windows)
    segments = np.broadcast_to(panel.segments, panel.simple.shape[:2])
    count = returns.shape[-1] * windows.horizon
    cut = segments[:, :count].reshape(len(segments), -1, windows.horizon)
    whole = cut[..., 0] == cut[..., -1]
    regime = np.zeros(whole.shape, dtype=np.int64)
    if by_regime:
        assert panel.codes is not None
        codes = np.broadcast_to(panel.codes, panel.simple.shape[:2])
        regime = window_regimes(codes, windows.horizon, len(panel.regimes))
    wanted = windows.regime if by_regime else np.zeros(windows.count, dtype=np.int64)
    path = np.broadcast_to(np.arange(len(whole))[:, None], whole.shape)
    shape = (len(LEVELS), len(weights), windows.count)
    draws = np.full((len(weights), windows.count, n_draws), np.nan, dtype=np.float32)
    n_groups = min(N_GROUPS, len(whole))
    forecasts = [(np.full(shape, np.nan), np.full(shape, np.nan)) for _ in range(n_groups + 1)]
    for k in np.unique(wanted):
        inside = whole & (regime == k)
        at = np.flatnonzero(wanted == k)
        if inside.sum() < 2:
            continue
        pool = returns[:, inside]  # (portfolios, pooled windows)
        group = path[inside] % n_groups
        for g, (var, es) in enumerate(forecasts):
            part = pool if g == n_groups else pool[:, group == g]
            if part.shape[1] > 1:
                found = lower_tail(part)
                var[:, :, at], es[:, :, at] = found[0][..., None], found[1][..., None]
        draws[:, at] = pool[:, rng.integers(pool.shape[1], size=(len(at), n_draws))]
    *groups, (var, es) = forecasts
    return Forecast(var, es, draws, tuple(groups) if n_groups > 1 else ())
