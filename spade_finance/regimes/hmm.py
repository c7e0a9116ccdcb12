# SPDX-License-Identifier: Apache-2.0
"""Hidden Markov labels: a Gaussian HMM of the market's daily log return (`hmmlearn`).

Smoothed labels are the most probable path (Viterbi), smoothed probabilities the forward-backward posterior;
spells under `min_days` go to a neighbour. Causal probabilities are those of the forward filter over the same
parameters, which `hmmlearn` does not have; the causal label is the likeliest regime, confirmed for
`confirm_days`. Rydén, Teräsvirta & Åsbrink (1998), "Stylized facts of daily return series and the hidden
Markov model".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.base import BaseRegimes
from spade_finance.regimes.estimator import whole_number
from spade_finance.regimes.gaussian_chain import PERCENT, GaussianChain, forward_filter, volatility_start

__all__ = ["HMMRegimes", "fit_hmm"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


class HMMRegimes(BaseRegimes):
    """Gaussian hidden Markov model.

    Parameters
    ----------
    n_regimes, random_state, per_sector
        See :class:`~spade_finance.regimes.base.BaseRegimes`. Fitting starts from volatility quantiles and is
        deterministic.
    max_iter : int
        EM iterations at most.
    tolerance : float > 0
        Gain in log likelihood at which EM stops.
    min_days, confirm_days : int
        Five days by default: with four regimes the HMM's own spells are often shorter.
    """

    method = "hmm"
    chain_: GaussianChain

    def __init__(
        self,
        n_regimes: int = 4,
        *,
        random_state: int | np.random.Generator = 0,
        max_iter: int = 500,
        tolerance: float = 1e-2,
        min_days: int = 5,
        confirm_days: int = 5,
        per_sector: bool = False,
    ) -> None:
        super().__init__(
            n_regimes,
            random_state=random_state,
            min_days=min_days,
            confirm_days=confirm_days,
            per_sector=per_sector,
        )
        self.max_iter = max_iter
        self.tolerance = tolerance

    def _check_parameters(self) -> None:
        super()._check_parameters()
        whole_number("max_iter", self.max_iter, 1, 100_000, "iterations")
        if not self.tolerance > 0:
            raise InputError(f"tolerance={self.tolerance!r}: pass a positive number")

    def _fit(self, market: Array, start: BaseRegimes | None) -> None:
        self.chain_, self.convergence_ = fit_hmm(
            market * PERCENT, self.n_regimes, self.max_iter, self.tolerance
        )

    def _smooth(self, market: Array) -> tuple[Codes, Array]:
        model, seen = _model(self.chain_), (market * PERCENT)[:, None]
        return np.asarray(model.predict(seen), dtype=np.int64), np.asarray(model.predict_proba(seen))

    def _filter(self, market: Array) -> tuple[Codes, Array]:
        probabilities = forward_filter(self.chain_, market * PERCENT)
        return probabilities.argmax(axis=1).astype(np.int64), probabilities

    def _reorder(self, order: Codes) -> None:
        self.chain_ = self.chain_.reordered(order)

    def _state(self) -> dict[str, Any]:
        return {"chain": self.chain_.to_config()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.chain_ = GaussianChain.from_config(state["chain"])


def fit_hmm(
    percent: Array, n_regimes: int, max_iter: int, tolerance: float
) -> tuple[GaussianChain, dict[str, Any]]:
    """Fit by EM from the volatility start; the chain and its convergence report."""
    start = volatility_start(percent, n_regimes)
    model = _model(start, n_iter=max_iter, tol=tolerance)
    with _quiet():
        model.fit(percent[:, None])
    rows = np.maximum(np.asarray(model.transmat_, dtype=np.float64), 1e-12)
    initial = np.maximum(np.asarray(model.startprob_, dtype=np.float64), 1e-12)
    chain = GaussianChain(
        initial / initial.sum(),
        rows / rows.sum(axis=1, keepdims=True),
        np.asarray(model.means_[:, 0], dtype=np.float64),
        np.asarray(model.covars_, dtype=np.float64).reshape(n_regimes),
    )
    iterations = int(model.monitor_.iter)
    done = iterations < max_iter
    likelihood = float(model.monitor_.history[-1])
    return chain, {
        "status": "converged" if done else "not converged",
        "iterations": iterations,
        "message": f"log likelihood {likelihood:.6g}"
        + ("" if done else f" still rising after max_iter={max_iter}; its last parameters are used"),
        "fallback": None if done else "last EM iteration",
    }


def _model(chain: GaussianChain, *, n_iter: int = 1, tol: float = 1e-2) -> Any:
    from hmmlearn.hmm import GaussianHMM

    n = len(chain.mean)
    model = GaussianHMM(n, covariance_type="diag", n_iter=n_iter, tol=tol, init_params="", min_covar=1e-6)
    model.startprob_ = chain.initial
    model.transmat_ = chain.transition
    model.means_ = chain.mean[:, None]
    model.covars_ = chain.variance[:, None]
    model.n_features = 1
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """hmmlearn logs last-digit losses of EM as failures; the convergence report says what matters."""
    logger = logging.getLogger("hmmlearn.base")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
