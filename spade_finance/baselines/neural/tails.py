# SPDX-License-Identifier: Apache-2.0
r"""Heavy tails out before training, back in after sampling: the Lambert W transform, sector by sector.

Goerg (2015), "The Lambert way to Gaussianize heavy-tailed data with the inverse of Tukey's h transformation", as
QuantGAN (Wiese et al. 2020, section 5) uses it: with a standard normal-like u,

.. math:: x = c\,u\,\exp(\delta u^2 / 2), \qquad u = \operatorname{sign}(x) \sqrt{W(\delta x^2 / c^2) / \delta}

:math:`\delta` is chosen so that u has the kurtosis of a normal, c so that it has unit variance. A network that
ends in a linear layer then need not learn to make extreme values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_DELTA = 0.45
"""Above one half the transformed variable has no variance."""
MAX_SIZE = 6.0
"""Gaussianised values count for at most this much on the way back: once in half a billion normal draws."""


@dataclass(frozen=True)
class HeavyTails:
    """Transform of each sector: ``delta`` (sectors,) and ``scale`` (sectors,)."""

    delta: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, x: NDArray[np.float64]) -> HeavyTails:
        """Fit to (days, sectors) values of about unit variance."""
        delta = np.array([_delta(column) for column in x.T])
        scale = np.array([_gaussian(column, d).std() for column, d in zip(x.T, delta, strict=True)])
        return cls(delta, np.maximum(scale, 1e-8))

    @classmethod
    def none(cls, n_sectors: int) -> HeavyTails:
        """The identity."""
        return cls(np.zeros(n_sectors), np.ones(n_sectors))

    def remove(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gaussianise (..., sectors)."""
        u = [_gaussian(x[..., s], d) / c for s, (d, c) in enumerate(zip(self.delta, self.scale, strict=True))]
        return np.stack(u, axis=-1)

    def restore(self, u: NDArray[np.floating]) -> NDArray[np.float64]:
        """Inverse of :meth:`remove`, (..., sectors)."""
        if not self.delta.any():
            return np.asarray(u, dtype=np.float64)
        v = np.clip(u, -MAX_SIZE, MAX_SIZE) * self.scale
        return v * np.exp(0.5 * self.delta * v**2)


def _gaussian(x: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    from scipy.special import lambertw

    if delta < 1e-6:
        return x
    return np.sign(x) * np.sqrt(np.real(lambertw(delta * x**2)) / delta)


def _delta(x: NDArray[np.float64]) -> float:
    """Delta whose inverse transform has kurtosis 3; 0 where tails are no heavier than a normal's."""
    from scipy.optimize import brentq

    def excess(delta: float) -> float:
        u = _gaussian(x, delta)
        u = u - u.mean()
        return float((u**4).mean() / (u**2).mean() ** 2 - 3)

    if excess(0.0) <= 0:
        return 0.0
    return MAX_DELTA if excess(MAX_DELTA) > 0 else float(brentq(excess, 0.0, MAX_DELTA, xtol=1e-5))
