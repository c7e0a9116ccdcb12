# SPDX-License-Identifier: Apache-2.0
"""What a strategy earned, traded and paid on each day of each path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

__all__ = ["Ledger"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ledger:
    """Daily account of a strategy on n paths of T days.

    Attributes
    ----------
    strategy : str
        Its description, such as ``InverseVolatility(lookback=63)``.
    returns : (n, T)
        Net simple returns, decimal, after all costs; cash before the first decision.
    turnover : (n, T)
        Notional bought plus sold at the start of the day, as a share of the wealth before it.
    costs : (n, T)
        Cost of those trades as a share of the wealth before them, plus the day's borrow fee as a share of
        the wealth after them.
    first : int
        First day whose return was earned by a decision of the strategy.
    decisions : (R,)
        Steps at which it decided; a decision at step d knew the returns of steps below d.
    ruined : (n,)
        Day on which nothing was left, or -1. The return of that day is -1, later ones are 0.
    weights : (n, R, S) or None
        Target weights, where they were asked for.
    codes : (T,) or (n, T), or None
        Regime index of each day, with `regimes` their names: to report by regime; strategies never see it.
    paths : (n,)
        Path numbers.
    dates : DatetimeIndex of length T, or None
    sectors : tuple of S str
    """

    strategy: str
    returns: Values
    turnover: Values
    costs: Values
    first: int
    decisions: NDArray[np.int64]
    ruined: NDArray[np.int64]
    paths: NDArray[np.int64]
    sectors: tuple[str, ...]
    weights: Values | None = None
    codes: NDArray[Any] | None = None
    regimes: tuple[str, ...] = ()
    dates: pd.DatetimeIndex | None = None

    def __len__(self) -> int:
        return len(self.returns)

    def __repr__(self) -> str:
        n, days = self.returns.shape
        ruined = int((self.ruined >= 0).sum())
        lost = f"; {ruined} ruined" if ruined else ""
        return (
            f"Ledger({self.strategy}: {n} path{'s' * (n != 1)} x {days} days, invested from day {self.first}, "
            f"{len(self.decisions)} decisions{lost})"
        )

    @property
    def n_days(self) -> int:
        """Number of days, T."""
        return self.returns.shape[1]

    def invested(self, first: int | None = None) -> Ledger:
        """The ledger from the first invested day on (or from day `first` on, to compare strategies)."""
        start = self.first if first is None else int(first)
        if not 0 <= start < self.n_days:
            raise InputError(f"first={start}: the ledger has days 0 to {self.n_days - 1}")
        return replace(
            self,
            returns=self.returns[:, start:],
            turnover=self.turnover[:, start:],
            costs=self.costs[:, start:],
            first=max(self.first - start, 0),
            decisions=self.decisions - start,
            ruined=np.where(self.ruined >= 0, self.ruined - start, -1),
            codes=None if self.codes is None else self.codes[..., start:],
            dates=None if self.dates is None else self.dates[start:],
        )

    @classmethod
    def concat(cls, ledgers: Sequence[Ledger]) -> Ledger:
        """Join ledgers of the same strategy and days that differ in their paths."""
        if not ledgers:
            raise InputError("ledgers is empty: there is nothing to join")
        first = ledgers[0]
        for other in ledgers[1:]:
            if (other.n_days, other.strategy, other.first) != (first.n_days, first.strategy, first.first):
                raise InputError(
                    f"ledgers cannot be joined: {first.strategy} over {first.n_days} days from {first.first}, "
                    f"and {other.strategy} over {other.n_days} days from {other.first}"
                )
        codes = first.codes
        if any(not _same(codes, other.codes) for other in ledgers[1:]):
            rows = [np.broadcast_to(np.asarray(x.codes), x.returns.shape) for x in ledgers]
            codes = np.concatenate(rows)
        weights = None
        if all(x.weights is not None for x in ledgers):
            weights = np.concatenate([np.asarray(x.weights) for x in ledgers])
        return replace(
            first,
            returns=np.concatenate([x.returns for x in ledgers]),
            turnover=np.concatenate([x.turnover for x in ledgers]),
            costs=np.concatenate([x.costs for x in ledgers]),
            ruined=np.concatenate([x.ruined for x in ledgers]),
            paths=np.concatenate([x.paths for x in ledgers]),
            weights=weights,
            codes=codes,
        )


def _same(left: NDArray[Any] | None, right: NDArray[Any] | None) -> bool:
    """Whether two chunks share one timeline (not merely equal ones a path)."""
    if left is None or right is None:
        return left is right
    return left.ndim == right.ndim == 1 and np.array_equal(left, right)
