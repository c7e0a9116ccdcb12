# SPDX-License-Identifier: Apache-2.0
r"""Student-t copula with dynamic conditional correlation: likelihood, fit, simulation.

Engle (2002), "Dynamic conditional correlation", DCC(1,1), in the copula form of Patton (2006) and Jondeau & Rockinger
(2006). For scores :math:`y_t = t_\nu^{-1}(u_t) \sqrt{(\nu - 2) / \nu}` of uniform margins,

.. math::
    G_t = (1 - a - b)\, I + a\, w_{t-1} w_{t-1}' + b\, G_{t-1}, \qquad w_t = \bar Q_{k_t}^{-1/2} y_t, \qquad
    R_t = \operatorname{corr}\bigl(\bar Q_{k_t}^{1/2} G_t\, \bar Q_{k_t}^{1/2}\bigr)

.. math::
    \log c_t = \log \frac{\Gamma(\frac{\nu + S}{2})\, \Gamma(\frac\nu2)^{S - 1}}{\Gamma(\frac{\nu + 1}{2})^S}
        - \tfrac12 \log |R_t| - \tfrac{\nu + S}{2} \log\Bigl(1 + \tfrac{x_t' R_t^{-1} x_t}{\nu}\Bigr)
        + \tfrac{\nu + 1}{2} \sum_s \log\Bigl(1 + \tfrac{x_{t,s}^2}{\nu}\Bigr), \qquad x = t_\nu^{-1}(u)

With one regime this is Engle's :math:`Q_t = (1 - a - b) \bar Q + a\, y y' + b\, Q_{t-1}`, rotated (Noureldin, Shephard
& Sheppard 2014). With several, the mean correlation changes on the day of the switch, as the map says, and what is
remembered of the past are deviations from it; in Engle's form the target would be reached half a year later.

Correlation targeting: :math:`\bar Q_k` is the correlation of the scores on the days of regime k, not estimated.
Aielli (2013) shows that targeting is slightly biased; the bias is small at the a of daily returns. :math:`a, b \ge 0`
and :math:`a + b \le` :data:`MAX_PERSISTENCE` keep G stationary and positive definite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.recolour import regime_correlations

Array = NDArray[np.float64]

MAX_PERSISTENCE = 0.999
NU_RANGE = (2.5, 60.0)
EDGE = 1e-9
"""Uniforms are held this far from 0 and 1."""


@dataclass(frozen=True)
class Dcc:
    """a, b, nu; targets (K, S, S); ``last`` (S, S) is G after the last day; log-likelihood of the copula."""

    a: float
    b: float
    nu: float
    targets: Array
    last: Array
    log_likelihood: float


def scores(u: Array, nu: float) -> Array:
    """Student-t quantiles x of uniforms (not yet of unit variance)."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(nu, np.clip(u, EDGE, 1 - EDGE)))


def roots(targets: Array) -> tuple[Array, Array]:
    """Symmetric square roots (K, S, S) and their inverses."""
    values, vectors = np.linalg.eigh(targets)
    size = np.sqrt(np.maximum(values, 1e-8))[:, None]
    across = vectors.swapaxes(1, 2)
    return (vectors * size) @ across, (vectors / size) @ across


def dynamic_correlation(
    y: Array, codes: NDArray[np.integer], targets: Array, a: float, b: float
) -> tuple[Array, Array]:
    """Correlations R (days, S, S) and the G (S, S) that follows the last day; G begins at the identity.

    Parameters
    ----------
    y : (days, S)
        Scores of unit variance.
    codes : (days,)
    targets : (K, S, S)
    """
    from scipy.signal import lfilter

    n, size = y.shape
    root, inverse = roots(targets)
    w = (inverse[codes] @ y[:, :, None])[:, :, 0]
    product = w[:, :, None] * w[:, None, :]
    drive = np.empty((n + 1, size, size))
    drive[0] = np.eye(size)
    drive[1:] = (1 - a - b) * np.eye(size) + a * product
    g = lfilter([1.0], [1.0, -b], drive.reshape(n + 1, -1), axis=0).reshape(n + 1, size, size)
    q = root[codes] @ g[:-1] @ root[codes]
    scale = np.sqrt(np.einsum("tii->ti", q))
    return q / scale[:, :, None] / scale[:, None, :], g[-1]


