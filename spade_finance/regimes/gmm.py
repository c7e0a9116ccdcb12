# SPDX-License-Identifier: Apache-2.0
"""Gaussian-mixture labels: clusters of volatility and drawdown (`scikit-learn`), without dynamics.

Smoothed labels use two-sided features and a minimum duration, causal ones past-only features and a
confirmation delay, both with the mixture fitted to the two-sided training features. Covariances are diagonal
and the trend is left out: with it, or with full covariances, clusters separate rallies from falls and mix
volatilities.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.regimes.base import BaseRegimes
from spade_finance.regimes.estimator import whole_number
from spade_finance.regimes.features import FeatureMaker, Side

__all__ = ["GMMRegimes"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_WEIGHTS = (1.0, 1.0, 1.0, 1.0)  # a mixture does not see the scale of its features
_COLUMNS = 3  # of the features: the two volatilities and the drawdown
_RIDGE = 0.02  # added to variances: features are clipped, and a cluster on the clip must not be flat


class GMMRegimes(BaseRegimes):
    """Gaussian mixture of market features.

    Parameters
    ----------
    n_regimes, random_state, per_sector
        See :class:`~spade_finance.regimes.base.BaseRegimes`.
    max_iter : int
        EM iterations at most, for each of five starts.
    min_days, confirm_days : int
        Ten and five days by default: a mixture has no memory.
    """

    method = "gmm"
    features_: FeatureMaker
    covariances_: Array
    means_: Array
    weights_: Array

    def __init__(
        self,
        n_regimes: int = 4,
        *,
        random_state: int | np.random.Generator = 0,
        max_iter: int = 300,
        min_days: int = 10,
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

    def _check_parameters(self) -> None:
        super()._check_parameters()
        whole_number("max_iter", self.max_iter, 1, 100_000, "iterations")

    def _fit(self, market: Array, start: BaseRegimes | None) -> None:
        from sklearn.mixture import GaussianMixture

        seed = self.random_state
        if isinstance(seed, np.random.Generator):
            seed = int(copy.deepcopy(seed).integers(2**31 - 1))
        self.features_ = FeatureMaker.fit(market, _WEIGHTS)
        model = GaussianMixture(
            self.n_regimes,
            covariance_type="diag",
            reg_covar=_RIDGE,
            max_iter=self.max_iter,
            n_init=5,
            random_state=seed,
        )
        if isinstance(start, GMMRegimes):
            model.set_params(n_init=1, weights_init=start.weights_, means_init=start.means_)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its convergence warning; ours follows
            model.fit(self._seen(market, "both"))
        self.weights_ = np.asarray(model.weights_, dtype=np.float64)
        self.means_ = np.asarray(model.means_, dtype=np.float64)
        self.covariances_ = np.asarray(model.covariances_, dtype=np.float64)
        done = bool(model.converged_)
        message = f"mean log likelihood {float(model.lower_bound_):.6g}"
        self.convergence_ = {
            "status": "converged" if done else "not converged",
            "iterations": int(model.n_iter_),
            "message": message
            if done
            else f"{message} after max_iter={self.max_iter}; last parameters are used",
            "fallback": None if done else "last EM iteration",
        }

    def _seen(self, market: Array, side: Side) -> Array:
        return self.features_.transform(market, side)[:, :_COLUMNS]

    def _probabilities(self, seen: Array) -> Array:
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(self.n_regimes, covariance_type="diag")
        model.weights_, model.means_, model.covariances_ = self.weights_, self.means_, self.covariances_
        model.precisions_cholesky_ = 1.0 / np.sqrt(self.covariances_)
        return np.asarray(model.predict_proba(seen), dtype=np.float64)

    def _smooth(self, market: Array) -> tuple[Codes, Array]:
        p = self._probabilities(self._seen(market, "both"))
        return p.argmax(axis=1).astype(np.int64), p

    def _filter(self, market: Array) -> tuple[Codes, Array]:
        p = self._probabilities(self._seen(market, "past"))
        return p.argmax(axis=1).astype(np.int64), p

    def _reorder(self, order: Codes) -> None:
        self.weights_, self.means_ = self.weights_[order], self.means_[order]
        self.covariances_ = self.covariances_[order]

    def _state(self) -> dict[str, Any]:
        return {
            "features": self.features_.to_config(),
            "weights": self.weights_.tolist(),
            "means": self.means_.tolist(),
            "covariances": self.covariances_.tolist(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.features_ = FeatureMaker.from_config(state["features"])
        self.weights_ = np.array(state["weights"], dtype=np.float64)
        self.means_ = np.array(state["means"], dtype=np.float64)
        self.covariances_ = np.array(state["covariances"], dtype=np.float64)
