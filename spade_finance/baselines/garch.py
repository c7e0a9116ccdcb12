# SPDX-License-Identifier: Apache-2.0
r"""GJR-GARCH(1,1) filters with Student-t innovations, the margins of FHS and of DCC.

.. math::
    z_t = \sqrt{h_t}\, e_t, \qquad
    h_{t+1} = \omega + (\alpha + \gamma\, 1_{z_t < 0})\, z_t^2 + \beta h_t

of returns standardised by their regime (Glosten, Jagannathan & Runkle 1993), fitted by ``arch``.

**Long horizons.** Volatility explodes in free simulation where a filter that was fitted one day ahead has no finite
moments. With the reaction :math:`A = (\alpha + \gamma 1_{e<0}) e^2` under the innovations in use:

- variance targeting, :math:`\omega = 1 - (E A + \beta)`: the stationary variance is one (Engle & Mezrich 1996);
- stationarity: the persistence :math:`E A + \beta` is at most :data:`MAX_PERSISTENCE`;
- a fourth moment (He & Teräsvirta 1999): with the persistence :math:`p = E A + \beta`,
  :math:`E h^2 = (1 - p^2) / (1 - p^2 - \operatorname{var} A)` is at most :data:`MAX_SQUARE`; else the reaction is
  damped in favour of :math:`\beta`, persistence unchanged.

Nothing is clipped.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import ConvergenceWarning

Array = NDArray[np.float64]

MAX_PERSISTENCE = 0.995
"""A larger persistence is brought down to this: a unit-root variance drifts off over long scenarios."""
MAX_SQUARE = 3.0
"""E h^2 of a variance of mean one; daily equity filters have 1.2 to 2."""


@dataclass(frozen=True)
class Gjr:
    """A fitted filter: alpha, gamma, beta (3,), degrees of freedom, conditional volatility (days,)."""

    parameters: Array
    nu: float
    volatility: Array


def fit_gjr(z: Array, who: str) -> Gjr:
    """Fit one standardised series (days,); ConvergenceWarning naming `who` if the optimiser gave up."""
    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arch warns about scale and convergence; the flag is read below
        model = arch_model(z, mean="Zero", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
        fitted = model.fit(disp="off", show_warning=False)
    if fitted.convergence_flag != 0:
        warnings.warn(
            f"{who}: GJR-GARCH did not converge (flag {fitted.convergence_flag}); its last parameters are "
            "used",
            ConvergenceWarning,
            stacklevel=6,
        )
    parameters = np.array([float(fitted.params[name]) for name in ("alpha[1]", "gamma[1]", "beta[1]")])
    return Gjr(parameters, float(fitted.params["nu"]), np.asarray(fitted.conditional_volatility))


def stationary(parameters: Array, e: Array) -> Array:
    """Omega, alpha, gamma, beta with mean variance one and the moments that long scenarios need.

    Parameters
    ----------
    parameters : (3,)
        alpha, gamma, beta as fitted.
    e : (days,)
        Innovations that the filter will be driven by, of unit variance.
    """
    alpha, gamma, beta = parameters
    reaction = (alpha + gamma * (e < 0)) * e**2
    mean = float(reaction.mean())
    shrink = min(1.0, MAX_PERSISTENCE / (mean + beta))
    alpha, gamma, beta, mean = alpha * shrink, gamma * shrink, beta * shrink, mean * shrink
    persistence = mean + beta
    variance = float(reaction.var()) * shrink**2
    most = (1 - 1 / MAX_SQUARE) * (1 - persistence**2)
    damp = min(1.0, float(np.sqrt(most / variance))) if variance > 0 else 1.0
    return np.array([1 - persistence, alpha * damp, gamma * damp, persistence - mean * damp])


def filter_variance(z: Array, codes: NDArray[np.integer], garch: Array) -> Array:
    """Conditional variances before each day and after the last, (days + 1, S), from one.

    `garch` (K, S, 4) holds omega, alpha, gamma, beta of every regime; the variance of day t follows from the
    day before by the parameters of day t's regime (after the last day: its own).
    """
    h = np.ones((len(z) + 1, z.shape[1]))
    following = np.append(codes[1:], codes[-1])
    for t, row in enumerate(z):
        omega, alpha, gamma, beta = garch[following[t]].T
        h[t + 1] = omega + (alpha + gamma * (row < 0)) * row**2 + beta * h[t]
    return h


def simulate(
    e: NDArray[np.float32],
    codes: NDArray[np.integer],
    garch: Array,
    variance: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Standardised returns z of innovations `e` (n, days, S), which are overwritten by them.

    Parameters
    ----------
    codes : (days,) or (n, days)
    garch : (K, S, 4)
        As in :func:`filter_variance`.
    variance : (S,)
        Of day 0.
    """
    parameters = garch.astype(np.float32)
    h = np.tile(variance.astype(np.float32), (len(e), 1))
    n_days = e.shape[1]
    for t in range(n_days):
        z = np.sqrt(h) * e[:, t]
        e[:, t] = z
        if t + 1 == n_days:
            break
        k = codes[t + 1] if codes.ndim == 1 else codes[:, t + 1]
        omega, alpha, gamma, beta = np.moveaxis(parameters[k], -1, 0)
        h *= beta
        h += omega + (alpha + gamma * (z < 0)) * (z * z)
    return e