def log_likelihood(x: Array, r: Array, nu: float) -> float:
    """Copula log-likelihood of quantiles x (days, S) under correlations (days, S, S)."""
    from scipy.special import gammaln

    n, size = x.shape
    root = np.linalg.cholesky(r)
    white = np.linalg.solve(root, x[:, :, None])[:, :, 0]
    log_det = 2 * np.log(np.einsum("tii->ti", root)).sum(1)
    constant = gammaln((nu + size) / 2) + (size - 1) * gammaln(nu / 2) - size * gammaln((nu + 1) / 2)
    joint = -0.5 * log_det - (nu + size) / 2 * np.log1p((white**2).sum(1) / nu)
    return float(n * constant + joint.sum() + (nu + 1) / 2 * np.log1p(x**2 / nu).sum())


def fit_dcc(u: Array, codes: NDArray[np.integer], n_regimes: int) -> Dcc:
    """Maximum likelihood of a, b and nu, for uniforms (days, S) with labels (days,).

    The three are searched as ``log nu``, the logit of ``a + b`` over its bound and the logit of a's share of it.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    kept: dict[float, tuple[Array, Array]] = {}

    def prepared(nu: float) -> tuple[Array, Array]:
        if nu not in kept:
            kept.clear()  # finite differences in a and b come back to the same nu
            x = scores(u, nu)
            kept[nu] = (x, regime_correlations(x, codes, n_regimes))
        return kept[nu]

    def parameters(p: Array) -> tuple[float, float, float]:
        total, share = MAX_PERSISTENCE * expit(p[1]), expit(p[2])
        return float(total * share), float(total * (1 - share)), float(np.exp(p[0]))

    def cost(p: Array) -> float:
        a, b, nu = parameters(p)
        x, targets = prepared(nu)
        r, _ = dynamic_correlation(x * np.sqrt((nu - 2) / nu), codes, targets, a, b)
        return -log_likelihood(x, r, nu) / len(u)

    start = np.array([np.log(8.0), logit(0.97 / MAX_PERSISTENCE), logit(0.03)])
    bounds = [(np.log(NU_RANGE[0]), np.log(NU_RANGE[1])), (-3.0, 8.0), (-7.0, 3.0)]
    options = {"maxiter": 30, "ftol": 1e-8}
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds, options=options)
    a, b, nu = parameters(found.x)
    x, targets = prepared(nu)
    _, last = dynamic_correlation(x * np.sqrt((nu - 2) / nu), codes, targets, a, b)
    return Dcc(a, b, nu, targets, last, -float(found.fun) * len(u))


def simulate_scores(
    dcc: Dcc,
    codes: NDArray[np.integer],
    n_paths: int,
    rng: np.random.Generator,
    start: Array | None = None,
) -> NDArray[np.float32]:
    """Scores y (n_paths, days, S), each of unit-variance t margins, under codes (days,) or (n_paths, days).

    `start` (S, S) is G on day 0; default the identity, where R is the first day's target.
    """
    n_days, size = codes.shape[-1], dcc.targets.shape[-1]
    out = np.empty((n_paths, n_days, size), dtype=np.float32)
    root, inverse = roots(dcc.targets)
    rest = (1 - dcc.a - dcc.b) * np.eye(size)
    g = np.tile(np.eye(size) if start is None else start, (n_paths, 1, 1))
    for t in range(n_days):
        k = codes[t] if codes.ndim == 1 else codes[:, t]
        half = root[k] @ np.linalg.cholesky(g)
        scale = np.sqrt((half**2).sum(-1, keepdims=True))
        mixing = np.sqrt((dcc.nu - 2) / (2 * rng.standard_gamma(dcc.nu / 2, n_paths)))
        y = mixing[:, None, None] * ((half / scale) @ rng.standard_normal((n_paths, size, 1)))
        out[:, t] = y[:, :, 0]
        w = inverse[k] @ y
        g *= dcc.b
        g += rest + dcc.a * (w * w.swapaxes(1, 2))
    return out
