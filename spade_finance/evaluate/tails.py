# SPDX-License-Identifier: Apache-2.0
r"""Tails and asymmetry by statistics that exist where sample kurtosis and skew do not.

Daily returns have a tail index of 3 to 4: the fourth moment is at the border of existence and the sampling
error of its estimate is not finite. L-moments (Hosking 1990) need a finite mean only, quantile ratios
(Hogg 1974) nothing at all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import facts

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FAR, NEAR = 0.01, 0.25
NORMAL_QUANTILE_RATIO = 3.4490
NORMAL_L_KURTOSIS = 0.1226
MIN_DAYS = 8


class TailShape(NamedTuple):
    """L-skewness, L-kurtosis and the quantile ratios of both tails, each (paths, asset)."""

    l_skewness: Array
    l_kurtosis: Array
    ratio_left: Array
    ratio_right: Array


def l_moments(x: Array, mask: Mask | None = None) -> tuple[Array, Array, Array, Array]:
    r"""Sample L-moments :math:`l_1, l_2` and ratios :math:`t_3 = l_3/l_2, t_4 = l_4/l_2`, each (paths, asset).

    From probability-weighted moments of the sorted sample, :math:`b_r = \frac1n \sum_i
    \frac{(i-1)\cdots(i-r)}{(n-1)\cdots(n-r)} x_{(i)}` (Hosking 1990, unbiased form): :math:`l_2 = 2b_1 - b_0`,
    :math:`l_3 = 6b_2 - 6b_1 + b_0`, :math:`l_4 = 20b_3 - 30b_2 + 12b_1 - b_0`. L-kurtosis is .1226 for the
    Gaussian, 0 for the uniform, .2357 for the Laplace law. NaN with fewer than 8 days.
    """
    out = np.full((4, x.shape[0], x.shape[2]), np.nan)
    for paths, ordered in _sorted(x, mask):
        if ordered.shape[-1] >= MIN_DAYS:
            out[:, paths] = _ratios(ordered)
    return out[0], out[1], out[2], out[3]


def quantile_ratio(x: Array, mask: Mask | None = None) -> tuple[Array, Array]:
    r"""Distance of the far quantile from the median over that of the near one, left and right.

    :math:`(m - q_{.01}) / (m - q_{.25})` and :math:`(q_{.99} - m) / (q_{.75} - m)`, each (paths, asset); 3.45
    for the Gaussian, larger for heavy tails.
    """
    shape = tail_shape(x, mask)
    return shape.ratio_left, shape.ratio_right


def tail_shape(x: Array, mask: Mask | None = None) -> TailShape:
    """L-skewness, L-kurtosis and quantile ratios from one sort."""
    out = np.full((4, x.shape[0], x.shape[2]), np.nan)
    for paths, ordered in _sorted(x, mask):
        if ordered.shape[-1] < MIN_DAYS:
            continue
        out[:2, paths] = _ratios(ordered)[2:]
        low, near_low, middle, near_high, high = (
            _quantile(ordered, level) for level in (FAR, NEAR, 0.5, 1 - NEAR, 1 - FAR)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            out[2, paths] = (middle - low) / (middle - near_low)
            out[3, paths] = (high - middle) / (near_high - middle)
    return TailShape(*out)


def _sorted(x: Array, mask: Mask | None) -> list[tuple[slice, Array]]:
    """Days that count in rising order, (paths, asset, days), paths together where they share their days."""
    return [
        (
            paths,
            np.sort(np.ascontiguousarray(days.swapaxes(1, 2)), axis=-1),
        )
        for paths, days in facts.selected(x, mask)
    ]


def _ratios(ordered: Array) -> Array:
    """(4, paths, asset): l1, l2, t3, t4 of sorted samples."""
    n = ordered.shape[-1]
    i = np.arange(n, dtype=np.float64)
    weight, weights = np.ones(n), [np.ones(n)]
    for r in range(1, 4):
        weight = weight * (i - (r - 1)) / (n - r)
        weights.append(weight)
    b = np.moveaxis(ordered @ np.stack(weights, axis=1), -1, 0) / n
    l2 = 2 * b[1] - b[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        t3 = (6 * b[2] - 6 * b[1] + b[0]) / l2
        t4 = (20 * b[3] - 30 * b[2] + 12 * b[1] - b[0]) / l2
    return np.stack([b[0], l2, t3, t4])


def _quantile(ordered: Array, level: float) -> Array:
    """Quantile of sorted samples by linear interpolation (numpy's default)."""
    at = level * (ordered.shape[-1] - 1)
    low = int(at)
    high = min(low + 1, ordered.shape[-1] - 1)
    return np.asarray(ordered[..., low] + (at - low) * (ordered[..., high] - ordered[..., low]))
