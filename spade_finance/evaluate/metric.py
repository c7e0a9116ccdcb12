# SPDX-License-Identifier: Apache-2.0
"""`Metric`: one statistic of a panel, the scale of its distances, the paper it comes from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.references import REFERENCES, SHOWN_ONLY

Values = NDArray[np.float64]

SHAPE = "shape_"
"""Prefix of metrics measured on panels without their scale (see :mod:`.shape`)."""

FAMILIES = {
    "annual_return": "mean",
    "skewness": "skew",
    "l_skewness": "skew",
    "excess_kurtosis": "tail_exceedance",
    "l_kurtosis": "tail_exceedance",
    "hill_left": "tail_exceedance",
    "hill_right": "tail_exceedance",
    "quantile_ratio_left": "tail_exceedance",
    "quantile_ratio_right": "tail_exceedance",
    "w1": "energy_score",
    "ks": "energy_score",
    "mean_correlation": "correlation",
    "correlation_matrix": "correlation",
    "correlation_breakdown": "correlation",
    "eigen_spectrum": "correlation",
    "eigen_share": "correlation",
    "low_eigen_volatility": "correlation",
    "lower_tail_dependence": "tail_dependence",
    "tail_dependence_asymmetry": "tail_dependence",
    "acf_return": "acf",
    "acf_return_lags": "acf",
    "portmanteau": "acf",
    "acf_absolute": "acf_abs",
    "acf_absolute_crisis_free": "acf_abs",
    "acf_absolute_far": "acf_abs",
    "acf_decay": "acf_abs",
    "acf_squared": "acf_abs",
    "leverage_lags": "leverage",
    "var_95": "tail_exceedance",
    "var_97_5": "tail_exceedance",
    "var_99": "tail_exceedance",
    "es_95": "tail_exceedance",
    "es_97_5": "tail_exceedance",
    "es_99": "tail_exceedance",
}
"""Family of statistics that training objectives name; a metric without an entry is its own family."""


def is_in_loss(metric: str, in_loss: Collection[str]) -> bool:
    """Whether a model was trained to match this metric, given the names or families it declares."""
    plain = metric.removeprefix(SHAPE)
    return metric in in_loss or plain in in_loss or FAMILIES.get(plain, plain) in in_loss


@dataclass(frozen=True)
class Metric:
    """One statistic of a panel.

    Attributes
    ----------
    name, group : str
        As in the report's rows; groups are marginals, dependence, dynamics, risk, shape.
    measure : callable
        ``measure(panel) -> (paths, asset)``, assets being the panel's; (paths,) for a statistic of all
        sectors; (paths, features) or (paths, features, asset) for one that is only compared, not printed
        (``curve``).
    scale : {"linear", "log"}
        Distances are differences of the value, or of its logarithm (volatility, kurtosis, VaR: ratios
        matter).
    curve : bool
        Many features (a quantile function, a matrix): has a distance but no single value.
    by_regime : bool
        Uses labels although it is not of one regime.
    regime : str or None
        The regime whose days count.
    horizon_days : int or None
    unit : {"percent", "number"}
        How to print it.
    assets : tuple of str or None
        Names along the last axis where they are not the panel's (one market, a few portfolios).
    seamless : bool
        The resamples of the real window are read across their seams: statistics over weeks would find too
        few whole stretches. What a seam costs them drops out, for only the spread of the resamples is used.
    scored : bool
        Whether its distance enters the score; if not, the distance is given without a floor.
    regimes : tuple of str
        Regimes whose episodes decide whether the value is assessable, for ``by_regime`` metrics.
    """

    name: str
    group: str
    measure: Callable[[Panel], Values] = field(repr=False)
    scale: str = "linear"
    regime: str | None = None
    horizon_days: int | None = None
    unit: str = "number"
    curve: bool = False
    by_regime: bool = False
    assets: tuple[str, ...] | None = None
    seamless: bool = False
    regimes: tuple[str, ...] = ()
    scored: bool = True

    @property
    def needs_regimes(self) -> bool:
        """Whether it can be measured on labelled days only."""
        return self.by_regime or self.regime is not None

    @property
    def of_episodes(self) -> tuple[str, ...]:
        """Regimes whose spells are the independent observations; empty for statistics of all days."""
        return self.regimes or (() if self.regime is None else (self.regime,))

    @property
    def key(self) -> tuple[str, str | None, int | None]:
        """What tells it from every other metric."""
        return self.name, self.regime, self.horizon_days

    @property
    def reference(self) -> str:
        """The paper that states the fact or defines the statistic; empty where there is none."""
        return REFERENCES.get(self.name.removeprefix(SHAPE), "")

    @property
    def verdict(self) -> bool:
        """Whether the interval of the real value can carry a verdict (see :data:`.references.SHOWN_ONLY`)."""
        return self.name.removeprefix(SHAPE) not in SHOWN_ONLY

    def transform(self, values: Values) -> Values:
        """Values on the scale on which distances are taken."""
        if self.scale == "linear":
            return values
        shift = 3.0 if "kurtosis" in self.name else 0.0  # excess kurtosis may be negative, kurtosis may not
        return np.log(np.maximum(values + shift, 1e-6))

    def restore(self, values: Values) -> Values:
        """Inverse of :meth:`transform`."""
        if self.scale == "linear":
            return values
        return np.exp(values) - (3.0 if "kurtosis" in self.name else 0.0)
