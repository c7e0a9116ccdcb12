# SPDX-License-Identifier: Apache-2.0
"""Do labels hold: the labeller of the real data, put to generated paths, against the script they were drawn under.

A labeller that works in hindsight looks at days around the one it labels, so a stretch of a path is labelled with
days before it (the path's own, or the training days that end where the window begins) and a few after it. Real
days do not agree with themselves entirely either, once they are cut out of their history or put in another order:
that is the measure beside which generated paths are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_spread

if TYPE_CHECKING:
    from spade_finance.regimes.labels import RegimeLabels

Array = NDArray[np.float64]
Codes = NDArray[np.integer]

HISTORY_DAYS = 126
AFTER_DAYS = 21
STRETCH_DAYS = 504


def stretches_of(n_days: int, n_paths: int, length: int = STRETCH_DAYS) -> list[tuple[int, int]]:
    """First and last day (exclusive) labelled on each path: equal lengths, spread evenly over the window."""
    length = min(length, n_days)
    first = np.linspace(0, n_days - length, n_paths).round().astype(int)
    return [(int(a), int(a) + length) for a in first]


def relabel(
    label: Callable[[pd.DataFrame], RegimeLabels],
    path: Array,
    stretch: tuple[int, int],
    history: Array,
    sectors: Sequence[str],
    regimes: Sequence[str],
    dates: pd.DatetimeIndex | None = None,
) -> Codes:
    """Codes of a stretch of one path by a labeller.

    Parameters
    ----------
    label : callable
        ``label(simple returns) -> RegimeLabels``.
    path : (days, sectors)
        Simple returns.
    stretch : (first, end)
        Days that are labelled.
    history : (n, sectors)
        Simple returns of the days before the path, possibly none.
    regimes : sequence of str
        Codes count these names.
    dates : DatetimeIndex, optional
        Of the path's days; business days where there are none.

    Returns
    -------
    (end - first,) int
        Minus one for a name that is not in `regimes`.
    """
    first, end = stretch
    before = path[max(first - HISTORY_DAYS, 0) : first]
    missing = HISTORY_DAYS - len(before)
    if missing and len(history):
        before = np.concatenate([history[-missing:], before])
    rows = np.concatenate([before, path[first : min(end + AFTER_DAYS, len(path))]])
    frame = pd.DataFrame(rows, columns=list(sectors), index=_dates(dates, first - len(before), len(rows)))
    labels = label(frame)
    names = np.asarray(labels.labels.reindex(frame.index).to_numpy(dtype=object))
    known: dict[Any, int] = {name: k for k, name in enumerate(regimes)}
    codes = np.array([known.get(name, -1) for name in names], dtype=np.int64)
    return codes[len(before) : len(before) + end - first]


def _dates(dates: pd.DatetimeIndex | None, first: int, count: int) -> pd.DatetimeIndex:
    """Dates of `count` days that begin at position `first` (negative: before the path)."""
    if dates is None or first + count > len(dates):
        return pd.bdate_range("2001-01-01", periods=count, name="date")
    own = dates[max(first, 0) : first + count]
    if first >= 0:
        return own
    earlier = pd.bdate_range(end=own[0] - pd.Timedelta(days=1), periods=-first)
    return pd.DatetimeIndex(earlier.append(own), name="date")


def confusion(asked: Codes, found: Codes, n_regimes: int) -> Array:
    """Days by asked (row) and found (column) regime; days without a known label are left out."""
    known = (asked >= 0) & (found >= 0)
    cell = asked[known].astype(np.int64) * n_regimes + found[known]
    counts = np.bincount(cell, minlength=n_regimes**2)
    return counts.reshape(n_regimes, n_regimes).astype(np.float64)


def row_shares(counts: Array) -> Array:
    """Each row divided by its sum; NaN for a regime that was never asked for."""
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def agreement(counts: Array) -> Array:
    r"""Share of days that agree, Cohen's kappa and the mean over regimes of the share found again, (3,).

    :math:`\kappa = (p_o - p_e) / (1 - p_e)` with :math:`p_e` the agreement of independent labels of the same
    frequencies: zero when labels have nothing to do with the script (Cohen 1960).
    """
    total = counts.sum()
    if total == 0:
        return np.full(3, np.nan)
    observed = float(np.trace(counts) / total)
    expected = float((counts.sum(0) * counts.sum(1)).sum() / total**2)
    recall = np.diag(row_shares(counts))
    return np.array(
        [observed, (observed - expected) / (1 - expected) if expected < 1 else np.nan, np.nanmean(recall)]
    )


def with_errors(counts: Array) -> tuple[Array, Array]:
    """Agreement of all paths together and its jackknife errors over paths; counts (paths, regimes, regimes)."""
    whole = agreement(counts.sum(0))
    if len(counts) < 2:
        return whole, np.full(3, np.nan)
    return whole, jackknife_spread(np.stack([agreement(counts.sum(0) - own) for own in counts]))


def block_shuffle(n_days: int, block: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Order of days (whole blocks only) in which every block stands in another block's place.

    Raises
    ------
    ValueError
        With fewer than two blocks.
    """
    n = n_days // block
    if n < 2:
        raise ValueError(f"block={block!r} leaves {n} blocks of {n_days} days: pass at most {n_days // 2}")
    cycle = rng.permutation(n)  # each block goes to the place of the next on one random cycle
    place = np.empty(n, dtype=np.intp)
    place[cycle] = np.roll(cycle, 1)
    return np.asarray((place[:, None] * block + np.arange(block)).ravel(), dtype=np.intp)


def separation(log_returns: Array, codes: Codes, n_regimes: int) -> Array:
    r"""How far the regimes' volatilities lie apart on each path, (paths,).

    The standard deviation over days of :math:`\ln \hat\sigma_{k_t}`: zero when volatility does not depend on
    the regime. Regimes with fewer than 20 days on a path do not count.

    Parameters
    ----------
    log_returns : (paths, days)
    codes : (days,) or (paths, days)
    """
    wide = np.broadcast_to(codes, log_returns.shape)
    count = np.stack([(wide == k).sum(1) for k in range(n_regimes)], axis=1).astype(float)
    total = np.stack([np.where(wide == k, log_returns, 0.0).sum(1) for k in range(n_regimes)], axis=1)
    squares = np.stack([np.where(wide == k, log_returns**2, 0.0).sum(1) for k in range(n_regimes)], axis=1)
    count = np.where(count >= 20, count, 0.0)
    safe = np.maximum(count, 1.0)
    level = 0.5 * np.log(np.maximum(squares / safe - (total / safe) ** 2, 1e-16))
    weight = count / np.maximum(count.sum(1, keepdims=True), 1.0)
    centre = (weight * level).sum(1, keepdims=True)
    return np.asarray(np.sqrt((weight * (level - centre) ** 2).sum(1)))
