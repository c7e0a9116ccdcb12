# SPDX-License-Identifier: Apache-2.0
r"""Log-linear volatility on the map: what a regression makes of the timeline, and nothing of the path's own past.

.. math::
    r_{t,s} = \mu_{k_t,s} + \sigma_{t,s}\, e_{t,s}, \qquad
    \log \sigma_{t,s} = \beta_s' x_t + \gamma_s \log(\text{severity}_t), \qquad e_t \sim t_{\nu_k}(0, R_k)

with, of days up to t only,

.. math:: x_t = \bigl(1_{k_t = 1}, \dots, 1_{k_t = K},\; d_5,\; d_{21},\; \delta d_5,\; \delta d_{21}\bigr), \qquad
          d_\tau = e^{-\text{days since the last switch} / \tau}

and :math:`\delta` the step of the typical log volatility at that switch: a spell may begin louder or quieter than
it goes on, the more so the larger the step. Multiplicative heteroscedasticity (Harvey 1976) by Student-t maximum
likelihood, sector by sector; the innovations' law by regime as in :mod:`.regime_t`.

**Severity is heeded.** :math:`\gamma_s` comes from a second regression with the episodes' severities; at severity 1
nothing changes, and what severities do not tell stays in the innovations' tails.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.baselines.asked import Asked
from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.regime_t import regime_laws
from spade_finance.baselines.slow_scale import RegimeMoments
from spade_finance.baselines.student_t import StudentT, draw_student_t
from spade_finance.exceptions import InputError

Array = NDArray[np.float64]

FADES = (5.0, 21.0)
"""Days over which a switch is forgotten."""
PRIOR_SD = 0.25
"""Of the switch coefficients around zero: a history knows a few dozen switches."""
CHUNK = 250


class LogLinearVolatility(Baseline):
    """Per-sector log-linear volatility on the timeline, multivariate Student-t innovations.

    Parameters
    ----------
    min_days_per_sector : float
        As in :class:`~spade_finance.baselines.regime_t.RegimeStudentT`.

    Attributes
    ----------
    coefficients_ : (sectors, regimes + 4) float
        :math:`\\beta`, in the order of :math:`x_t`.
    severity_response_ : (sectors,) float
        :math:`\\gamma`; near one by what severity means.
    severity_range_ : (float, float)
        Severities of the training episodes; a script beyond them is refused without ``extrapolate``.
    levels_ : (regimes,) float
        Typical log volatility of the market, which :math:`\\delta` is measured in.
    laws_ : list of StudentT or None
        Innovations by regime, unit variance.
    """

    name = "loglinear"
    honours_severity = True
    laws_: list[StudentT | None]

    def __init__(self, min_days_per_sector: float = 5.0) -> None:
        self.min_days_per_sector = min_days_per_sector

    def _fit(self) -> None:
        x, codes, n_regimes = self.log_returns_, self.codes_, len(self.regimes_)
        moments = RegimeMoments.fit(x, codes, n_regimes)
        self.mean_ = moments.mean
        self.levels_ = np.log(RegimeMoments.fit(x.mean(1, keepdims=True), codes, n_regimes).std[:, 0])
        z = x - moments.mean[codes]
        seen = np.isin(np.arange(n_regimes), codes)
        features = switch_features(codes, n_regimes, self.levels_)
        severity, self.severity_range_ = self._severities()
        told = np.column_stack([features, np.log(severity)])
        start = np.log(moments.std)
        self.coefficients_, self.severity_response_ = (
            np.empty((len(z.T), features.shape[1])),
            np.ones(len(z.T)),
        )
        for s, column in enumerate(z.T):
            first = np.concatenate([start[:, s], np.zeros(2 * len(FADES))])
            self.coefficients_[s] = fit_log_volatility(column, features, first, n_regimes)
            if np.ptp(severity) > 0:
                from_there = np.append(self.coefficients_[s], 1.0)
                own = fit_log_volatility(column, told, from_there, n_regimes)
                self.severity_response_[s] = own[-1]
        self.coefficients_[:, :n_regimes][:, ~seen] = start.T[:, ~seen]
        e = z / np.exp(features @ self.coefficients_.T)
        # Unit variance in each regime: the timeline's volatility is the regression's alone.
        spread = RegimeMoments.fit(e, codes, n_regimes)
        self.coefficients_[:, :n_regimes] += np.log(spread.std).T
        self.laws_ = regime_laws(spread.standardise(e, codes), codes, self.regimes_, self.min_days_per_sector)

    def _severities(self) -> tuple[Array, tuple[float, float]]:
        """Severity of each training day's episode, and their range."""
        from spade_finance.regimes.labels import RegimeLabels
        from spade_finance.regimes.severity import severity_series

        dates = self.history_.dates
        labels = RegimeLabels.from_codes(self.codes_, self.regimes_, dates)
        returns = pd.DataFrame(np.expm1(self.log_returns_), index=dates, columns=list(self.sectors_))
        severity = severity_series(labels, returns).to_numpy(dtype=np.float64)
        return severity, (float(severity.min()), float(severity.max()))

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        return self._draw_at(codes, None, n_paths, rng)

    def _draw_asked(
        self,
        asked: Asked,
        n_paths: int,
        scale: NDArray[np.float64],
        rng: np.random.Generator,
        extrapolate: bool,
    ) -> NDArray[np.float32]:
        low, high = self.severity_range_
        severity = asked.severity
        if severity is not None and not extrapolate and not asked.replays:
            odd = severity[((severity < low) | (severity > high)) & (severity != 1)]
            if len(odd):
                raise InputError(
                    f"script asks for severity {odd[0]:g}, outside the {low:.2f} to {high:.2f} of the training "
                    f"episodes of {type(self).__name__}: stay within, or pass extrapolate=True (--extrapolate)"
                )
        return self._draw_at(asked.codes, severity, n_paths, rng)

    def _draw_at(
        self, codes: CodeArray, severity: Array | None, n_paths: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        out = np.empty((n_paths, codes.shape[-1], len(self.sectors_)), dtype=np.float32)
        mean = self.mean_.astype(np.float32)
        for first in range(0, n_paths, CHUNK):
            part = out[first : first + CHUNK]
            wanted = codes if codes.ndim == 1 else codes[first : first + CHUNK]
            log_volatility = switch_features(wanted, len(self.regimes_), self.levels_) @ self.coefficients_.T
            if severity is not None:
                log_volatility = log_volatility + np.log(severity)[:, None] * self.severity_response_
            part[:] = draw_student_t(self.laws_, wanted, len(part), rng)
            part *= np.exp(log_volatility).astype(np.float32)
            part += mean[wanted]
        return out


def switch_features(codes: CodeArray, n_regimes: int, levels: Array) -> Array:
    """The regressors x of every day, (..., days, K + 4), of codes (..., days).

    `levels` (K,) are the regimes' typical log volatilities. Before the first day nothing has switched.
    """
    codes = np.asarray(codes)
    switched = np.zeros(codes.shape, dtype=bool)
    switched[..., 1:] = codes[..., 1:] != codes[..., :-1]
    day = np.broadcast_to(np.arange(codes.shape[-1]), codes.shape)
    last = np.maximum.accumulate(np.where(switched, day, -1), axis=-1)
    since = np.where(last >= 0, day - last, np.inf)
    before = np.take_along_axis(codes, np.maximum(last - 1, 0), axis=-1)
    step = np.where(last >= 0, levels[codes] - levels[before], 0.0)
    fades = [np.exp(-since / tau) for tau in FADES]
    return np.concatenate(
        [np.eye(n_regimes)[codes], np.stack([*fades, *(step * fade for fade in fades)], axis=-1)], axis=-1
    )


def fit_log_volatility(z: Array, features: Array, start: Array, n_free: int) -> Array:
    """Coefficients (P,) of the log volatility of centred returns z (days,), by Student-t likelihood.

    Parameters
    ----------
    features : (days, P)
    start : (P,)
    n_free : int
        The first so many coefficients are not drawn to zero by :data:`PRIOR_SD`, nor is the last where there
        are more than the map's.

    Notes
    -----
    Unit-variance t: ``log L = -x'b + const(nu) - (nu + 1) / 2 log(1 + q)``, ``q = z^2 exp(-2 x'b) / (nu - 2)``.
    """
    from scipy.optimize import minimize
    from scipy.special import digamma, gammaln

    n, size = features.shape
    penalty = np.zeros(size)
    penalty[n_free : n_free + 2 * len(FADES)] = 1 / PRIOR_SD**2
    square = z**2

    def cost(p: Array) -> tuple[float, Array]:
        b, excess = p[:-1], np.exp(p[-1])  # nu - 2
        nu = 2 + excess
        linear = features @ b
        q = square * np.exp(-2 * linear) / excess
        share = q / (1 + q)
        constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * excess)
        value = (linear + (nu + 1) / 2 * np.log1p(q)).sum() - n * constant + 0.5 * (penalty * b**2).sum()
        by_b = features.T @ (1 - (nu + 1) * share) + penalty * b
        by_nu = (0.5 * np.log1p(q) - (nu + 1) / 2 * share / excess).sum() - n * (
            0.5 * digamma((nu + 1) / 2) - 0.5 * digamma(nu / 2) - 0.5 / excess
        )
        return float(value) / n, np.append(by_b, by_nu * excess) / n

    bounds = [(None, None)] * size + [(np.log(0.1), np.log(98.0))]
    fitted = minimize(cost, np.append(start, np.log(4.0)), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(fitted.x[:-1], dtype=np.float64)
