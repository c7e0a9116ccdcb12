# SPDX-License-Identifier: Apache-2.0
r"""Precision, recall, density and coverage of generated windows (Naeem et al. 2020, ICML, arXiv 2002.09797).

With N real points :math:`x_i`, M generated ones :math:`y_j` and the ball :math:`B` around a point that reaches
to its k-th neighbour of the same kind,

.. math::
    precision = \tfrac1M \sum_j 1[y_j \in \cup_i B(x_i)], \quad
    recall = \tfrac1N \sum_i 1[x_i \in \cup_j B(y_j)], \\
    density = \tfrac1{kM} \sum_{ij} 1[y_j \in B(x_i)], \quad
    coverage = \tfrac1N \sum_i 1[\exists j: y_j \in B(x_i)]

Precision and density fall when generated windows look like no real one; recall and coverage fall when kinds of
real windows are missing. For equal laws density is 1 in expectation, and coverage is
:math:`1 - \binom{N-1}{k}\big/\binom{N+M-1}{k}` (:func:`expected_coverage`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEASURES = ("precision", "recall", "density", "coverage")
NEIGHBOURS = 5


def prdc(real: Array, generated: Array, k: int = NEIGHBOURS) -> Array:
    """The four measures, (4,), in the order of :data:`MEASURES`.

    Parameters
    ----------
    real : (N, F)
    generated : (M, F)
        Both on one scale; more than k points each.
    k : int
        Neighbours.
    """
    from scipy.spatial.distance import cdist

    between = cdist(real, generated)
    around_real = np.partition(cdist(real, real), k, axis=1)[:, k, None]
    around_generated = np.partition(cdist(generated, generated), k, axis=1)[:, k][None]
    inside = between <= around_real
    return np.array(
        [
            inside.any(0).mean(),
            (between <= around_generated).any(1).mean(),
            inside.sum(0).mean() / k,
            inside.any(1).mean(),
        ]
    )


def expected_coverage(n_real: int, n_generated: int, k: int = NEIGHBOURS) -> float:
    """Coverage of two samples of one continuous law.

    A real point is missed if its k nearest of all others are real: the same chance wherever it lies.
    """
    from scipy.special import gammaln

    def log_ways(n: int) -> float:
        return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    return float(1.0 - np.exp(log_ways(n_real - 1) - log_ways(n_real + n_generated - 1)))
