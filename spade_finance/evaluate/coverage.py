# SPDX-License-Identifier: Apache-2.0
r"""Do losses exceed the VaR as often as they should, and independently? Hit series in, p-values out.

Kupiec (1995), proportion of failures: with x hits in n windows, expected share p,

.. math:: LR_{uc} = -2 \ln \frac{(1-p)^{n-x} p^x}{(1-\hat\pi)^{n-x} \hat\pi^x} \sim \chi^2_1, \quad
    \hat\pi = x/n

Christoffersen (1998), independence against first-order dependence: with :math:`n_{ij}` days of state j (hit
or not) after a day of state i, :math:`\pi_i = n_{i1}/(n_{i0}+n_{i1})`,

.. math:: LR_{ind} = -2 \ln \frac{(1-\pi)^{n_{00}+n_{10}} \pi^{n_{01}+n_{11}}}
    {(1-\pi_0)^{n_{00}} \pi_0^{n_{01}} (1-\pi_1)^{n_{10}} \pi_1^{n_{11}}} \sim \chi^2_1

Conditional coverage: :math:`LR_{cc}`, the same ratio with p in place of :math:`\pi`, on the windows that have
a predecessor, :math:`\sim \chi^2_2`.

Basel traffic light (Basel Committee 1996, MAR32): green while the binomial probability of at most x hits in n
days is below 95 %, red from 99.99 % on, yellow between; at 250 days and 99 % that is 0-4, 5-9, 10 and more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Hits = NDArray[np.bool_]

MIN_EXPECTED = 5.0
"""Fewer expected hits than this and a test says nothing: "not assessable"."""
LIGHTS = ("green", "yellow", "red")


def kupiec(hits: ArrayLike, n: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    """Likelihood ratio and p-value of the proportion of failures; arguments broadcast.

    NaN where n is 0.
    """
    from scipy.special import chdtrc, xlog1py, xlogy

    x, total, share = np.broadcast_arrays(
        np.asarray(hits, dtype=np.float64),
        np.asarray(n, dtype=np.float64),
        np.asarray(p, dtype=np.float64),
    )
    rate = np.divide(x, total, out=np.full(x.shape, np.nan), where=total > 0)
    null = xlog1py(total - x, -share) + xlogy(x, share)
    free = xlog1py(total - x, -rate) + xlogy(x, rate)
    ratio = np.maximum(2.0 * (free - null), 0.0)
    return ratio, np.asarray(chdtrc(1, ratio))


def transitions(hits: Hits, inside: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Counts (..., 2, 2): of windows in state j (hit or not) right after one of state i.

    Parameters
    ----------
    hits : (..., windows) bool
    inside : (windows,) bool, optional
        Only pairs of which both lie inside count, for one regime.
    """
    pair = np.ones(hits.shape[-1] - 1, dtype=bool) if inside is None else inside[1:] & inside[:-1]
    before, after = hits[..., :-1] & pair, hits[..., 1:] & pair
    both = (before & after).sum(-1)
    n10, n01 = before.sum(-1) - both, after.sum(-1) - both
    n00 = pair.sum() - both - n10 - n01
    return np.stack([np.stack([n00, n01], -1), np.stack([n10, both], -1)], -2)


def independence(counts: ArrayLike) -> tuple[Array, Array]:
    """Likelihood ratio and p-value of independence from counts (..., 2, 2) of :func:`transitions`."""
    from scipy.special import chdtrc

    n = np.asarray(counts, dtype=np.float64)
    ratio = np.maximum(2.0 * (_markov(n) - _bernoulli(n, _share(n.sum(-2)))), 0.0)
    return ratio, np.asarray(chdtrc(1, ratio))


def conditional_coverage(counts: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    """Likelihood ratio and p-value of the right rate and independence together."""
    from scipy.special import chdtrc

    n = np.asarray(counts, dtype=np.float64)
    share = np.broadcast_to(np.asarray(p, dtype=np.float64), n.shape[:-2])
    ratio = np.maximum(2.0 * (_markov(n) - _bernoulli(n, share)), 0.0)
    return ratio, np.asarray(chdtrc(2, ratio))


def _share(counts: Array) -> Array:
    """Share of hits in counts (..., 2); zero of none."""
    total = counts.sum(-1)
    return np.divide(counts[..., 1], total, out=np.zeros(total.shape), where=total > 0)


def _bernoulli(n: Array, share: Array) -> Array:
    """Log likelihood of the second states with one hit probability."""
    from scipy.special import xlog1py, xlogy

    state = n.sum(-2)
    return np.asarray(xlog1py(state[..., 0], -share) + xlogy(state[..., 1], share))


def _markov(n: Array) -> Array:
    """Log likelihood of the second states with a hit probability for each first state."""
    from scipy.special import xlog1py, xlogy

    share = _share(n)
    return np.asarray((xlog1py(n[..., 0], -share) + xlogy(n[..., 1], share)).sum(-1))


def traffic_light(hits: ArrayLike, n: ArrayLike, p: float = 0.01) -> NDArray[np.intp]:
    """Zone 0 green, 1 yellow, 2 red of x hits in n days; arguments broadcast."""
    from scipy.special import bdtr

    x, total = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.int64))
    below = np.asarray(bdtr(x, total, p))
    # Anyone's n hits in n days has probability one, but no breach is never an alarm.
    return np.where(x == 0, 0, (below >= 0.95).astype(np.intp) + (below >= 0.9999))


def assessable(n: float, p: float) -> bool:
    """Whether enough hits are expected for a test to say something."""
    return bool(n * p >= MIN_EXPECTED - 1e-9)
