# SPDX-License-Identifier: Apache-2.0
r"""Clustering of volatility: portmanteau, bursts, the slow decay, and what is left when it is divided out.

Arrays as in :mod:`.facts`: returns ``x (paths, time, asset)``, stretches in ``groups``.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import facts

Array = NDArray[np.float64]
Groups = NDArray[np.integer]
Mask = NDArray[np.bool_]

DECAY_EDGES = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 65)
DECAY_LAGS = tuple(range(DECAY_EDGES[0], DECAY_EDGES[-1]))
EXPONENTS = np.linspace(0.0, 2.0, 81)
EWMA_DECAY = 0.94
SETTLING_DAYS = 20
ALPHAS = (0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.13, 0.17, 0.22)
PERSISTENCES = (0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)


def portmanteau(x: Array, n_lags: int = 20, groups: Groups | None = None, *, robust: bool = True) -> Array:
    r"""Ljung-Box statistic over its degrees of freedom, (paths, asset): one for white noise.

    .. math:: \frac1K \sum_{k \le K} \frac{n + 2}{n}\, n_k\, \hat\rho_k^2 / \tau_k, \qquad \tau_k = 1 +
        \hat\rho^{(2)}_k (\hat\kappa - 1)

    with :math:`n_k` pairs at lag k. Volatility clustering alone makes the plain statistic (``robust=False``,
    all :math:`\tau_k = 1`) reject; Diebold's (1986) factor :math:`\tau_k`, from the autocorrelation of squares
    and the kurtosis, takes that off.
    """
    lags = list(range(1, n_lags + 1))
    rho = facts.autocorrelation(x, lags, groups)
    n = x.shape[1]
    pairs = np.stack([_pairs(groups, n, k) for k in lags], axis=-1)
    weight = np.broadcast_to(pairs, (len(x), n_lags))[:, :, None] * (n + 2) / n
    factor: Array | float = 1.0
    if robust:
        centred = x - x.mean(1, keepdims=True)
        kurtosis = facts.excess_kurtosis(x)[:, None] + 3.0
        of_squares = facts.autocorrelation(centred**2, lags, groups)
        factor = np.maximum(1.0 + of_squares * (kurtosis - 1.0), 0.1)
    return np.asarray((weight * rho**2 / factor).mean(1))


def intermittency(x: Array, groups: Groups | None = None, *, level: float = 0.95, days: int = 20) -> Array:
    r"""Coefficient of variation of the number of large days in bins of `days` days, (paths, asset).

    Large is :math:`|r| > q_{level}(|r|)` of the path itself. Independent days give
    :math:`\sqrt{level / ((1 - level)\, days)}`, .97 for the defaults; bursts give more. Bins that straddle
    two stretches are left out.
    """
    size = np.abs(x)
    large = size > np.quantile(size, level, axis=1, keepdims=True)
    bins = x.shape[1] // days
    if bins < 2:
        return np.full((x.shape[0], x.shape[2]), np.nan)
    counts = large[:, : bins * days].reshape(len(x), bins, days, -1).sum(2)
    valid = np.ones((1, bins), dtype=bool)
    if groups is not None:
        wide = np.atleast_2d(groups)[:, : bins * days]
        valid = wide[:, ::days] == wide[:, days - 1 :: days]
    if len(valid) == 1:
        counts, valid = counts[:, valid[0]], np.ones((1, int(valid.sum())), dtype=bool)
    mean, variance, _, _ = facts.moments(counts, np.broadcast_to(valid, counts.shape[:2]))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(variance) / mean)


def decay_exponent(acf: Array) -> Array:
    r"""Exponent :math:`\beta` of :math:`\rho_l \approx a\, l^{-\beta}`, (paths, asset).

    Least squares in levels over bins of lags that widen with the lag (each bin one observation), :math:`a`
    free, :math:`\beta` from a grid over 0 to 2: works where single autocorrelations are below zero by chance.
    NaN where the fitted level is not positive or a bin is empty. Equity indices have .2 to .4 (Cont 2001).

    Parameters
    ----------
    acf : (paths, lags, asset)
        Autocorrelations of absolute returns at :data:`DECAY_LAGS`.
    """
    lags = np.array(DECAY_LAGS, dtype=np.float64)
    parts = [slice(a - DECAY_EDGES[0], b - DECAY_EDGES[0]) for a, b in itertools.pairwise(DECAY_EDGES)]
    seen = np.stack([acf[:, part].mean(1) for part in parts], axis=1)
    curve = lags[:, None] ** -EXPONENTS
    wanted = np.stack([curve[part].mean(0) for part in parts])  # (bins, exponents)
    projected = np.einsum("pba,be->pea", seen, wanted)
    gain = projected**2 / (wanted**2).sum(0)[:, None]  # how much each exponent explains
    best = np.argmax(np.where(np.isnan(gain), -1.0, gain), axis=1)
    level = np.take_along_axis(projected, best[:, None], axis=1)[:, 0]
    return np.where(level > 0, EXPONENTS[best], np.nan)


def ewma_standardised(x: Array, groups: Groups | None = None) -> tuple[Array, Mask | None]:
    r"""Returns over the volatility foreseen by an EWMA, :math:`z_t = r_t / \sigma_t`, and which days count.

    :math:`\sigma^2_{t+1} = .94\,\sigma^2_t + .06\, r_t^2` (RiskMetrics 1996), started at the path's variance;
    the first 20 days of a stretch do not count.

    Returns
    -------
    z : (paths, time, asset)
    settled : (time,) or (paths, time) bool
    """
    from scipy.signal import lfilter

    square = x**2
    start = EWMA_DECAY * square.mean(1, keepdims=True)
    ahead, _ = lfilter([1 - EWMA_DECAY], [1.0, -EWMA_DECAY], square, axis=1, zi=start)
    variance = np.concatenate([square.mean(1, keepdims=True), ahead[:, :-1]], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = x / np.sqrt(variance)
    z = np.where(np.isfinite(z), z, 0.0)
    return z, _settled(groups, x.shape[1])


def garch_standardised(x: Array) -> Array:
    r"""Returns over the volatility of a GARCH(1,1), (paths, time), less their mean.

    :math:`\sigma^2_{t+1} = (1 - p)\,v + \alpha r_t^2 + (p - \alpha)\,\sigma^2_t` with v the path's variance
    (variance targeting, Engle & Mezrich 1996) and :math:`\alpha, p` the best Gaussian quasi-likelihood of a
    grid: thousands of paths in a second where numerical fits take minutes; the tails of what is left agree
    with those of a full fit.

    Parameters
    ----------
    x : (paths, time)
        Returns of one asset.
    """
    from scipy.signal import lfilter

    r = x - x.mean(1, keepdims=True)
    square = r**2
    target = square.mean(1, keepdims=True)
    best = np.full(len(x), np.inf)
    chosen = np.zeros((len(x), 2))

    def variances(rows: Array, level: Array, alpha: float, persistence: float) -> Array:
        beta = persistence - alpha
        driven, _ = lfilter([alpha], [1.0, -beta], rows, axis=1, zi=beta * level)
        base = (1 - persistence) * level * (1 - beta ** np.arange(1, rows.shape[1])) / (1 - beta)
        return np.asarray(np.concatenate([level, driven[:, :-1] + base], axis=1))

    for persistence, alpha in itertools.product(PERSISTENCES, ALPHAS):
        if alpha >= persistence:
            continue
        variance = variances(square, target, alpha, persistence)
        loss = (np.log(variance) + square / variance).mean(1)
        better = loss < best
        best = np.where(better, loss, best)
        chosen[better] = alpha, persistence
    out = np.empty_like(r)
    for alpha, persistence in np.unique(chosen, axis=0):
        rows = np.flatnonzero((chosen == (alpha, persistence)).all(1))
        out[rows] = r[rows] / np.sqrt(variances(square[rows], target[rows], alpha, persistence))
    return out


def _pairs(groups: Groups | None, n_days: int, lag: int) -> Array:
    """Pairs of days (t, t + lag) in one stretch, (1,) or (paths,)."""
    if groups is None:
        return np.array([float(max(n_days - lag, 0))])
    wide = np.atleast_2d(groups)
    return np.asarray((wide[:, :-lag] == wide[:, lag:]).sum(1, dtype=np.float64))


def _settled(groups: Groups | None, n_days: int) -> Mask:
    """Days at least 20 after the start of their stretch."""
    day = np.arange(n_days)
    if groups is None:
        return day >= SETTLING_DAYS
    fresh = np.concatenate(
        [np.ones((*groups.shape[:-1], 1), dtype=bool), groups[..., 1:] != groups[..., :-1]], axis=-1
    )
    start = np.maximum.accumulate(np.where(fresh, day, 0), axis=-1)
    return np.asarray(day - start >= SETTLING_DAYS)
