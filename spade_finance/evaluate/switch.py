# SPDX-License-Identifier: Apache-2.0
r"""What happens when the regime changes: returns lined up on the day of the change, and statistics of the stack.

An *event* is a day :math:`t_0` whose label differs from that of the day before. Its window is
:math:`t_0 - 10 \dots t_0 + 19` (day 0 is the first of the new regime), cut where another change or a segment border
comes nearer: before the change only days of the old spell count, after it only days of the new one. So no day is
counted under a label that it does not have, at the price of fewer events at the far offsets.

Changes are grouped by what they do: into the worst regime, out of it, to a worse one otherwise, to a calmer one
otherwise. All statistics pool the days of a stretch of offsets over a group's events, path by path; the real data
are one path and are resampled by **whole events**, because days of one event are one observation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.facts import DAYS_A_YEAR, stretches
from spade_finance.evaluate.panel import Panel

Array = NDArray[np.float64]

BEFORE, AFTER = 10, 20
OFFSETS = np.arange(-BEFORE, AFTER)
KINDS = ("into_worst", "out_of_worst", "worse", "calmer")
MOST_PATHS = 256
"""Replicates beyond this many add nothing to a mean over them."""

FIVE_DAYS = tuple((a, a + 5) for a in range(-BEFORE, AFTER, 5))
TEN_DAYS = tuple((a, a + 10) for a in range(-BEFORE, AFTER, 10))
"""Stretches of offsets, first day in, last day out; none straddles the change."""


@dataclass(frozen=True, eq=False)
class Switches:
    """Returns around the changes of regime.

    Attributes
    ----------
    returns : (paths, events, 30, 1 + sectors) float64
        Decimal simple returns, market first; NaN on days that do not count.
    kind : (paths, events) int
        Position in :data:`KINDS`; -1 where a path has fewer events than others.
    pair : (paths, events, 2) int
        Regimes before and after, -1 likewise.
    """

    returns: Array
    kind: NDArray[np.int8]
    pair: NDArray[np.int8]

    @cached_property
    def common(self) -> bool:
        """Whether all paths have the same events, as under one timeline."""
        return bool((self.kind == self.kind[:1]).all() and (self.pair == self.pair[:1]).all())

    def of(self, kind: int) -> Array:
        """Returns of one kind of change, (paths, events, 30, 1 + sectors); events of other kinds are NaN or gone."""
        inside = self.kind == kind
        if self.common:
            return self.returns[:, inside[0]]
        return np.where(inside[..., None, None], self.returns, np.nan)

    def count(self, kind: int) -> float:
        """Mean number of events of a kind per path."""
        return float((self.kind == kind).sum() / len(self.kind))

    def plus(self, other: Switches) -> Switches:
        """Events of both, path by path."""
        return Switches(
            np.concatenate([self.returns, other.returns], axis=1),
            np.concatenate([self.kind, other.kind], axis=1),
            np.concatenate([self.pair, other.pair], axis=1),
        )


def kind_of(old: int, new: int, n_regimes: int) -> int:
    """Position in :data:`KINDS` of a change between regime codes, the worst being the last."""
    worst = n_regimes - 1
    if new == worst:
        return 0
    if old == worst:
        return 1
    return 2 if new > old else 3


def find_events(codes: NDArray[Any], segments: NDArray[Any]) -> list[tuple[int, int, int]]:
    """First day of the new regime, first day and last day (not in) that count, of every change of one path.

    Parameters
    ----------
    codes, segments : (days,)
        A change at a segment border is none.
    """
    spells = stretches(codes, segments)
    starts = np.flatnonzero(np.concatenate([[True], spells[1:] != spells[:-1]]))
    ends = np.append(starts[1:], len(codes))
    return [
        (int(b), max(int(a), int(b) - BEFORE), min(int(e), int(b) + AFTER))
        for a, b, e in zip(starts[:-1], starts[1:], ends[1:], strict=True)
        if segments[b] == segments[b - 1]
    ]


def switches(panel: Panel) -> Switches:
    """Line up the changes of a panel with regimes; ValueError without."""
    if panel.codes is None:
        raise ValueError("this panel has no regimes")
    n_paths = min(panel.n_paths, MOST_PATHS)
    codes, segments = np.asarray(panel.codes), np.asarray(panel.segments)
    common = codes.ndim == segments.ndim == 1
    both = np.broadcast_arrays(codes, segments)
    rows = [both] if common else [(both[0][p], both[1][p]) for p in range(n_paths)]
    events = [find_events(*row) for row in rows]
    most = max(len(e) for e in events)
    returns = np.full((n_paths, most, len(OFFSETS), panel.simple.shape[2]), np.nan)
    kind = np.full((n_paths, most), -1, dtype=np.int8)
    pair = np.full((n_paths, most, 2), -1, dtype=np.int8)
    for p, found in enumerate(events):
        who = slice(None) if common else p
        for i, (day, first, last) in enumerate(found):
            old, new = int(rows[p][0][day - 1]), int(rows[p][0][day])
            at = slice(first - day + BEFORE, last - day + BEFORE)
            returns[who, i, at] = panel.simple[:n_paths][who, first:last]
            kind[who, i] = kind_of(old, new, len(panel.regimes))
            pair[who, i] = old, new
    return Switches(returns, kind, pair)


# --- statistics of a stack (paths, events, days, 1 + sectors) -> (paths,) -----------------------------------------

Statistic = Callable[[Array], Array]


def log_volatility(stack: Array) -> Array:
    """Log of the annualised root mean square market return; NaN without days."""
    return _log(np.sqrt(DAYS_A_YEAR * _mean(stack[..., 0] ** 2)))


def mean_correlation(stack: Array) -> Array:
    r"""Mean correlation of the sectors, :math:`\sum_{i \ne j} c_{ij} / \sum_{i \ne j} \sigma_i \sigma_j` with second
    moments about zero: unlike the mean of pairwise correlations it is steady on a handful of days."""
    x = stack[..., 1:]
    size = x.shape[-1]
    if size < 2:
        return np.full(len(stack), np.nan)
    flat = x.reshape(len(x), -1, size)
    seen = np.isfinite(flat[..., 0])  # a day counts for all sectors or for none
    count = np.maximum(seen.sum(1), 1)
    y = np.where(seen[..., None], flat, 0.0)
    square = np.einsum("pns,pns->ps", y, y) / count[:, None]
    total = y.sum(-1)
    covariance = np.einsum("pn,pn->p", total, total) / count - square.sum(-1)
    scale = np.sqrt(square).sum(-1) ** 2 - square.sum(-1)
    return np.divide(covariance, scale, out=np.full(len(stack), np.nan), where=scale > 0)


def skewness(stack: Array) -> Array:
    """Third standardised moment of the market's returns; NaN under three days."""
    x = stack[..., 0].reshape(len(stack), -1)
    seen = np.isfinite(x)
    n = seen.sum(1)
    count = np.maximum(n, 1)
    centred = np.where(seen, x - (np.where(seen, x, 0.0).sum(1) / count)[:, None], 0.0)
    variance = (centred**2).sum(1) / count
    third = (centred**3).sum(1) / count
    return np.divide(third, variance**1.5, out=np.full(len(x), np.nan), where=(n > 2) & (variance > 0))


