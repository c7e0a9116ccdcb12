# SPDX-License-Identifier: Apache-2.0
"""What a trade costs, and how positions drift until the next one: many paths at once, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.backtest.costs import Costs

__all__ = ["drift", "trade"]

Values = NDArray[np.float64]


def trade(target: Values, held: Values, rate: float) -> tuple[Values, Values]:
    r"""Share of wealth lost and notional traded, (n,) each, in going from held to target weights.

    :math:`f(x) = x - k \sum_i |w_i(1-x) - h_i|` is concave and rising where :math:`k \sum |w_i| < 1`, so that
    Newton's steps from 0 reach its root from the left in at most S + 1 pieces.
    """
    lost = np.zeros(len(target))
    if rate > 0.0:
        for _ in range(target.shape[1] + 2):
            gap = target * (1.0 - lost)[:, None] - held
            slope = 1.0 + rate * np.sum(target * np.sign(gap), axis=1)
            step = (rate * np.abs(gap).sum(axis=1) - lost) / slope
            lost += step
            if np.abs(step).max() < 1e-17:
                break
    return lost, np.abs(target * (1.0 - lost)[:, None] - held).sum(axis=1)


def drift(target: Values, growth: Values, costs: Costs) -> tuple[Values, Values, Values]:
    """Wealth (n, L) at each day's end from 1 after the trade, borrow fees as shares of the wealth before the day,
    and the weights (n, S) held at the end; `growth` (n, L, S) holds 1 + return and is overwritten.
    """
    n, days, _ = growth.shape
    gain = (1.0 + costs.cash_per_day) ** np.arange(1, days + 1)
    np.cumprod(growth, axis=1, out=growth)
    value = np.matmul(growth, target[:, :, None])[:, :, 0]
    cash = (1.0 - target.sum(axis=1))[:, None] * gain
    fee = np.zeros((n, days))
    short = np.minimum(target, 0.0)
    if costs.borrow_per_day > 0.0 and short.any():
        fee[:, 0] = short.sum(axis=1)
        fee[:, 1:] = np.matmul(growth[:, :-1], short[:, :, None])[:, :, 0]
        fee *= -costs.borrow_per_day
        cash -= np.cumsum(fee / gain, axis=1) * gain
    value += cash
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.concatenate([np.ones((n, 1)), value[:, :-1]], axis=1)
        share = np.where(before > 0.0, fee / before, 0.0)
        held = target * growth[:, -1] / value[:, -1:]
    return value, share, np.where(np.isfinite(held), held, 0.0)
