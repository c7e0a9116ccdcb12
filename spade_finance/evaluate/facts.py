# SPDX-License-Identifier: Apache-2.0
r"""Stylised facts of return paths (Cont 2001, "Empirical properties of asset returns"), all paths at once.

Every function takes returns ``x (paths, time, asset)`` in decimals and gives one number per path and asset,
so that a distribution over paths, and with it a standard error clustered by path, comes for free. Two
optional arrays say which days count:

``mask`` (time,) or (paths, time) bool
    Days that count at all, e.g. the days of one regime.
``groups`` (time,) or (paths, time) int
    Stretches of consecutive days: a pair of days (t, t + k) counts only if both lie in the same stretch.
    Regime spells make a regime's autocorrelation its own; block seams and window borders are never straddled.

Daily figures are annualised with 252 days only in :func:`annual_return` and :func:`volatility`. VaR and ES
are positive losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAYS_A_YEAR = 252


def annual_return(x: Array, mask: Mask | None = None) -> Array:
    """Arithmetic mean times 252, (paths, asset)."""
    return standardised(moments(x, mask))[0]


def volatility(x: Array, mask: Mask | None = None) -> Array:
    """Standard deviation times the square root of 252, (paths, asset)."""
    return standardised(moments(x, mask))[1]


def skewness(x: Array, mask: Mask | None = None) -> Array:
    """Third standardised moment, (paths, asset); zero for symmetric laws."""
    return standardised(moments(x, mask))[2]


def excess_kurtosis(x: Array, mask: Mask | None = None) -> Array:
    """Fourth standardised moment less 3, (paths, asset); zero for the Gaussian."""
    return standardised(moments(x, mask))[3]


def standardised(central: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Annual return, annual volatility, skewness and excess kurtosis from :func:`moments`."""
    mean, variance, third, fourth = central
    with np.errstate(invalid="ignore", divide="ignore"):
        shape = third / variance**1.5, fourth / variance**2 - 3.0
    return mean * DAYS_A_YEAR, np.sqrt(variance * DAYS_A_YEAR), *shape


