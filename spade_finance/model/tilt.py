# SPDX-License-Identifier: Apache-2.0
r"""Tilted sampling: paths pushed toward losses, each with the likelihood ratio that takes the push out again.

Let :math:`d_t` be the unit vector in the space of the r daily common-factor normals :math:`f_t` along which the
portfolio falls fastest on day t, by the loadings A and volatilities of the day's regime:
:math:`d_t \propto -\sum_s w_s \sigma_s A_s`. The score of a path of T days,

.. math:: v = \frac{1}{\sqrt T} \sum_{t=1}^{T} d_t^\top f_t,

is standard normal. A tilt by :math:`\delta` adds :math:`\delta d_t / \sqrt T` to every :math:`f_t`, so that v is
N(:math:`\delta`, 1) and nothing else changes; the log likelihood ratio of a path, nominal over tilted, is exactly

.. math:: \log w = -\delta v + \delta^2 / 2

(Glasserman 2003, *Monte Carlo Methods in Financial Engineering*, section 4.6). Given the scores, a mixture of tilts is
weighted in one line; see :mod:`spade_finance.stress.importance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spade_finance.exceptions import InputError
from spade_finance.model.noise import Noise

if TYPE_CHECKING:
    from spade_finance.model.estimator import ScenarioGenerator
    from spade_finance.model.request import SampleRequest
    from spade_finance.scenarios import ScenarioSet

__all__ = ["Tilt", "TiltedScenarios", "loss_directions"]

MAX_SHIFT = 8.0
"""Standard deviations; beyond, weights underflow and nothing is learnt."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TiltedScenarios:
    """Tilted paths and what is needed to weigh them.

    Attributes
    ----------
    scenarios : ScenarioSet of n paths
    log_weights : (n,) log likelihood ratio, nominal over tilted; 0 where the shift is 0
    score : (n,) position along the direction of loss, in standard deviations; N(0, 1) without a tilt
    shift : (n,) tilt of each path, in the same unit
    """

    scenarios: ScenarioSet
    log_weights: Array
    score: Array
    shift: Array


class Tilt:
    """Adds the shift to a chunk's noise and keeps the paths' scores.

    Parameters
    ----------
    directions : (K, r) unit vectors, by regime
    shift : (n_paths,) total shift in standard deviations
    n_days : int
        Days that are shifted; a chunk's padding is left alone.
    """

    def __init__(self, directions: Array, shift: Array, n_days: int) -> None:
        self.directions, self.shift, self.n_days = directions, shift, n_days
        self.score = np.zeros(len(shift))

    def apply(self, noise: Noise, paths: range, weights: NDArray[np.floating]) -> Noise:
        """Shifted noise of some paths under label weights (n or 1, T, K)."""
        direction = (
            weights[:, : self.n_days] @ self.directions
        )  # (m, T, r); soft labels blend, then unit again
        length = np.linalg.norm(direction, axis=2, keepdims=True)
        # Blended opposite directions may cancel; any unit vector will do there, the ratio stays exact.
        direction = np.where(
            length > 1e-9, direction / np.maximum(length, 1e-9), np.eye(direction.shape[2])[0]
        )
        direction = np.broadcast_to(direction, (len(paths), *direction.shape[1:]))
        inside = [i for i, path in enumerate(paths) if path < len(self.shift)]
        shift = np.zeros(len(paths))
        shift[inside] = self.shift[[paths[i] for i in inside]]
        factors = noise.factors
        if shift.any():
            factors = factors.copy()
            daily = shift / np.sqrt(self.n_days)
            factors[:, : self.n_days] += (daily[:, None, None] * direction).astype(np.float32)
        score = np.einsum("ntr,ntr->n", direction, factors[:, : self.n_days].astype(np.float64))
        self.score[[paths[i] for i in inside]] = score[inside] / np.sqrt(self.n_days)
        return Noise(factors, noise.own, noise.mixing)

    @property
    def log_weights(self) -> Array:
        """(n_paths,) log likelihood ratio, nominal over tilted."""
        return np.asarray(-self.shift * self.score + 0.5 * self.shift**2)


