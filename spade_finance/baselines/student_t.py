# SPDX-License-Identifier: Apache-2.0
r"""Maximum likelihood for the multivariate Student-t.

.. math::
    x \sim t_\nu(\mu, \Sigma): \quad x = \mu + \sqrt{\nu / g}\, L z, \qquad z \sim N(0, I),\; g \sim
    \chi^2_\nu,\; LL^\top = \Sigma

with covariance :math:`\Sigma\,\nu / (\nu - 2)`. For given :math:`\nu` an EM step reweights each day by
:math:`w = (\nu + S) / (\nu + d)`, d its squared Mahalanobis distance (Liu & Rubin 1995, "ML estimation of the
t distribution using EM and its extensions", with their scaling by the sum of weights, which converges
faster); :math:`\nu` then maximises the likelihood itself (the ECME step).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NU_RANGE = (2.1, 100.0)
"""Bounds of the degrees of freedom: a variance exists, and 100 is a Gaussian for all purposes here."""


@dataclass(frozen=True)
class StudentT:
    """Location (S,), scatter (S, S) and degrees of freedom of a multivariate t."""

    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]
    nu: float
    log_likelihood: float

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(S, S) covariance, which is larger than the scatter."""
        return self.scatter * self.nu / (self.nu - 2.0)


def fit_student_t(x: NDArray[np.float64], *, max_steps: int = 200, tolerance: float = 1e-8) -> StudentT:
    """Fit by ECME.

    Parameters
    ----------
    x : (days, S)
        Observations; at least S + 2 of them.
    max_steps : int
        EM steps at most; each is a full pass.
    tolerance : float
        Stop when the log-likelihood a day rises by less.
    """
    from scipy.optimize import minimize_scalar

    n_days, size = x.shape
    mean, scatter, nu = x.mean(0), np.cov(x.T, bias=True).reshape(size, size), 8.0
    scatter = scatter * (nu - 2.0) / nu
    last = -np.inf
    for _ in range(max_steps):
        distance, log_det = _mahalanobis(x, mean, scatter)

        def negative(
            candidate: float, distance: NDArray[np.float64] = distance, log_det: float = log_det
        ) -> float:
            return -_log_likelihood(distance, log_det, candidate, size) / n_days

        best = minimize_scalar(negative, bounds=NU_RANGE, method="bounded", options={"xatol": 1e-6})
        nu, now = float(best.x), -float(best.fun)
        if now - last < tolerance:
            break
        last = now
        weight = (nu + size) / (nu + distance)
        mean = weight @ x / weight.sum()
        centred = x - mean
        scatter = (centred.T * weight) @ centred / weight.sum()
    return StudentT(mean, scatter, nu, now * n_days)


def draw_student_t(
    laws: list[StudentT | None],
    codes: NDArray[np.integer],
    n_paths: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Independent draws, (n_paths, days, S) float32, under the law of each day's code.

    `codes` is (days,) or (n_paths, days); a law may be None when its code does not occur.
    """
    known = [law for law in laws if law is not None]
    shape = (n_paths, codes.shape[-1])
    x = rng.standard_normal((*shape, len(known[0].mean)), dtype=np.float32)
    gamma = np.empty(shape, dtype=np.float32)
    wide = np.broadcast_to(codes, shape)
    for code, law in enumerate(laws):
        if law is None:
            continue
        # One block of days for a common timeline, scattered cells for timelines that differ by path.
        where = (slice(None), codes == code) if codes.ndim == 1 else wide == code
        if not np.any(codes == code):
            continue
        gamma[where] = rng.standard_gamma(law.nu / 2.0, size=gamma[where].shape, dtype=np.float32)
        root = np.linalg.cholesky(law.scatter).astype(np.float32)
        stretch = np.sqrt(np.float32(law.nu / 2.0) / gamma[where])
        x[where] = law.mean.astype(np.float32) + stretch[..., None] * (x[where] @ root.T)
    return x


def _mahalanobis(
    x: NDArray[np.float64], mean: NDArray[np.float64], scatter: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Squared distance of every row and the log determinant of the scatter."""
    root = np.linalg.cholesky(scatter)
    white = np.linalg.solve(root, (x - mean).T)
    return (white**2).sum(0), float(2.0 * np.log(np.diag(root)).sum())


def _log_likelihood(distance: NDArray[np.float64], log_det: float, nu: float, size: int) -> float:
    from scipy.special import gammaln

    constant = gammaln((nu + size) / 2) - gammaln(nu / 2) - size / 2 * np.log(nu * np.pi) - log_det / 2
    return float(len(distance) * constant - (nu + size) / 2 * np.log1p(distance / nu).sum())
