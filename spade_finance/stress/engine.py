# SPDX-License-Identifier: Apache-2.0
r"""From sector returns to a portfolio's money: value by day, contributions by sector, losses of every window.

A book starts with capital 1, of which :math:`w_a` is put into sector a. With holdings :math:`h_{a,t}`,

.. math:: V_t = V_{t-1} + \sum_a h_{a,t-1} s_{a,t}, \qquad
          h_{a,t} = \begin{cases} w_a V_t & \text{weights restored on day } t\\
                                  h_{a,t-1} (1 + s_{a,t}) & \text{else}\end{cases}

so a sector's contribution is :math:`\sum_t h_{a,t-1} s_{a,t}` and contributions add up to the profit under any
scheme. At :math:`V_t \le 0` the book is ruined and closed: it keeps that value.

A *window* of h days is a fresh book with the given weights: the risk of the portfolio, not of what a bad path
has left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spade_finance.stress.liquidity import rungs, ten_day_shocks
from spade_finance.stress.portfolio import Portfolio
from spade_finance.stress.sums import weigh

Vector = NDArray[np.float64]
Cube = NDArray[np.floating]
Codes = NDArray[np.integer]


@dataclass
class Book:
    """One portfolio on n paths of T days.

    Attributes
    ----------
    wealth : (n, T + 1) value of 1 invested, the start in front
    contributions : (n, K, S) profit earned on the days of each regime by each sector, in starting capital
    windows : dict h -> (n, T - h + 1) float32, loss (positive) of a fresh book over each window of h days
    rungs : dict LH -> (n, T - 9) float32
        Loss over each ten days of the positions that are liquid only after LH days or more.
    """

    wealth: Vector
    contributions: Vector
    windows: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    rungs: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def losses(self) -> Vector:
        """Loss (n,) at the horizon, positive; more than 1 is more than the capital."""
        return np.asarray(1.0 - self.wealth[:, -1])

    @classmethod
    def join(cls, parts: Sequence[Book]) -> Book:
        """Books of consecutive paths as one."""
        return cls(
            np.concatenate([p.wealth for p in parts]),
            np.concatenate([p.contributions for p in parts]),
            {h: np.concatenate([p.windows[h] for p in parts]) for h in parts[0].windows},
            {r: np.concatenate([p.rungs[r] for p in parts]) for r in parts[0].rungs},
        )


@dataclass(frozen=True)
class Plan:
    """What to run on every batch of paths.

    Attributes
    ----------
    portfolios : the books
    sectors : S names in the cube's order
    n_regimes : K
    horizons : windows wanted, days; those longer than the paths are left out
    liquidity : S liquidity horizons, days
    """

    portfolios: Sequence[Portfolio]
    sectors: Sequence[str]
    n_regimes: int
    horizons: Sequence[int]
    liquidity: Sequence[int]

    def run(self, simple: Cube, codes: Codes) -> list[Book]:
        """Books of every portfolio on decimal simple returns (n, T, S), regimes (T,) or (n, T)."""
        days = np.ascontiguousarray(np.moveaxis(np.asarray(simple, dtype=np.float64), 0, -1))  # (T, S, n)
        shocks = ten_day_shocks(days) if self.horizons else None
        books = []
        for portfolio in self.portfolios:
            weights = portfolio.vector(self.sectors)
            values, contributions = _run(days, codes, self.n_regimes, weights, portfolio.every)
            windows = {
                h: window_losses(days, weights, portfolio.every, h) for h in self.horizons if h <= len(days)
            }
            losses = {}
            if shocks is not None:
                for rung, part in rungs(weights, self.liquidity).items():
                    losses[rung] = np.asarray(-weigh(shocks, part).T, dtype=np.float32)
            books.append(Book(values, contributions, windows, losses))
        return books


def _run(
    days: Vector, codes: Codes, n_regimes: int, weights: Vector, every: int | None
) -> tuple[Vector, Vector]:
    """Values (n, T + 1) and contributions (n, K, S) of returns (T, S, n)."""
    n_days, n_sectors, n = days.shape
    values = np.empty((n_days + 1, n))
    values[0] = 1.0
    by_regime = np.zeros((n_regimes, n_sectors, n))
    held = np.repeat(weights[:, None], n, axis=1)
    alive = np.ones(n, dtype=bool)
    columns = np.arange(n)
    for t, day in enumerate(days):
        gain = held * day
        values[t + 1] = values[t] + gain.sum(axis=0)
        if codes.ndim == 1:
            by_regime[codes[t]] += gain
        else:
            by_regime[codes[:, t], :, columns] += gain.T
        alive &= values[t + 1] > 0
        restored = every is not None and (t + 1) % every == 0
        held = weights[:, None] * values[t + 1] if restored else held + gain
        if not alive.all():
            held[:, ~alive] = 0.0
    return values.T, np.moveaxis(by_regime, -1, 0)


def window_losses(days: Vector, weights: Vector, every: int | None, h: int) -> NDArray[np.float32]:
    """Loss (n, T - h + 1) of a fresh book over each window of `h` days, weights restored every so many days.

    `days` is (T, S, n). A book whose value falls to zero or below at a restoration is closed with it.
    """
    step = h if every is None else min(every, h)
    if step == 1:
        return _daily_windows(weigh(days, weights), h)
    n_windows = len(days) - h + 1
    value = np.ones((n_windows, days.shape[2]))
    growth: dict[int, Vector] = {}
    done = 0
    while done < h:
        length = min(step, h - done)
        if length not in growth:
            growth[length] = _piece_growth(days, weights, length)
        piece = growth[length][done : done + n_windows]
        value = np.where(value > 0, value * piece, value)
        done += length
    return np.asarray((1.0 - value).T, dtype=np.float32)


def _piece_growth(days: Vector, weights: Vector, length: int) -> Vector:
    """Growth (T - length + 1, n) of a fresh book held for `length` days."""
    out = np.full((len(days) - length + 1, days.shape[2]), 1.0)
    for a, weight in enumerate(weights):
        if weight:
            level = np.cumprod(1.0 + days[:, a], axis=0)
            level = np.concatenate([np.ones((1, level.shape[1])), level])
            out += weight * (level[length:] / level[:-length] - 1.0)
    return out


def _daily_windows(returns: Vector, h: int) -> NDArray[np.float32]:
    """The same for daily restored weights, from the portfolio's own returns (T, n)."""
    if h == 1:
        return np.asarray(-returns.T, dtype=np.float32)
    growth = 1.0 + returns
    if (growth > 0).all():
        total = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(np.log(growth), axis=0)])
        return np.asarray(-np.expm1(total[h:] - total[:-h]).T, dtype=np.float32)
    value = np.ones((len(returns) - h + 1, returns.shape[1]))
    for k in range(h):
        value = np.where(value > 0, value * growth[k : k + len(value)], value)
    return np.asarray((1.0 - value).T, dtype=np.float32)


def days_left(codes: Codes) -> NDArray[np.int32]:
    """Days that the spell of each day still lasts, itself included, along the last axis."""
    n_days = codes.shape[-1]
    place = np.arange(n_days, dtype=np.int32)
    last = np.full(codes.shape, n_days - 1, dtype=np.int32)
    last[..., :-1] = np.where(codes[..., 1:] != codes[..., :-1], place[:-1], n_days - 1)
    ends = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(ends - place + 1, dtype=np.int32)


def windows_inside(codes: Codes, regime: int, h: int) -> NDArray[np.bool_]:
    """Whether the window of `h` days from each day on lies within one spell of a regime, (..., T - h + 1)."""
    return np.asarray((codes == regime) & (days_left(codes) >= h))[..., : codes.shape[-1] - h + 1]
