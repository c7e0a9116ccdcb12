# SPDX-License-Identifier: Apache-2.0
"""Slow states: volatility level (common and per sector), correlation and autocorrelation that drift over years.

Each is a stationary first-order autoregression ``x[t] = rho x[t-1] + sqrt(1 - rho^2) sd n[t]``: a frozen level is
wrong over years, a unit root drifts away. Size and half-life come from the autocovariances of block means of a daily
measurement (noise that is independent from block to block adds to lag zero only); the state of the last day of a
history comes from the steady-state Kalman filter of the same measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.model.dynamics import CLIP

Array = NDArray[np.float64]

HALF_LIFE_GRID = np.array([40, 60, 90, 120, 180, 250, 375, 500, 750, 1000], dtype=float)
"""Days."""
BLOCK_DAYS = 42
HOLD_DAYS = 5
"""Simulated states move once a week: with half-lives of months nobody can tell, and noise is most of the cost."""
MAX_SD = {"common": 0.5, "sector": 0.4, "correlation": 0.6, "autocorrelation": 0.12}
"""Prior bounds of the states' standard deviation, met only by short or broken histories."""
SHRINK = {"common": 1.0, "sector": 0.9, "correlation": 0.66, "autocorrelation": 0.6}
"""Study, part 2: correlation and autocorrelation states are measured with much noise and are shrunk."""


@dataclass(frozen=True)
class SlowLaw:
    """Law of the ``S + 3`` slow states, ordered common, sectors, correlation, autocorrelation.

    ``sd`` (S + 3,) stationary standard deviation; ``half_life`` (S + 3,) days; ``autocorrelation`` the long-run mean
    of the lag-one coefficient.
    """

    sd: Array
    half_life: Array
    autocorrelation: float

    @property
    def rho(self) -> Array:
        """Daily persistence."""
        return 0.5 ** (1 / self.half_life)


def measurements(e: Array, codes: NDArray[np.int_], correlation: Array) -> Array:
    """Noisy daily readings of the slow states, (T, S + 3), from innovations before any slow scaling.

    Level: ``|e| / mean|e| - 1``. Correlation: mean cosine between sectors of the day's spatial sign, less its mean in
    the day's regime, over the slope by which the correlation state moves it. Autocorrelation: product of the market's
    consecutive innovations over their variance.
    """
    n_sectors = e.shape[1]
    size = np.minimum(np.abs(e), CLIP)
    level = size / size.mean(0) - 1
    common = level.mean(1)
    sectors = level - common[:, None]
    market = np.clip(e.mean(1) / max(float(e.mean(1).std()), 1e-12), -4, 4)
    product = np.concatenate([[0.0], market[1:] * market[:-1]])
    if n_sectors > 1:
        sign = e / np.maximum(np.linalg.norm(e, axis=1, keepdims=True), 1e-12)
        cosine = (sign.sum(1) ** 2 - 1) / (n_sectors - 1)
        off_diagonal = ~np.eye(n_sectors, dtype=bool)
        for k in np.unique(codes):
            rho = float(np.clip(correlation[k][off_diagonal].mean(), 0.05, 0.95))
            seen = float(np.clip(cosine[codes == k].mean(), 0.05, 0.95))
            cosine[codes == k] -= cosine[codes == k].mean()
            cosine[codes == k] /= 2 * rho * (1 - rho) * (seen / rho)
    else:
        cosine = np.zeros(len(e))
    return np.column_stack([common, sectors, cosine, product])


def fit_slow(readings: Array) -> SlowLaw:
    """Fit the law of every state to its readings."""
    n_sectors = readings.shape[1] - 3
    names = ["common", *["sector"] * n_sectors, "correlation", "autocorrelation"]
    sd, half_life = np.zeros(len(names)), np.full(len(names), 250.0)
    for i, name in enumerate(names):
        variance, half_life[i] = _autoregression(readings[:, i] - readings[:, i].mean())
        sd[i] = min(SHRINK[name] * np.sqrt(variance), MAX_SD[name])
    if n_sectors:  # sectors' levels share one half-life: each alone is too noisy to tell
        half_life[1 : 1 + n_sectors] = np.median(half_life[1 : 1 + n_sectors])
    return SlowLaw(sd, half_life, SHRINK["autocorrelation"] * float(readings[:, -1].mean()))


def filter_slow(readings: Array, law: SlowLaw, long_run: Array) -> Array:
    """Predicted states before each day and after the last, (T + 1, S + 3), as deviations from the long run.

    ``long_run`` (S + 3,): mean readings of the training data.
    """
    states = np.zeros((len(readings) + 1, readings.shape[1]))
    for i in range(readings.shape[1]):
        if law.sd[i] == 0:
            continue
        signal = law.sd[i] ** 2
        noise = max(float(readings[:, i].var()) - signal, 0.1 * signal)
        rho, gain = float(law.rho[i]), _steady_gain(float(law.rho[i]), signal, noise)
        x = 0.0
        for t, reading in enumerate(readings[:, i] - long_run[i]):
            x = rho * (x + gain * (reading - x))
            states[t + 1, i] = x
    return np.clip(states, -3 * law.sd, 3 * law.sd)


def n_shocks(n_days: int) -> int:
    """Shocks a path of so many days needs."""
    return -(-n_days // HOLD_DAYS)


def simulate_slow(
    normals: NDArray[np.float32], start: NDArray[np.floating], law: SlowLaw, n_days: int
) -> NDArray[np.float32]:
    """Paths of the states, (n, n_days, S + 3), each held for :data:`HOLD_DAYS` days.

    ``normals`` (n, :func:`n_shocks`, S + 3); the states ``start`` (n, S + 3) of day 0 are given, and the first shock
    with them is not used.
    """
    from scipy.signal import lfilter

    out = np.empty_like(normals)
    for i, (rho, sd) in enumerate(zip(law.rho**HOLD_DAYS, law.sd, strict=True)):
        shock = np.sqrt(1 - rho**2) * sd * normals[:, :, i]
        shock[:, 0] = start[:, i]
        out[:, :, i] = lfilter([1.0], [1.0, -rho], shock, axis=1)
    return np.repeat(out, HOLD_DAYS, axis=1)[:, :n_days]


def _autoregression(x: Array) -> tuple[float, float]:
    """Variance and half-life (days) of an AR(1) seen through noise, from the autocovariances of block means."""
    n_blocks = len(x) // BLOCK_DAYS
    if n_blocks < 12:
        return 0.0, 250.0
    means = x[: n_blocks * BLOCK_DAYS].reshape(n_blocks, BLOCK_DAYS).mean(1)
    means = means - means.mean()
    lags = np.arange(1, min(13, n_blocks // 3))
    covariance = np.array([np.mean(means[lag:] * means[:-lag]) for lag in lags])
    best = (0.0, 250.0, np.inf)
    for half_life in HALF_LIFE_GRID:
        shape = 0.5 ** (lags * BLOCK_DAYS / half_life)
        variance = max(float(covariance @ shape / (shape @ shape)), 0.0)
        error = float(((covariance - variance * shape) ** 2).sum())
        if error < best[2]:
            best = (variance, float(half_life), error)
    return best[0], best[1]


def _steady_gain(rho: float, signal: float, noise: float) -> float:
    """Kalman gain of ``x' = rho x + q`` seen with ``noise``, at its fixed point."""
    q = signal * (1 - rho**2)
    p = signal
    for _ in range(500):
        p = rho**2 * p * noise / (p + noise) + q
    return p / (p + noise)
