# SPDX-License-Identifier: Apache-2.0
r"""Any baseline given every slow state that our generator has: volatility level, correlation, autocorrelation.

The slow states are worth more than the choice of generator (``docs/research_log.md``), so a fair comparison gives
them to the opponent too. Their law, filter and simulation are the generator's own code
(:mod:`spade_finance.model.slow`): stationary first-order autoregressions :math:`x` of the log volatility (one
common, one a sector), :math:`c` of the correlation and :math:`\varphi` of the lag-one coefficient. History is
cleaned of its filtered states, the baseline learns from what is left, and what it draws gets simulated states:

.. math::
    s_t &= \sigma_{k_t}\, e^{x_t - \operatorname{var} x}\; R_{k_t}(c_t)^{1/2} R_{k_t}(0)^{-1/2}\, e_t \\
    y_t &= \varphi_t\, y_{t-1} + \sqrt{1 - \varphi_t^2}\, s_t, \qquad r_t = \mu_{k_t} + y_t

with :math:`e_t` the baseline's returns, standardised by regime. :math:`E\, e^{2(x - \operatorname{var} x)} = 1`:
a regime keeps its long-run volatility. Unlike the generator's, the states are read off regime-standardised returns
(the generator reads them off innovations after its filter), since what a bootstrap's blocks break off, half-lives of
months, is what it needs back.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from spade_finance.baselines.asked import Asked
from spade_finance.baselines.base import Baseline
from spade_finance.baselines.recolour import Recolouring, regime_correlations
from spade_finance.baselines.slow_scale import RegimeMoments
from spade_finance.exceptions import RareRegimeWarning

CHUNK = 64


class GivenSlowStates(Baseline):
    """A baseline on slow states.

    Parameters
    ----------
    inner : Baseline
        Left unfitted; a clone learns from the cleaned history.

    Attributes
    ----------
    inner_ : Baseline
        Fitted on log returns cleaned of the states, each regime at its own mean and volatility.
    law_ : spade_finance.model.slow.SlowLaw
    states_ : (days + 1, S + 3) float
        Filtered states before each training day and after the last: common level, sectors' levels, correlation,
        autocorrelation, as deviations from the long run.

    Notes
    -----
    ``start_vol``: "long-run" draws the states of day 0 from their stationary law, "last" takes those after the
    last training day, a number is the common volatility level's multiple of its long run, as with the generator.
    """

    inner_: Baseline
    states_: NDArray[np.float64]

    def __init__(self, inner: Baseline) -> None:
        self.inner = inner

    @property
    def name(self) -> str:  # type: ignore[override]
        """Registry name."""
        return f"{self.inner.name}_slow"

    @property
    def honours_severity(self) -> bool:  # type: ignore[override]
        """As the baseline that is given the states."""
        return self.inner.honours_severity

    def settings(self) -> dict[str, Any]:
        """Settings of the baseline and the states' standard deviations."""
        return {**self.inner_.settings(), "slow_sd": [round(float(sd), 6) for sd in self.law_.sd]}

    def _fit(self) -> None:
        from spade_finance.model.slow import filter_slow, fit_slow, measurements
        from spade_finance.regimes.labels import RegimeLabels

        codes, n_regimes = self.codes_, len(self.regimes_)
        self.moments_ = RegimeMoments.fit(self.log_returns_, codes, n_regimes)
        z = self.moments_.standardise(self.log_returns_, codes)
        correlations = regime_correlations(z, codes, n_regimes)
        readings = measurements(z, codes.astype(np.intp), correlations)
        self.law_ = fit_slow(readings)
        long_run = np.concatenate([np.zeros(readings.shape[1] - 1), readings[:, -1:].mean(0)])
        self.states_ = filter_slow(readings, self.law_, long_run)
        moves = len(self.sectors_) > 1 and self.law_.sd[-2] > 0
        self.recolouring_ = Recolouring.make(correlations, float(self.law_.sd[-2])) if moves else None
        clean = self._cleaned()
        clean = RegimeMoments.fit(clean, codes, n_regimes).standardise(clean, codes)
        log_returns = self.moments_.mean[codes] + self.moments_.std[codes] * clean
        dates = self.history_.dates
        labels = RegimeLabels.from_codes(codes, self.regimes_, dates)
        frame = pd.DataFrame(np.expm1(log_returns), index=dates, columns=list(self.sectors_))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RareRegimeWarning)  # said once already
            self.inner_ = clone(self.inner).fit(frame, labels)

    def _cleaned(self) -> NDArray[np.float64]:
        """Training innovations (days, S) without the filtered states."""
        states, codes = self.states_[:-1], self.codes_
        y = self.log_returns_ - self.moments_.mean[codes]
        phi = (self.law_.autocorrelation + states[:, -1])[:, None]
        shock = y.copy()
        shock[1:] = (y[1:] - phi[1:] * y[:-1]) / np.sqrt(1 - phi[1:] ** 2)
        e = shock / self.moments_.std[codes] / np.exp(states[:, :1] + states[:, 1:-2])
        if self.recolouring_ is not None:
            e = np.asarray(self.recolouring_.apply(e, codes, states[:, -2], undo=True), dtype=np.float64)
        return e

    def _drawn(
        self,
        asked: Asked,
        n_paths: int,
        start_vol: str | float,
        rng: np.random.Generator,
        extrapolate: bool,
    ) -> NDArray[np.float32]:
        start = np.full(len(self.law_.sd), np.nan)
        inner_start = start_vol
        if start_vol == "last":
            start = self.states_[-1]
        elif start_vol != "long-run":
            start[0] = np.log(self._start_scale(start_vol)[0])  # refuses what is no number
            inner_start = "long-run"
        own_rng = rng.spawn(1)[0]  # what the baseline uses up depends on the timeline
        out = self.inner_._drawn(asked, n_paths, inner_start, rng, extrapolate)
        for first in range(0, n_paths, CHUNK):
            part = slice(first, first + CHUNK)
            codes = asked.codes if asked.codes.ndim == 1 else asked.codes[part]
            out[part] = self._with_states(out[part], codes, start, own_rng)
        return out

    def _with_states(
        self,
        drawn: NDArray[np.float32],
        codes: NDArray[np.integer],
        start: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Put simulated states on drawn log returns (n, days, S)."""
        from spade_finance.model.slow import n_shocks, simulate_slow

        law, (n, n_days, _) = self.law_, drawn.shape
        first = law.sd * rng.standard_normal((n, len(law.sd)))
        first = np.where(np.isnan(start), first, start)
        normals = rng.standard_normal((n, n_shocks(n_days), len(law.sd)), dtype=np.float32)
        states = simulate_slow(normals, first, law, n_days)
        mean, std = self.moments_.mean.astype(np.float32), self.moments_.std.astype(np.float32)
        e = (drawn - mean[codes]) / std[codes]
        if self.recolouring_ is not None:
            e = np.asarray(self.recolouring_.apply(e, codes, states[:, :, -2]), dtype=np.float32)
        variance = (law.sd[0] ** 2 + law.sd[1:-2] ** 2).astype(np.float32)
        e *= std[codes] * np.exp(states[:, :, :1] + states[:, :, 1:-2] - variance)
        phi = np.float32(law.autocorrelation) + states[:, :, -1:]
        e[:, 1:] *= np.sqrt(1 - phi[:, 1:] ** 2)
        for t in range(1, n_days):
            e[:, t] += phi[:, t] * e[:, t - 1]
        e += mean[codes]
        return e
