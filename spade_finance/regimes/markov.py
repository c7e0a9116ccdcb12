# SPDX-License-Identifier: Apache-2.0
"""Markov-switching labels: `statsmodels` MarkovRegression of the market's log return, mean and variance
switching.

The likelihood is the HMM's (:mod:`.hmm`), maximised by some EM steps and then BFGS on the transformed
parameters. With four regimes this often does not converge and may take minutes: the fit has a time limit,
after which the best parameters seen so far are used; if they leave a regime without days, those of the HMM's
EM are. ``convergence_`` and a ConvergenceWarning say so. Hamilton (1989), "A new approach to the economic
analysis of nonstationary time series and the business cycle".
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.base import BaseRegimes
from spade_finance.regimes.estimator import whole_number
from spade_finance.regimes.gaussian_chain import PERCENT, GaussianChain, volatility_start
from spade_finance.regimes.hmm import fit_hmm

__all__ = ["MarkovSwitchingRegimes"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

EM_STEPS = 10  # before BFGS: cheap steps that make its start sensible
SECTOR_SHARE = 0.25  # of the time limit for each sector, which starts from the market's parameters
_CLIP = 1e-9  # transition probabilities stay inside (0, 1), where their transformation is finite


class MarkovSwitchingRegimes(BaseRegimes):
    """Markov-switching mean and variance.

    Parameters
    ----------
    n_regimes, random_state, per_sector
        See :class:`~spade_finance.regimes.base.BaseRegimes`. Fitting starts from volatility quantiles and is
        deterministic unless the time limit cuts it.
    time_limit : float > 0
        Seconds for the market's fit (a quarter of it for each sector's).
    max_iter : int
        BFGS iterations at most.
    min_days, confirm_days : int
        As for the HMM.
    """

    method = "markov"
    chain_: GaussianChain

    def __init__(
        self,
        n_regimes: int = 4,
        *,
        random_state: int | np.random.Generator = 0,
        time_limit: float = 60.0,
        max_iter: int = 200,
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
        self.time_limit = time_limit
        self.max_iter = max_iter

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.time_limit > 0:
            raise InputError(f"time_limit={self.time_limit!r}: pass a positive number of seconds")
        whole_number("max_iter", self.max_iter, 1, 100_000, "iterations")

    def _fit(self, market: Array, start: BaseRegimes | None) -> None:
        percent, n, limit = market * PERCENT, self.n_regimes, float(self.time_limit)
        begin = volatility_start(percent, n)
        if isinstance(start, MarkovSwitchingRegimes):
            ratio, limit = float(percent.var() / _mixed_variance(start.chain_)), limit * SECTOR_SHARE
            begin = GaussianChain(
                begin.initial,
                start.chain_.transition,
                start.chain_.mean * np.sqrt(ratio),
                start.chain_.variance * ratio,
            )
        self.chain_, self.convergence_ = _maximise(percent, begin, limit, self.max_iter)
        found = len(np.unique(_results(percent, self.chain_, smoothed=True).argmax(axis=1)))
        if found < n:
            self.chain_, report = fit_hmm(percent, n, 500, 1e-2)
            self.convergence_ |= {
                "status": "not converged",
                "fallback": "parameters of the HMM's EM",
                "message": f"{self.convergence_['message']}; its parameters use {found} of {n} regimes, so "
                f"those of the HMM's EM are used ({report['message']})",
            }

    def _smooth(self, market: Array) -> tuple[Codes, Array]:
        p = _results(market * PERCENT, self.chain_, smoothed=True)
        return p.argmax(axis=1).astype(np.int64), p

    def _filter(self, market: Array) -> tuple[Codes, Array]:
        p = _results(market * PERCENT, self.chain_, smoothed=False)
        return p.argmax(axis=1).astype(np.int64), p

    def _reorder(self, order: Codes) -> None:
        self.chain_ = self.chain_.reordered(order)

    def _state(self) -> dict[str, Any]:
        return {"chain": self.chain_.to_config()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.chain_ = GaussianChain.from_config(state["chain"])


class _TimeIsUp(Exception):
    """Raised from inside the optimiser."""


def _maximise(
    percent: Array, begin: GaussianChain, limit: float, max_iter: int
) -> tuple[GaussianChain, dict[str, Any]]:
    """Maximum likelihood within `limit` seconds; the chain and the convergence report."""
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    deadline = time.perf_counter() + limit
    seen: dict[str, Any] = {"value": -np.inf, "params": _vector(begin), "evaluations": 0}

    def note(value: Any, params: Any) -> None:
        seen["evaluations"] += 1
        if not np.iscomplexobj(value) and np.isfinite(value) and value > seen["value"]:
            seen["value"], seen["params"] = float(value), np.array(params, dtype=np.float64)
        if time.perf_counter() > deadline:
            raise _TimeIsUp

    class Watched(MarkovRegression):
        """Notes the best parameters it meets (EM goes through smooth, BFGS through loglike)."""

        def smooth(self, params: Any, *args: Any, **kwargs: Any) -> Any:
            result = super().smooth(params, *args, **kwargs)
            if kwargs.get("transformed", True):
                note(float(np.real(result.llf)), params)
            return result

        def loglike(self, params: Any, transformed: bool = True) -> Any:
            value = super().loglike(params, transformed)
            note(value, params if transformed or np.iscomplexobj(params) else self.transform_params(params))
            return value

    model = Watched(percent, k_regimes=len(begin.mean), trend="c", switching_variance=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels' own words on convergence; ours follow from its report
        try:
            result = model.fit(
                start_params=_vector(begin), em_iter=EM_STEPS, maxiter=max_iter, cov_type="none", disp=0
            )
            status = "converged" if bool(result.mle_retvals["converged"]) else "not converged"
            iterations = int(seen["evaluations"])
            message = f"log likelihood {seen['value']:.6g}"
            if status != "converged":
                message = (
                    f"BFGS stopped after {iterations} likelihood evaluations at {message}; the best "
                    "parameters seen are used"
                )
        except _TimeIsUp:
            status, iterations = "time limit", int(seen["evaluations"])
            message = (
                f"time_limit={limit:g} s reached after {iterations} likelihood evaluations; the best "
                f"parameters seen (log likelihood {seen['value']:.6g}) are used: raise time_limit or lower "
                "n_regimes"
            )
        except (np.linalg.LinAlgError, FloatingPointError, ValueError) as error:
            status, iterations = "not converged", int(seen["evaluations"])
            message = f"statsmodels failed ({error}); the best parameters seen are used"
    fallback = None if status == "converged" else "best parameters seen"
    report = {"status": status, "iterations": iterations, "message": message, "fallback": fallback}
    return _chain(seen["params"], len(begin.mean)), report


def _vector(chain: GaussianChain) -> Array:
    """statsmodels' parameters: p[i->j] for j up to K - 2 and then all i, means, variances."""
    inside = np.clip(chain.transition, _CLIP, None)
    inside /= inside.sum(axis=1, keepdims=True)
    return np.concatenate([inside[:, :-1].T.ravel(), chain.mean, chain.variance])


