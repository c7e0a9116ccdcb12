# SPDX-License-Identifier: Apache-2.0
r"""What a labeller sees: volatility, drawdown and trend of the equal-weight market, in hindsight or causally.

From daily log returns :math:`r_t` and exponential weights :math:`w_j = 2^{-j/h}` of half-life :math:`h` days:

* log volatility, :math:`\tfrac12 \ln \operatorname{avg}_w(r^2)`, at two half-lives;
* log drawdown, :math:`\ln(c + \operatorname{avg}_w(M_t - p_t))`, :math:`p` the log price and :math:`M` its
  maximum over the last year;
* trend, :math:`\operatorname{avg}_w(r) / \sqrt{\operatorname{avg}_w(r^2)}`.

The **causal** form averages over :math:`s \le t`, the **two-sided** form over all days with weights
:math:`2^{-|t-s|/h}`; both start from the training data's averages with a few days' weight, so that the
first days are defined and short histories are not noise. Scaling to zero mean and unit variance, clipped,
uses the two-sided training features for both: a regime's centre means the same level of volatility in either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.returns import log_from_simple

__all__ = ["FEATURES", "FeatureMaker", "market_log_returns"]

Side = Literal["both", "past"]
Array = NDArray[np.float64]

FEATURES = ("volatility_3d", "volatility_10d", "drawdown_1y", "trend_40d")
"""Names of the columns, in order."""

# Short half-lives: two-sided averages see a crisis coming by as much, and labels should begin with it. Of
# those tried (2 to 10 and 8 to 40 days) these give the labels under which training returns are likeliest.
_HALF_LIVES = {"fast": 3.0, "slow": 10.0, "drawdown": 5.0, "trend": 40.0}  # days
_PRIOR_DAYS = 3.0  # weight of the training average in a volatility
_YEAR = 252  # days of the running maximum
_DRAWDOWN_OFFSET = 0.03  # decimal: drawdowns much smaller than 3 % are the same thing
_FLOOR = 1e-12  # of a mean squared return, so that a run of zeros has a logarithm
_CLIP = 2.0  # standard deviations: 1929 and 2008 must not own a centre that leaves 1998 and 2011 outside


def market_log_returns(returns: pd.DataFrame) -> Array:
    """Log returns (T,) of the market, the equal-weight mean of the sectors' simple returns."""
    mean: Array = returns.to_numpy(dtype=np.float64).mean(axis=1)
    return np.asarray(log_from_simple(mean), dtype=np.float64)


def _decayed_sums(values: Array, half_life: float) -> tuple[Array, Array]:
    """Exponentially weighted sums over the past and the sums of their weights, both (T,)."""
    from scipy.signal import lfilter

    keep = 0.5 ** (1.0 / half_life)
    sums = np.asarray(lfilter([1.0], [1.0, -keep], values), dtype=np.float64)
    weights = (1.0 - keep ** np.arange(1, len(values) + 1)) / (1.0 - keep)
    return sums, weights


def weighted_mean(values: Array, half_life: float, side: Side, prior: float, prior_days: float) -> Array:
    """Exponentially weighted mean (T,) over the past or over both sides, started from `prior`."""
    sums, weights = _decayed_sums(values, half_life)
    if side == "both":
        later, later_weights = _decayed_sums(values[::-1], half_life)
        sums = sums + later[::-1] - values
        weights = weights + later_weights[::-1] - 1.0
    return np.asarray((sums + prior * prior_days) / (weights + prior_days))


def drawdown(log_returns: Array) -> Array:
    """Depth (T,) >= 0 of the log price below its maximum over the last 252 days (causal)."""
    price = np.concatenate([[0.0], np.cumsum(log_returns)])
    peak = pd.Series(price).rolling(_YEAR + 1, min_periods=1).max().to_numpy()
    return np.asarray((peak - price)[1:])


@dataclass(frozen=True)
class FeatureMaker:
    """Features with everything that was learned from the training data.

    Attributes
    ----------
    second_moment, mean : float
        Mean squared and mean daily log return of the training market, where the averages start.
    centre, scale : (F,) mean and standard deviation of the two-sided training features
    weight : (F,) importance of each feature in squared distances
    """

    second_moment: float
    mean: float
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]

    @classmethod
    def fit(cls, log_returns: Array, weight: tuple[float, ...]) -> Self:
        """Learn the starting averages and the scaling from training returns (T,)."""
        second, mean = float(np.mean(log_returns**2)), float(np.mean(log_returns))
        raw = _raw(log_returns, "both", second, mean)
        spread = raw.std(axis=0)
        return cls(
            second_moment=second,
            mean=mean,
            centre=tuple(raw.mean(axis=0).tolist()),
            scale=tuple(np.where(spread > 1e-9, spread, 1.0).tolist()),
            weight=tuple(float(w) for w in weight),
        )

    def transform(self, log_returns: Array, side: Side) -> Array:
        """Scaled, clipped, weighted features (T, F); row t of ``side="past"`` uses returns up to t only."""
        raw = _raw(log_returns, side, self.second_moment, self.mean)
        scaled = (raw - np.array(self.centre)) / np.array(self.scale)
        return np.asarray(np.clip(scaled, -_CLIP, _CLIP) * np.sqrt(np.array(self.weight)))

    def to_config(self) -> dict[str, Any]:
        """JSON-able state."""
        return {
            "second_moment": self.second_moment,
            "mean": self.mean,
            "centre": list(self.centre),
            "scale": list(self.scale),
            "weight": list(self.weight),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Restore from :meth:`to_config`."""
        return cls(
            second_moment=float(config["second_moment"]),
            mean=float(config["mean"]),
            centre=tuple(map(float, config["centre"])),
            scale=tuple(map(float, config["scale"])),
            weight=tuple(map(float, config["weight"])),
        )


def _raw(log_returns: Array, side: Side, second: float, mean: float) -> Array:
    life = _HALF_LIVES
    fast = weighted_mean(log_returns**2, life["fast"], side, second, _PRIOR_DAYS)
    slow = weighted_mean(log_returns**2, life["slow"], side, second, _PRIOR_DAYS)
    depth = weighted_mean(drawdown(log_returns), life["drawdown"], side, 0.0, 0.0)
    month = weighted_mean(log_returns**2, life["trend"], side, second, _PRIOR_DAYS)
    trend = weighted_mean(log_returns, life["trend"], side, mean, life["trend"] / 2)
    return np.column_stack(
        [
            0.5 * np.log(fast + _FLOOR),
            0.5 * np.log(slow + _FLOOR),
            np.log(_DRAWDOWN_OFFSET + depth),
            trend / np.sqrt(month + _FLOOR),
        ]
    )
