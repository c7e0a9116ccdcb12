# SPDX-License-Identifier: Apache-2.0
"""Per-regime statistics the generator starts from: means, volatilities, multivariate Student-t innovations.

References
----------
McNeil, Frey, Embrechts (2015), *Quantitative Risk Management*, ch. 6: EM for the multivariate t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEAN_PRIOR_DAYS = 500.0
"""Weight, in days, of the market's mean in a sector's regime mean: daily means are mostly noise."""
SCATTER_PRIOR_DAYS = 100.0
"""Weight, in days, of the pooled scatter in a regime's own."""
OWN_PRIOR_DAYS = 60.0
"""Weight, in days, of what a sector's own label says alone in its effect under a market label."""
TAIL_DRAWS, MAX_TAIL = 40_000, 0.2
"""Simulated days behind a tail's estimate; at .2 the fourth moment of the own news is near its end of existing."""
NU_RANGE = (3.5, 30.0)
"""Degrees of freedom considered; below 3.5 sample variances stop meaning much."""


@dataclass(frozen=True)
class RegimeMoments:
    """Daily log-return moments by regime: ``mean`` and ``volatility``, both (K, S)."""

    mean: Array
    volatility: Array


def regime_moments(log_returns: Array, codes: NDArray[np.int_], n_regimes: int) -> RegimeMoments:
    """Mean and volatility of every sector in every regime.

    A sector's mean is shrunk to the market's in the same regime with the weight of
    :data:`MEAN_PRIOR_DAYS`; a regime without days takes the pooled figures.
    """
    n_sectors = log_returns.shape[1]
    mean, volatility = np.empty((n_regimes, n_sectors)), np.empty((n_regimes, n_sectors))
    for k in range(n_regimes):
        days = log_returns[codes == k] if (codes == k).sum() > 1 else log_returns
        raw = days.mean(0)
        keep = len(days) / (len(days) + MEAN_PRIOR_DAYS)
        mean[k] = keep * raw + (1 - keep) * raw.mean()
        volatility[k] = np.sqrt(((days - mean[k]) ** 2).mean(0))
    return RegimeMoments(mean, volatility)


@dataclass(frozen=True)
class OwnLabelEffect:
    """What a sector's own label j adds under market label k: ``mean`` in volatilities, ``log_volatility``; (K, K)."""

    mean: Array
    log_volatility: Array


def own_label_effect(
    log_returns: Array,
    codes: NDArray[np.int_],
    own_codes: NDArray[np.int_],
    own_severity: Array,
    moments: RegimeMoments,
) -> OwnLabelEffect:
    """Effect of a sector's own label, pooled over sectors.

    A pair (k, j) that history hardly knows is shrunk, with the weight of :data:`OWN_PRIOR_DAYS`, to what the own
    label says alone: the sector's volatility on all its days of label j against its volatility under market label k.

    Parameters
    ----------
    log_returns, own_codes, own_severity : (T, S)
    codes : (T,)
        Market regime of each day.
    """
    n_regimes, n_sectors = moments.volatility.shape
    standardised = (log_returns - moments.mean[codes]) / moments.volatility[codes]
    mean, log_volatility = np.zeros((n_regimes, n_regimes)), np.zeros((n_regimes, n_regimes))
    for j in range(n_regimes):
        own = own_codes == j
        if not own.any():
            continue
        pooled_mean = standardised[own].mean()
        alone = [
            0.5 * np.log(np.mean((log_returns[own[:, s], s] / own_severity[own[:, s], s]) ** 2))
            - np.log(moments.volatility[:, s])
            for s in range(n_sectors)
            if own[:, s].sum() > 1
        ]
        prior = np.mean(alone, axis=0) if alone else np.zeros(n_regimes)
        for k in range(n_regimes):
            pair = own & (codes == k)[:, None]
            days = standardised[pair] / own_severity[pair]
            keep = len(days) / (len(days) + OWN_PRIOR_DAYS)
            seen = 0.5 * np.log(np.mean((days - days.mean()) ** 2)) if len(days) > 1 else 0.0
            mean[k, j] = keep * (days.mean() if len(days) else 0.0) + (1 - keep) * pooled_mean
            log_volatility[k, j] = keep * seen + (1 - keep) * prior[k]
    return OwnLabelEffect(mean, log_volatility)


@dataclass(frozen=True)
class Innovations:
    """Unit-variance multivariate t by regime in factor form.

    ``e = sqrt((nu - 2) / chi2_nu) * (A f + D v)`` with f standard normal and v a sector's own news, heavy-tailed by
    Lambert's W: ``v = u exp(tail u^2 / 2) (1 - 2 tail)^(3/4)``, u standard normal (Goerg 2015); ``loadings`` A
    (K, S, r), ``idiosyncratic`` D (K, S) with ``sum_r A^2 + D^2 = 1``; ``nu`` (K,); ``tail`` (S,).
    """

    loadings: Array
    idiosyncratic: Array
    nu: Array
    tail: Array

    @property
    def correlation(self) -> Array:
        """Implied correlation matrices, (K, S, S)."""
        diagonal = np.eye(self.loadings.shape[1]) * (self.idiosyncratic**2)[:, :, None]
        return self.loadings @ self.loadings.swapaxes(-1, -2) + diagonal


