# SPDX-License-Identifier: Apache-2.0
r"""Markov-switching multivariate Student-t with an exponentially weighted volatility inside the regime.

The regime sets mean, covariance and tails; how large the last innovations were moves the volatility around it:

.. math::
    r_t &= \mu_{k_t} + \sigma_{k_t} \odot g_t \odot u_t, \qquad
        u_t \sim t_{\nu_k}(0, \cdot) \text{ of unit variance and correlation } R_{k_t} \\
    g_t &= e^{c\,(v_t - 1)} / N_t, \qquad v_{t+1} = \lambda v_t + (1 - \lambda)\, i_t, \qquad
        i_t = (1 - w)\, a_t + w\, \bar a_t

with sizes :math:`a = \min(|u|, 6) / E \min(|u|, 6)` and :math:`\bar a` their mean over sectors. The EWMA (RiskMetrics
1996, on absolute values; in the exponent as in Nelson's 1991 EGARCH) runs over *innovations*, not over returns, so it
does not feed on itself: :math:`v` is a weighted mean of independent bounded terms of mean one, stationary by
construction, and

.. math:: N_t^2 = E\, e^{2c (v_t - 1)}
          = \prod_{j \ge 0} E\, \exp\bigl(2c\,(1 - \lambda) \lambda^j (i_{t-1-j} - 1)\bigr)

keeps the variance of every day at its regime's, whatever the timeline. :math:`\lambda, c, w` (all sectors alike)
maximise a Student-t likelihood on a grid. No leverage: the sign of an innovation is not looked at.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.regime_t import regime_laws
from spade_finance.baselines.slow_scale import RegimeMoments
from spade_finance.baselines.student_t import StudentT, draw_student_t

Array = NDArray[np.float64]

HALF_LIVES = (3.0, 6.0, 12.0, 24.0, 48.0, 96.0)
"""Days."""
STRENGTHS = (0.0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0)
MAX_STRENGTH = 2.5
MARKET_SHARES = (0.0, 0.5, 1.0)
NU = 6.0
"""Tail of the likelihood that chooses among them; the innovations get their own afterwards."""
CAP = 6.0
"""Innovations count for at most this many standard deviations: one print must not own a quarter."""
MEAN_SIZE = 0.76
"""About E|u| of a unit-variance t: centres the filter of the training days."""
MOMENT_DRAWS, MOMENT_SEED = 50_000, 20_190_318
FORGETTING_HALF_LIVES = 6
CHUNK = 250


class RegimeStudentTEwma(Baseline):
    """Per-regime multivariate Student-t with within-regime EWMA volatility.

    Parameters
    ----------
    min_days_per_sector : float
        As in :class:`~spade_finance.baselines.regime_t.RegimeStudentT`.

    Attributes
    ----------
    half_life_, strength_, market_share_ : float
        EWMA half-life in days (lambda is one half to the power of its inverse), c and w.
    laws_ : list of StudentT or None
        Law of :math:`\\mu_k + \\sigma_k u` by regime.
    size_mean_ : (regimes, sectors) float
        :math:`E \\min(|u|, 6)`, from draws of the law.
    log_moment_ : (regimes, lags, sectors) float
        Logarithms of the factors of :math:`N^2`, from the same draws.
    last_scale_ : (sectors,) float
        :math:`v` after the last training day.

    Notes
    -----
    ``start_vol``: the long run draws :math:`v_0` at rest, "last" is the value after the last training day, a number
    is the value itself; it returns to one by its half-life.
    """

    name = "regime_t_ewma"
    laws_: list[StudentT | None]

    def __init__(self, min_days_per_sector: float = 5.0) -> None:
        self.min_days_per_sector = min_days_per_sector

    def _fit(self) -> None:
        x, codes, n_regimes = self.log_returns_, self.codes_, len(self.regimes_)
        moments = RegimeMoments.fit(x, codes, n_regimes)
        z = moments.standardise(x, codes)
        rough = _best(z, itertools.product(HALF_LIVES, STRENGTHS, MARKET_SHARES))
        finer = itertools.product(
            rough[0] * np.array([0.7, 0.85, 1.0, 1.2, 1.4]),
            np.unique(np.clip(rough[1] + np.array([-0.2, -0.1, 0.0, 0.1, 0.2]), 0.0, MAX_STRENGTH)),
            np.unique(np.clip(rough[2] + np.array([-0.25, 0.0, 0.25]), 0.0, 1.0)),
        )
        chosen = _best(z, finer)
        self.half_life_, self.strength_, self.market_share_ = (float(p) for p in chosen)
        g, v = _filter(z, chosen[None])
        even = RegimeMoments.fit(z / g[:, 0], codes, n_regimes).standardise(z / g[:, 0], codes)
        self.laws_ = regime_laws(
            moments.mean[codes] + moments.std[codes] * even, codes, self.regimes_, self.min_days_per_sector
        )
        self.last_scale_ = v[0]
        self._tabulate()

    def _tabulate(self) -> None:
        """Means, deviations and the sizes' moments by regime."""
        shape = (len(self.regimes_), len(self.sectors_))
        self.mean_, self.std_ = np.zeros(shape), np.ones(shape)
        self.size_mean_ = np.ones(shape)
        decay = 0.5 ** (1 / self.half_life_)
        weights = 2 * self.strength_ * (1 - decay) * decay ** np.arange(self._memory())
        self.log_moment_ = np.zeros((shape[0], len(weights), shape[1]))
        rng = np.random.default_rng(MOMENT_SEED)
        for k, law in enumerate(self.laws_):
            if law is None:
                continue
            self.mean_[k], self.std_[k] = law.mean, np.sqrt(np.diag(law.covariance))
            drawn = draw_student_t(self.laws_, np.full(MOMENT_DRAWS, k), 1, rng)[0]
            size = np.minimum(np.abs((drawn - law.mean) / self.std_[k]), CAP)
            self.size_mean_[k] = size.mean(0)
            impulse = _mixed(size / size.mean(0), self.market_share_) - 1
            # The cumulants' generating function at falling weights: smooth, so a grid of it will do.
            grid = np.linspace(0.0, weights[0], 17)
            values = np.stack([np.log(np.exp(w * impulse).mean(0)) for w in grid])
            for s in range(shape[1]):
                self.log_moment_[k, :, s] = np.interp(weights, grid, values[:, s])

    def _memory(self) -> int:
        """Days after which the EWMA has forgotten."""
        return int(np.ceil(FORGETTING_HALF_LIVES * self.half_life_))

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        out = np.empty((n_paths, codes.shape[-1], len(self.sectors_)), dtype=np.float32)
        for first in range(0, n_paths, CHUNK):
            part = out[first : first + CHUNK]
            wanted = codes if codes.ndim == 1 else codes[first : first + CHUNK]
            mean = self.mean_.astype(np.float32)[wanted]
            part[:] = draw_student_t(self.laws_, wanted, len(part), rng)
            part -= mean
            part *= self._factor(part, wanted, scale, rng)
            part += mean
        return out

    def _factor(
        self,
        centred: NDArray[np.float32],
        codes: CodeArray,
        scale: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """g of every day (n, days, S) for returns less their mean, before they are multiplied by it."""
        from scipy.signal import lfilter

        decay = 0.5 ** (1 / self.half_life_)
        resting = bool((scale == 1).all())
        n = len(centred)
        first = np.tile(scale, (n, 1))
        if resting:
            days = self._memory()
            before = np.repeat(codes[..., :1], days, axis=-1)
            drawn = draw_student_t(self.laws_, before, n, rng) - self.mean_.astype(np.float32)[before]
            weight = (1 - decay) * decay ** np.arange(days - 1, -1, -1)
            first = decay**days + np.einsum("t,nts->ns", weight, self._impulse(drawn, before))
        following = lfilter(
            [1 - decay], [1, -decay], self._impulse(centred, codes), axis=1, zi=decay * first[:, None]
        )[0]
        v = np.concatenate([first[:, None], following[:, :-1]], axis=1)
        log_square = self._log_square(codes, resting)
        return np.asarray(np.exp(self.strength_ * (v - 1) - log_square / 2), dtype=np.float32)

    def _log_square(self, codes: CodeArray, resting: bool) -> Array:
        """Logarithm of N^2 of every day, (days, S) or (n, days, S); at rest, the first regime held before."""
        from scipy.signal import fftconvolve

        rows, n_days = np.atleast_2d(codes), codes.shape[-1]
        memory = self.log_moment_.shape[1] if resting else 0
        rows = np.concatenate([np.repeat(rows[:, :1], memory, axis=1), rows], axis=1)
        total = np.zeros((*rows.shape, len(self.sectors_)))
        for k in np.unique(rows):
            here = (rows == k).astype(np.float64)
            for s in range(total.shape[2]):
                kernel = np.concatenate([[0.0], self.log_moment_[k, :, s]])
                total[:, :, s] += fftconvolve(here, kernel[None], axes=1)[:, : rows.shape[1]]
        return np.asarray(total[0, -n_days:] if codes.ndim == 1 else total[:, -n_days:])

    def _impulse(self, centred: NDArray[np.float32], codes: CodeArray) -> NDArray[np.float32]:
        """What the EWMA averages, (n, days, S), mean one."""
        size = np.abs(centred) / self.std_.astype(np.float32)[codes]
        np.minimum(size, CAP, out=size)
        size /= self.size_mean_.astype(np.float32)[codes]
        return np.asarray(_mixed(size, self.market_share_), dtype=np.float32)


def _mixed(size: NDArray[np.floating], market_share: float) -> NDArray[np.floating]:
    """Own size and the cross-section's mean, (..., S)."""
    return np.asarray((1 - market_share) * size + market_share * size.mean(-1, keepdims=True))


def _filter(z: Array, candidates: Array) -> tuple[NDArray[np.float32], Array]:
    """Factors g (days, candidates, S), not normalised, and the state v after the last day (candidates, S).

    `candidates` (C, 3) are half-life, strength and market share.
    """
    decay = 0.5 ** (1 / candidates[:, :1])
    strength, share = candidates[:, 1:2], candidates[:, 2:]
    g = np.empty((len(z), len(candidates), z.shape[1]), dtype=np.float32)
    v = np.ones(g.shape[1:])
    for t, row in enumerate(z):
        factor = np.exp(strength * (v - 1))
        g[t] = factor
        size = np.minimum(np.abs(row) / factor, CAP) / MEAN_SIZE
        v = decay * v + (1 - decay) * ((1 - share) * size + share * size.mean(1, keepdims=True))
    return g, v


def _best(z: Array, candidates: itertools.product[tuple[float, ...]]) -> Array:
    """The candidate (3,) of the largest Student-t likelihood; every sector has its own scale."""
    tried = np.array(list(candidates))
    g, _ = _filter(z, tried)
    u = z[:, None] / g
    scale = np.sqrt((u**2).mean(0))
    cost = np.log(g).mean(0) + np.log(scale)
    cost += (NU + 1) / 2 * np.log1p((u / scale) ** 2 / (NU - 2)).mean(0)
    return np.asarray(tried[int(np.argmin(cost.sum(1)))])
