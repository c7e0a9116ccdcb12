# SPDX-License-Identifier: Apache-2.0
r"""Signature maximum mean discrepancy: a distance of laws of paths, by truncated signatures.

.. math::
    MMD^2(P, Q) = E\,k(x, x') + E\,k(y, y') - 2 E\,k(x, y), \qquad
    k(x, y) = \frac{\langle S_N(x), S_N(y) \rangle}{\|S_N(x)\| \|S_N(y)\|}

with the signature :math:`S_N` up to depth N of the path with time (Chevyrev & Oberhauser 2022, "Signature
moments to characterize laws of stochastic processes", JMLR; normalised, so that one wild path does not decide).
Signatures see the order of events: volatility before or after a loss, who leads whom. Computed by pysiglib (an
extra).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_spread

Array = NDArray[np.float64]

DEPTH = 3
MANY_CHANNELS = 20
"""With more channels than this the depth is one less: the number of terms is channels to the depth."""


@dataclass(frozen=True)
class Discrepancy:
    """MMD of generated windows against real ones.

    Attributes
    ----------
    squared, squared_se : float
        Unbiased estimate of MMD squared (it may be negative) and its standard error over groups of windows.
    distance : float
        Root of the plain (biased) estimate, never negative: comparable only with the same numbers of windows.
    """

    squared: float
    squared_se: float
    distance: float


def is_installed() -> bool:
    """Whether pysiglib can be imported."""
    from importlib.util import find_spec

    return find_spec("pysiglib") is not None


def paths(windows: Array) -> Array:
    """Cumulated returns that start at zero, with time in front: (n, window + 1, 1 + assets).

    Parameters
    ----------
    windows : (n, window, assets)
        Daily returns in units of one standard deviation; cumulated over the root of the window's length.
    """
    n, length, _ = windows.shape
    level = np.cumsum(windows, axis=1) / np.sqrt(length)
    level = np.concatenate([np.zeros_like(level[:, :1]), level], axis=1)
    clock = np.broadcast_to(np.linspace(0.0, 1.0, length + 1)[None, :, None], (n, length + 1, 1))
    return np.ascontiguousarray(np.concatenate([clock, level], axis=2))


def normalised_signatures(x: Array) -> Array:
    """Signatures with their constant term, of length one: (n, terms) of paths (n, length, channels)."""
    import pysiglib

    depth = DEPTH if x.shape[2] <= MANY_CHANNELS else DEPTH - 1
    s = np.asarray(pysiglib.sig(x, depth, scalar_term=True, n_jobs=1), dtype=np.float64)
    return np.asarray(s / np.linalg.norm(s, axis=1, keepdims=True))


def signature_mmd(real: Array, generated: Array, group: NDArray[np.intp]) -> Discrepancy:
    """MMD of generated windows against real ones.

    Parameters
    ----------
    real, generated : (n, window, assets), (m, window, assets)
        Daily returns in units of one standard deviation.
    group : (m,) int
        Path of each generated window: errors leave out one path at a time.
    """
    x, y = normalised_signatures(paths(real)), normalised_signatures(paths(generated))
    return discrepancy(x @ x.T, y @ y.T, x @ y.T, group)


def discrepancy(within_x: Array, within_y: Array, between: Array, group: NDArray[np.intp]) -> Discrepancy:
    """MMD from Gram matrices.

    Parameters
    ----------
    within_x : (n, n)
        Of the real windows.
    within_y : (m, m)
        Of the generated ones.
    between : (n, m)
    group : (m,) int
        Path of each generated window: errors leave out one path at a time.
    """
    groups = np.unique(group)
    left_out = [_unbiased(within_x, within_y[np.ix_(keep, keep)], between[:, keep])
                for keep in (group != g for g in groups)]  # fmt: skip
    error = jackknife_spread(np.array(left_out)[:, None])[0] if len(groups) > 1 else np.nan
    plain = within_x.mean() + within_y.mean() - 2 * between.mean()
    return Discrepancy(_unbiased(within_x, within_y, between), float(error), float(np.sqrt(max(plain, 0.0))))


def _unbiased(within_x: Array, within_y: Array, between: Array) -> float:
    def off_diagonal(k: Array) -> float:
        n = len(k)
        return float((k.sum() - np.trace(k)) / (n * (n - 1)))

    return off_diagonal(within_x) + off_diagonal(within_y) - 2 * float(between.mean())
