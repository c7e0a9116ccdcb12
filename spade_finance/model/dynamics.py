# SPDX-License-Identifier: Apache-2.0
"""Volatility clustering and leverage: a bank of exponential averages of past innovations.

Within a regime the log-volatility of sector s follows

``h[t] = sum_i a_i . EWMA_i(|e|)[t-1] + b_i . EWMA_i(e)[t-1]``

over five half-lives, of the sector's own innovations and (with coefficients that all sectors share) of their
cross-section mean: an EGARCH (Nelson 1991) with long memory, whose input is the innovation and not the return, so
that a whole path is computed without stepping through it. The coefficients start as the projection of a GJR-GARCH
(Glosten, Jagannathan, Runkle 1993; fitted by ``arch``) on the bank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HALF_LIVES = (1.5, 5.0, 15.0, 45.0, 135.0)
"""Days."""
DECAY = 0.5 ** (1 / np.array(HALF_LIVES))
CLIP = 5.0
"""Innovations enter the bank up to this many standard deviations: one print must not own a year."""
MEAN_ABS = 0.76
"""About E|e| of a unit-variance t with 7 degrees of freedom: centres the |e| averages near zero."""
RIDGE = 1e-3


def impulses(e: NDArray[np.floating]) -> NDArray[np.floating]:
    """What the bank averages: the sectors' |e| and e, then their means; (..., S) -> (..., 2 S + 2)."""
    clipped = np.clip(e, -CLIP, CLIP)
    size = np.abs(clipped) - MEAN_ABS
    return np.concatenate(
        [size, clipped, size.mean(-1, keepdims=True), clipped.mean(-1, keepdims=True)], axis=-1
    )


def step(state: NDArray[np.floating], e: NDArray[np.floating]) -> NDArray[np.floating]:
    """Advance the bank's state (..., 2 S + 2, 5) by one day of innovations (..., S)."""
    return DECAY * state + (1 - DECAY) * impulses(e)[..., None]


@dataclass(frozen=True)
class BankFit:
    """``own`` (S, 2, 5) on |e| and e, ``common`` (2, 5) on their means, ``intercept`` (S,), and the R2 per sector."""

    own: Array
    common: Array
    intercept: Array
    r_squared: Array


@dataclass(frozen=True)
class FilteredSeries:
    """A history run through the bank, T days: ``innovations`` (T, S), ``log_volatility`` h (T, S).

    ``states`` (T + 1, 2 S + 2, 5) stand before each day and after the last.
    """

    innovations: Array
    log_volatility: Array
    states: NDArray[np.float32]


def response(state: Array, own: Array, common: Array) -> Array:
    """Log-volatility h (S,) of a bank state (2 S + 2, 5)."""
    n = len(own)
    return (own[:, 0] * state[:n] + own[:, 1] * state[n : 2 * n]).sum(1) + (common * state[2 * n :]).sum()


def filter_history(standardised: Array, bank: BankFit) -> FilteredSeries:
    """Recover the innovations behind regime-standardised returns u (T, S): ``e[t] = u[t] / exp(c + h[t])``."""
    n_days, n_sectors = standardised.shape
    state = np.zeros((2 * n_sectors + 2, len(HALF_LIVES)))
    innovations, log_volatility = np.empty_like(standardised), np.empty_like(standardised)
    states = np.empty((n_days + 1, *state.shape), dtype=np.float32)
    for t in range(n_days):
        states[t] = state
        log_volatility[t] = response(state, bank.own, bank.common)
        innovations[t] = standardised[t] * np.exp(-bank.intercept - log_volatility[t])
        state = np.asarray(step(state, innovations[t]), dtype=np.float64)
    states[n_days] = state
    return FilteredSeries(innovations, log_volatility, states)


def fit_bank(standardised: Array) -> BankFit:
    """Fit a GJR-GARCH(1,1)-t to each regime-standardised series (T, S) and project its log-volatility on the bank."""
    n_sectors, n_lives = standardised.shape[1], len(HALF_LIVES)
    gjr = np.column_stack([_gjr_volatility(standardised[:, s]) for s in range(n_sectors)])
    residual = standardised / gjr
    scale = np.sqrt((residual**2).mean(0))
    residual, target = residual / scale, np.log(gjr * scale)
    burn_in = min(250, len(standardised) // 4)
    states = _states(residual)[burn_in:]
    target = target[burn_in:]
    mean_features = states[:, 2 * n_sectors :].reshape(len(states), -1)
    own_features = [
        np.concatenate([states[:, s], states[:, n_sectors + s]], axis=1) for s in range(n_sectors)
    ]
    # The response to the cross-section is shared: the mean of what each sector alone would choose.
    both = [
        _ridge(np.hstack([own_features[s], mean_features]), target[:, s])[2 * n_lives :]
        for s in range(n_sectors)
    ]
    common = np.mean(both, axis=0)
    own, intercept, r_squared = np.zeros((n_sectors, 2, n_lives)), np.zeros(n_sectors), np.zeros(n_sectors)
    for s in range(n_sectors):
        rest = target[:, s] - mean_features @ common
        coefficients = _ridge(own_features[s], rest)
        own[s] = coefficients.reshape(2, n_lives)
        error = rest - own_features[s] @ coefficients
        intercept[s] = error.mean()
        r_squared[s] = 1 - error.var() / max(target[:, s].var(), 1e-12)
    return BankFit(own, common.reshape(2, n_lives), intercept, r_squared)


def _ridge(x: Array, y: Array) -> Array:
    x, y = x - x.mean(0), y - y.mean()
    gram = x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T @ y / len(x)), dtype=np.float64)


def _states(e: Array) -> Array:
    """Bank states before each day for known innovations, (T, 2 S + 2, 5)."""
    from scipy.signal import lfilter

    x = impulses(e)
    past = np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    return np.stack([lfilter([1 - d], [1, -d], past, axis=0) for d in DECAY], axis=-1)


def _gjr_volatility(series: Array) -> Array:
    import warnings

    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start value need not be a converged estimate
        fit = arch_model(10 * series, mean="Zero", p=1, o=1, q=1, dist="t", rescale=False).fit(
            disp="off", show_warning=False, options={"maxiter": 200}
        )
    return np.asarray(fit.conditional_volatility, dtype=float) / 10
