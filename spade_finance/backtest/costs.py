# SPDX-License-Identifier: Apache-2.0
"""What trading and holding cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from spade_finance.exceptions import InputError

__all__ = ["DAYS", "Costs"]

DAYS = 252
"""Trading days a year."""


@dataclass(frozen=True)
class Costs:
    r"""Costs of a strategy, all proportional.

    Parameters
    ----------
    cost_bps : float
        Commission and fees in basis points (1e-4) of the notional bought or sold.
    slippage_bps : float
        Worse prices than those quoted, in basis points of the same notional; added to `cost_bps`.
    borrow_bps_per_year : float
        Fee on shares sold short, in basis points a year of their value, paid daily from cash (over 252 days).
    cash_rate : float
        Annual effective rate, decimal, that cash earns; borrowed cash (leverage) pays it:
        :math:`(1 + c)^{1/252} - 1` a day.

    Raises
    ------
    InputError
        If a cost is negative, missing or at least 10,000 bps, or the rate is not above -1 and below 10.
    """

    cost_bps: float = 5.0
    slippage_bps: float = 0.0
    borrow_bps_per_year: float = 0.0
    cash_rate: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(f"{field.name}={value!r} is no number: pass a plain one such as 5")
        for name in ("cost_bps", "slippage_bps", "borrow_bps_per_year"):
            if not 0 <= getattr(self, name) < 1e4:
                raise InputError(
                    f"{name}={getattr(self, name):g} is out of range: give basis points from 0 to below 10,000 "
                    "(5 is 0.05 percent)"
                )
        if self.cost_bps + self.slippage_bps >= 1e4:
            raise InputError("cost_bps + slippage_bps reach 10,000: a trade may not cost all that it moves")
        if not -1 < self.cash_rate < 10:
            raise InputError(
                f"cash_rate={self.cash_rate:g} is out of range: give a decimal a year (0.03 is three percent)"
            )

    @property
    def per_trade(self) -> float:
        """Share of the traded notional that is lost."""
        return (self.cost_bps + self.slippage_bps) * 1e-4

    @property
    def borrow_per_day(self) -> float:
        """Share of the notional sold short that is paid a day."""
        return self.borrow_bps_per_year * 1e-4 / DAYS

    @property
    def cash_per_day(self) -> float:
        """Simple return of cash a day."""
        return float((1.0 + self.cash_rate) ** (1.0 / DAYS) - 1.0)