def fit_innovations(residuals: Array, codes: NDArray[np.int_], n_regimes: int, rank: int) -> Innovations:
    """Fit a multivariate t in each regime and factor its correlation.

    Parameters
    ----------
    residuals : (T, S)
        Standardised residuals, about unit variance.
    rank : int
        Common factors; at most S - 1 are used.
    """
    from scipy.linalg import orthogonal_procrustes

    n_sectors = residuals.shape[1]
    rank = min(rank, n_sectors - 1)
    pooled_scatter, _ = fit_multivariate_t(residuals)
    pooled_loadings = factor(_correlation(pooled_scatter), rank)
    loadings, nu = np.zeros((n_regimes, n_sectors, rank)), np.empty(n_regimes)
    for k in range(n_regimes):
        days = residuals[codes == k]
        if len(days) <= n_sectors:
            days = residuals
        scatter, nu[k] = fit_multivariate_t(days)
        keep = len(days) / (len(days) + SCATTER_PRIOR_DAYS)
        correlation = keep * _correlation(scatter) + (1 - keep) * _correlation(pooled_scatter)
        own = factor(correlation, rank)
        # Loadings are free up to a rotation; facing the pooled ones, blends of two regimes interpolate sensibly.
        loadings[k] = own @ orthogonal_procrustes(own, pooled_loadings)[0] if rank else own
    idiosyncratic = np.sqrt(1 - (loadings**2).sum(-1))
    return Innovations(
        loadings, idiosyncratic, nu, _fit_own_tail(residuals, codes, loadings, idiosyncratic, nu)
    )


def own_news(u: Array, tail: Array) -> Array:
    """Standard normals to unit-variance heavy-tailed ones; ``tail`` broadcasts."""
    return u * np.exp(0.5 * tail * u**2) * (1 - 2 * tail) ** 0.75


def _fit_own_tail(residuals: Array, codes: NDArray[np.int_], loadings: Array, own: Array, nu: Array) -> Array:
    """Tail of each sector's own news, so that the sector's innovations have the residuals' heaviness.

    A multivariate t shares one mixing variable; a sector's own jumps need a tail of their own. Heaviness is the
    fourth moment capped at six deviations (the uncapped one is a few prints), matched on simulated innovations.
    """
    rng = np.random.default_rng(20_190_318)
    n_sectors, rank = loadings.shape[1:]
    drawn = rng.choice(codes, TAIL_DRAWS)
    f, u = rng.standard_normal((TAIL_DRAWS, rank)), rng.standard_normal((TAIL_DRAWS, n_sectors))
    mixing = np.sqrt((nu[drawn] - 2) / rng.chisquare(nu[drawn]))[:, None]
    common = np.einsum("tsr,tr->ts", loadings[drawn], f)
    grid = np.linspace(0.0, MAX_TAIL, 17)
    simulated = np.array(
        [_heaviness(mixing * (common + own[drawn] * own_news(u, np.array(t)))) for t in grid]
    )
    target = _heaviness(residuals)
    return np.array(
        [np.interp(target[s], np.maximum.accumulate(simulated[:, s]), grid) for s in range(n_sectors)]
    )


def _heaviness(x: Array) -> Array:
    square = np.minimum(x**2 / (x**2).mean(0), 36.0)
    return (square**2).mean(0)


def fit_multivariate_t(x: Array, tolerance: float = 1e-6, max_iterations: int = 200) -> tuple[Array, float]:
    """Scatter (S, S) and degrees of freedom of a centred multivariate t, by EM with a profile step for nu."""
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    n, d = x.shape
    scatter, nu = x.T @ x / n, 8.0

    def negative_log_likelihood(nu: float, distance: Array, log_det: float) -> float:
        constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - d / 2 * np.log(nu * np.pi) - log_det / 2
        return float(-n * constant + (nu + d) / 2 * np.log1p(distance / nu).sum())

    for _ in range(max_iterations):
        previous = nu
        distance = np.einsum("ti,ij,tj->t", x, np.linalg.inv(scatter), x)
        weight = (nu + d) / (nu + distance)
        scatter = (x * weight[:, None]).T @ x / n
        distance = np.einsum("ti,ij,tj->t", x, np.linalg.inv(scatter), x)
        log_det = float(np.linalg.slogdet(scatter)[1])
        nu = float(
            minimize_scalar(
                negative_log_likelihood, bounds=NU_RANGE, args=(distance, log_det), method="bounded"
            ).x
        )
        if abs(nu - previous) < tolerance * nu:
            break
    return scatter, nu


def factor(correlation: Array, rank: int, iterations: int = 100) -> Array:
    """Principal-axis loadings (S, rank) of a correlation matrix, communalities kept below .98."""
    n_sectors = len(correlation)
    if rank == 0:
        return np.zeros((n_sectors, 0))
    communality = 1 - 1 / np.diag(np.linalg.inv(correlation))
    loadings = np.zeros((n_sectors, rank))
    for _ in range(iterations):
        reduced = correlation.copy()
        np.fill_diagonal(reduced, communality)
        values, vectors = np.linalg.eigh(reduced)
        loadings = vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0))
        communality = np.minimum((loadings**2).sum(1), 0.98)
    size = np.maximum((loadings**2).sum(1), 1e-12)
    return loadings * np.sqrt(np.minimum(1.0, 0.98 / size))[:, None]


def _correlation(scatter: Array) -> Array:
    scale = np.sqrt(np.diag(scatter))
    return scatter / np.outer(scale, scale)
