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
        self.laws_ = regime_laws(self.log_returns_, self.codes_, self.regimes_, self.min_days_per_sector)

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        return draw_student_t(self.laws_, codes, n_paths, rng)


def regime_laws(
    x: NDArray[np.float64],
    codes: CodeArray,
    regimes: tuple[str, ...],
    min_days_per_sector: float,
) -> list[StudentT | None]:
    """A multivariate t for every regime of the days x (days, S); see :class:`RegimeStudentT`."""
    size = x.shape[1]
    pooled: StudentT | None = None
    laws: list[StudentT | None] = []
    for k, regime in enumerate(regimes):
        days = x[codes == k]
        if len(days) == 0:
            laws.append(None)
        elif len(days) >= max(min_days_per_sector * size, size + 2):
            laws.append(fit_student_t(days))
        else:
            pooled = pooled or fit_student_t(x)
            warnings.warn(
                f"RegimeStudentT: regime {regime!r} has {len(days)} days for {size} sectors; it takes "
                "the correlations of all days",
                RareRegimeWarning,
                stacklevel=5,
            )
            level = float(
                ((days - days.mean(0)) ** 2).sum() / max(len(days) - 1, 1) / np.trace(pooled.covariance)
            )
            laws.append(StudentT(days.mean(0), pooled.scatter * max(level, 1e-6), pooled.nu, np.nan))
    return laws