def l_skewness(stack: Array) -> Array:
    r"""L-skewness of the market's returns, :math:`\tau_3 = \lambda_3 / \lambda_2 \in (-1, 1)` (Hosking 1990).

    From unbiased probability-weighted moments :math:`b_r`: :math:`\lambda_2 = 2 b_1 - b_0`,
    :math:`\lambda_3 = 6 b_2 - 6 b_1 + b_0`. Robust where the third moment hangs on one day. NaN under three days.
    """
    x = np.sort(stack[..., 0].reshape(len(stack), -1), axis=1)  # NaN go last
    n = np.isfinite(x).sum(1)[:, None]
    y = np.where(np.isfinite(x), x, 0.0)
    rank = np.arange(x.shape[1])
    count = np.maximum(n, 3)
    first = rank / (count - 1)
    second = first * (rank - 1) / (count - 2)
    b0, b1, b2 = (((w * y).sum(1) / count[:, 0]) for w in (1.0, first, second))
    scale = 2 * b1 - b0
    out = np.full(len(x), np.nan)
    return np.divide(6 * b2 - 6 * b1 + b0, scale, out=out, where=(n[:, 0] > 2) & (scale > 0))


@dataclass(frozen=True)
class Curve:
    """One statistic along the change.

    Attributes
    ----------
    name, title, unit : str
        ``unit`` is "percent" or "number"; values of "percent" are logarithms of decimals.
    statistic : callable
    bins : sequence of (first, last + 1) offsets
        On which distances are taken.
    reach : int
        The drawn curve pools so many days on either side, never across the change.
    scored : bool
        Whether its distance has a floor; moment skewness is shown, the verdict rests on the L-moment.
    """

    name: str
    title: str
    unit: str
    statistic: Statistic
    bins: Sequence[tuple[int, int]]
    reach: int
    scored: bool = True


CURVES = (
    Curve("volatility", "volatility, % a year", "percent", log_volatility, FIVE_DAYS, 2),
    Curve("correlation", "mean correlation", "number", mean_correlation, FIVE_DAYS, 2),
    Curve("l_skew", "L-skewness", "number", l_skewness, TEN_DAYS, 5),
    Curve("skew", "skewness", "number", skewness, TEN_DAYS, 5, scored=False),
)


def binned(stack: Array, curve: Curve, bins: Sequence[tuple[int, int]] | None = None) -> Array:
    """The curve's statistic on each stretch of offsets, (paths, bins)."""
    chosen = curve.bins if bins is None else bins
    return np.stack([curve.statistic(stack[:, :, a + BEFORE : b + BEFORE]) for a, b in chosen], axis=1)


def drawn(stack: Array, curve: Curve) -> Array:
    """The curve day by day, (paths, 30): each day pooled with those within ``reach`` on its side of the change."""
    reach = curve.reach
    windows = [
        (max(t - reach, -BEFORE if t < 0 else 0), min(t + reach + 1, 0 if t < 0 else AFTER))
        for t in range(-BEFORE, AFTER)
    ]
    return binned(stack, curve, windows)


def resampled_events(stack: Array, n_resamples: int, rng: np.random.Generator) -> Array:
    """Whole events of a one-path stack drawn with replacement, (resamples, events, 30, 1 + sectors)."""
    n_events = stack.shape[1]
    return stack[0][rng.integers(n_events, size=(n_resamples, n_events))]


def widening(n_events: int) -> float:
    """Factor on the spread of resamples of n events, which is short by sqrt((n - 1) / n); NaN for one event."""
    return float(np.sqrt(n_events / (n_events - 1))) if n_events > 1 else np.nan


def _mean(x: Array) -> Array:
    """Mean over events and days of what is there, (paths,); NaN where nothing is."""
    flat = x.reshape(len(x), -1)
    seen = np.isfinite(flat)
    count = seen.sum(1)
    total = np.where(seen, flat, 0.0).sum(1)
    return np.divide(total, count, out=np.full(len(flat), np.nan), where=count > 0)


def _log(x: Array) -> Array:
    return np.log(x, out=np.full(x.shape, np.nan), where=x > 0)