def loss_directions(model: ScenarioGenerator, weights: Any = None) -> Array:
    """Unit vectors (K, r) along which a portfolio falls fastest in each regime.

    Parameters
    ----------
    model : ScenarioGenerator
    weights : mapping of sector to weight, or S numbers, optional
        Default the equal-weight market.

    Raises
    ------
    InputError
        A portfolio without exposure to the common factors.
    """
    vector = _portfolio(model, weights)
    volatility = model.start_.moments.volatility  # (K, S)
    loadings = model.start_.innovations.loadings  # (K, S, r)
    fall = -np.einsum("s,ks,ksr->kr", vector, volatility, loadings)
    length = np.linalg.norm(fall, axis=1, keepdims=True)
    if (length < 1e-9).any():
        raise InputError(
            "weights: the portfolio has no exposure to the common factors, so there is no direction to tilt in; "
            "leave weights out to tilt the equal-weight market."
        )
    return np.asarray(fall / length)


def tilted_request(
    request: SampleRequest, shift: Any, weights: Any, severity: Any, extrapolate: bool
) -> SampleRequest:
    """The request with its tilt and its severities of drawn days."""
    from dataclasses import replace

    model = request.model
    tilt = Tilt(loss_directions(model, weights), _shifts(shift, request.n_paths), request.n_days)
    severities = None if severity is None else _severities(request, severity, extrapolate)
    provenance = {**request.provenance, "shift": _short(tilt.shift)}
    if severities is not None:
        provenance["severities"] = [float(s) for s in severities]
    return replace(request, tilt=tilt, severities=severities, provenance=provenance)


def _shifts(shift: ArrayLike, n_paths: int) -> Array:
    values = np.asarray(shift, dtype=np.float64)
    if (
        values.shape not in ((), (n_paths,))
        or not np.isfinite(values).all()
        or (np.abs(values) > MAX_SHIFT).any()
    ):
        raise InputError(
            f"shift must be one number from {-MAX_SHIFT:g} to {MAX_SHIFT:g} standard deviations, or one for each of "
            f"the {n_paths} paths; got {np.array2string(values, threshold=4)}."
        )
    return np.array(np.broadcast_to(values, (n_paths,)))


def _severities(
    request: SampleRequest, severity: Mapping[str, float] | Sequence[float], extrapolate: bool
) -> Array:
    model = request.model
    if request.fixed is not None:
        raise InputError(
            "severity is for days that each path draws; the script is fixed, so write it there: 'crisis*1.1:20'."
        )
    if isinstance(severity, Mapping):
        unknown = [name for name in severity if name not in model.regimes_]
        if unknown:
            raise InputError(
                f"severity names {unknown[0]!r}, no regime of the model: {', '.join(model.regimes_)}."
            )
        severity = [float(severity.get(name, 1.0)) for name in model.regimes_]
    values = np.asarray(severity, dtype=np.float64)
    if values.shape != (len(model.regimes_),) or not (values > 0).all() or not np.isfinite(values).all():
        raise InputError(
            f"severity must be {len(model.regimes_)} positive numbers, one a regime; got {severity!r}."
        )
    low, high = model.severity_range_
    if not extrapolate and not ((values >= low - 1e-9) & (values <= high + 1e-9)).all():
        raise InputError(
            f"severity {values.tolist()} leaves the trained range {low:.2f} to {high:.2f}; "
            "stay inside or pass extrapolate=True."
        )
    return values


def _portfolio(model: ScenarioGenerator, weights: Any) -> Array:
    sectors = model.sectors_
    if weights is None:
        return np.full(len(sectors), 1.0 / len(sectors))
    if hasattr(weights, "items"):
        named = {str(name): float(value) for name, value in weights.items()}
        unknown = [name for name in named if name not in sectors]
        if unknown:
            raise InputError(f"weights name {unknown[0]!r}, which is no sector: {', '.join(sectors)}.")
        return np.array([named.get(name, 0.0) for name in sectors])
    vector = np.asarray(weights, dtype=np.float64)
    if vector.shape != (len(sectors),) or not np.isfinite(vector).all():
        raise InputError(
            f"weights must be {len(sectors)} numbers, one a sector, or a mapping; got {weights!r}."
        )
    return vector


def _short(shift: Array) -> float | str:
    values = np.unique(shift)
    return float(values[0]) if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}, {len(values)} levels"
