# SPDX-License-Identifier: Apache-2.0
r"""The default labeller: a statistical jump model on volatility, drawdown and trend of the market.

.. math:: \min_{s, \mu} \sum_t \tfrac12 \lVert x_t - \mu_{s_t} \rVert^2 + \lambda \sum_t 1\{s_t \ne s_{t-1}\}

(Bemporad et al. 2018; Nystrup, Lindström & Madsen 2020; Shu, Yu & Mulvey 2024), fitted by `jumpmodels`.

* **Smoothed labels** minimise this over the whole series, on two-sided features.
* **Smoothed probabilities** are those of the *continuous* jump model (Aydınhan, Kolm, Mulvey & Shu 2024) at
  the same centres and penalty, on a grid of the simplex.
* **Causal labels** are the state in which the best path up to day t ends (the online decision of the jump
  model), on past-only features, with half the penalty: those features already remember.
* **Causal probabilities** are :math:`p_t(k) \propto \exp(-(V_t(k) - \min_j V_t(j)) / \tau)`, where
  :math:`V_t(k)` is the cost of the best path up to t that ends in k and the temperature :math:`\tau` is
  fitted on the training days so that p predicts the smoothed label (log score). The continuous model's own
  online probabilities are certain on nine days in ten while right on seven; the calibrated ones
  are about as sure as they are right.

**The penalty.** Features have unit variance and are clipped at two standard deviations, so :math:`\lambda` is
in squared standard deviations: a switch must gain :math:`\lambda` in total. 5 gives 46 label changes in 23
years of the embedded sectors (1990 to 2012; the market moves 11, 17, 23 and 44 % a year in the four regimes)
and 164 in the 73 years of ten industries before 1999 (7, 11, 16 and 36 %), spells of two weeks to five years,
and sees every crisis one would name; on the former 3 gives 76 changes, 10 gives 31 and begins to lose them.
:meth:`JumpRegimes.penalty_path` prints this table for other data.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.base import BaseRegimes, too_few
from spade_finance.regimes.features import FEATURES, FeatureMaker
from spade_finance.regimes.spells import runs

__all__ = ["JumpRegimes"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

FILTER_SHARE = 0.5  # of the penalty, for causal labels: best Brier score of causal against smoothed labels
TOLERANCE = 1e-8  # of the objective per day, at which a start stops
_GRID = {2: 0.05, 3: 0.05, 4: 0.1}  # of the simplex, at most some 300 points; coarser from five regimes on
_COARSE = 0.2
_MAX_SIMPLEX = 6  # regimes; beyond, the grid of the simplex is too large
_RESTARTS = 5  # random (k-means++) starts, besides the one from the best of ten k-means


class JumpRegimes(BaseRegimes):
    """Statistical jump model.

    Parameters
    ----------
    n_regimes, random_state, min_days, confirm_days, per_sector
        See :class:`~spade_finance.regimes.base.BaseRegimes`.
    jump_penalty : float > 0
        Cost of a label change, in squared standard deviations of the features (see the module).
    filter_penalty : float > 0 or None
        The same for causal labels; None is half of `jump_penalty`.
    feature_weights : four floats >= 0
        Of 3-day volatility, 10-day volatility, drawdown from the year's high, 40-day trend. The last two
        count less by default: with more of them, regimes become rallies and falls of equal volatility.
    """

    method = "jump"
    features_: FeatureMaker
    temperature_: float
    centres_: Array

    def __init__(
        self,
        n_regimes: int = 4,
        *,
        random_state: int | np.random.Generator = 0,
        jump_penalty: float = 5.0,
        filter_penalty: float | None = None,
        feature_weights: Sequence[float] = (1.0, 1.0, 0.2, 0.1),
        min_days: int = 1,
        confirm_days: int = 1,
        per_sector: bool = False,
    ) -> None:
        super().__init__(
            n_regimes,
            random_state=random_state,
            min_days=min_days,
            confirm_days=confirm_days,
            per_sector=per_sector,
        )
        self.jump_penalty = jump_penalty
        self.filter_penalty = filter_penalty
        self.feature_weights = feature_weights

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("jump_penalty", "filter_penalty"):
            value = getattr(self, name)
            if not (name == "filter_penalty" and value is None) and not 0 < float(value) < 1e6:
                raise InputError(f"{name}={value!r}: pass a positive number (the default penalty is 5)")
        weights = np.asarray(self.feature_weights, dtype=float)
        if weights.shape != (len(FEATURES),) or not (weights >= 0).all() or not weights.sum() > 0:
            raise InputError(
                f"feature_weights={self.feature_weights!r}: pass {len(FEATURES)} numbers >= 0, for "
                f"{', '.join(FEATURES)}"
            )

    # Fitting

    def _fit(self, market: Array, start: BaseRegimes | None) -> None:
        weights = tuple(float(w) for w in self.feature_weights)
        self.features_ = FeatureMaker.fit(market, weights)
        seen = self.features_.transform(market, "both")
        model = self._unfitted(self.jump_penalty, tolerance=TOLERANCE * len(market))
        if isinstance(start, JumpRegimes):
            model.n_init = (
                0  # the market's centres, in units of the sector's own features, are the only start
            )
            model.centers_ = start.centres_.copy()
        else:
            model.centers_ = _cluster_centres(seen, self.n_regimes, self._seed())
        model.fit(seen, sort_by=None)
        centres = np.asarray(model.centers_, dtype=np.float64)
        if isinstance(start, JumpRegimes):
            lost = np.isnan(centres).any(axis=1)
            centres[lost] = start.centres_[lost] if not lost.all() else 0.0
        elif np.isnan(centres).any():
            found = int((~np.isnan(centres).any(axis=1)).sum())
            raise InputError(too_few(self.n_regimes, found, len(market)))
        self.centres_ = centres
        codes = self._decode(seen)
        self.temperature_ = self._calibrate(market, codes)
        self.convergence_ = {
            "status": "converged",
            "iterations": int(model.n_init) + 1,
            "message": f"objective {float(model.val_):.6g}, best of {int(model.n_init) + 1} starts",
            "fallback": None,
        }

    def _model(self, penalty: float, *, continuous: bool = False) -> Any:
        """A jumpmodels model with our centres, ready to decode."""
        model = self._unfitted(penalty, continuous=continuous)
        model.centers_ = self.centres_
        model.feat_weights = None
        model.check_jump_penalty_mx()
        return model

    def _unfitted(self, penalty: float, *, continuous: bool = False, tolerance: float = 1e-8) -> Any:
        from jumpmodels.jump import JumpModel

        return JumpModel(
            n_components=self.n_regimes,
            jump_penalty=float(penalty),
            cont=continuous,
            grid_size=_GRID.get(self.n_regimes, _COARSE),
            n_init=_RESTARTS,
            tol=tolerance,
            random_state=self._seed(),
        )

    def _seed(self) -> int:
        if isinstance(self.random_state, np.random.Generator):
            return int(copy.deepcopy(self.random_state).integers(2**31 - 1))
        return int(self.random_state)

    def _calibrate(self, market: Array, target: Codes) -> float:
        """Temperature of the causal probabilities with the best log score for the smoothed labels."""
        from scipy.optimize import minimize_scalar

        regret = self._regret(market)
        days = np.arange(len(target))

        def loss(log_temperature: float) -> float:
            scaled = -regret / np.exp(log_temperature)
            return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[days, target]))

        return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded").x))

    # Labelling

    def _decode(self, seen: Array) -> Codes:
        return np.asarray(self._model(self.jump_penalty).predict(seen), dtype=np.int64)

    def _smooth_codes(self, market: Array, probabilities: bool = True) -> tuple[Codes, Array]:
        if probabilities or self.min_days > 1:
            return super()._smooth_codes(market)
        codes = self._decode(self.features_.transform(market, "both"))
        return codes, np.eye(self.n_regimes)[codes]

    def _smooth(self, market: Array) -> tuple[Codes, Array]:
        seen = self.features_.transform(market, "both")
        codes = self._decode(seen)
        if self.n_regimes > _MAX_SIMPLEX:
            return codes, np.eye(self.n_regimes)[codes]
        model = self._model(self.jump_penalty, continuous=True)
        return codes, np.asarray(model.predict_proba(seen), dtype=np.float64)

    def _regret(self, market: Array) -> Array:
        """Cost (T, K) of the best path up to each day that ends in each regime, above the cheapest."""
        from jumpmodels.jump import do_E_step

        penalty = self.filter_penalty
        model = self._model(FILTER_SHARE * self.jump_penalty if penalty is None else penalty)
        cost = do_E_step(
            self.features_.transform(market, "past"),
            self.centres_,
            model.jump_penalty_mx,
            return_value_mx=True,
        )
        return np.asarray(cost - cost.min(axis=1, keepdims=True), dtype=np.float64)

    def _filter(self, market: Array) -> tuple[Codes, Array]:
        regret = self._regret(market)
        weight = np.exp(-regret / self.temperature_)
        return regret.argmin(axis=1).astype(np.int64), weight / weight.sum(axis=1, keepdims=True)

    def _reorder(self, order: Codes) -> None:
        self.centres_ = self.centres_[order]

    # Choosing the penalty, JSON

    def penalty_path(
        self, returns: pd.DataFrame, penalties: Sequence[float] = (2, 3, 5, 10, 20)
    ) -> pd.DataFrame:
        """Refit for several penalties: label changes, median spell, volatility and days of the worst regime.

        Parameters
        ----------
        returns : DataFrame (T, S) of simple returns
        penalties : sequence of float

        Returns
        -------
        DataFrame, index ``jump_penalty``; ``changes``, ``shortest``, ``median``, ``longest`` (days),
            ``crisis_volatility`` (decimal a year), ``crisis_days``, ``crisis_spells``
        """
        rows = []
        for penalty in penalties:
            own = JumpRegimes(**self.get_params() | {"jump_penalty": float(penalty), "per_sector": False})
            own.fit(returns)
            lengths = runs(own.smooth(returns).codes)[1]
            worst = own.summary_.iloc[-1]
            rows.append(
                {
                    "changes": len(lengths) - 1,
                    "shortest": int(lengths.min()),
                    "median": float(np.median(lengths)),
                    "longest": int(lengths.max()),
                    "crisis_volatility": float(worst["volatility"]),
                    "crisis_days": int(worst["days"]),
                    "crisis_spells": int(worst["spells"]),
                }
            )
        return pd.DataFrame(rows, index=pd.Index([float(p) for p in penalties], name="jump_penalty"))

    def _state(self) -> dict[str, Any]:
        return {
            "features": self.features_.to_config(),
            "centres": self.centres_.tolist(),
            "temperature": self.temperature_,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.features_ = FeatureMaker.from_config(state["features"])
        self.centres_ = np.array(state["centres"], dtype=np.float64)
        self.temperature_ = float(state["temperature"])


def _cluster_centres(seen: Array, n_regimes: int, seed: int) -> Array:
    """Centres (K, F) of plain k-means: the optimum without a jump penalty, near that with one."""
    from sklearn.cluster import KMeans

    model = KMeans(n_regimes, n_init=10, random_state=seed).fit(seen)
    return np.asarray(model.cluster_centers_, dtype=np.float64)
