# SPDX-License-Identifier: Apache-2.0
"""Out of the market when the regime is bad: by causal labels, that is, by what was known on the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from spade_finance.backtest.strategies.base import Known, Strategy, Values, number
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.regimes.base import BaseRegimes

__all__ = ["RegimeSwitching", "default_labeller"]

DEFAULT_UNTIL = "2012-12-31"
"""Last embedded day that the default labeller is fitted on: later years stay out of sample."""


@lru_cache(maxsize=1)
def default_labeller() -> BaseRegimes:
    """Volatility and drawdown rules fitted on the embedded sectors up to 2012."""
    from spade_finance.data import load_sectors
    from spade_finance.regimes import RuleRegimes

    return RuleRegimes().fit(load_sectors().loc[:DEFAULT_UNTIL])


@dataclass(frozen=True, eq=False)
class RegimeSwitching(Strategy):
    """Equal weights times an exposure that depends on the last day's causal regime.

    The regime is what a fitted labeller's ``filter`` says from the days so far, on each path by itself. The
    timeline that a scenario was drawn under is never used: nobody knows it on the day.

    Parameters
    ----------
    exposure : sequence of K numbers, mapping of regime name to number, or None
        Share of wealth in the assets in each regime, calm to worst; the rest is cash. None: 1 in the calmer half,
        then falling evenly to 0 in the worst (for four regimes 1, 1, 0.67, 0). A regime that a mapping leaves out
        has exposure 1.
    labels : fitted labeller, optional
        Any of :mod:`spade_finance.regimes`; default :class:`~spade_finance.regimes.RuleRegimes` fitted on the
        embedded sectors up to 2012, the labeller that labels all paths at once. Others take the paths one by one.
    """

    name = "regime_switching"
    exposure: tuple[float, ...] | Mapping[str, float] | None = None
    labels: BaseRegimes | None = None

    def __post_init__(self) -> None:
        if isinstance(self.exposure, str | int | float):
            raise InputError(
                f"exposure={self.exposure!r}: pass one number a regime, calm to worst, or a mapping"
            )
        values = self.exposure.values() if isinstance(self.exposure, Mapping) else self.exposure or ()
        for value in values:
            number("exposure", value, -5.0, 5.0)
        if self.labels is not None and not hasattr(self.labels, "regimes_"):
            raise InputError(
                f"labels={self.labels!r} is no fitted labeller: pass one such as JumpRegimes().fit(returns)"
            )

    @property
    def needs(self) -> int:
        """Days of past returns needed: a month."""
        return 21

    @property
    def labeller(self) -> BaseRegimes:
        """The labeller whose causal labels are used."""
        return self.labels if self.labels is not None else default_labeller()

    def exposures(self, regimes: tuple[str, ...]) -> Values:
        """Exposure (K,) of each regime."""
        if self.exposure is None:
            count = len(regimes)
            return np.clip(2.0 * (1.0 - np.arange(count) / (count - 1)), 0.0, 1.0)
        if isinstance(self.exposure, Mapping):
            if strangers := [name for name in self.exposure if name not in regimes]:
                raise InputError(
                    f"exposure names {strangers[0]!r}, which is none of the labeller's regimes {', '.join(regimes)}"
                )
            return np.array([float(self.exposure.get(name, 1.0)) for name in regimes])
        if len(self.exposure) != len(regimes):
            raise InputError(
                f"exposure has {len(self.exposure)} numbers for the {len(regimes)} regimes {', '.join(regimes)}"
            )
        return np.array(self.exposure, dtype=np.float64)

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        assets = known.past.shape[-1]
        if known.codes is None:
            raise InputError("no causal regime is known before the first day: pass warm_up=1 or more")
        exposure = self.exposures(known.regimes)[known.codes]
        return np.repeat(exposure[:, None] / assets, assets, axis=1)
