# SPDX-License-Identifier: Apache-2.0
r"""A Markov chain of regimes with Gaussian returns: what two labellers estimate, and its filter.

:math:`s_t` is a Markov chain with transition matrix A, and :math:`x_t \mid s_t = k \sim N(m_k, v_k)` is the
market's log return in percent. The causal probabilities follow from the forward recursion (Hamilton 1989)

.. math:: \alpha_t(k) \propto N(x_t; m_k, v_k) \sum_j \alpha_{t-1}(j) A_{jk}, \qquad \sum_k \alpha_t(k) = 1 .
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spade_finance.regimes.features import weighted_mean

__all__ = ["PERCENT", "GaussianChain", "forward_filter", "volatility_start"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

PERCENT = 100.0
"""Returns enter the optimisers in percent: numbers near 1."""


@dataclass(frozen=True)
class GaussianChain:
    """Initial law (K,), transition (K, K) with rows summing to 1, means and variances (K,) in percent."""

    initial: Array
    transition: Array
    mean: Array
    variance: Array

    def reordered(self, order: Codes) -> GaussianChain:
        """The same chain with regimes renumbered: the i-th becomes what was ``order[i]``."""
        return GaussianChain(
            self.initial[order], self.transition[np.ix_(order, order)], self.mean[order], self.variance[order]
        )

    def to_config(self) -> dict[str, Any]:
        """JSON-able state."""
        return {name: getattr(self, name).tolist() for name in ("initial", "transition", "mean", "variance")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Restore from :meth:`to_config`."""
        names = ("initial", "transition", "mean", "variance")
        return cls(*(np.array(config[name], dtype=np.float64) for name in names))


def forward_filter(chain: GaussianChain, percent: Array) -> Array:
    """Probabilities (T, K) of the regimes given returns up to each day; rows sum to 1."""
    deviation = percent[:, None] - chain.mean[None, :]
    log_density = -0.5 * (np.log(2 * np.pi * chain.variance) + deviation**2 / chain.variance)  # (T, K)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    out = np.empty_like(density)
    weight = chain.initial * density[0]
    out[0] = weight / weight.sum()
    for t in range(1, len(percent)):
        weight = (out[t - 1] @ chain.transition) * density[t]
        total = weight.sum()
        # A day that the reachable regimes all but exclude (a crash under a degenerate chain): density alone.
        out[t] = weight / total if total > 0 else density[t] / density[t].sum()
    return out


def volatility_start(percent: Array, n_regimes: int) -> GaussianChain:
    """Where the optimisers start: equal parts of the days by recent volatility, spells of about a month."""
    recent = weighted_mean(percent**2, 10.0, "both", float(percent.var()), 3.0)
    part = np.searchsorted(np.quantile(recent, np.arange(1, n_regimes) / n_regimes), recent)
    stay = 0.97
    transition = np.full((n_regimes, n_regimes), (1 - stay) / (n_regimes - 1))
    np.fill_diagonal(transition, stay)
    floor = 1e-6 * float(percent.var())
    mean = [percent[part == k].mean() if (part == k).any() else percent.mean() for k in range(n_regimes)]
    spread = [percent[part == k].var() if (part == k).any() else percent.var() for k in range(n_regimes)]
    return GaussianChain(
        np.full(n_regimes, 1 / n_regimes), transition, np.array(mean), np.maximum(np.array(spread), floor)
    )