def moments(x: Array, mask: Mask | None = None) -> tuple[Array, Array, Array, Array]:
    """Mean and second to fourth central moments (population form), each (paths, asset); NaN without days."""
    y, weight = _by_asset(x), _weights(x, mask)
    count = weight.sum(-1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.einsum("pat,pt->pa", y, weight) / count
        centred = (y - mean[..., None]) * weight[:, None]
        square = centred * centred
        variance = square.sum(-1) / count
        third = np.einsum("pat,pat->pa", square, centred) / count
        fourth = np.einsum("pat,pat->pa", square, square) / count
    return mean, variance, third, fourth


def hill(x: Array, tail: str = "left", fraction: float = 0.05, mask: Mask | None = None) -> Array:
    r"""Hill tail index (paths, asset), :math:`1/\hat\alpha = \frac1k \sum_{i \le k} \ln(y_{(i)}/y_{(k+1)})`.

    Parameters
    ----------
    tail : {"left", "right"}
        Losses (``y = -x``) or gains (``y = x``).
    fraction : float
        Share of the days that are taken as the tail, k of n. Daily equity returns have 3 to 4; small is
        heavy.
    """
    sign = -1.0 if tail == "left" else 1.0
    out = np.full((x.shape[0], x.shape[2]), np.nan)
    for paths, days in selected(x, mask):
        count = max(int(days.shape[1] * fraction), 1)
        if days.shape[1] <= count:
            continue
        top = np.partition(sign * days, days.shape[1] - count - 1, axis=1)[:, -count - 1 :]
        threshold = top.min(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            excess = np.log(np.maximum(top, 1e-300) / threshold[:, None]).sum(1) / count
            # A threshold of zero or a tail of equal values (short resamples have them) has no index.
            out[paths] = np.where((threshold > 0) & (excess > 0), 1.0 / excess, np.nan)
    return out


def correlation(x: Array, mask: Mask | None = None) -> Array:
    """Correlation matrix of each path, (paths, asset, asset)."""
    y, weight = _by_asset(x), _weights(x, mask)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.einsum("pat,pt->pa", y, weight) / weight.sum(-1)[:, None]
        centred = (y - mean[..., None]) * weight[:, None]
        covariance = centred @ centred.swapaxes(1, 2)
        std = np.sqrt(np.einsum("paa->pa", covariance))
        return covariance / (std[:, :, None] * std[:, None, :])


def mean_correlation(x: Array, mask: Mask | None = None) -> Array:
    """Mean of the pairwise correlations, (paths,); one if there is a single asset."""
    matrix = correlation(x, mask)
    size = matrix.shape[1]
    if size == 1:
        return np.ones(len(matrix))
    return (matrix.sum((1, 2)) - np.einsum("paa->p", matrix)) / (size * (size - 1))


def tail_dependence(x: Array, level: float = 0.05, mask: Mask | None = None) -> Array:
    r"""Mean over pairs of :math:`P(U_j \le q \mid U_i \le q)` with ranks U inside each path, (paths,)."""
    out = np.full(len(x), np.nan)
    size = x.shape[2]
    for paths, days in selected(x, mask):
        threshold = np.quantile(days, level, axis=1, keepdims=True)
        below = (days <= threshold).astype(np.float64)
        joint = below.swapaxes(1, 2) @ below / (below.sum(1)[:, :, None])
        out[paths] = 1.0 if size == 1 else (joint.sum((1, 2)) - size) / (size * (size - 1))
    return out


def autocorrelation(
    x: Array,
    lags: Sequence[int],
    groups: NDArray[np.integer] | None = None,
    mask: Mask | None = None,
) -> Array:
    r"""Autocorrelation at each lag, (paths, lags, asset), from the pairs inside one stretch.

    .. math:: \hat\rho_k = \frac{\sum_{pairs} (x_t - \bar x)(x_{t+k} - \bar x) / n_k}{\sum_t (x_t - \bar x)^2
    / n}

    with mean and variance over all days that count: with one stretch this is the ``adjusted`` form of
    statsmodels.
    """
    return cross_correlation(x, x, lags, groups, mask)


def leverage(
    x: Array, lags: Sequence[int], groups: NDArray[np.integer] | None = None, mask: Mask | None = None
) -> Array:
    r"""Leverage effect :math:`corr(r_t, r^2_{t+k})`, (paths, lags, asset); negative for equities."""
    return cross_correlation(x, x**2, lags, groups, mask)


def cross_correlation(
    x: Array,
    y: Array,
    lags: Sequence[int],
    groups: NDArray[np.integer] | None = None,
    mask: Mask | None = None,
) -> Array:
    """Correlation of x_t with y_{t+k} at lags k >= 1, (paths, lags, asset); see :func:`autocorrelation`."""
    weight = _weights(x, mask)
    a = _centred(x, weight)
    b = a if y is x else _centred(y, weight)
    count = weight.sum(-1)[:, None]
    out = np.full((len(x), len(lags), x.shape[2]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt((a * a).sum(-1) / count) * np.sqrt((b * b).sum(-1) / count)
        for i, lag in enumerate(lags):
            if lag >= x.shape[1]:
                continue
            total = np.einsum("pat,pat->pa", a[..., :-lag], b[..., lag:])
            pairs = np.einsum("pt,pt->p", weight[:, :-lag], weight[:, lag:])
            if groups is not None:
                crossing, crossing_pairs = _crossing(a, b, weight, groups, lag)
                total, pairs = total - crossing, pairs - crossing_pairs
            # Differences of sums leave a trace of rounding where no pair is left.
            out[:, i] = total / np.where(pairs > 0.5, pairs, np.nan)[:, None] / norm
    return out


def aggregate(
    x: Array, days: int, groups: NDArray[np.integer] | None = None, mask: Mask | None = None
) -> tuple[Array, Mask]:
    """Overlapping sums over days of one stretch, (paths, time - days + 1, asset), and which of them count."""
    total = np.cumsum(np.concatenate([np.zeros_like(x[:, :1]), x], axis=1), axis=1)
    sums = total[:, days:] - total[:, :-days]
    inside = _weights(x, mask) > 0
    run = np.cumsum(np.concatenate([np.zeros((len(inside), 1)), inside], axis=1), axis=1)
    valid = (run[:, days:] - run[:, :-days]) == days
    if groups is not None:
        g = np.broadcast_to(groups, inside.shape)
        # Stretch numbers never decrease along time, so equal ends mean one stretch.
        valid &= g[:, : g.shape[1] - days + 1] == g[:, days - 1 :]
    return sums, valid


def var_es(x: Array, level: float = 0.95, mask: Mask | None = None) -> tuple[Array, Array]:
    r"""Value at risk and expected shortfall of one-day returns, positive losses, each (paths, asset).

    With n losses sorted from the worst, :math:`m = n (1 - level)`, :math:`k = \lfloor m \rfloor`: VaR is the
    loss number k + 1, ES the mean of the worst m losses, the last one counted with weight m - k (Acerbi &
    Tasche 2002).
    """
    var = np.full((x.shape[0], x.shape[2]), np.nan)
    es = var.copy()
    for paths, days in selected(x, mask):
        n = days.shape[1]
        if n == 0:
            continue
        m = n * (1.0 - level)
        k = min(int(m + 1e-9), n - 1)
        losses = -np.sort(
            np.partition(days, k, axis=1)[:, : k + 1], axis=1
        )  # (paths, k + 1, asset), worst first
        var[paths] = losses[:, k]
        es[paths] = (losses[:, :k].sum(1) + (m - k) * losses[:, k]) / m if m > 0 else losses[:, 0]
    return var, es


def worst_day(x: Array, mask: Mask | None = None) -> Array:
    """Smallest return, (paths, asset)."""
    return expected_worst(x, 0, mask)


def expected_worst(x: Array, days: int, mask: Mask | None = None) -> Array:
    r"""Expected smallest return in `days` days drawn from the path, (paths, asset).

    :math:`\sum_i x_{(i)} [((n-i+1)/n)^m - ((n-i)/n)^m]`: comparable between samples of different size, which
    the smallest return itself is not. ``days=0`` gives the smallest return.
    """
    out = np.full((x.shape[0], x.shape[2]), np.nan)
    for paths, chosen in selected(x, mask):
        n = chosen.shape[1]
        if n == 0:
            continue
        if days == 0:
            out[paths] = chosen.min(1)
            continue
        beyond = (np.arange(n, -1, -1) / n) ** days
        out[paths] = np.einsum("pna,n->pa", np.sort(chosen, axis=1), beyond[:-1] - beyond[1:])
    return out


def quantiles(x: Array, levels: Array, mask: Mask | None = None) -> Array:
    """Quantiles of all paths' days together, (levels, asset)."""
    days = x.reshape(-1, x.shape[2]) if mask is None else x[np.broadcast_to(mask, x.shape[:2])]
    return np.quantile(days, levels, axis=0) if len(days) else np.full((len(levels), x.shape[2]), np.nan)


def stretches(keep: Mask, borders: NDArray[np.integer] | None = None) -> NDArray[np.int32]:
    """Numbers of the runs of equal `keep` along the last axis, cut at changes of `borders` as well.

    `keep` may hold anything comparable (regime codes give regime spells).
    """
    change = keep[..., 1:] != keep[..., :-1]
    if borders is not None:
        change = change | (borders[..., 1:] != borders[..., :-1])
    first = np.zeros((*change.shape[:-1], 1), dtype=np.int32)
    return np.concatenate([first, np.cumsum(change, axis=-1, dtype=np.int32)], axis=-1)


# --- plumbing -----------------------------------------------------------------------------------------------


def _by_asset(x: Array) -> Array:
    """Time last and contiguous: sums over time then run along memory."""
    return np.ascontiguousarray(np.moveaxis(np.asarray(x, dtype=np.float64), 1, 2))


def _weights(x: Array, mask: Mask | None) -> Array:
    """The mask as numbers, (paths, time)."""
    if mask is None:
        return np.ones(x.shape[:2])
    return np.broadcast_to(mask, x.shape[:2]).astype(np.float64)


def _centred(x: Array, weight: Array) -> Array:
    """Returns less their mean over the days that count, zero on the others, (paths, asset, time)."""
    y = _by_asset(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.einsum("pat,pt->pa", y, weight) / weight.sum(-1)[:, None]
    return np.where(weight[:, None] > 0, y - mean[..., None], 0.0)


def _crossing(
    a: Array, b: Array, weight: Array, groups: NDArray[np.integer], lag: int
) -> tuple[Array, Array]:
    """Sum of products and number of the pairs that straddle two stretches: few, so they are taken off."""
    if groups.ndim == 1:
        t = np.flatnonzero(groups[:-lag] != groups[lag:])
        products: Array = np.einsum("pat,pat->pa", a[..., t], b[..., t + lag])
        return products, (weight[:, t] * weight[:, t + lag]).sum(-1)
    both = (weight[:, :-lag] > 0) & (weight[:, lag:] > 0)
    p, t = np.nonzero((groups[:, :-lag] != groups[:, lag:]) & both)
    product = a[p, :, t] * b[p, :, t + lag]
    total: Array = np.stack([np.bincount(p, product[:, i], len(a)) for i in range(a.shape[1])], axis=1)
    return total, np.bincount(p, minlength=len(a)).astype(np.float64)


def selected(x: Array, mask: Mask | None) -> Iterator[tuple[slice, Array]]:
    """Days that count, (paths, days, asset): paths together (slice) when they share them, else one by one."""
    if mask is None:
        yield slice(None), np.asarray(x, dtype=np.float64)
    elif mask.ndim == 1:
        yield slice(None), np.asarray(x[:, mask], dtype=np.float64)
    else:
        for p in range(len(x)):
            yield slice(p, p + 1), np.asarray(x[p : p + 1, mask[p]], dtype=np.float64)
