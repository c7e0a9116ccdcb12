# SPDX-License-Identifier: Apache-2.0
r"""Quantiles, VaR and ES of weighted paths, with standard errors.

With probabilities p adding up to 1 and q the weighted quantile at level :math:`\alpha`,

.. math:: ES = q + \frac{1}{1 - \alpha} \sum_i p_i (L_i - q)^+, \qquad
          SE^2 = \sum_i p_i^2 \psi_i^2,

:math:`\psi` the influence function (:mod:`.measures`): the error of an importance-sampling ratio estimator with given
weights. A VaR's error inverts that of the distribution function (Woodruff 1952).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spade_finance.stress.measures import ENOUGH, FEWEST_IN_TAIL, WIDTH
from spade_finance.stress.sums import dot

__all__ = ["WeightedLosses"]

Array = NDArray[np.float64]
Pair = tuple[float, float]


class WeightedLosses:
    """Losses (n,), positive is a loss, with probabilities (n,); default equal."""

    def __init__(self, losses: ArrayLike, probabilities: ArrayLike | None = None) -> None:
        x = np.asarray(losses, dtype=np.float64)
        p = (
            np.full(len(x), 1.0 / len(x))
            if probabilities is None
            else np.asarray(probabilities, dtype=np.float64)
        )
        order = np.argsort(x, kind="stable")
        self.losses, self.probabilities = x[order], p[order] / p.sum()
        self._below = np.cumsum(self.probabilities)

    def quantile(self, level: float) -> float:
        """Smallest loss that at least a share `level` does not exceed."""
        place = int(np.searchsorted(self._below, np.clip(level, 0.0, 1.0) - 1e-12))
        return float(self.losses[min(place, len(self.losses) - 1)])

    def mean(self) -> Pair:
        """Mean loss and its standard error."""
        value = float(dot(self.probabilities, self.losses))
        return value, self._error(self.losses - value)

    def var(self, level: float) -> Pair:
        """VaR and its standard error; NaN where less than one effective path lies beyond."""
        if not self._deep_enough(level):
            return float("nan"), float("nan")
        value = self.quantile(level)
        shares = (
            self.losses <= value,
            self.losses < value,
        )  # both ends of the step that the quantile stands on
        error = max(self._error(x.astype(np.float64) - float(dot(self.probabilities, x))) for x in shares)
        if not error > 0:
            return value, 0.0
        # two errors wide: one error's width rests on too few order statistics; an end beyond the data is left out
        top, bottom = min(level + WIDTH * error, 1.0), max(level - WIDTH * error, 0.0)
        high, low = self.quantile(top), self.quantile(bottom)
        found = error * (high - low) / (top - bottom)
        inside = self.losses[(self.losses >= low) & (self.losses <= high)]
        if len(np.unique(inside)) < ENOUGH:  # too few to tell a width from: cover the interval whole
            found = max(found, (high - value) / WIDTH, (value - low) / WIDTH)
        return value, found

    def es(self, level: float) -> Pair:
        """Expected shortfall and its standard error; NaN where less than one effective path lies beyond."""
        if not self._deep_enough(level):
            return float("nan"), float("nan")
        q = self.quantile(level)
        beyond = q + np.maximum(self.losses - q, 0.0) / (1.0 - level)
        value = float(dot(self.probabilities, beyond))
        return value, self._error(beyond - value)

    def _deep_enough(self, level: float) -> bool:
        effective = 1.0 / float(dot(self.probabilities, self.probabilities))
        return effective * (1.0 - level) >= FEWEST_IN_TAIL - 1e-9

    def _error(self, influence: Array) -> float:
        return float(np.sqrt(np.square(self.probabilities * influence).sum()))
