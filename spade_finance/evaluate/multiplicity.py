# SPDX-License-Identifier: Apache-2.0
r"""Many tests at once: what is left of them.

Coverage and shortfall tests of one column are strongly dependent (nested levels, overlapping books), and the
column's own paths show how: the *max-t* correction (Westfall & Young 1993) compares every studentised
statistic with the largest one of each path,

.. math:: \tilde p_j = \frac{1 + \#\{i: \max_k t_{ik} \ge t_j\}}{1 + n}

Score comparisons have no such paths: Holm (1979), valid under any dependence, and the model confidence set
(Hansen, Lunde & Nason 2011, by ``arch``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIZE = 0.05
MCS_SIZE = 0.10
MCS_REPS = 500


def rank_p(values: Array, tail: str = "both") -> Array:
    """Exact p-values (...) of the first of exchangeable values (..., 1 + n): real, then draws.

    Parameters
    ----------
    tail : {"low", "high", "both"}
        Which draws count as extreme. Draws that are NaN do not count; a NaN value has a NaN p.
    """
    real, draws = values[..., :1], values[..., 1:]
    seen = np.isfinite(draws).sum(-1)
    low = (1.0 + (draws <= real).sum(-1)) / (1.0 + seen)
    high = (1.0 + (draws >= real).sum(-1)) / (1.0 + seen)
    p = {"low": low, "high": high, "both": np.minimum(2.0 * np.minimum(low, high), 1.0)}[tail]
    return np.where(np.isfinite(real[..., 0]) & (seen > 0), p, np.nan)


def studentised(values: Array, tail: str = "both") -> Array:
    """Statistics (..., 1 + n) in standard deviations of the draws, large when extreme; NaN becomes minus inf."""
    draws = values[..., 1:]
    seen = np.isfinite(draws)
    count = np.maximum(seen.sum(-1, keepdims=True), 1)
    mean = np.where(seen, draws, 0.0).sum(-1, keepdims=True) / count
    spread = np.sqrt(np.where(seen, (draws - mean) ** 2, 0.0).sum(-1, keepdims=True) / count)
    t = np.divide(values - mean, spread, out=np.zeros(values.shape), where=spread > 0)
    t = {"both": np.abs(t), "low": -t, "high": t}[tail]
    return np.where(np.isfinite(values), t, -np.inf)


def max_t(statistics: Array) -> Array:
    """Adjusted p-values (tests,) of studentised statistics (tests, 1 + n), large when extreme."""
    largest = statistics[:, 1:].max(0)
    return np.asarray((1.0 + (largest[None] >= statistics[:, :1]).sum(1)) / (1.0 + len(largest)))


def holm(p: Array) -> Array:
    """Adjusted p-values of a family of any shape; NaN stay out of it and stay NaN."""
    from statsmodels.stats.multitest import multipletests

    out = np.full(p.shape, np.nan)
    seen = np.isfinite(p)
    if seen.any():
        out[seen] = multipletests(p[seen], method="holm")[1]
    return out


def confidence_set(losses: Array, seed: int, size: float = MCS_SIZE) -> NDArray[np.bool_]:
    """Which columns of losses (windows, columns) belong to the model confidence set of level 1 - size.

    Stationary bootstrap, mean block the square root of the number of windows. Columns with the same losses
    stand or fall together.
    """
    from arch.bootstrap import MCS

    _, first, back = np.unique(losses, axis=1, return_index=True, return_inverse=True)
    if len(first) < 2:
        return np.ones(losses.shape[1], dtype=bool)
    order = np.sort(first)
    test = MCS(losses[:, order], size, reps=MCS_REPS, method="R", seed=seed)
    test.compute()
    kept = set(order[np.asarray(test.included, dtype=np.intp)].tolist())
    return np.array([int(first[b]) in kept for b in np.reshape(back, -1)])