def _chain(params: Array, n: int) -> GaussianChain:
    left = np.real(params[: n * (n - 1)]).reshape(n - 1, n).T
    rows = np.clip(np.column_stack([left, 1.0 - left.sum(axis=1)]), _CLIP, None)
    rows = rows / rows.sum(axis=1, keepdims=True)
    mean, variance = np.real(params[n * (n - 1) : n * n]), np.real(params[n * n :])
    return GaussianChain(np.full(n, 1 / n), rows, mean.copy(), np.maximum(variance, 1e-8))


def _results(percent: Array, chain: GaussianChain, *, smoothed: bool) -> Array:
    """Marginal probabilities (T, K) by statsmodels' filter or smoother at fixed parameters."""
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    n = len(chain.mean)
    model = MarkovRegression(percent, k_regimes=n, trend="c", switching_variance=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if smoothed:
            p = model.smooth(_vector(chain), cov_type="none").smoothed_marginal_probabilities
        else:
            p = model.filter(_vector(chain), cov_type="none").filtered_marginal_probabilities
    p = np.clip(np.asarray(p, dtype=np.float64), 0.0, 1.0)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _mixed_variance(chain: GaussianChain) -> float:
    """Variance of the chain's returns, regimes weighted by their stationary law."""
    n = len(chain.mean)
    system = np.vstack([chain.transition.T - np.eye(n), np.ones(n)])
    law = np.maximum(np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0], 0.0)
    law /= law.sum()
    return float(law @ (chain.variance + chain.mean**2) - (law @ chain.mean) ** 2)
