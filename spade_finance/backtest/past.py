# SPDX-License-Identifier: Apache-2.0
"""The wall between a strategy and the future: what is known at a step, and nothing else, lies behind it.

Returns are copied into a buffer as they pass, and a strategy gets a read-only view of its rows so far. The rows of
days that have not happened hold zeros: there is no array to walk back to that has more. Causal labels are cut and
copied in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.causal import causal_codes, check_causal
from spade_finance.backtest.strategies.base import Known, Strategy

__all__ = ["Past"]

Values = NDArray[np.float64]


class Past:
    """The known part of some paths, as it grows.

    Parameters
    ----------
    strategy : Strategy
        Says how far it looks back and whose causal labels it wants.
    cube : (n, T, S)
        Simple returns.
    history : (H, S), optional
        Days before step 0, shared by all paths.
    sectors : tuple of S str
    dates : DatetimeIndex of length T, optional
    """

    def __init__(
        self,
        strategy: Strategy,
        cube: NDArray[Any],
        history: Values | None,
        sectors: tuple[str, ...],
        dates: pd.DatetimeIndex | None,
    ) -> None:
        n, days, assets = cube.shape
        self._cube, self._sectors, self._dates = cube, sectors, dates
        self._look = strategy.looks_back
        self._before = 0 if history is None else len(history)
        self._seen = np.zeros((n, self._before + days, assets))
        self._filled = 0
        if history is not None:
            self._seen[:, : self._before] = history
        self._codes: NDArray[np.int64] | None = None
        self._regimes: tuple[str, ...] = ()
        labeller = strategy.labeller
        if labeller is not None:
            market = np.asarray(cube, dtype=np.float64).mean(axis=2)
            if history is not None:
                shared = np.broadcast_to(history.mean(axis=1), (n, self._before))
                market = np.concatenate([shared, market], axis=1)
            self._codes = causal_codes(labeller, market)
            self._regimes = tuple(labeller.regimes_)
            check_causal(labeller, market[0], self._codes[0])

    def known(self, step: int) -> Known:
        """What is known before `step`; steps must rise from call to call."""
        first = self._before
        self._seen[:, first + self._filled : first + step] = self._cube[:, self._filled : step]
        self._filled = step
        end = first + step
        begin = 0 if self._look is None else max(end - self._look, 0)
        view = self._seen[:, begin:end]
        view.flags.writeable = False
        dated = self._dates is not None and begin >= first
        return Known(
            past=view,
            step=step,
            sectors=self._sectors,
            dates=self._dates[begin - first : step] if dated and self._dates is not None else None,
            codes=None if self._codes is None or end == 0 else self._codes[:, end - 1].copy(),
            regimes=self._regimes,
        )
