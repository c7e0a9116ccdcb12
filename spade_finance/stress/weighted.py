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
        """VaR and its standard error."""
        value = self.quantile(level)
        share = float(dot(self.probabilities, self.losses <= value))
        error = self._error((self.losses <= value).astype(np.float64) - share)
        if not error > 0:
            return value, 0.0
        # two errors wide: one error's width rests on too few order statistics; an end beyond the data is left out
        top, bottom = min(level + 2 * error, 1.0), max(level - 2 * error, 0.0)
        return value, error * (self.quantile(top) - self.quantile(bottom)) / (top - bottom)

    def es(self, level: float) -> Pair:
        """Expected shortfall and its standard error."""
        q = self.quantile(level)
        beyond = q + np.maximum(self.losses - q, 0.0) / (1.0 - level)
        value = float(dot(self.probabilities, beyond))
        return value, self._error(beyond - value)

    def _error(self, influence: Array) -> float:
        return float(np.sqrt(np.square(self.probabilities * influence).sum()))
