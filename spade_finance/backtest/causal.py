# SPDX-License-Identifier: Apache-2.0
"""Causal regime labels of many paths: what a labeller's ``filter`` says day by day, and a check that it is causal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.returns import log_from_simple

if TYPE_CHECKING:
    from spade_finance.regimes.base import BaseRegimes
    from spade_finance.regimes.rules import RuleRegimes

__all__ = ["causal_codes", "check_causal"]

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

_WORST_DAY = -0.9999
"""A market that loses everything has no logarithm."""


def causal_codes(labeller: BaseRegimes, market: Values) -> Codes:
    """Causal regime codes (n, T) of market simple returns (n, T), by a fitted labeller.

    :class:`~spade_finance.regimes.RuleRegimes` labels all paths at once; another labeller takes them one by
    one.

    Raises
    ------
    InputError
        If the labeller is not fitted.
    """
    from spade_finance.regimes import RuleRegimes

    if not hasattr(labeller, "regimes_"):
        raise InputError(f"labeller: this {type(labeller).__name__} is not fitted; call fit(returns) first")
    log = np.asarray(log_from_simple(np.maximum(market, _WORST_DAY)), dtype=np.float64)
    if isinstance(labeller, RuleRegimes) and type(labeller) is RuleRegimes and labeller.confirm_days == 1:
        return _rule_codes(labeller, log)
    return np.stack([labeller._filter_codes(row)[0] for row in log])


def check_causal(labeller: BaseRegimes, market: Values, codes: Codes) -> None:
    """Label beginnings of one path again, (T,), and refuse a labeller that says something else then.

    Raises
    ------
    InputError
        If the label of a day depends on later days.
    """
    days = len(market)
    for end in sorted({days // 3, 2 * days // 3} - {0, 1}):
        cut = causal_codes(labeller, market[None, :end])[0]
        if not np.array_equal(cut, codes[:end]):
            day = int(np.argmax(cut != codes[:end]))
            raise InputError(
                f"labeller: the causal label that {type(labeller).__name__} gives day {day} changes with the days "
                f"after {end - 1}: a strategy may not trade on it"
            )


def _rule_codes(labeller: RuleRegimes, log: Values) -> Codes:
    """The rules of :class:`RuleRegimes`, day by day for all paths at once."""
    from spade_finance.regimes.features import drawdown
    from spade_finance.regimes.rules import _RECOVERED

    n, days = log.shape
    up, down = labeller.thresholds_, labeller.thresholds_ * labeller.release
    floor = labeller.n_regimes - 2 if labeller.n_regimes > 2 else 0
    climbs = np.empty((n, days), dtype=np.int64)
    stays, deep, healing = (
        np.empty_like(climbs),
        np.empty((n, days), dtype=bool),
        np.empty((n, days), dtype=bool),
    )
    for i, row in enumerate(log):
        volatility, depth = labeller._volatility(row), drawdown(row)
        climbs[i], stays[i] = np.searchsorted(up, volatility), np.searchsorted(down, volatility)
        deep[i], healing[i] = depth > labeller.drawdown, depth > _RECOVERED * labeller.drawdown
    codes = np.empty((n, days), dtype=np.int64)
    step, fallen = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    for t in range(days):
        step = np.maximum(climbs[:, t], np.minimum(step, stays[:, t]))
        fallen = deep[:, t] | (fallen & healing[:, t])
        codes[:, t] = np.where(fallen, np.maximum(step, floor), step)
    return codes
