# SPDX-License-Identifier: Apache-2.0
r"""Drawdowns: how deep, how long, how long under water; of whole paths and of the spells of each regime.

With value :math:`V_t` and its running peak :math:`P_t = \max_{u \le t} V_u` since the spell's start, the
drawdown is :math:`V_t / P_t - 1 \le 0`. A spell begins with a fresh peak, the value on its eve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Spells:
    """One entry a spell, m of them.

    Attributes
    ----------
    path, regime, days : (m,) int
    depth : (m,) worst drawdown, <= 0
    fall_days : (m,) days from the peak to the bottom of the worst drawdown; 0 without one
    under_water : (m,) share of the spell's days below the peak
    longest : (m,) longest stretch of days below the peak, cut off at the spell's end
    low : (m,) lowest value relative to the eve, minus 1; at most 0
    """

    path: NDArray[np.int64]
    regime: NDArray[np.int64]
    days: NDArray[np.int64]
    depth: Vector
    fall_days: Vector
    under_water: Vector
    longest: Vector
    low: Vector

    def of(self, regime: int) -> Spells:
        """Those of one regime."""
        keep = self.regime == regime
        return Spells(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def drawdown_paths(values: Vector) -> Vector:
    """Drawdown (n, T + 1) of values (n, T + 1)."""
    return np.asarray(values / np.maximum.accumulate(values, axis=1) - 1.0)


def find_spells(values: Vector, codes: NDArray[np.integer] | None) -> Spells:
    """Spells of paths.

    Parameters
    ----------
    values : (n, T + 1) value with the start in front
    codes : (T,) or (n, T) regime of each day, or None: the whole path is one spell

    Returns
    -------
    Spells
        Spells that begin after ruin are left out: there is nothing to lose.
    """
    n, n_days = values.shape[0], values.shape[1] - 1
    level = np.ascontiguousarray(values.T)
    of = np.zeros(n_days, dtype=np.int64) if codes is None else np.asarray(codes, dtype=np.int64)
    code = np.broadcast_to(of[:, None] if of.ndim == 1 else of.T, (n_days, n))
    ends = np.ones((n_days, n), dtype=bool)
    ends[:-1] = code[1:] != code[:-1]
    begins = np.ones((n_days, n), dtype=bool)
    begins[1:] = ends[:-1]
    eve, peak, peak_day = level[0].copy(), level[0].copy(), np.zeros(n)
    depth, fall, low, days, under, run, longest = (np.zeros(n) for _ in range(7))
    found: list[tuple[NDArray[np.generic], ...]] = []
    for t in range(n_days):
        new = begins[t]
        if new.any():
            eve[new] = peak[new] = level[t][new]
            peak_day[new] = t
            for state in (depth, fall, low, days, under, run, longest):
                state[new] = 0.0
        now = level[t + 1]
        days += 1
        risen = now >= peak
        peak_day[risen] = t + 1
        np.maximum(peak, now, out=peak)
        with np.errstate(divide="ignore", invalid="ignore"):  # spells of a ruined book, dropped below
            drop, relative = now / peak - 1.0, now / eve - 1.0
        deeper = drop < depth
        fall[deeper] = (t + 1 - peak_day)[deeper]
        depth[deeper] = drop[deeper]
        np.minimum(low, relative, out=low)
        under += ~risen
        run = np.where(risen, 0.0, run + 1)
        np.maximum(longest, run, out=longest)
        at = np.flatnonzero(ends[t] & (eve > 0))
        if len(at):
            found.append(
                (at, code[t][at], days[at], depth[at], fall[at], under[at] / days[at], longest[at], low[at])
            )
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else [np.zeros(0)] * 8
    path, regime, length = (column.astype(np.int64) for column in columns[:3])
    return Spells(path, regime, length, *(c.astype(np.float64) for c in columns[3:]))
