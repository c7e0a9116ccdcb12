# SPDX-License-Identifier: Apache-2.0
r"""Filtered historical simulation: GJR-GARCH volatility, joint historical residuals drawn by regime.

Barone-Adesi, Giannopoulos & Vosper (1999), with the filter of Glosten, Jagannathan & Runkle (1993), on
returns standardised by their regime so that the timeline sets the level and the filter the clustering:

.. math::
    z_t &= (r_t - \mu_{k_t}) / \sigma_{k_t} = \sqrt{h_t}\, e_t \\
    h_{t+1} &= \omega + (\alpha + \gamma\, 1_{z_t < 0})\, z_t^2 + \beta h_t

Parameters by sector, Student-t likelihood (``arch``). A scenario day draws the residuals :math:`e` of *all*
sectors from one historical day of its regime, so the cross-section is history's. Regime by regime, residuals
are brought to mean zero and unit variance, or else the loop would blow up in a crisis or die out in a calm.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.slow_scale import RegimeMoments
from spade_finance.exceptions import ConvergenceWarning

MAX_PERSISTENCE = 0.995
"""A larger persistence is brought down to this: a unit-root variance drifts off over long scenarios."""

CHUNK = 2000


class FilteredHistorical(Baseline):
    """GJR-GARCH by sector with joint historical residuals, both under the wanted regimes.

    Attributes
    ----------
    garch_ : (sectors, 4) float
        omega, alpha, gamma, beta of the regime-standardised returns, unconditional variance one.
    residuals_ : (days, sectors) float32
        Training residuals, mean zero and unit variance within each regime.
    """

    name = "fhs"
    garch_: NDArray[np.float64]

    def __init__(self) -> None:
        pass

    def _fit(self) -> None:
        self.moments_ = RegimeMoments.fit(self.log_returns_, self.codes_, len(self.regimes_))
        z = self.moments_.standardise(self.log_returns_, self.codes_)
        garch, residuals = zip(
            *(self._fit_sector(z[:, s], name) for s, name in enumerate(self.sectors_)), strict=True
        )
        raw = np.stack(residuals, axis=1)
        even = RegimeMoments.fit(raw, self.codes_, len(self.regimes_)).standardise(raw, self.codes_)
        self.residuals_ = even.astype(np.float32)
        self.garch_ = np.stack([_stationary(g, e) for g, e in zip(garch, even.T, strict=True)])
        self.pools_ = [np.flatnonzero(self.codes_ == k).astype(np.int32) for k in range(len(self.regimes_))]

    def _fit_sector(
        self, z: NDArray[np.float64], sector: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """GJR parameters (alpha, gamma, beta) and residuals (days,) of one sector."""
        from arch import arch_model

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # arch warns about scale and convergence; the flag is read below
            model = arch_model(z, mean="Zero", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
            fitted = model.fit(disp="off", show_warning=False)
        if fitted.convergence_flag != 0:
            warnings.warn(
                f"FilteredHistorical: GJR-GARCH of {sector!r} did not converge (flag "
                f"{fitted.convergence_flag}); its last parameters are used",
                ConvergenceWarning,
                stacklevel=5,
            )
        parameters = np.array([float(fitted.params[name]) for name in ("alpha[1]", "gamma[1]", "beta[1]")])
        return parameters, z / np.asarray(fitted.conditional_volatility)

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        omega, alpha, gamma, beta = self.garch_.T.astype(np.float32)
        mean, std = self.moments_.mean.astype(np.float32), self.moments_.std.astype(np.float32)
        out = np.empty((n_paths, codes.shape[-1], len(self.sectors_)), dtype=np.float32)
        for first in range(0, n_paths, CHUNK):
            part = out[first : first + CHUNK]
            wanted = codes if codes.ndim == 1 else codes[first : first + CHUNK]
            variance = np.ones((len(part), len(self.sectors_)), dtype=np.float32)
            for t in range(codes.shape[-1]):
                k = wanted[t] if wanted.ndim == 1 else wanted[:, t]
                z = np.sqrt(variance) * self.residuals_[self._days(k, len(part), rng)]
                part[:, t] = mean[k] + std[k] * z
                square = z * z
                variance *= beta
                variance += omega + (alpha + gamma * (z < 0)) * square
        return out

    def _days(self, k: CodeArray, n_paths: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """One training day of the wanted regime for each path, (n_paths,)."""
        u = rng.random(n_paths)
        if np.ndim(k) == 0:
            pool = self.pools_[int(k)]
            return pool[(u * len(pool)).astype(np.int32)]
        days = np.empty(n_paths, dtype=np.int32)
        for code in np.unique(k):
            pool = self.pools_[int(code)]
            days[k == code] = pool[(u[k == code] * len(pool)).astype(np.int32)]
        return days


def _stationary(parameters: NDArray[np.float64], residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Omega, alpha, gamma, beta with mean variance one under these residuals.

    The persistence is alpha + gamma m + beta with m the mean of e^2 on negative e, which is one half only for
    symmetric residuals; above :data:`MAX_PERSISTENCE` all three are brought down together.
    """
    alpha, gamma, beta = parameters
    persistence = alpha + gamma * float((residuals**2 * (residuals < 0)).mean()) + beta
    shrink = min(1.0, MAX_PERSISTENCE / persistence)
    return np.array([1.0 - persistence * shrink, *(parameters * shrink)])
