# SPDX-License-Identifier: Apache-2.0
r"""DCC-GARCH with a Student-t copula, on the map.

Margins: GJR-GARCH(1,1) with Student-t innovations of the regime-standardised returns of every sector, by ``arch``
(:mod:`.garch`). Dependence: a Student-t copula whose correlation moves by DCC(1,1) around the regime's
(:mod:`.dcc_likelihood`); no maintained Python library has one. Two steps, as in Engle (2002): the margins first,
then the copula on their probability transforms.

The industry's parametric floor: proper one-day dynamics of volatility and of correlation, no copying of history.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.dcc_likelihood import EDGE, fit_dcc, simulate_scores
from spade_finance.baselines.garch import filter_variance, fit_gjr, simulate, stationary
from spade_finance.baselines.slow_scale import RegimeMoments

Array = NDArray[np.float64]

CHUNK = 250
MIN_NU = 2.2
"""Margins' degrees of freedom are held above this: an innovation needs a variance."""
TABLE_POINTS, TABLE_REACH = 4001, 14.0
"""Copula scores become innovations by a table over ``arcsinh`` of the score, up to about 600,000."""


class DccStudentT(Baseline):
    """GJR-GARCH-t margins, DCC(1,1) Student-t copula around the regime's correlation.

    Attributes
    ----------
    garch_ : (sectors, 4) float
        omega, alpha, gamma, beta, stationary variance one.
    nu_ : (sectors,) float
        Degrees of freedom of the margins.
    dcc_ : Dcc
        a, b, nu and the regimes' target correlations.

    Notes
    -----
    ``start_vol``: "last" starts at the conditional volatilities and at the Q after the last training day; a number
    is the conditional volatility in multiples of the long run's.
    """

    name = "dcc_t"

    def __init__(self) -> None:
        pass

    def _fit(self) -> None:
        codes, n_regimes = self.codes_, len(self.regimes_)
        self.moments_ = RegimeMoments.fit(self.log_returns_, codes, n_regimes)
        z = self.moments_.standardise(self.log_returns_, codes)
        margins = [fit_gjr(z[:, s], f"DccStudentT: {name!r}") for s, name in enumerate(self.sectors_)]
        self.nu_ = np.array([max(m.nu, MIN_NU) for m in margins])
        e = z / np.stack([m.volatility for m in margins], axis=1)
        e /= np.sqrt((e**2).mean(0))
        both = np.concatenate([e, -e])  # the margins are symmetric
        self.garch_ = np.stack(
            [stationary(m.parameters, own) for m, own in zip(margins, both.T, strict=True)]
        )
        self.dcc_ = fit_dcc(unit_t_cdf(e, self.nu_), codes, n_regimes)
        self.last_scale_ = np.sqrt(filter_variance(z, codes, self._by_regime())[-1])

    def _by_regime(self) -> Array:
        return np.repeat(self.garch_[None], len(self.regimes_), axis=0)

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        mean, std = self.moments_.mean.astype(np.float32), self.moments_.std.astype(np.float32)
        garch = self._by_regime()
        start = self.dcc_.last if np.array_equal(scale, self.last_scale_) else None
        out = np.empty((n_paths, codes.shape[-1], len(self.sectors_)), dtype=np.float32)
        for first in range(0, n_paths, CHUNK):
            part = out[first : first + CHUNK]
            wanted = codes if codes.ndim == 1 else codes[first : first + CHUNK]
            y = simulate_scores(self.dcc_, wanted, len(part), rng, start)
            part[:] = simulate(self._innovations(y), wanted, garch, scale**2)
            part *= std[wanted]
            part += mean[wanted]
        return out

    def _innovations(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Copula scores (n, days, S) to unit-variance innovations with the margins' own tails."""
        from scipy.special import stdtr, stdtrit

        grid = np.linspace(0.0, TABLE_REACH, TABLE_POINTS)
        nu = self.dcc_.nu
        upper = stdtr(nu, -np.sinh(grid) * np.sqrt(nu / (nu - 2)))  # the lower tail: no cancellation near 1
        place = np.arcsinh(np.abs(y))
        for s, own in enumerate(self.nu_):
            size = -stdtrit(own, upper) * np.sqrt((own - 2) / own)
            y[:, :, s] = np.copysign(np.sinh(np.interp(place[:, :, s], grid, np.arcsinh(size))), y[:, :, s])
        return y


def unit_t_cdf(e: Array, nu: Array) -> Array:
    """Uniforms of innovations (days, S) under unit-variance Student-t margins with `nu` (S,)."""
    from scipy.special import stdtr

    return np.clip(stdtr(nu, e * np.sqrt(nu / (nu - 2))), EDGE, 1 - EDGE)
