# SPDX-License-Identifier: Apache-2.0
r"""A causal slow volatility scale: what is left of volatility's level once the regime is taken out.

Volatility drifts over decades *within* a regime. For one sector, with :math:`\mu_k, \sigma_k` the training
mean and standard deviation of its log returns in regime k,

.. math::
    z_t = (r_t - \mu_{k_t}) / \sigma_{k_t}, \qquad
    s^2_t = (1 - \lambda) \min(z^2_{t-1}, 36) + \lambda s^2_{t-1}, \qquad \lambda = 2^{-1/125}

:math:`s_t` is known before day t. Dividing by it improved every generator and every baseline in our study, so
the baselines may have it too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF_LIFE_DAYS = 125
CAP_SIGMAS = 6.0


@dataclass(frozen=True)
class RegimeMoments:
    """Per-regime mean and standard deviation of log returns, each (regimes, sectors)."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def fit(
        cls, log_returns: NDArray[np.float64], codes: NDArray[np.integer], n_regimes: int
    ) -> RegimeMoments:
        """Moments of (days, sectors) log returns by regime; a regime never seen gets those of all days."""
        mean = np.tile(log_returns.mean(0), (n_regimes, 1))
        std = np.tile(log_returns.std(0), (n_regimes, 1))
        for k in range(n_regimes):
            days = log_returns[codes == k]
            if len(days) > 1:
                mean[k], std[k] = days.mean(0), days.std(0)
        return cls(mean, np.maximum(std, 1e-8))

    def standardise(
        self, log_returns: NDArray[np.float64], codes: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Returns less their regime's mean, over its standard deviation, (days, sectors)."""
        return (log_returns - self.mean[codes]) / self.std[codes]


def slow_scale(
    standardised: NDArray[np.float64], half_life: float = HALF_LIFE_DAYS, cap: float = CAP_SIGMAS
) -> NDArray[np.float64]:
    """Slow scale before each day and after the last one.

    Parameters
    ----------
    standardised : (days, sectors)
        Regime-standardised log returns.
    half_life : float
        Days after which an observation weighs half.
    cap : float
        Observations count for at most this many sigmas.

    Returns
    -------
    (days + 1, sectors)
        Row t uses rows before t only; row 0 is one, the long run.
    """
    from scipy.signal import lfilter

    decay = 0.5 ** (1.0 / half_life)
    squared = np.minimum(standardised**2, cap**2)
    start = np.full((1, squared.shape[1]), decay)  # filter state that makes the scale before day 0 equal one
    variance, _ = lfilter([1.0 - decay], [1.0, -decay], squared, axis=0, zi=start)
    return np.sqrt(np.concatenate([np.ones((1, squared.shape[1])), variance]))
