# SPDX-License-Identifier: Apache-2.0
r"""Markov-switching multivariate Student-t with given labels.

.. math:: r_t \mid k_t = k \;\sim\; t_{\nu_k}(\mu_k, \Sigma_k), \qquad \text{independent over days}

Mean, scatter and degrees of freedom of each regime by maximum likelihood (:mod:`.student_t`). The same
conditioning interface as a generator, hard to beat on correlation by regime; inside a regime volatility is
flat (no clustering, no leverage) and every episode of a regime is like every other.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.student_t import StudentT, draw_student_t, fit_student_t
from spade_finance.exceptions import RareRegimeWarning


class RegimeStudentT(Baseline):
    """Per-regime multivariate Student-t, independent over days given the labels.

    Parameters
    ----------
    min_days_per_sector : float
        A regime with fewer training days per sector than this cannot carry a scatter matrix of its own: it
        takes the shape (correlations, nu) of all days together, at its own mean and total variance, and says
        so.

    Attributes
    ----------
    laws_ : list of StudentT or None
        One per regime; None where the regime never occurred.
    """

    name = "regime_t"
    laws_: list[StudentT | None]

    def __init__(self, min_days_per_sector: float = 5.0) -> None:
        self.min_days_per_sector = min_days_per_sector

    def _fit(self) -> None:
        x, size = self.log_returns_, len(self.sectors_)
        pooled: StudentT | None = None
        self.laws_ = []
        for k, regime in enumerate(self.regimes_):
            days = x[self.codes_ == k]
            if len(days) == 0:
                self.laws_.append(None)
            elif len(days) >= max(self.min_days_per_sector * size, size + 2):
                self.laws_.append(fit_student_t(days))
            else:
                pooled = pooled or fit_student_t(x)
                warnings.warn(
                    f"RegimeStudentT: regime {regime!r} has {len(days)} days for {size} sectors; it takes "
                    "the correlations of all days",
                    RareRegimeWarning,
                    stacklevel=4,
                )
                level = float(
                    ((days - days.mean(0)) ** 2).sum() / max(len(days) - 1, 1) / np.trace(pooled.covariance)
                )
                self.laws_.append(
                    StudentT(days.mean(0), pooled.scatter * max(level, 1e-6), pooled.nu, np.nan)
                )

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        return draw_student_t(self.laws_, codes, n_paths, rng)
