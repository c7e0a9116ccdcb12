# SPDX-License-Identifier: Apache-2.0
r"""Novelty: are generated windows new, or pieces of the training data?

**Nearest neighbours.** With d(w) the distance from a window w to its nearest neighbour among *all* windows of
the training days (every start, none left out),

.. math:: novelty = \frac{\operatorname{mean}_{generated} d(w)}{\operatorname{mean}_{held-out} d(w)}

is 0 for a copy and 1 when generated windows are as far from training as days that nobody had seen. Windows are
brought to length one before they are compared, so the number does not see how volatile they are: a generator
that spreads too much does not look new, and training days played louder do not either.

**Verbatim matches** are stretches of k generated days whose returns of all sectors equal those of k consecutive
training days, up to the rounding of single precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE = 2e-7
"""Largest difference of two daily returns that single precision (1e-7 of 1 + r) can make of one number."""

CHUNK = 512


def nearest_distances(windows: Array, index: Array) -> Array:
    """Distance (n,) of each window to the nearest of an index, both scaled to length one.

    Parameters
    ----------
    windows : (n, days, sectors)
    index : (m, days, sectors)
    """
    a, b = _directions(windows), _directions(index)
    out = np.empty(len(a))
    for i in range(0, len(a), CHUNK):
        out[i : i + CHUNK] = (a[i : i + CHUNK] @ b.T).max(1)
    return np.sqrt(np.maximum(2.0 - 2.0 * out, 0.0))


def _directions(windows: Array) -> NDArray[np.float32]:
    flat = np.asarray(windows, dtype=np.float32).reshape(len(windows), -1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.where(norm > 0, norm, 1.0), dtype=np.float32)


def verbatim_matches(
    x: Array, segments: NDArray[np.integer], training: Array, lengths: Sequence[int] = (1, 3, 5, 10)
) -> Array:
    """Shares of stretches that stand in the training data, (paths, lengths); NaN without a whole stretch.

    Parameters
    ----------
    x : (paths, days, sectors)
        Generated simple returns.
    segments : (days,) or (paths, days) int
        Stretches of days; none is looked for across their borders.
    training : (n, sectors)
        Simple returns of consecutive training days.
    lengths : sequence of int
        Days of a stretch.
    """
    n_paths, n_days, _ = x.shape
    longest = max(lengths)
    run = np.zeros((n_paths, n_days), dtype=np.int64)
    order = np.argsort(training[:, 0], kind="stable")
    first = training[order, 0]
    low = np.searchsorted(first, x[..., 0] - TOLERANCE, "left")
    count = np.searchsorted(first, x[..., 0] + TOLERANCE, "right") - low
    for i in range(int(count.max(initial=0))):
        path, day = np.nonzero(count > i)
        at = order[low[path, day] + i]
        alive = _equal(x[path, day], training[at])
        path, day, at = path[alive], day[alive], at[alive]
        length = 1
        np.maximum.at(run, (path, day), 1)
        while len(path) and length < longest:
            inside = (day + length < n_days) & (at + length < len(training))
            path, day, at = path[inside], day[inside], at[inside]
            alive = _equal(x[path, day + length], training[at + length])
            path, day, at = path[alive], day[alive], at[alive]
            length += 1
            np.maximum.at(run, (path, day), length)
    borders = np.broadcast_to(segments, (n_paths, n_days))
    out = np.full((n_paths, len(lengths)), np.nan)
    for j, k in enumerate(lengths):
        if k > n_days:
            continue
        whole = borders[:, : n_days - k + 1] == borders[:, k - 1 :]
        hits = (run[:, : n_days - k + 1] >= k) & whole
        total = whole.sum(1)
        out[:, j] = np.divide(hits.sum(1), total, out=np.full(n_paths, np.nan), where=total > 0)
    return out


def _equal(a: Array, b: Array) -> NDArray[np.bool_]:
    return np.asarray((np.abs(a - b) <= TOLERANCE).all(-1))
