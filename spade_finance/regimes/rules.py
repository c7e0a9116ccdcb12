# SPDX-License-Identifier: Apache-2.0
r"""Labels by rule: a ladder of volatility thresholds with hysteresis, and a floor under deep drawdowns.

Every part is causal. With volatility :math:`\sigma_t` (exponentially weighted, half-life 10 days) and
drawdown :math:`d_t` from the year's high,

* the ladder climbs to step k when :math:`\sigma_t` exceeds threshold k, a quantile of the training
  volatilities, and comes down from it when :math:`\sigma_t` is below `release` times that threshold;
* from three regimes on, a drawdown beyond `drawdown` keeps the label at least at the second worst regime
  until it has shrunk to half of that.

The steps are the regimes, calm to worst, by definition. A rule is certain: probabilities are 0 or 1. Smoothed
labels are the causal ones with spells under `min_days` given to a neighbour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.base import BaseRegimes
from spade_finance.regimes.features import drawdown, weighted_mean

__all__ = ["RuleRegimes"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

HALF_LIFE = 10.0  # days, of the volatility
_PRIOR_DAYS = 3.0
_WORST_SHARE = (
    0.08  # of training days above the last threshold; the others split the rest, calmest the largest
)
_RECOVERED = 0.5  # of the drawdown threshold, at which a drawdown is over


class RuleRegimes(BaseRegimes):
    """Drawdown and volatility rules.

    Parameters
    ----------
    n_regimes, random_state, confirm_days, per_sector
        See :class:`~spade_finance.regimes.base.BaseRegimes`; nothing is random.
    drawdown : float in (0, 1)
        Depth below the year's high (decimal, of log prices) that makes a bear market; 0.15 by default.
    release : float in (0, 1)
        Share of its threshold that volatility must fall below to come down a step.
    min_days : int
        Ten days by default.
    """

    method = "rules"

    def __init__(
        self,
        n_regimes: int = 4,
        *,
        random_state: int | np.random.Generator = 0,
        drawdown: float = 0.15,
        release: float = 0.85,
        min_days: int = 10,
        confirm_days: int = 1,
        per_sector: bool = False,
    ) -> None:
        super().__init__(
            n_regimes,
            random_state=random_state,
            min_days=min_days,
            confirm_days=confirm_days,
            per_sector=per_sector,
        )
        self.drawdown = drawdown
        self.release = release

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("drawdown", "release"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)!r}: pass a number between 0 and 1")

    def _fit(self, market: Array, start: BaseRegimes | None) -> None:
        self.second_moment_ = float(np.mean(market**2))
        n = self.n_regimes
        # Shares of days per step fall linearly from the calmest to _WORST_SHARE at the worst.
        shares = np.linspace(2.0 / n - _WORST_SHARE, _WORST_SHARE, n) if n > 2 else np.array([0.85, 0.15])
        shares = np.maximum(shares, 0.02) / np.maximum(shares, 0.02).sum()
        self.thresholds_ = np.quantile(self._volatility(market), np.cumsum(shares)[:-1])
        self.convergence_ = {
            "status": "exact",
            "iterations": 0,
            "message": "rules are not fitted",
            "fallback": None,
        }

    def _volatility(self, market: Array) -> Array:
        return np.sqrt(weighted_mean(market**2, HALF_LIFE, "past", self.second_moment_, _PRIOR_DAYS))

    def _order(self, market: Array, codes: Codes) -> Codes:
        return np.arange(self.n_regimes, dtype=np.int64)  # the rules themselves say which is worse

    def _rule(self, market: Array) -> Codes:
        up, down = self.thresholds_, self.thresholds_ * self.release
        depth, floor_step = drawdown(market), self.n_regimes - 2 if self.n_regimes > 2 else 0
        codes = np.empty(len(market), dtype=np.int64)
        step, fallen = 0, False
        for t, (sigma, deep) in enumerate(zip(self._volatility(market), depth, strict=True)):
            step = max(int(np.searchsorted(up, sigma)), min(step, int(np.searchsorted(down, sigma))))
            fallen = deep > self.drawdown or (fallen and deep > _RECOVERED * self.drawdown)
            codes[t] = max(step, floor_step) if fallen else step
        return codes

    def _smooth(self, market: Array) -> tuple[Codes, Array]:
        codes = self._rule(market)
        return codes, np.eye(self.n_regimes)[codes]

    def _filter(self, market: Array) -> tuple[Codes, Array]:
        return self._smooth(market)

    def _reorder(self, order: Codes) -> None:
        pass

    def _state(self) -> dict[str, Any]:
        return {"second_moment": self.second_moment_, "thresholds": self.thresholds_.tolist()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.second_moment_ = float(state["second_moment"])
        self.thresholds_ = np.array(state["thresholds"], dtype=np.float64)
