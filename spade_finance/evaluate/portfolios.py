# SPDX-License-Identifier: Apache-2.0
r"""Books whose risk is tested, and their returns over one or more days.

Equal weight is what most people hold. Random dollar-neutral books ask for the differences between sectors.
Eigen portfolios (Avellaneda & Lee 2010: eigenvector over volatility) hold the strongest and the weakest common
movement of the training correlation; the weakest is what long-short books load on, and what generators neglect
(Cetingoz & Lehalle 2025, arXiv 2501.03993).

Returns over h days are those of a book **rebalanced to its weights every day**, simple returns compounded:

.. math:: R_{t,h} = \prod_{s=t-h+1}^{t} (1 + w^\top r_s) - 1

on windows that do not overlap, counted from the first day of the evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

N_LONG_SHORT = 4
LONG_SHORT_SEED = 20
"""The same random books in every evaluation, whatever its seed."""


@dataclass(frozen=True, eq=False)
class Book:
    """Fixed weights of several portfolios.

    Attributes
    ----------
    names : tuple of str
    weights : (portfolios, sectors)
        Gross exposure 1 each.
    """

    names: tuple[str, ...]
    weights: Array


def risk_book(history: Array) -> Book:
    """Equal weight, random long-short and eigen portfolios.

    Parameters
    ----------
    history : (days, sectors)
        Decimal simple returns; the eigen portfolios are those of its correlation. With one sector the book is
        equal weight alone; a correlation that cannot be estimated leaves the eigen portfolios out.
    """
    n_sectors = history.shape[1]
    names, rows = ["equal weight"], [np.full(n_sectors, 1.0 / n_sectors)]
    if n_sectors > 1:
        count = N_LONG_SHORT if n_sectors > 2 else 1  # of two sectors there is one dollar-neutral book
        for i, weights in enumerate(long_short(n_sectors, count)):
            names.append(f"long-short {i + 1}")
            rows.append(weights)
        if len(history) > n_sectors and (history.std(0) > 0).all():
            vectors = eigen_weights(history)
            names += ["eigen largest", "eigen smallest"]
            rows += [vectors[0], vectors[-1]]
    return Book(tuple(names), np.stack(rows))


def long_short(n_sectors: int, count: int, seed: int = LONG_SHORT_SEED) -> Array:
    """Random dollar-neutral weights of gross exposure 1, (count, sectors)."""
    weights = np.random.default_rng(seed).standard_normal((count, n_sectors))
    weights -= weights.mean(1, keepdims=True)
    return weights / np.abs(weights).sum(1, keepdims=True)


def eigen_weights(history: Array) -> Array:
    """Eigen portfolios (sectors, sectors), the largest eigenvalue first, each of gross exposure 1.

    Eigenvectors of the correlation of `history` (days, sectors) divided by volatility; the sign is such that
    the weights' sum is positive, or else, for a book that is nearly neutral, its largest holding.
    """
    _, vectors = np.linalg.eigh(np.corrcoef(history.T))
    weights = (vectors[:, ::-1] / history.std(0)[:, None]).T
    weights /= np.abs(weights).sum(1, keepdims=True)
    largest = weights[np.arange(len(weights)), np.abs(weights).argmax(1)]
    total = weights.sum(1)
    sign = np.sign(np.where(np.abs(total) > 0.5, total, largest))
    return np.asarray(weights * sign[:, None])


def compound(daily: NDArray[np.floating], horizon: int) -> NDArray[np.floating]:
    """Returns over non-overlapping windows of `horizon` days, (..., windows), from daily ones (..., days)."""
    if horizon == 1:
        return daily
    count = daily.shape[-1] // horizon
    cut = daily[..., : count * horizon].reshape(*daily.shape[:-1], count, horizon)
    return np.asarray((1.0 + cut).prod(-1) - 1.0)


def window_regimes(codes: NDArray[np.integer], horizon: int, n_regimes: int) -> NDArray[np.int64]:
    """Regime of most days of each non-overlapping window (..., windows), the worse one on a tie."""
    count = codes.shape[-1] // horizon
    cut = codes[..., : count * horizon].reshape(*codes.shape[:-1], count, horizon)
    days = np.stack([(cut == k).sum(-1) for k in range(n_regimes)], axis=-1)
    return np.asarray(n_regimes - 1 - days[..., ::-1].argmax(-1))


def rolling(daily: Array, horizon: int) -> Array:
    """Returns over every window of `horizon` days, overlapping, (..., days - horizon + 1)."""
    if horizon == 1:
        return daily
    total = np.cumsum(np.log1p(daily), axis=-1)
    total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    return np.asarray(np.expm1(total[..., horizon:] - total[..., :-horizon]))


def rolling_regimes(codes: NDArray[np.integer], horizon: int, n_regimes: int) -> NDArray[np.int64]:
    """Regime of most days of every window, (days - horizon + 1,), the worse one on a tie."""
    inside = np.stack([np.cumsum(np.concatenate([[0], codes == k])) for k in range(n_regimes)])
    days = inside[:, horizon:] - inside[:, :-horizon]
    return np.asarray(n_regimes - 1 - days[::-1].argmax(0))


@dataclass(frozen=True, eq=False)
class Windows:
    """What really happened to the books over windows of one length.

    Attributes
    ----------
    horizon : int
        Days of a window.
    returns : (portfolios, windows)
        Decimal simple returns.
    regime : (windows,) int
        Regime of most of its days; zeros when there are no labels.
    groups : dict of (str or None) to (windows,) bool
        All windows under None, then those of each regime.
    cluster : (windows,) int
        Episode of each window, for errors.
    ends : (windows,) int
        Position of the last day.
    daily : (portfolios, days)
        Daily returns, for what is estimated from overlapping windows.
    every_regime : (days - horizon + 1,) int
        Regime of each overlapping window.
    """

    horizon: int
    returns: Array
    regime: NDArray[np.int64]
    groups: dict[str | None, NDArray[np.bool_]]
    cluster: NDArray[np.int64]
    ends: NDArray[np.int64]
    daily: Array
    every_regime: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.returns.shape[1]


def make_windows(
    simple: Array,
    weights: Array,
    horizon: int,
    codes: NDArray[np.integer] | None = None,
    regimes: tuple[str, ...] = (),
    cluster: NDArray[np.int64] | None = None,
) -> Windows:
    """Windows of one path.

    Parameters
    ----------
    simple : (days, sectors)
        Decimal simple returns.
    weights : (portfolios, sectors)
    horizon : int
        Days of a window.
    codes : (days,) int, optional
        Regimes; without them there is one group.
    regimes : tuple of str
    cluster : (days,) int, optional
        Episode of each day; a window belongs to that of its last day.
    """
    daily = weights @ simple.T
    returns = np.asarray(compound(daily, horizon), dtype=np.float64)
    count = returns.shape[1]
    ends = (np.arange(count) + 1) * horizon - 1
    groups: dict[str | None, NDArray[np.bool_]] = {None: np.ones(count, dtype=bool)}
    regime = np.zeros(count, dtype=np.int64)
    every = np.zeros(max(len(simple) - horizon + 1, 0), dtype=np.int64)
    if codes is not None:
        every = rolling_regimes(codes, horizon, len(regimes))
        regime = window_regimes(codes, horizon, len(regimes))
        if len(regimes) > 1:
            groups |= {name: regime == k for k, name in enumerate(regimes)}
    days = np.arange(len(simple)) // 63 if cluster is None else cluster
    episodes = np.asarray(days, dtype=np.int64)[ends]
    return Windows(horizon, returns, regime, groups, episodes, ends, daily, every)
