# SPDX-License-Identifier: Apache-2.0
r"""Filtered historical simulation: GJR-GARCH volatility, joint historical residuals.

Barone-Adesi, Giannopoulos & Vosper (1999), with the filter of Glosten, Jagannathan & Runkle (1993), on
returns standardised by their regime so that the timeline sets the level and the filter the clustering:

.. math::
    z_t &= (r_t - \mu_{k_t}) / \sigma_{k_t} = \sqrt{h_t}\, e_t \\
    h_{t+1} &= \omega + (\alpha + \gamma\, 1_{z_t < 0})\, z_t^2 + \beta h_t

Parameters by sector, Student-t likelihood (``arch``). A scenario day draws the residuals :math:`e` of *all*
sectors from one historical day, so the cross-section is history's. Residuals are brought to mean zero and unit
variance (regime by regime where they are drawn so), or else the loop would blow up in a crisis or die out in a
calm; variances keep finite moments (:mod:`.garch`).

Three kinds: ``fhs_plain`` knows the regimes by mean and volatility only; ``fhs`` draws residuals among the days of
the wanted regime; ``fhs_regime`` has a filter a regime as well, fitted on the regime's days joined end to end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.garch import Gjr, filter_variance, fit_gjr, simulate, stationary
from spade_finance.baselines.slow_scale import RegimeMoments

CHUNK = 2000
MIN_FILTER_DAYS = 250
"""A regime with fewer training days has the filter of all days."""


class FilteredHistorical(Baseline):
    """GJR-GARCH by sector with joint historical residuals, both under the wanted regimes.

    Parameters
    ----------
    filter_by_regime : bool
        A filter for every regime with :data:`MIN_FILTER_DAYS` days, instead of one for all days.
    residuals_by_regime : bool
        Draw residuals among the days of the wanted regime, instead of among all days.

    Attributes
    ----------
    garch_ : (sectors, 4) float
        omega, alpha, gamma, beta of the regime-standardised returns, unconditional variance one; all days.
    garch_by_regime_ : (regimes, sectors, 4) float
        Those in use.
    residuals_ : (days, sectors) float32
        Training residuals, mean zero and unit variance within each regime (over all days where they are
        drawn from all).
    """

    garch_: NDArray[np.float64]

    def __init__(self, filter_by_regime: bool = False, residuals_by_regime: bool = True) -> None:
        self.filter_by_regime = filter_by_regime
        self.residuals_by_regime = residuals_by_regime

    @property
    def name(self) -> str:  # type: ignore[override]
        """Registry name."""
        if self.filter_by_regime:
            return "fhs_regime"
        return "fhs" if self.residuals_by_regime else "fhs_plain"

    def _fit(self) -> None:
        n_regimes = len(self.regimes_)
        self.moments_ = RegimeMoments.fit(self.log_returns_, self.codes_, n_regimes)
        z = self.moments_.standardise(self.log_returns_, self.codes_)
        pooled = self._fit_days(z, "all days")
        raw = z / np.stack([g.volatility for g in pooled], axis=1)
        even = self._even(raw)
        self.garch_ = _targeted(pooled, even)
        self.garch_by_regime_ = np.repeat(self.garch_[None], n_regimes, axis=0)
        if self.filter_by_regime:
            even = self._fit_by_regime(z)
        variance = filter_variance(z, self.codes_, self.garch_by_regime_)
        self.residuals_ = even.astype(np.float32)
        self.last_scale_ = np.sqrt(variance[-1])
        every = np.arange(len(z), dtype=np.int32)
        self.pools_ = [
            np.flatnonzero(self.codes_ == k).astype(np.int32) if self.residuals_by_regime else every
            for k in range(n_regimes)
        ]

    def _fit_by_regime(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filters of the regimes that have the days for one; returns the residuals (days, sectors) of all."""
        own = {
            k: self._fit_days(z[self.codes_ == k], regime)
            for k, regime in enumerate(self.regimes_)
            if (self.codes_ == k).sum() >= MIN_FILTER_DAYS
        }
        even = z
        for _ in range(2):  # targets need residuals, residuals a filter
            for k, filters in own.items():
                self.garch_by_regime_[k] = _targeted(filters, even[self.codes_ == k])
            variance = filter_variance(z, self.codes_, self.garch_by_regime_)
            even = self._even(z / np.sqrt(variance[:-1]))
        return even

    def _fit_days(self, z: NDArray[np.float64], what: str) -> list[Gjr]:
        return [
            fit_gjr(z[:, s], f"FilteredHistorical: {sector!r}, {what}")
            for s, sector in enumerate(self.sectors_)
        ]

    def _even(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Residuals with mean zero and unit variance in every group that they are drawn from."""
        codes = self.codes_ if self.residuals_by_regime else np.zeros_like(self.codes_)
        return RegimeMoments.fit(raw, codes, len(self.regimes_)).standardise(raw, codes)

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        mean, std = self.moments_.mean.astype(np.float32), self.moments_.std.astype(np.float32)
        out = np.empty((n_paths, codes.shape[-1], len(self.sectors_)), dtype=np.float32)
        for first in range(0, n_paths, CHUNK):
            part = out[first : first + CHUNK]
            wanted = codes if codes.ndim == 1 else codes[first : first + CHUNK]
            for t in range(codes.shape[-1]):
                k = wanted[t] if wanted.ndim == 1 else wanted[:, t]
                part[:, t] = self.residuals_[self._days(k, len(part), rng)]
            simulate(part, wanted, self.garch_by_regime_, scale**2)
            part *= std[wanted]
            part += mean[wanted]
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


def _targeted(filters: list[Gjr], residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(sectors, 4) with the stationary variance one under these residuals (days, sectors)."""
    return np.stack([stationary(g.parameters, e) for g, e in zip(filters, residuals.T, strict=True)])
