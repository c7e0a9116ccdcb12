# SPDX-License-Identifier: Apache-2.0
"""Sums of products whose rounding depends on nothing but their input.

A linear-algebra library splits a long dot product among the threads it is given, and the last digits with it. The
same report on two machines must agree to the last digit, so these sums are numpy's own, which add in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dot", "gram", "weigh"]

Vector = NDArray[np.float64]


def dot(a: NDArray[Any], b: NDArray[Any]) -> Vector:
    """Sum of products over the last axis, () or (m,), of (n,) or (m, n) with (n,)."""
    return np.asarray((np.asarray(a, dtype=np.float64) * b).sum(axis=-1))


def weigh(values: NDArray[np.floating], weights: Sequence[float] | Vector) -> Vector:
    """Weighted sum over the middle axis: (T, S, n) with (S,) gives (T, n)."""
    out = np.zeros((values.shape[0], values.shape[2]))
    for a, weight in enumerate(weights):
        if weight:
            out += float(weight) * values[:, a]
    return out


def gram(rows: Vector) -> Vector:
    """Products of the columns of (N, S), summed over rows: (S, S)."""
    return np.stack([(rows * rows[:, j : j + 1]).sum(axis=0) for j in range(rows.shape[1])])
